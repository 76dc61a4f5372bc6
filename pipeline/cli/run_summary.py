"""The end of a run: result and progress → lines for a person."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress

from pipeline.cli.console.printing import Room
from pipeline.cli.console.text import duration
from pipeline.cli.next_step import command_line, current_verb
from pipeline.cli.options import RunOptions
from pipeline.cli.run_cost import result_lines
from pipeline.cli.trouble_list import trouble_lines
from pipeline.counting import items_and_jobs, plural
from pipeline.errors import ExitCode, PipelineError
from pipeline.job import FailureClass, JobStatus
from pipeline.manifest import Manifest, expand
from pipeline.planning import Plan
from pipeline.report.outcomes import WORDS
from pipeline.running.joint import JointResult
from pipeline.running.progress import Progress
from pipeline.running.result import RunResult

_CHANGES_SHOWN, _CHANGES_ON_SCREEN = 10, 2
_ROWS_OF_ERROR = 6
_ROWS_OF_PROMPT = 2  # of the shell, and the command as it was typed
_WORDS = WORDS | {
    "renamed": "renamed",
    "done": "done before",
    "skipped": "failed for good before",
    "made": "made for later steps",
    "not_needed": "not needed",
}
_COUNTED = (
    *("saved", "renamed", "done", "failed", "skipped", "blocked", "made"),
    *("not_needed", "unknown", "in_flight", "not_fetched", "not_submitted"),
)
# What a later look collects without paying again.
_COLLECTED_FREE = {
    FailureClass.TIMED_OUT,
    FailureClass.LOST,
    FailureClass.NO_OUTPUT,
    FailureClass.DOWNLOAD,
}


def summary_lines(
    progress: Progress,
    result: RunResult | None,
    options: RunOptions,
    plan: Plan,
    room: Room | None,
) -> Iterator[str]:
    """Failures, counts, costs and the next command, so that they fit the room.

    With --quiet, only the failures.

    Args:
        progress: Of the run.
        result: Of the run; None if an error ended it: then only the failures.
        options: Of the command.
        plan: What was carried out.
        room: The terminal; None if there is none.
    """
    end: list[str] = []
    if result is not None and not options.quiet:
        end = list(_end_lines(progress, result, options, plan, room))
    yield from with_troubles(progress, end, room)


def with_troubles(
    progress: Progress, end: Sequence[str], room: Room | None
) -> Iterator[str]:
    """The failures and then the end of a run, so that both fit the room.

    Args:
        progress: Of the run.
        end: The lines of its end; none if an error ended it.
        room: The terminal; None if there is none.
    """
    if room is not None:
        # An error that ended the run follows, with its next command.
        taken = room.rows_of(end) if end else _ROWS_OF_ERROR
        room = room.without(taken + _ROWS_OF_PROMPT)
    total = progress.failed + progress.blocked + progress.states[JobStatus.UNKNOWN]
    troubles = [*progress.troubles.values()]
    yield from trouble_lines(troubles, total=total, room=room)
    yield from end


def _end_lines(
    progress: Progress,
    result: RunResult,
    options: RunOptions,
    plan: Plan,
    room: Room | None,
) -> Iterator[str]:
    counts = result.counts
    files = progress.files if not counts.get("renamed") else 0
    words = count_words(counts, files=files) or "nothing to do"
    if plan.items != plan.total:
        words = f"{items_and_jobs(plan.items, plan.total)}: {words}"
    yield (
        f"{words} in {duration(progress.elapsed_s)}"
        f" → {plan.store.describe()}" + (" (emulated)" if options.emulate else "")
    )
    yield from cost_and_changes(result, options, room)
    if result.gallery is not None:
        yield f"  gallery: {result.gallery}"
    for step in next_steps(progress, result, options):
        yield f"  next: {step}"


def cost_and_changes(
    result: RunResult | JointResult, options: RunOptions, room: Room | None
) -> Iterator[str]:
    """What a run has cost, and as many changed inputs as there is room for."""
    most = _CHANGES_SHOWN if room is None else _CHANGES_ON_SCREEN
    yield from result_lines(result, options.cu_price, most_changes=most)


def count_words(counts: Mapping[str, int], *, files: int = 0) -> str:
    """``31 saved (40 files), 2 failed``; "" if there is nothing to count.

    Args:
        counts: Jobs by outcome.
        files: How many files were saved; told if there are more than saved jobs.
    """
    parts = [f"{counts[key]:,} {_WORDS[key]}" for key in _COUNTED if counts.get(key)]
    if files > counts.get("saved", 0):
        parts[0] += f" ({plural(files, 'file')})"
    return ", ".join(parts)


def find_places(manifest: Manifest, item_ids: Collection[str]) -> dict[str, str]:
    """``file:line`` of each item that the manifest has, by item id."""
    wanted = set(item_ids)
    places: dict[str, str] = {}
    # A file of rows may have changed since it was read: then some have no place.
    with suppress(PipelineError):
        for item in expand(manifest) if wanted else ():
            if item.item_id in wanted:
                places[item.item_id] = item.place
                wanted.discard(item.item_id)
                if not wanted:
                    break
    return places


def next_steps(
    progress: Progress, result: RunResult | JointResult, options: RunOptions
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
    elif options.only == "rejected" and set(counts) - {"skipped"} == {"done"}:
        yield f"edit the rejected items, then make them again: {again}"
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
