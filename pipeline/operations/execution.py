"""Execution: one manifest of a run, from its plan to its lock file.

Its output folder is held and its manifest is loaded. What the manifests of one run do
together is left to ``operations.joint``.
"""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.to_thread

from pipeline.counting import plural
from pipeline.errors import (
    ExitCode,
    LockError,
    ManifestError,
    OutputError,
    PipelineError,
    PlanMoved,
    UsageError,
    find_only,
)
from pipeline.fault_points import reach
from pipeline.job import UNFINISHED
from pipeline.ledger.ledger import Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.lockfile.reconcile import check_not_rehearsed, write_lock_file
from pipeline.manifest import Manifest
from pipeline.manifest.review_file import read_review, write_review
from pipeline.operations.connection import Connection
from pipeline.operations.event_fields import done_fields
from pipeline.operations.event_log import EventLog
from pipeline.operations.gallery import PageOptions, write_gallery_shown
from pipeline.operations.idle import HasWork, is_idle, stop_at_work
from pipeline.operations.items import Items
from pipeline.operations.target import Target
from pipeline.output.folder import claim
from pipeline.output.store_owner import check_store_owner, claim_store
from pipeline.output.stores import (
    bind_store,
    is_elsewhere,
    needs_snapshot,
    save_snapshot,
)
from pipeline.planning import Action, Plan, PlannedItem, Selection
from pipeline.pricing import Cost, CostGroups, Estimate
from pipeline.pricing.budget import budget_of
from pipeline.pricing.saved_plan import PlanRecorder, SavedPlan
from pipeline.record import Struct, replace
from pipeline.running.events import (
    Event,
    Halted,
    Launched,
    ProgressCallback,
    Warned,
)
from pipeline.running.joint import Outcome
from pipeline.running.result import RunResult
from pipeline.running.run import Run
from pipeline.running.session import Session
from pipeline.running.shared_requests import SharedRequests, may_be_shared
from pipeline.storage.store import NameTaken, Store
from pipeline.storage.syncing import take_unsynced

SHARED_NOTE = "for exactly what another manifest asks for: paid for once"
_NAMES_SHOWN = 5


class Amended(Struct, frozen=True, kw_only=True):
    """A manifest as a command has amended it, before it is planned.

    Attributes:
        manifest: With other decisions about its takes.
        selection: The items to run.
        before_spending: Called once the price is agreed to, to record the decisions.
        notes: What the user should know.
    """

    manifest: Manifest
    selection: Selection
    before_spending: Callable[[], None] = lambda: None
    notes: tuple[str, ...] = ()


Amend = Callable[[Manifest, Store, Ledger], Amended]


class Hooks(Struct, frozen=True, kw_only=True):
    """The caller's saved plan, callbacks and wishes for a report; see ``run``."""

    saved_plan: SavedPlan | None = None
    on_item: Callable[[PlannedItem], None] = lambda _planned: None
    on_event: ProgressCallback = lambda _event: None
    before_spending: Callable[[], None] = lambda: None
    report: bool = False
    page: PageOptions = PageOptions()


class Execution:
    """One manifest of a run, with its folder held and the connection open.

    Call :meth:`begin`, :meth:`prepare`, :meth:`price`, :meth:`agreed` and
    :meth:`carry_out` in this order, and :meth:`end` in any case.

    Args:
        target: The manifest, its folder and the limits.
        hooks: The caller's.
        connection: The connection to the service.
        loaded: The manifest.
        store: Where the files are, opened.
        ledger: Open for writing, until a run needs it.
        reader: Open for reading.
        notes: What the user should know about the command.
        requests: What several manifests ask for; None if there is one manifest.

    Attributes:
        ledger: As given.
        loaded: The manifest; read again if the service had to be asked.
        plan: What will be done; made by :meth:`prepare`.
        has_nothing_to_do: Whether the plan is to do nothing.
        estimate: The plan with its price; found by :meth:`price`.
        run: The run; None if there is nothing to do.
        result: How it ended.
        error: What ended it instead.
    """

    plan: Plan
    estimate: Estimate

    def __init__(
        self,
        target: Target,
        hooks: Hooks,
        *,
        connection: Connection,
        loaded: Manifest,
        store: Store,
        ledger: Ledger,
        reader: Ledger,
        notes: tuple[str, ...] = (),
        requests: SharedRequests | None = None,
    ) -> None:
        self._log = EventLog(target.folder_of(loaded))
        self._requests = requests
        self._shared = 0  # items that another manifest makes
        self._target = target
        self._store = store
        self._hooks = replace(hooks, on_event=self._logging(hooks.on_event))
        self._connection = connection
        self.ledger = ledger
        self._reader = reader
        self._notes = notes
        self._groups = CostGroups()
        saved_plan = hooks.saved_plan
        self._recorder = PlanRecorder(saved_plan.items if saved_plan else ())
        self._to_review: set[str] = set()  # items with a file to look at
        self._run_id = 0
        self._writer: LedgerWriter | None = None
        self.loaded = loaded
        self.has_nothing_to_do = False
        self.run: Run | None = None
        self.result: RunResult | None = None
        self.error: PipelineError | None = None

    def _logging(self, on_event: ProgressCallback) -> ProgressCallback:
        def take(event: Event) -> None:
            self._log.take(event)
            on_event(event)

        return take

    @property
    def folder(self) -> Path:
        """The output folder."""
        return self._target.folder_of(self.loaded)

    @property
    def _wants_gallery(self) -> bool:
        return self._hooks.report or self.loaded.report

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return Outcome(
            manifest=self.loaded.file,
            output=self.folder,
            result=self.result,
            error=self.error,
        )

    def begin(self) -> None:
        """Record that a run begins in the folder.

        Raises:
            UsageError: The folder belongs to another manifest or profile.
        """
        claim(self.ledger, self.folder, self.loaded)
        # Before planning, so that damage found while planning is on record.
        now = self._target.clock.utc_now()
        self._run_id = self.ledger.record_run_started(now)
        if self._requests is not None:
            unfinished = self.ledger.find_jobs_in(*UNFINISHED)
            self._requests.know(str(self.folder), unfinished)

    def end(self, error: BaseException | None) -> None:
        """Record that the run has ended, with its exit code.

        Args:
            error: What ended the command, or None.
        """
        if not self._run_id:
            return
        found = self.error or error
        code = ExitCode.BUG
        if isinstance(found, PipelineError):
            code = found.exit_code
        elif found is None and self.result is not None:
            code = self.result.exit_code
        now = self._target.clock.utc_now()
        charged = Decimal(0) if self.result is None else self.result.cost.charged
        try:
            self.ledger.record_run_ended(self._run_id, now, code)
        finally:
            self._log.end(done_fields(self.result, code, charged=charged))
        unsynced = take_unsynced()
        if unsynced is not None:
            self._hooks.on_event(Warned(message=str(unsynced)))

    async def check_store(self) -> None:
        """Check, before anything is paid for, that the files can be put in place.

        Raises:
            OutputError: They cannot.
            UsageError: The store belongs to another manifest.
        """
        store = self._store
        await anyio.to_thread.run_sync(store.check_writable)
        if is_elsewhere(store):
            await anyio.to_thread.run_sync(check_store_owner, store, self.loaded.name)

    async def save_snapshot(self) -> None:
        """Keep a copy of the ledger in the store, unless it has one that will do."""
        store = self._store
        if not needs_snapshot(self.ledger, store):
            return
        reach("run-ended")
        with anyio.CancelScope(shield=True):
            try:
                await anyio.to_thread.run_sync(save_snapshot, self.ledger, store)
            except (OutputError, NameTaken) as error:
                text = f"the store has no copy of this ledger: {error.message}"
                self._hooks.on_event(Warned(message=text, has_failed=True))

    async def prepare(self) -> None:
        """Plan, and check that the plan may be carried out.

        Raises:
            InputError: It may not.
        """
        self.plan, self.has_nothing_to_do = await self._plan(self._take)
        self._check_clear(self.plan)
        settings = self._target.settings_for(self.plan)
        if settings.frozen:
            _check_frozen(self._groups)
        if not settings.unchecked:
            _check_known(self._groups, self.loaded)
        self._notes = (
            *self._notes,
            *self._target.notes(self.plan, self._connection),
        )
        if self._shared:
            asks = plural(self._shared, "item asks", "items ask")
            self._notes += (f"{asks} {SHARED_NOTE}",)
        if self.has_nothing_to_do:
            service = self._connection.service
            self.estimate = Estimate(
                plan=self.plan, cost=Cost(), notes=self._notes, service=service
            )

    async def price(self, session: Session, writer: LedgerWriter) -> None:
        """Make the run, and ask what it costs.

        Args:
            session: The connection.
            writer: The only writer to the ledger from now on.

        Raises:
            UsageError: The service quotes 0 units for an item, or the lock file is
                from a rehearsal.
            RunError: The service does not answer, or refuses.
        """
        self._writer = writer
        settings = self._target.settings_for(self.plan)
        self.run = Run(
            self.plan,
            session,
            ledger=self._reader,
            writer=writer,
            settings=settings,
            on_event=self._hooks.on_event,
            draws=self._wants_gallery,
        )
        self.estimate = await self.run.price(self._groups, notes=self._notes)
        self._check_lock_file(session)  # only now is it known who answers
        if not settings.allow_unpriced:
            _check_priced(self._groups, self.estimate.cost or Cost())

    def join(self, session: Session) -> None:
        """Count what the folder's jobs have cost, and let others know whose they are.

        For a plan that is to do nothing; a run does so by itself.
        """
        counts = self.plan.selection.in_shard
        budget_of(self._reader, None, shared=session.budget, counts=counts)
        session.rows.add(self._reader)

    def check_saved_plan(self) -> None:
        """Check that the price is that of the saved plan, if there is one.

        Raises:
            PlanMoved: It is not.
        """
        saved_plan = self._hooks.saved_plan
        if saved_plan is not None:
            saved_plan.check(self.estimate, self._groups, self._recorder)

    async def agreed(self) -> None:
        """The price is agreed to: record what the command has decided.

        Raises:
            UsageError: The store has come to belong to another manifest meanwhile.
            OutputError: The store cannot be written.
        """
        store = self._store
        if self._writer is not None and is_elsewhere(store):
            await anyio.to_thread.run_sync(claim_store, store, self.loaded.name)
            await self._writer.write(self.ledger.record_facts, copy_due="1")
        bind_store(store)
        self._hooks.before_spending()
        self._rename_reviews(self.plan)

    async def carry_out(self) -> None:
        """Carry out the plan; the caller holds ``session.watching`` open.

        An error that ends only this run is kept as :attr:`error`.
        """
        try:
            if self.run is None:
                result = self._nothing_done()
            else:
                self._log.begin()
                result = await self.run.carry_out(self._run_id, notes=self._notes)
            self.result = self._with_items(result)
        except PipelineError as error:
            self._end_alone(error)
        except BaseExceptionGroup as group:
            found = find_only(group)
            if not isinstance(found, PipelineError):
                raise
            self._end_alone(found)
        finally:
            if self._requests is not None:
                self._requests.close(str(self.folder))

    def _end_alone(self, error: PipelineError) -> None:
        """Keep the error, and tell it at once if other manifests go on."""
        self.error = error
        if self._requests is not None and self.run is not None:
            reason = f"{self.loaded.file}: {error.message}"
            in_flight = self.run.in_flight
            halted = Halted(reason=reason, hint=error.hint, in_flight=in_flight)
            self._hooks.on_event(halted)

    def _nothing_done(self) -> RunResult:
        counts = self.plan.counts
        done, skipped = counts[Action.DONE], self.plan.failed_for_good
        blocked = self.plan.blocked[Action.SKIP]
        self._hooks.on_event(
            Launched(
                run_id=self._run_id,
                items=self.plan.items,
                total=self.plan.total,
                done=done,
                skipped=skipped + blocked,
                to_submit=0,
                ceiling=None,
            )
        )
        return RunResult(
            exit_code=ExitCode.ITEMS_FAILED if skipped or blocked else ExitCode.OK,
            counts={
                "done": done,
                "skipped": skipped,
                **({"blocked": blocked} if blocked else {}),
            },
            needs_review=len(self._to_review),
            submitted=0,
            stopped_by=None,
        )

    def _with_items(self, result: RunResult) -> RunResult:
        emulate = self._target.emulate
        return dataclasses.replace(
            result, items=Items(self.loaded, self._store, emulate=emulate)
        )

    def write_lock_file(self) -> None:
        """Update the manifest's lock file, unless the user wants none."""
        if not self._target.settings.lock_file:
            return
        lock_file = self._target.lock_file_of(self.loaded)
        tell = self._hooks.on_event
        try:
            is_ours = write_lock_file(
                lock_file,
                self.ledger,
                self._connection.service,
                orphans=self.plan.orphan_ids(),
            )
        except (LockError, OutputError) as error:
            text = f"the lock file was not written: {error.message}"
            tell(Warned(message=text, has_failed=True))
            return
        if not is_ours:
            text = f"{lock_file} belongs to another service, so it was not updated"
            text += "; if it is from a rehearsal, delete it"
            tell(Warned(message=text, has_failed=True))

    async def write_gallery(self) -> None:
        """Write the page, if it is wanted. That it fails is no reason to fail a run."""
        is_abandoned = self.run is not None and self.run.is_abandoned
        if not self._wants_gallery or is_abandoned or self.result is None:
            return
        review = self.loaded.review
        try:
            if review.path is not None:  # the run may have written it
                review = read_review(review.path)
            written = await write_gallery_shown(
                dataclasses.replace(self.loaded, review=review),
                self._store,
                activity=self._connection.activity,
                emulate=self._target.emulate,
                now=self._target.clock.utc_now(),
                allow_outside=self._target.allow_outside,
                options=self._hooks.page,
            )
        except PipelineError as error:
            hint = f"; {error.hint}" if error.hint else ""
            text = f"the gallery was not written: {error.message}{hint}"
            self._hooks.on_event(Warned(message=text, has_failed=True))
            return
        self.result = dataclasses.replace(self.result, gallery=written.page)

    def _take(self, planned: PlannedItem) -> None:
        if planned.job.review:
            self._to_review.add(planned.item.base)
        if self._is_made_by_another(planned):
            self._shared += 1
        else:
            self._groups.add(planned)
        if self._hooks.saved_plan is not None:
            self._recorder.add(planned)
        self._hooks.on_item(planned)

    def _is_made_by_another(self, planned: PlannedItem) -> bool:
        """Whether another manifest makes, and pays for, what an item asks for."""
        force = self._target.selection.force
        if self._requests is None or not may_be_shared(planned, force=force):
            return False
        maker = self._requests.find_maker(str(self.folder), planned)
        # What an earlier run has sent may have failed: then it is paid for here.
        return maker is not None and not maker.is_sent

    async def _plan(self, take: Callable[[PlannedItem], None]) -> tuple[Plan, bool]:
        """The plan, and whether there is nothing to do.

        The service is asked for its models only if there is something to do.
        """
        catalog = self._connection.catalog
        if catalog.put_off and not await self._is_idle():
            catalog.ask_now()
            fresh = await self._target.load(self._connection)
            # A command may have amended the decisions, and not written them yet.
            self.loaded = dataclasses.replace(fresh, review=self.loaded.review)
        plan = await self._target.plan(
            self.loaded, self._store, self._reader, on_item=take
        )
        return plan, is_idle(plan, self._reader, self._target.settings)

    async def _is_idle(self) -> bool:
        try:
            plan = await self._target.plan(
                self.loaded, self._store, self._reader, on_item=stop_at_work
            )
        except (ManifestError, HasWork):
            return False
        return is_idle(plan, self._reader, self._target.settings)

    def _check_clear(self, plan: Plan) -> None:
        """Pay for nothing that may be an old item under a new name.

        Raises:
            UsageError: The user has to say which items were which.
        """
        unclear = plan.unclear
        if not plan.counts[Action.ASK]:
            return
        item_id, names = next(iter(unclear.items()))
        shown = ", ".join(names[:_NAMES_SHOWN])
        shown += ", …" if len(names) > _NAMES_SHOWN else ""
        raise UsageError(
            f"{item_id} may be one of {shown} under a new name; nothing is paid for"
            f" and nothing is moved ({plan.counts[Action.ASK]:,} such items)",
            hint=f"write 'was: {names[0]}' beside its id if it is that one; if it is"
            " new: --as-new",
        )

    def _check_lock_file(self, session: Session) -> None:
        """Pay a real service for nothing that a rehearsal's lock file would not lock.

        Raises:
            UsageError: The lock file is from a rehearsal.
        """
        if self._groups.count and not session.is_emulated:
            lock_file = self._target.lock_file_of(self.loaded)
            check_not_rehearsed(lock_file, self._connection.service)

    def _rename_reviews(self, plan: Plan) -> None:
        """Take the decisions about renamed items along, before their files."""
        review = self.loaded.review
        for new, old in plan.renamed_reviews.items():
            review = review.with_renamed(old, new)
        if review != self.loaded.review:
            write_review(review, self.loaded.path.name)


def _check_known(groups: CostGroups, loaded: Manifest) -> None:
    """Check that the inputs of each model that will be paid for are known.

    Unknown fields may be ignored by the service, and charged all the same.

    Raises:
        UsageError: They are not.
    """
    unknown = sorted(one for one in groups.models if loaded.models(one) is None)
    if unknown:
        raise UsageError(
            f"the inputs of {', '.join(unknown)} are unknown: nothing is submitted",
            hint="check the model's id with `pipeline models`, or submit all the same:"
            " --unchecked",
        )


def _check_priced(groups: CostGroups, cost: Cost) -> None:
    """Check that no price is 0: nobody can say what such a job will cost.

    Raises:
        UsageError: One is.
    """
    free = [
        group.samples[0].item
        for key, group in groups.by_key.items()
        if key in cost.by_key and not cost.by_key[key].units
    ]
    if free:
        item = free[0]
        raise UsageError(
            f"{item.place}: the service quotes 0 units for"
            f" '{item.item_id}', so nothing is submitted",
            hint="submit one job all the same, and see what it costs: --allow-unpriced",
        )


def _check_frozen(groups: CostGroups) -> None:
    count = groups.count
    if count:
        sample = next(iter(groups.by_key.values())).samples[0].item.item_id
        raise PlanMoved(
            f"--frozen pays for nothing, but {count:,} of the items would be paid for,"
            f" such as {sample}",
            hint="run without --frozen and commit the lock file",
        )
