"""Run: the public entry point that plans a manifest and carries the plan out.

It builds the real objects once and passes them down: credentials, lock, ledger, API,
emulator. It can be called from a notebook (``await run(...)``), a program or the
command line, and prints nothing.
"""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from pipeline.activity import Activity
from pipeline.clock import Clock, SystemClock
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
from pipeline.ledger.ledger import Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.lockfile.reconcile import write_lock_file
from pipeline.manifest import Manifest
from pipeline.manifest.review_file import write_review
from pipeline.operations.callbacks import call, in_thread, relaying
from pipeline.operations.connection import (
    Connection,
    service_of,
)
from pipeline.operations.idle import (
    HasWork,
    find_idle_service,
    is_idle,
    stop_at_work,
)
from pipeline.operations.items import Items
from pipeline.operations.notebook import showing_progress
from pipeline.operations.target import Source, Target
from pipeline.output.folder import check_owner, claim, folder_of, holding_output
from pipeline.output.names import EMULATOR_STATE_NAME
from pipeline.output.stores import bind_store, save_snapshot
from pipeline.planning import Action, Plan, PlannedItem, Selection
from pipeline.pricing import Cost, CostGroups, Estimate
from pipeline.pricing.saved_plan import PlanRecorder, SavedPlan
from pipeline.record import Struct
from pipeline.record import replace as replace_record
from pipeline.running.events import Event, Launched, ProgressCallback, Warned
from pipeline.running.result import RunResult
from pipeline.running.run import Run
from pipeline.settings import Credentials, MissingCredentials, Settings
from pipeline.storage.store import NameTaken
from pipeline.storage.syncing import take_unsynced

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


Amend = Callable[[Manifest, Path, Ledger], Amended]


async def run(
    manifest: Source,
    *,
    output: str | os.PathLike[str] | None = None,
    emulate: bool = False,
    store: str = "",
    allow_outside: bool = False,
    profile: str = "",
    selection: Selection = Selection(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    saved_plan: SavedPlan | None = None,
    on_item: Callable[[PlannedItem], object] = lambda _planned: None,
    approve: Callable[[Estimate], object] = lambda _estimate: None,
    on_event: Callable[[Event], object] = lambda _event: None,
    on_start: Callable[[Run], None] = lambda _run: None,
    activity: Activity | None = None,
    amend: Amend | None = None,
) -> RunResult:
    """Plan a manifest and carry the plan out; finished items are left alone.

    In a notebook, the run shows its progress. ``on_item``, ``approve`` and ``on_event``
    may be async.

    Args:
        manifest: The YAML file, what it would say as a mapping, or the result of
            :func:`load_manifest`.
        output: The output folder, or None for ``output/<name>``.
        emulate: Start the emulator in this process and use it; spends nothing.
        store: The URL of the store for the files, such as ``s3://bucket/prefix``; ""
            for the manifest's ``store``, or else the output folder.
        allow_outside: Allow references outside the manifest's folder.
        profile: The manifest's profile to use; "" for its top level alone.
        selection: The items to run.
        settings: Limits and timeouts.
        credentials: None to read them from the environment, ``.env`` or the keyring.
        clock: The clock to use; None for the machine's.
        saved_plan: Carry out exactly this plan, made by an earlier :func:`estimate`.
        on_item: Called with each item as it is planned; in a thread, unless it is
            async.
        approve: Called once with the plan and its price before anything is spent. An
            exception that it raises ends the run, and :func:`run` raises it.
        on_event: Called on the event loop with every change once it is durable.
        on_start: Called with the run before it begins, so that it can be stopped.
        amend: Called with the manifest, its folder and the ledger, once they are held;
            its result is planned instead of the manifest and ``selection``.
        activity: Is told what is done at each moment, for a display of progress.

    Returns:
        The result of the run. An item that fails raises no exception.

    Raises:
        InputError: The user has to change something; nothing has started.
        RunError: The run had to stop; the ledger is intact, so run again.
    """
    target = Target(
        manifest=manifest,
        output=output,
        emulate=emulate,
        allow_outside=allow_outside,
        profile=profile,
        selection=selection,
        settings=settings,
        clock=clock or SystemClock(),
        store=store,
    )
    async with relaying(on_event) as tell:
        hooks = _Hooks(
            saved_plan=saved_plan,
            on_item=in_thread(on_item),
            approve=approve,
            on_event=tell,
            on_start=on_start,
        )
        with showing_progress(hooks.on_event, target.clock) as show:
            hooks = replace_record(hooks, on_event=show)
            return await _run(target, hooks, credentials, activity, amend)


async def _run(
    target: Target,
    hooks: "_Hooks",
    credentials: Credentials | None,
    activity: Activity | None,
    amend: Amend | None,
) -> RunResult:
    """Connect, load the manifest, open its folder, plan and carry out."""
    settings, saved_plan = target.settings, hooks.saved_plan
    output, emulate = target.output, target.emulate
    offline = False
    try:
        service, credentials = service_of(
            os.environ, emulate=emulate, credentials=credentials
        )
    except UsageError as error:
        is_missing = isinstance(error, MissingCredentials) and saved_plan is None
        idle = await find_idle_service(target) if is_missing else None
        if idle is None:
            await target.report_faults_first(error)
        service, offline = idle, True
    async with Connection(
        credentials,
        settings,
        target.clock,
        service=service,
        offline=offline,
        is_fresh=saved_plan is not None,
        activity=activity,
    ) as connection:
        connection.activity.begin("reading the manifest")

        def look_at_folder(name: str) -> None:
            folder = folder_of(name, output=output, emulate=emulate)
            check_owner(folder, service)
            if saved_plan is None and folder.is_dir():  # else nothing can be done
                connection.catalog.put_off_asking()

        try:
            loaded = await target.load(connection, on_name=look_at_folder)
        except ManifestError:
            if not connection.catalog.put_off:
                raise
            connection.catalog.ask_now()  # the service may take what it did not before
            loaded = await target.load(connection)
        connection.activity.begin("connecting to the service")
        await connection.check_address()
        connection.activity.begin("opening the output folder")
        target = await target.with_store(loaded)
        with holding_output(
            target.folder_of(loaded),
            service,
            target.lock_file_of(loaded),
            item_count=loaded.most_jobs,
            store=target.opened,
        ) as (ledger, reader):
            notes: tuple[str, ...] = ()
            if amend is not None:
                amended = amend(loaded, target.folder_of(loaded), reader)
                loaded, notes = amended.manifest, amended.notes
                target = replace(target, selection=amended.selection)
                hooks = replace_record(hooks, before_spending=amended.before_spending)
            execution = _Execution(
                target=target,
                hooks=hooks,
                connection=connection,
                loaded=loaded,
                ledger=ledger,
                reader=reader,
                notes=notes,
            )
            return await execution.finish()


class _Hooks(Struct, frozen=True, kw_only=True):
    """The caller's saved plan and callbacks; see :func:`run`."""

    saved_plan: SavedPlan | None
    on_item: Callable[[PlannedItem], None]
    approve: Callable[[Estimate], object]
    on_event: ProgressCallback
    on_start: Callable[[Run], None]
    before_spending: Callable[[], None] = lambda: None


class _Execution(Struct, kw_only=True):
    """A run with its manifest loaded, and its folder and connection open."""

    target: Target
    hooks: _Hooks
    connection: Connection
    loaded: Manifest
    ledger: Ledger
    reader: Ledger
    notes: tuple[str, ...] = ()
    had_work: bool = False

    async def finish(self) -> RunResult:
        """Plan and carry out; the ledger records start, end and exit code."""
        ledger, clock = self.ledger, self.target.clock
        claim(ledger, self.target.folder_of(self.loaded), self.loaded)
        if self.target.opened is not None:
            bind_store(self.target.opened)
        # Before planning, so that damage found while planning is on record.
        run_id = ledger.record_run_started(clock.utc_now())
        code = ExitCode.BUG
        try:
            result = await self._plan_and_carry_out(run_id)
            code = result.exit_code
        except BaseExceptionGroup as group:
            error = find_only(group)
            if isinstance(error, PipelineError):
                code = error.exit_code
            raise error from None
        except PipelineError as error:
            code = error.exit_code
            raise
        finally:
            ledger.record_run_ended(run_id, clock.utc_now(), code)
            await self._save_snapshot()
            self._tell_unsynced()
        return result

    async def _save_snapshot(self) -> None:
        """Keep a copy of the ledger in the store, if this run had anything to do."""
        store = self.target.opened
        if store is None or not self.had_work:
            return
        with anyio.CancelScope(shield=True):
            try:
                await anyio.to_thread.run_sync(save_snapshot, self.ledger, store)
            except (OutputError, NameTaken) as error:
                text = f"the store has no copy of this ledger: {error.message}"
                self.hooks.on_event(Warned(message=text))

    def _tell_unsynced(self) -> None:
        unsynced = take_unsynced()
        if unsynced is not None:
            self.hooks.on_event(Warned(message=str(unsynced)))

    async def _plan_and_carry_out(self, run_id: int) -> RunResult:
        groups = CostGroups()
        saved_plan = self.hooks.saved_plan
        recorder = PlanRecorder(saved_plan.items if saved_plan else ())

        reviewed = 0

        def take(planned: PlannedItem) -> None:
            nonlocal reviewed
            reviewed += bool(planned.job.review)
            groups.add(planned)
            if saved_plan is not None:
                recorder.add(planned)
            self.hooks.on_item(planned)

        activity = self.connection.activity
        activity.begin("planning")
        plan, has_nothing_to_do = await self._plan(take)
        self._check_clear(plan)
        settings = self.target.settings_for(self.loaded)
        if settings.frozen:
            _check_frozen(groups)
        if not settings.unchecked:
            _check_known(groups, self.loaded)
        service = self.connection.service
        notes = (*self.notes, *self.target.notes(plan, self.connection))

        async def agree(priced: Estimate) -> None:
            if saved_plan is not None:
                saved_plan.check(priced, groups, recorder)
            await call(self.hooks.approve, priced)
            self.hooks.before_spending()
            self._rename_reviews(plan)

        if has_nothing_to_do:
            await agree(Estimate(plan=plan, cost=Cost(), notes=notes, service=service))
            result = _nothing_done(
                plan, run_id, self.hooks.on_event, needs_review=reviewed
            )
        else:
            activity.begin("checking that the store can be written")
            await anyio.to_thread.run_sync(plan.store.check_writable)
            self.had_work = True
            session = await self.connection.open_session(
                plan.output / EMULATOR_STATE_NAME
            )
            async with LedgerWriter(self.ledger) as writer:
                run = Run(
                    plan,
                    session,
                    ledger=self.reader,
                    writer=writer,
                    settings=settings,
                    on_event=self.hooks.on_event,
                )
                priced = await run.price(groups, notes=notes)
                if not settings.allow_unpriced:
                    _check_priced(groups, priced.cost or Cost())
                await agree(priced)
                self.hooks.on_start(run)
                async with session.watching():
                    result = await run.carry_out(run_id, notes=notes)
        activity.begin("writing the lock file")
        if settings.lock_file:
            self._write_lock_file(plan)
        items = Items(self.loaded, plan.output, emulate=self.target.emulate)
        return replace(result, items=items)

    async def _plan(self, take: Callable[[PlannedItem], None]) -> tuple[Plan, bool]:
        """The plan, and whether there is nothing to do.

        The service is asked for its models only if there is something to do.
        """
        catalog = self.connection.catalog
        if catalog.put_off and not await self._is_idle():
            catalog.ask_now()
            fresh = await self.target.load(self.connection)
            # A command may have amended the decisions, and not written them yet.
            self.loaded = dataclasses.replace(fresh, review=self.loaded.review)
        plan = await self.target.plan(self.loaded, self.reader, on_item=take)
        return plan, is_idle(plan, self.reader, self.target.settings)

    async def _is_idle(self) -> bool:
        try:
            plan = await self.target.plan(
                self.loaded, self.reader, on_item=stop_at_work
            )
        except (ManifestError, HasWork):
            return False
        return is_idle(plan, self.reader, self.target.settings)

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

    def _rename_reviews(self, plan: Plan) -> None:
        """Take the decisions about renamed items along, before their files."""
        review = self.loaded.review
        for new, old in plan.renamed_reviews.items():
            review = review.with_renamed(old, new)
        if review != self.loaded.review:
            write_review(review, self.loaded.path.name)

    def _write_lock_file(self, plan: Plan) -> None:
        lock_file = self.target.lock_file_of(self.loaded)
        tell = self.hooks.on_event
        try:
            is_ours = write_lock_file(
                lock_file,
                self.ledger,
                self.connection.service,
                orphans=plan.orphan_ids(),
            )
        except (LockError, OutputError) as error:
            tell(Warned(message=f"the lock file was not written: {error.message}"))
            return
        if not is_ours:
            text = f"{lock_file} belongs to another service, so it was not updated"
            tell(Warned(message=f"{text}; if it is from a rehearsal, delete it"))


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
            f"{item.file}:{item.line}: the service quotes 0 units for"
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


def _nothing_done(
    plan: Plan, run_id: int, on_event: ProgressCallback, *, needs_review: int
) -> RunResult:
    done, skipped = plan.counts[Action.DONE], plan.counts[Action.SKIP]
    on_event(
        Launched(
            run_id=run_id,
            total=plan.total,
            done=done,
            skipped=skipped,
            to_submit=0,
            ceiling=None,
        )
    )
    return RunResult(
        exit_code=ExitCode.ITEMS_FAILED if skipped else ExitCode.OK,
        counts={"done": done, "skipped": skipped},
        needs_review=needs_review,
        submitted=0,
        stopped_by=None,
    )
