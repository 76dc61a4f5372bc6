"""``run``, ``rerun``, ``fetch``: options → a run; events → screen and JSON lines."""

import asyncio
import gc
import re
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.cli.console.heartbeat import with_heartbeat
from pipeline.cli.console.logs import configure_logging
from pipeline.cli.console.printing import print_faults, print_json
from pipeline.cli.console.screen import (
    PhaseScreen,
    PlainScreen,
    QuietScreen,
    Screen,
    is_live,
)
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import duration
from pipeline.cli.next_step import complete_hint
from pipeline.cli.options import RunOptions
from pipeline.cli.plan import parse_cost
from pipeline.cli.plan_view import PlanListing, cost_lines, price_text
from pipeline.cli.run_cost import (
    confirm,
    may_be_asked,
    run_cost_fields,
)
from pipeline.cli.run_summary import summary_lines
from pipeline.clock import SystemClock, format_utc
from pipeline.counting import plural
from pipeline.errors import ExitCode, ManifestError, PipelineError, UsageError
from pipeline.operations.run import run
from pipeline.planning import Plan, PlannedItem, Selection
from pipeline.pricing import Estimate
from pipeline.pricing.saved_plan import SavedPlan, read_plan
from pipeline.record import asdict
from pipeline.running.events import (
    Blocked,
    Event,
    Halted,
    JobChanged,
    Launched,
    Paused,
    Warned,
)
from pipeline.running.progress import Progress
from pipeline.running.result import RunResult
from pipeline.running.run import Run
from pipeline.settings import Settings
from pipeline.units import units_number


def run_command(
    manifest: Path,
    options: RunOptions,
    *,
    only_failed: bool = False,
    only_fetch: bool = False,
    start: Callable[..., Coroutine[Any, Any, RunResult]] = run,
) -> ExitCode:
    """Carry out a manifest with the options of the command line.

    Args:
        manifest: The YAML file.
        options: The options.
        only_failed: Only failed items.
        only_fetch: Only items that are paid for and whose files are missing.
        start: What carries it out: ``run``, or an operation that ends in one.
    """
    configure_logging(debug=options.debug, log_file=options.log_file)
    selection = Selection(
        globs=options.select,
        limit=options.limit,
        force=options.force,
        only_failed=only_failed,
        only_fetch=only_fetch,
        verify=options.verify,
        only=options.only or "",
        as_new=options.as_new,
    )
    saved = None
    if options.saved_plan is not None:
        if selection != Selection(verify=options.verify):
            raise UsageError(
                "--plan fixes the items: --select, --only, --limit and --force do not"
                " apply",
                hint="make another plan with them: pipeline plan --out FILE",
            )
        saved = read_plan(options.saved_plan)
        selection = replace(saved.selection, verify=options.verify)
    progress = Progress(SystemClock())
    result: RunResult | None = None
    code = ExitCode.BUG
    try:
        result = _carry_out(manifest, options, selection, progress, saved, start)
        code = result.exit_code
    except PipelineError as error:
        code = error.exit_code
        if options.as_json and isinstance(error, ManifestError):
            print_faults(error)
        raise
    finally:
        if options.as_json:
            with tolerate_closed_pipe(sys.stdout):
                _print_done(result, code, progress)
    return code


def _carry_out(  # noqa: PLR0917 - the parts of one command
    manifest: Path,
    options: RunOptions,
    selection: Selection,
    progress: Progress,
    saved: SavedPlan | None,
    start: Callable[..., Coroutine[Any, Any, RunResult]],
) -> RunResult:
    settings = _settings(options)
    stage = _Stage(QuietScreen() if options.quiet else PhaseScreen(progress))
    listing = PlanListing(to_stderr=True)
    on_item = listing.add if may_be_asked(options) else _not_listed

    def on_event(event: Event) -> None:
        progress.take(event)
        if not (isinstance(event, Warned) and event.message in stage.told):
            with tolerate_closed_pipe(sys.stderr):
                stage.screen.take(event)
        if options.as_json:
            with tolerate_closed_pipe(sys.stdout):
                _print_event(event)

    which = {"selection": selection, "saved_plan": saved}

    async def carry_out(on_start: Callable[[Run], None]) -> RunResult:
        return await with_heartbeat(
            start(
                manifest,
                output=options.output,
                store=options.store,
                emulate=options.emulate,
                profile=options.profile,
                allow_outside=options.allow_outside,
                settings=settings,
                on_item=on_item,
                approve=begin,
                on_event=on_event,
                on_start=on_start,
                activity=progress.activity,
                clock=progress.clock,
                **({} if start is not run else which),
            ),
            stage.beat,
            progress.clock,
        )

    def begin(estimate: Estimate) -> None:
        was_shown = confirm(estimate, options, listing)
        screen = _screen(estimate.plan, options, progress)
        stage.plan, stage.screen = estimate.plan, screen
        stack.enter_context(screen)
        _tell_price(estimate, options, stage, was_shown=was_shown)

    result: RunResult | None = None
    try:
        with ExitStack() as stack:
            on_start = stack.enter_context(_signals(stage))
            gc.freeze()  # imported objects never become garbage
            result = asyncio.run(carry_out(on_start))
    finally:
        if not options.quiet and stage.plan is not None:
            with tolerate_closed_pipe(sys.stderr):
                for line in summary_lines(progress, result, options, stage.plan):
                    stage.screen.say(line)
    return result


def _not_listed(planned: PlannedItem) -> None:
    """Nobody can be asked about it."""


class _Stage:
    """Where a run is shown, once its plan is known."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.plan: Plan | None = None
        self.told: frozenset[str] = frozenset()  # warnings that have been shown

    def beat(self) -> None:
        """Let the current screen say what is waited for."""
        self.screen.beat()


@contextmanager
def _signals(stage: _Stage) -> Iterator[Callable[[Run], None]]:
    """First SIGINT or SIGTERM: stop submitting. Second: leave.

    Uses ``signal.signal``, because Windows lacks the event loop's own handlers.
    """
    counted = 0
    handled = [signal.SIGINT, signal.SIGTERM]
    previous: dict[int, Any] = {}

    def on_start(begun: Run) -> None:
        loop = asyncio.get_running_loop()

        def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            nonlocal counted
            counted += 1
            with suppress(RuntimeError):  # the loop has just ended: nothing to stop
                loop.call_soon_threadsafe(stop if counted == 1 else begun.abandon)

        def stop() -> None:
            longest_s = begun.stop()
            with tolerate_closed_pipe(sys.stderr):
                jobs = plural(begun.in_flight, "job")
                units = plural(begun.find_units_in_flight(), "unit")
                rest = f"{jobs} in flight ({units} paid) will be collected"
                if not begun.in_flight:
                    rest = "what is made will be downloaded"
                stage.screen.say(
                    f"stopping: nothing more is submitted; {rest}, which takes at most"
                    f" {duration(longest_s)}; press Ctrl-C again to leave at once"
                )

        if threading.current_thread() is threading.main_thread():
            for number in handled:
                previous[number] = signal.signal(number, handle)

    try:
        yield on_start
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _settings(options: RunOptions) -> Settings:
    default = Settings()
    fail_count, fail_share = parse_threshold(options.fail_threshold)
    # The emulator lists a new job at once: there is little to wait for.
    settle_s = 2.0 if options.emulate else default.settle_s
    return replace(
        default,
        max_jobs=options.max_jobs,
        job_timeout_s=options.job_timeout or default.job_timeout_s,
        submit_timeout_s=options.submit_timeout or default.submit_timeout_s,
        settle_s=settle_s if options.settle is None else options.settle,
        output_s=2.0 if options.emulate else default.output_s,
        rpm=options.rpm,
        deadline_s=parse_duration(options.deadline),
        max_pause_s=parse_duration(options.max_pause, option="--max-pause")
        or default.max_pause_s,
        fail_count=1 if options.fail_fast else fail_count,
        fail_share=fail_share,
        max_cost=parse_cost(options.max_cost),
        strict=options.strict,
        frozen=options.frozen,
        keep_old=options.keep_old,
        lock_file=not options.no_lock_file,
        unchecked=options.unchecked,
        allow_unpriced=options.allow_unpriced,
    )


def parse_duration(text: str | None, *, option: str = "--deadline") -> float | None:
    """``90``, ``90s``, ``45m`` or ``2h`` in seconds.

    Args:
        text: The option's value, or None.
        option: The option's name.

    Raises:
        UsageError: Anything else.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise UsageError(
            f"{option} {text!r} is not a duration", hint="write it like 90s, 45m or 2h"
        )
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def parse_threshold(text: str | None) -> tuple[int | None, float | None]:
    """``5`` as a count, or ``3%`` as a part of all items.

    Raises:
        UsageError: Anything else.
    """
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%|([1-9]\d*)", text.strip())
    if match is None:
        raise UsageError(
            f"--fail-threshold {text!r} is neither a count nor a percentage",
            hint="write it like 5 or 3%",
        )
    if match[2] is not None:
        return int(match[2]), None
    return None, float(match[1]) / 100


def _screen(plan: Plan, options: RunOptions, progress: Progress) -> Screen:
    if options.quiet:
        return QuietScreen()
    title = f"{plan.manifest.name} → {plan.store.describe()}"
    if is_live() and not options.debug:
        from pipeline.cli.console.live_screen import LiveScreen

        return LiveScreen(
            progress, title=title, emulated=options.emulate, on_hint=complete_hint
        )
    return PlainScreen(
        progress, title=title, emulated=options.emulate, on_hint=complete_hint
    )


def _tell_price(
    estimate: Estimate, options: RunOptions, stage: _Stage, *, was_shown: bool
) -> None:
    """Show what the run costs if no question has; note which warnings were shown."""
    cost = estimate.cost
    if cost is None:
        return
    if was_shown:
        stage.told = frozenset((*estimate.notes, *cost.problems))
    elif cost.items and not options.quiet:
        said = "emulated price" if options.emulate else "to be paid"
        stage.screen.say(f"{said}: {price_text(cost, options.cu_price)}")
        for line in cost_lines(estimate, options.cu_price):
            stage.screen.say(line)
        stage.told = frozenset(cost.problems)


def _print_event(event: Event) -> None:
    match event:
        case Launched():
            fields = asdict(event) | {"quoted": units_number(event.quoted)}
            print_json(event="launch", **fields)
        case JobChanged():
            print_json(event="job", **_job_fields(event))
        case Blocked():
            print_json(event="blocked", **asdict(event))
        case Warned():
            print_json(event="warning", **asdict(event))
        case Halted():
            print_json(event="halt", **asdict(event))
        case Paused():
            print_json(
                event="pause", until=format_utc(event.until), left_s=event.left_s
            )


def _job_fields(event: JobChanged) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "item_id": event.item_id,
        "status": str(event.status),
        "attempt": event.attempt,
        "job_id": event.remote_id or None,
    }
    if event.reason:
        fields |= {"reason": event.reason, "hint": event.hint}
    if event.failure_class is not None:
        fields["class"] = str(event.failure_class)
    if event.files:
        fields["files"] = list(event.files)
    if event.review:
        fields["needs_review"] = event.review
    if event.charged is not None:
        fields["charged"] = units_number(event.charged)
    if event.refunded is not None:
        fields["refunded"] = units_number(event.refunded)
    return fields


def _print_done(result: RunResult | None, code: ExitCode, progress: Progress) -> None:
    counts = dict(result.counts) if result is not None else {}
    print_json(
        event="done",
        exit_code=int(code),
        counts=counts,
        needs_review=result.needs_review if result is not None else 0,
        cost=run_cost_fields(result, charged=progress.charged),
    )
