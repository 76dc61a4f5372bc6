"""``run``, ``rerun``, ``fetch``: options → a run; events → screen and JSON lines."""

import asyncio
import gc
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import click

from pipeline.cli.ci.log import folded
from pipeline.cli.ci.run_reports import RunEnd, RunReports
from pipeline.cli.console.heartbeat import with_heartbeat
from pipeline.cli.console.logs import configure_logging
from pipeline.cli.console.money import CuPrice, units_phrase
from pipeline.cli.console.printing import (
    Room,
    find_room,
    print_faults,
    print_json,
    print_note,
)
from pipeline.cli.console.screen import (
    PhaseScreen,
    PlainScreen,
    QuietScreen,
    Screen,
    is_live,
)
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import duration
from pipeline.cli.console.workflow import is_github
from pipeline.cli.gallery import page_options
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
from pipeline.running.joint import JointRun
from pipeline.running.line_progress import LineProgress
from pipeline.running.progress import Progress
from pipeline.running.result import RunResult
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
    selection = selection_of(options, only_failed=only_failed, only_fetch=only_fetch)
    saved = None
    if options.saved_plan is not None:
        if selection != Selection(verify=options.verify):
            raise UsageError(
                "--plan fixes the items: --select, --shard, --only, --limit and --force"
                " do not apply",
                hint="make another plan with them: pipeline plan --out FILE",
            )
        saved = read_plan(options.saved_plan)
        selection = replace(saved.selection, verify=options.verify)
    progress = Progress(SystemClock())
    reports = RunReports(manifest, options, selection.globs, progress)
    end = RunEnd()
    lost: PipelineError | None = None
    try:
        end.result = _carry_out(
            manifest, options, selection, progress, reports, saved, start
        )
        end.code = end.result.exit_code
    except PipelineError as error:
        end.code, end.error = error.exit_code, error
        if options.as_json and isinstance(error, ManifestError):
            print_faults(error)
        raise
    except (click.Abort, KeyboardInterrupt):
        end.code = ExitCode.INTERRUPTED
        raise
    finally:
        if options.as_json:
            with tolerate_closed_pipe(sys.stdout):
                tell_done(end.result, end.code, charged=progress.charged)
        lost = reports.write(end)
        if lost is not None and end.code is not ExitCode.OK:
            print_note(lost.message)
    if lost is not None and end.code is ExitCode.OK:
        raise lost
    return end.code


def selection_of(
    options: RunOptions, *, only_failed: bool, only_fetch: bool
) -> Selection:
    """The items that the options select, of those that the command applies to."""
    return Selection(
        globs=options.select,
        shard=options.shard,
        limit=options.limit,
        force=options.force,
        only_failed=only_failed,
        only_fetch=only_fetch,
        verify=options.verify,
        only=options.only or "",
        as_new=options.as_new,
    )


def _carry_out(  # noqa: C901, PLR0917 - the parts of one command
    manifest: Path,
    options: RunOptions,
    selection: Selection,
    progress: Progress,
    reports: RunReports,
    saved: SavedPlan | None,
    start: Callable[..., Coroutine[Any, Any, RunResult]],
) -> RunResult:
    settings = settings_of(options)
    stage = Stage(QuietScreen() if options.quiet else PhaseScreen(progress))
    listing = PlanListing(to_stderr=True)
    on_item = listing.add if may_be_asked(options) else not_listed

    def on_event(event: Event) -> None:
        progress.take(event)
        reports.take(event)
        if not (isinstance(event, Warned) and event.message in stage.told):
            with tolerate_closed_pipe(sys.stderr):
                stage.screen.take(event)
        if options.as_json:
            with tolerate_closed_pipe(sys.stdout):
                tell_event(event)

    which = {"selection": selection, "saved_plan": saved}

    async def carry_out(on_start: Callable[[JointRun], None]) -> RunResult:
        return await with_heartbeat(
            start(
                manifest,
                output=options.output,
                emulate=options.emulate,
                profile=options.profile,
                allow_outside=options.allow_outside,
                settings=settings,
                on_item=on_item,
                approve=begin,
                on_event=on_event,
                on_start=on_start,
                activity=progress.activity,
                report=options.report,
                page=page_options(options.cu_price),
                clock=progress.clock,
                **({} if start is not run else which),
            ),
            stage.beat,
            progress.clock,
        )

    def begin(estimate: Estimate) -> None:
        was_shown = confirm(estimate, options, listing)
        plan = estimate.plan
        division = plan.selection.division
        part = "" if division is None else f", {division}"
        title = f"{plan.manifest.name}{part} → {plan.output}"
        screen = make_screen(title, options, progress)
        stage.plan, stage.screen = estimate.plan, screen
        if estimate.plan.lines:
            progress.lines = LineProgress({"": estimate.plan.lines})
        stack.enter_context(screen)
        _tell_price(estimate, options, stage, was_shown=was_shown)
        if is_github(os.environ) and not options.quiet:
            title = f"{estimate.plan.manifest.name}: progress"
            stack.enter_context(folded(title))

    result: RunResult | None = None
    try:
        with ExitStack() as stack:
            on_start = stack.enter_context(
                stopping_by_signals(stage, progress, options.cu_price)
            )
            gc.freeze()  # imported objects never become garbage
            result = asyncio.run(carry_out(on_start))
    finally:
        if stage.plan is not None:
            with tolerate_closed_pipe(sys.stderr):
                room = find_room(sys.stderr)
                if options.pictures and not options.quiet:
                    rows = print_thumbnails(progress, stage.plan.output, room)
                    room = room and room.without(rows)
                for line in summary_lines(progress, result, options, stage.plan, room):
                    stage.screen.say(line)
    return result


def print_thumbnails(progress: Progress, output: Path, room: Room | None) -> int:
    """Thumbnails of what was saved last, on half of the terminal at most.

    Returns:
        How many rows they took.
    """
    from pipeline.cli.console.pictures.sheet import Named, is_picture, show_pictures

    pictures = [
        Named(name, output / name)
        for name in reversed(progress.latest_files)
        if is_picture(name)
    ]
    most = None if room is None else room.rows // 2
    return show_pictures(pictures, most_rows=most)


def not_listed(planned: PlannedItem) -> None:
    """Nobody can be asked about it."""


class Stage:
    """Where a run is shown, once its plan is known."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.plan: Plan | None = None
        self.told: frozenset[str] = frozenset()  # warnings that have been shown

    def beat(self) -> None:
        """Let the current screen say what is waited for."""
        self.screen.beat()


@contextmanager
def stopping_by_signals(
    stage: Stage, progress: Progress, price: CuPrice | None
) -> Iterator[Callable[[JointRun], None]]:
    """First SIGINT or SIGTERM: stop submitting. Second: leave.

    Uses ``signal.signal``, because Windows lacks the event loop's own handlers.
    """
    counted = 0
    handled = [signal.SIGINT, signal.SIGTERM]
    previous: dict[int, Any] = {}

    def on_start(begun: JointRun) -> None:
        loop = asyncio.get_running_loop()
        progress.budget = begun.budget

        def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            nonlocal counted
            if begun.is_over:  # what is left, such as the gallery, may be cut off
                signal.signal(number, previous[number])
                signal.raise_signal(number)
                return
            counted += 1
            with suppress(RuntimeError):  # the loop has just ended: nothing to stop
                loop.call_soon_threadsafe(stop if counted == 1 else begun.abandon)

        def stop() -> None:
            longest_s = begun.stop()
            with tolerate_closed_pipe(sys.stderr):
                jobs = plural(begun.in_flight, "job")
                units = units_phrase(begun.find_units_in_flight(), price)
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


def settings_of(options: RunOptions) -> Settings:
    """The limits and timeouts that the options set."""
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


def make_screen(title: str, options: RunOptions, progress: Progress) -> Screen:
    """The screen for a run.

    Args:
        title: What runs, and where its files go.
        options: Of the command.
        progress: Has taken every event before the screen does.
    """
    if options.quiet:
        return QuietScreen()
    if is_live() and not options.debug:
        from pipeline.cli.console.live_screen import LiveScreen

        return LiveScreen(
            progress,
            title=title,
            emulated=options.emulate,
            price=options.cu_price,
            on_hint=complete_hint,
        )
    return PlainScreen(
        progress, title=title, emulated=options.emulate, on_hint=complete_hint
    )


def _tell_price(
    estimate: Estimate, options: RunOptions, stage: Stage, *, was_shown: bool
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


def tell_event(event: Event, tell: Callable[..., None] = print_json) -> None:
    """Tell an event of a run in the form of ``--json``; those of slots are not told.

    Args:
        event: The event.
        tell: Called with its fields as named arguments.
    """
    match event:
        case Launched():
            fields = asdict(event) | {"quoted": units_number(event.quoted)}
            tell(event="launch", **fields)
        case JobChanged():
            tell(event="job", **_job_fields(event))
        case Blocked():
            tell(event="blocked", **asdict(event))
        case Warned():
            tell(event="warning", **asdict(event))
        case Halted():
            tell(event="halt", **asdict(event))
        case Paused():
            tell(event="pause", until=format_utc(event.until), left_s=event.left_s)


def _job_fields(event: JobChanged) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "item_id": event.item_id,
        "status": str(event.status),
        "attempt": event.attempt,
        "job_id": event.remote_id or None,
    }
    if event.reason:
        fields |= {"reason": event.reason, "hint": event.hint}
    if event.place:
        fields["place"] = event.place
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


def tell_done(
    result: RunResult | None,
    code: ExitCode,
    *,
    charged: Decimal,
    tell: Callable[..., None] = print_json,
) -> None:
    """Tell the end of a run in the form of ``--json``.

    Args:
        result: None for a run that ended with an error.
        code: The exit code.
        charged: Units that were reported as charged.
        tell: Called with its fields as named arguments.
    """
    tell(
        event="done",
        exit_code=int(code),
        counts=dict(result.counts) if result is not None else {},
        needs_review=result.needs_review if result is not None else 0,
        cost=run_cost_fields(result, charged=charged),
        **_page_fields(result),
    )


def _page_fields(result: RunResult | None) -> dict[str, str]:
    if result is None or result.gallery is None:
        return {}
    return {"gallery": str(result.gallery)}
