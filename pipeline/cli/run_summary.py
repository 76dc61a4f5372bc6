"""The end of a run: result and progress → lines for a person."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from pipeline.cli.console.printing import failure_line
from pipeline.cli.console.text import duration, one_line
from pipeline.cli.next_step import command_line, complete_hint, current_verb
from pipeline.cli.options import RunOptions
from pipeline.cli.run_cost import result_lines
from pipeline.counting import plural
from pipeline.errors import ExitCode, PipelineError
from pipeline.job import FailureClass, JobStatus
from pipeline.manifest import Manifest, expand
from pipeline.planning import Plan
from pipeline.running.progress import Progress
from pipeline.running.result import RunResult

FAILURES_SHOWN = 20
_COUNTED = (
    ("saved", "saved"),
    ("renamed", "renamed"),
    ("done", "done before"),
    ("failed", "failed"),
    ("skipped", "failed for good before"),
    ("blocked", "blocked"),
    ("made", "made for later steps"),
    ("not_needed", "not needed"),
    ("unknown", "unsure"),
    ("in_flight", "left in flight"),
    ("not_fetched", "made but not fetched"),
    ("not_submitted", "not submitted"),
)
# What a later look collects without paying again.
_COLLECTED_FREE = {
    FailureClass.TIMED_OUT,
    FailureClass.LOST,
    FailureClass.NO_OUTPUT,
    FailureClass.DOWNLOAD,
}


def summary_lines(
    progress: Progress, result: RunResult | None, options: RunOptions, plan: Plan
) -> Iterator[str]:
    """Failures, counts, costs and the next command.

    Args:
        progress: Of the run.
        result: Of the run; None if an error ended it: then only the failures.
        options: Of the command.
        plan: What was carried out.
    """
    yield from trouble_lines(progress, plan.manifest)
    if result is None:
        return
    counts = result.counts
    parts = [f"{counts[key]:,} {word}" for key, word in _COUNTED if counts.get(key)]
    if progress.files > counts.get("saved", 0) and not counts.get("renamed"):
        parts[0] += f" ({plural(progress.files, 'file')})"
    yield (
        f"{', '.join(parts) or 'nothing to do'} in {duration(progress.elapsed_s)}"
        f" → {plan.store.describe()}" + (" (emulated)" if options.emulate else "")
    )
    yield from result_lines(result, options.cu_price)
    for step in next_steps(progress, result, options):
        yield f"  next: {step}"


def trouble_lines(progress: Progress, manifest: Manifest) -> Iterator[str]:
    """The first failed or unsure items, with place, reason and hint."""
    shown = list(progress.troubles.values())[:FAILURES_SHOWN]
    places = find_places(manifest, [trouble.item_id for trouble in shown])
    for trouble in shown:
        yield failure_line(
            trouble.item_id,
            trouble.reason,
            place=places.get(trouble.item_id, ""),
            is_unsure=trouble.is_unsure,
        )
        if trouble.hint:
            hint = complete_hint(trouble.hint, trouble.item_id)
            yield f"    {one_line(hint, 400)}"
    unsure = progress.states[JobStatus.UNKNOWN]
    more = progress.failed + progress.blocked + unsure - len(shown)
    if more > 0:
        yield f"… and {more:,} more: {command_line('status')}"


def find_places(manifest: Manifest, item_ids: Collection[str]) -> dict[str, str]:
    """``file:line`` of each item that the manifest has, by item id."""
    wanted = set(item_ids)
    places: dict[str, str] = {}
    # A file of rows may have changed since it was read: then some have no place.
    with suppress(PipelineError):
        for item in expand(manifest) if wanted else ():
            if item.item_id in wanted:
                places[item.item_id] = f"{item.file}:{item.line}"
                wanted.discard(item.item_id)
                if not wanted:
                    break
    return places


def next_steps(
    progress: Progress, result: RunResult, options: RunOptions
) -> Iterator[str]:
    """What to do next, as commands; nothing if there is nothing to do."""
    counts, code = result.counts, result.exit_code
    again = command_line(current_verb())
    left = counts.get("in_flight") or counts.get("not_fetched")
    if code is ExitCode.PLAN_MOVED:
        yield f"run without --frozen to pay for the rest: {again}"
    elif code is ExitCode.BUDGET:
        more = command_line("run", without=("max_cost",))
        yield f"run again with a larger budget to make the rest: {more}"
    elif left:
        yield f"collect the rest, free: {command_line('fetch')}"
        if counts.get("not_submitted"):
            yield f"go on: {again}"
    elif counts.get("unknown"):
        yield f"run again later to settle what is unsure: {again}"
    elif code is ExitCode.INTERRUPTED and counts.get("not_submitted"):
        yield f"go on: {again}"
    elif counts.get("failed") or counts.get("skipped"):
        yield from _after_failures(progress, counts)
    elif options.emulate and code is ExitCode.OK and counts.get("saved"):
        real = command_line("plan", without=("emulate", "output"))
        yield f"see what it costs for real, free: {real}"


def _after_failures(progress: Progress, counts: Mapping[str, int]) -> Iterator[str]:
    free = sum(progress.failures[kind] for kind in _COLLECTED_FREE)
    if free:
        fetch = command_line("fetch", without=("job_timeout",))
        yield f"collect what is paid for, free: {fetch}"
    if counts.get("failed", 0) + counts.get("skipped", 0) > free:
        yield f"look at the reasons, then: {command_line('rerun')}"
