"""``run``, ``rerun``, ``fetch``: options → a run; events → screen and JSON lines."""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from pipeline.cli.ci.log import folded
from pipeline.cli.ci.run_reports import CommandEnd, RunReports
from pipeline.cli.console.heartbeat import with_heartbeat
from pipeline.cli.console.logs import configure_logging
from pipeline.cli.console.printing import (
    find_room,
    print_faults,
    print_note,
)
from pipeline.cli.console.screen import (
    PhaseScreen,
    QuietScreen,
)
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.workflow import is_github
from pipeline.cli.gallery import page_options
from pipeline.cli.options import RunOptions
from pipeline.cli.plan_view import PlanListing, cost_lines, price_text
from pipeline.cli.run_cost import (
    confirm,
    may_be_asked,
)
from pipeline.cli.run_events import tell_done, tell_event
from pipeline.cli.run_settings import selection_of, settings_of
from pipeline.cli.run_stage import (
    Stage,
    make_screen,
    print_thumbnails,
    stopping_by_signals,
)
from pipeline.cli.run_summary import summary_lines
from pipeline.clock import SystemClock
from pipeline.errors import ExitCode, ManifestError, PipelineError, UsageError
from pipeline.operations.run import run
from pipeline.planning import PlannedItem, Selection
from pipeline.pricing import Estimate
from pipeline.pricing.saved_plan import read_plan
from pipeline.running.events import (
    Event,
    Warned,
)
from pipeline.running.joint import JointRun
from pipeline.running.line_progress import LineProgress
from pipeline.running.progress import Progress
from pipeline.running.result import RunResult


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
    reports = RunReports([manifest], options, selection.globs, progress)
    end = CommandEnd()
    result: RunResult | None = None
    lost: PipelineError | None = None
    try:
        which = {"selection": selection, "saved_plan": saved} if start is run else {}
        showing = _Showing(options, progress)
        result = _carry_out(manifest, options, showing, which, start)
        end.result, end.code = result, result.exit_code
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
                tell_done(result, end.code, charged=progress.charged)
        lost = reports.write(end)
        if lost is not None and end.code is not ExitCode.OK:
            print_note(lost.message)
    if lost is not None and end.code is ExitCode.OK:
        raise lost
    return end.code


class _Showing:
    """Shows a run, and asks before it spends.

    Args:
        options: Of the command.
        progress: Of the run.
    """

    def __init__(self, options: RunOptions, progress: Progress) -> None:
        self.stage = Stage(QuietScreen() if options.quiet else PhaseScreen(progress))
        self.progress = progress
        self._options = options
        self._listing = PlanListing(to_stderr=True)
        self._may_be_asked = may_be_asked(options)

    def add(self, planned: PlannedItem) -> None:
        """Add a planned item."""
        if self._may_be_asked:
            self._listing.add(planned)

    def begin(self, estimate: Estimate, stack: ExitStack) -> None:
        """Agree to the price, and begin to show the run.

        Raises:
            UsageError: There is nobody to ask, and no --yes.
            click.Abort: The answer is no.
        """
        was_shown = confirm(estimate, self._options, self._listing)
        plan, stage = estimate.plan, self.stage
        division = plan.selection.division
        part = "" if division is None else f", {division}"
        title = f"{plan.manifest.name}{part} → {plan.store.describe()}"
        stage.plan = plan
        stage.screen = make_screen(title, self._options, self.progress)
        if plan.lines:
            self.progress.lines = LineProgress({"": plan.lines})
        stack.enter_context(stage.screen)
        _tell_price(estimate, self._options, stage, was_shown=was_shown)
        if is_github(os.environ) and not self._options.quiet:
            stack.enter_context(folded(f"{plan.manifest.name}: progress"))

    def take(self, event: Event) -> None:
        """Show an event."""
        self.progress.take(event)
        if not (isinstance(event, Warned) and event.message in self.stage.told):
            with tolerate_closed_pipe(sys.stderr):
                self.stage.screen.take(event)
        if self._options.as_json:
            with tolerate_closed_pipe(sys.stdout):
                tell_event(event)

    def finish(self, result: RunResult | None) -> None:
        """Say how it ended."""
        plan, options = self.stage.plan, self._options
        if plan is None:
            return
        with tolerate_closed_pipe(sys.stderr):
            room = find_room(sys.stderr)
            if options.pictures and not options.quiet:
                rows = print_thumbnails(self.progress, plan.store.file, room)
                room = room and room.without(rows)
            for line in summary_lines(self.progress, result, options, plan, room):
                self.stage.screen.say(line)


def _carry_out(
    manifest: Path,
    options: RunOptions,
    showing: _Showing,
    which: Mapping[str, object],
    start: Callable[..., Coroutine[Any, Any, RunResult]],
) -> RunResult:
    """Carry a manifest out in an event loop, and show it.

    Args:
        manifest: The YAML file.
        options: Of the command.
        showing: Shows it.
        which: The items, as ``start`` takes them.
        start: See :func:`run_command`.
    """
    progress = showing.progress
    result: RunResult | None = None

    async def carry_out(on_start: Callable[[JointRun], None]) -> RunResult:
        return await with_heartbeat(
            start(
                manifest,
                output=options.output,
                store=options.store,
                emulate=options.emulate,
                profile=options.profile,
                allow_outside=options.allow_outside,
                settings=settings_of(options),
                on_item=showing.add,
                approve=lambda estimate: showing.begin(estimate, stack),
                on_event=showing.take,
                on_start=on_start,
                activity=progress.activity,
                report=options.report,
                page=page_options(options.cu_price),
                clock=progress.clock,
                **which,
            ),
            showing.stage.beat,
            progress.clock,
        )

    try:
        with ExitStack() as stack:
            on_start = stack.enter_context(
                stopping_by_signals(showing.stage, progress, options.cu_price)
            )
            gc.freeze()  # imported objects never become garbage
            result = asyncio.run(carry_out(on_start))
    finally:
        showing.finish(result)
    return result


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
