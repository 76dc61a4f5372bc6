"""``run``, ``rerun``, ``fetch`` of several manifests: one question, screen and summary.

Items are shown with the name of their manifest, as in ``icons: oak``.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click

from pipeline.cli.ci.log import folded
from pipeline.cli.ci.run_reports import CommandEnd, RunReports
from pipeline.cli.console.asking import agree
from pipeline.cli.console.heartbeat import with_heartbeat
from pipeline.cli.console.logs import configure_logging
from pipeline.cli.console.printing import (
    Room,
    find_room,
    print_faults,
    print_json,
    print_note,
)
from pipeline.cli.console.screen import PhaseScreen, QuietScreen
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.subject import about
from pipeline.cli.console.text import duration
from pipeline.cli.console.workflow import is_github
from pipeline.cli.gallery import page_options
from pipeline.cli.next_step import complete_hint
from pipeline.cli.options import RunOptions
from pipeline.cli.plan_all import print_part, print_total, refuse_for_several
from pipeline.cli.plan_view import PlanListing, cost_lines, price_text
from pipeline.cli.run_cost import (
    has_to_be_asked,
    may_be_asked,
    spend_text,
)
from pipeline.cli.run_events import tell_event
from pipeline.cli.run_settings import selection_of, settings_of
from pipeline.cli.run_stage import (
    Stage,
    make_screen,
    print_thumbnails,
    stopping_by_signals,
)
from pipeline.cli.run_summary import (
    cost_and_changes,
    count_words,
    next_steps,
    with_troubles,
)
from pipeline.clock import SystemClock
from pipeline.counting import plural
from pipeline.errors import ExitCode, ManifestError, PipelineError
from pipeline.operations.event_fields import run_cost_fields
from pipeline.operations.run import run_all
from pipeline.planning import PlannedItem
from pipeline.pricing.joint import JointEstimate
from pipeline.record import replace
from pipeline.running.events import (
    Event,
    Halted,
    JobChanged,
    Launched,
    Paused,
    Warned,
)
from pipeline.running.joined_events import JoinedEvents
from pipeline.running.joint import JointResult, JointRun, Outcome
from pipeline.running.line_progress import LineProgress
from pipeline.running.progress import Progress
from pipeline.storage.store import NamedContent, Store

_NAMED = 3  # of the output folders


def run_all_command(
    manifests: Sequence[Path],
    options: RunOptions,
    *,
    only_failed: bool = False,
    only_fetch: bool = False,
) -> ExitCode:
    """Carry out several manifests with the options of the command line.

    Args:
        manifests: The YAML files; at least two.
        options: The options.
        only_failed: Only failed items.
        only_fetch: Only items that are paid for and whose files are missing.
    """
    configure_logging(debug=options.debug, log_file=options.log_file)
    refuse_for_several(
        output=options.output, store=options.store, saved_plan=options.saved_plan
    )
    selection = selection_of(options, only_failed=only_failed, only_fetch=only_fetch)
    showing = _Showing(manifests, options)
    reports = RunReports(manifests, options, selection.globs, showing.progress)
    result: JointResult | None = None
    end = CommandEnd()
    lost: PipelineError | None = None
    try:
        with ExitStack() as stack:
            on_start = stack.enter_context(
                stopping_by_signals(showing.stage, showing.progress, options.cu_price)
            )

            async def carry_out(
                on_start: Callable[[JointRun], None],
            ) -> JointResult:
                progress = showing.progress
                return await with_heartbeat(
                    run_all(
                        manifests,
                        emulate=options.emulate,
                        profile=options.profile,
                        allow_outside=options.allow_outside,
                        selection=selection,
                        settings=settings_of(options),
                        report=options.report,
                        page=page_options(options.cu_price),
                        on_item=showing.add,
                        approve=lambda estimate: showing.begin(estimate, stack),
                        on_event=showing.take,
                        on_start=on_start,
                        activity=progress.activity,
                        clock=progress.clock,
                    ),
                    showing.stage.beat,
                    progress.clock,
                )

            gc.freeze()  # imported objects never become garbage
            result = asyncio.run(carry_out(on_start))
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
        showing.finish(result)
        if options.as_json:
            with tolerate_closed_pipe(sys.stdout):
                _print_done(result, end.code, showing.progress)
        lost = reports.write(end)
        if lost is not None and end.code is not ExitCode.OK:
            print_note(lost.message)
    if lost is not None and end.code is ExitCode.OK:
        raise lost
    return end.code


class _Showing:
    """Shows the runs of several manifests as one.

    Args:
        manifests: The YAML files.
        options: Of the command.

    Attributes:
        progress: Of all runs together.
        stage: Where they are shown.
    """

    def __init__(self, manifests: Sequence[Path], options: RunOptions) -> None:
        self.progress = Progress(SystemClock())
        screen = QuietScreen() if options.quiet else PhaseScreen(self.progress)
        self.stage = Stage(screen)
        self._options = options
        self._joined = JoinedEvents([str(one) for one in manifests])
        self._names = self._joined.names
        self._listings = {str(one): PlanListing(to_stderr=True) for one in manifests}
        self._may_be_asked = may_be_asked(options)
        self._estimate: JointEstimate | None = None
        self._stores: dict[str, Store] = {}
        self._held: list[Event] = []  # to be shown
        self._told: set[str] = set()  # reasons to stop that several runs have
        self._paused_until: datetime | None = None

    def add(self, manifest: str, planned: PlannedItem) -> None:
        """Add a planned item."""
        if self._may_be_asked:
            self._listings[manifest].add(planned)

    def begin(self, estimate: JointEstimate, stack: ExitStack) -> None:
        """Agree to the price, and begin to show the runs.

        Raises:
            UsageError: There is nobody to ask, and no --yes.
            click.Abort: The answer is no.
        """
        was_shown = self._confirm(estimate)
        folders = [str(part.plan.output) for part in estimate.parts]
        shown = ", ".join(folders[:_NAMED]) + ", …" * (len(folders) > _NAMED)
        title = f"{plural(len(folders), 'manifest')} → {shown}"
        self.stage.screen = make_screen(title, self._options, self.progress)
        self._estimate = estimate
        self._stores = {
            part.plan.manifest.file: part.plan.store for part in estimate.parts
        }
        lines = {
            self._names[part.plan.manifest.file]: part.plan.lines
            for part in estimate.parts
            if part.plan.lines
        }
        self.progress.lines = LineProgress(lines) if lines else None
        stack.enter_context(self.stage.screen)
        self._tell_price(estimate, was_shown=was_shown)
        if is_github(os.environ) and not self._options.quiet:
            manifests = plural(len(folders), "manifest")
            stack.enter_context(folded(f"{manifests}: progress"))

    def _tell_price(self, estimate: JointEstimate, *, was_shown: bool) -> None:
        """Show what the runs cost, if no question has."""
        cost = estimate.cost
        if cost is None or was_shown or not cost.items or self._options.quiet:
            return
        said = "emulated price" if self._options.emulate else "to be paid"
        say = self.stage.screen.say
        say(f"{said}: {price_text(cost, self._options.cu_price)}")
        for line in cost_lines(estimate, self._options.cu_price):
            say(line)

    def take(self, manifest: str, event: Event) -> None:
        """Show an event of one of the runs."""
        with about(manifest):
            shown = self._as_shown(manifest, event)
            self.progress.take(shown)
            if self._is_news(shown):
                self._held.append(shown)
            if self._joined.have_begun:
                self._show_held()
            if self._options.as_json:
                with tolerate_closed_pipe(sys.stdout):
                    tell_event(event)

    def finish(self, result: JointResult | None) -> None:
        """Say how it ended."""
        self._show_held()
        if self._estimate is None:
            return
        with tolerate_closed_pipe(sys.stderr):
            room = find_room(sys.stderr)
            end: list[str] = []
            if self._options.quiet:
                outcomes = () if result is None else result.outcomes
                end = [line for one in outcomes for line in self._error_lines(one)]
            else:
                if self._options.pictures:
                    rows = print_thumbnails(self.progress, self._find_file, room)
                    room = room and room.without(rows)
                end = list(self._end_lines(result, room))
            for line in with_troubles(self.progress, end, room):
                self.stage.screen.say(line)

    def _show_held(self) -> None:
        """Show what has come; the beginning of all runs once, and first."""
        held, self._held = self._held, []
        with tolerate_closed_pipe(sys.stderr):
            for event in held:
                self.stage.screen.take(event)

    def _as_shown(self, manifest: str, event: Event) -> Event:
        """An event with the manifest's name, so that items are told apart."""
        match event:
            case JobChanged():
                hint = complete_hint(event.hint, event.item_id)
                store = self._stores.get(manifest)
                home = Path() if store is None else store.home
                files = tuple(str(home / file) for file in event.files)
                event = replace(event, hint=hint, files=files)
            case Halted():
                event = replace(event, hint=complete_hint(event.hint))
        return self._joined.join(manifest, event)

    def _find_file(self, path: str) -> NamedContent:
        """A file by its path in the output folder, as :meth:`_as_shown` has it."""
        stores = self._stores.values()
        (store, *_) = (one for one in stores if Path(path).is_relative_to(one.home))
        return store.file(Path(path).relative_to(store.home).as_posix())

    def _is_news(self, event: Event) -> bool:
        """Whether the screen has to show an event that several runs may have."""
        match event:
            case Launched():
                rest = [one for one in self._held if not isinstance(one, Launched)]
                self._held = [event, *rest]
                return False
            case Halted():
                is_new = event.reason not in self._told
                self._told.add(event.reason)
                return is_new
            case Paused():
                is_new = event.until != self._paused_until
                self._paused_until = event.until
                return is_new
            case Warned():
                known = () if self._estimate is None else self._estimate.notes
                return not (self._may_be_asked and event.message in known)
        return True

    def _confirm(self, estimate: JointEstimate) -> bool:
        """Show the plans and ask once, if they cost anything; whether it was shown."""
        options = self._options
        if not has_to_be_asked(estimate, options):
            return False
        for note in estimate.notes:
            print_note(note)
        for part in estimate.parts:
            listing = self._listings[part.plan.manifest.file]
            print_part(part, listing, options.cu_price, to_stderr=True)
        print_total(estimate, options.cu_price, to_stderr=True)
        manifests = plural(len(estimate.parts), "manifest")
        agree(f"{spend_text(estimate, options.cu_price)}, for {manifests}?")
        return True

    def _end_lines(
        self, result: JointResult | None, room: Room | None
    ) -> Iterator[str]:
        if result is None:
            return
        for outcome in result.outcomes:
            yield from self._outcome_lines(outcome)
        words = count_words(result.counts) or "nothing to do"
        emulated = " (emulated)" if self._options.emulate else ""
        yield f"{words} in {duration(self.progress.elapsed_s)}{emulated}"
        yield from cost_and_changes(result, self._options, room)
        for step in next_steps(self.progress, result, self._options):
            yield f"  next: {step}"

    def _outcome_lines(self, outcome: Outcome) -> Iterator[str]:
        yield from self._error_lines(outcome)
        if outcome.result is not None:
            name = self._names[outcome.manifest]
            words = count_words(outcome.result.counts) or "nothing to do"
            yield f"{name}: {words} → {outcome.output}"
            if outcome.result.gallery is not None:
                yield f"  gallery: {outcome.result.gallery}"

    def _error_lines(self, outcome: Outcome) -> Iterator[str]:
        if outcome.error is None:
            return
        yield f"x {self._names[outcome.manifest]}: {outcome.error.message}"
        if outcome.error.hint:
            with about(outcome.manifest):
                yield f"    {complete_hint(outcome.error.hint)}"


def _print_done(result: JointResult | None, code: ExitCode, progress: Progress) -> None:
    for outcome in result.outcomes if result is not None else ():
        counts = {} if outcome.result is None else dict(outcome.result.counts)
        with about(outcome.manifest):
            print_json(
                event="result",
                exit_code=int(outcome.exit_code),
                reason="" if outcome.error is None else outcome.error.message,
                counts=counts,
                cost=run_cost_fields(outcome.result, charged=Decimal(0)),
            )
    print_json(
        event="done",
        exit_code=int(code),
        counts={} if result is None else result.counts,
        needs_review=0 if result is None else result.needs_review,
        cost=run_cost_fields(result, charged=progress.charged),
    )
