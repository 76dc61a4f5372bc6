"""The public entry points: a manifest's path → a Plan, its price, a finished run.

Real objects are built once, here, and passed down: credentials, lock, ledger, API,
emulator. Usable from a notebook (``await run(...)``), a program and the command line
alike; prints nothing.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread

from pipeline.clock import Clock, SystemClock
from pipeline.errors import (
    ExitCode,
    LockError,
    OutputError,
    PipelineError,
    PlanMoved,
)
from pipeline.job import UNFINISHED
from pipeline.ledger.ledger import Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.lockfile.reconcile import write_lock_file
from pipeline.manifest import Manifest
from pipeline.operations.connection import (
    Connection,
    service_of,
)
from pipeline.operations.target import Target
from pipeline.output.folder import check_owner, folder_of, holding_output
from pipeline.output.names import EMULATOR_STATE_NAME
from pipeline.planning import Action, Plan, PlannedItem, Selection, make_plan
from pipeline.pricing import Cost, CostGroups, Estimate
from pipeline.pricing.budget import smaller
from pipeline.pricing.saved_plan import PlanRecorder, SavedPlan
from pipeline.record import Struct
from pipeline.running.events import Launched, ProgressCallback, Warned
from pipeline.running.result import RunResult
from pipeline.running.run import Run
from pipeline.settings import Credentials, Settings
from pipeline.storage.syncing import take_unsynced

Approve = Callable[[Estimate], None]


async def run(
    manifest: str | os.PathLike[str] | Manifest,
    *,
    output: str | os.PathLike[str] | None = None,
    emulate: bool = False,
    allow_outside: bool = False,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    saved_plan: SavedPlan | None = None,
    on_item: Callable[[PlannedItem], None] = lambda _planned: None,
    approve: Approve = lambda _estimate: None,
    on_event: ProgressCallback = lambda _event: None,
    on_start: Callable[[Run], None] = lambda _run: None,
) -> RunResult:
    """Plan, then carry it out; finished items are left alone.

    Args:
        manifest: The YAML file, or what :func:`load_manifest` made of it.
        output: The output folder, or None for ``output/<name>``.
        emulate: Start the emulator inside this process and use it: spends nothing.
        allow_outside: Let references lie outside of the manifest's folder.
        selection: Which items the command is about.
        settings: Limits and timeouts.
        credentials: Taken from the environment or ``.env`` when None.
        clock: Whose time is spent; the machine's when None.
        saved_plan: Carry out exactly this, made by an earlier :func:`estimate`.
        on_item: Called in a thread with each item as it is planned.
        approve: Called once with the plan and its price before anything is spent;
            an exception stops the run.
        on_event: Called on the event loop with every change once it is durable.
        on_start: Called with the run before it begins, to stop it later.

    Returns:
        How it ended; failures of items are no exceptions.

    Raises:
        InputError: Something a person wrote has to change; nothing has started.
        RunError: The run had to stop; the ledger is intact, run again.
    """
    target = Target(
        manifest=manifest,
        output=output,
        emulate=emulate,
        allow_outside=allow_outside,
        selection=selection,
        settings=settings,
        clock=clock or SystemClock(),
    )
    hooks = _Hooks(
        saved_plan=saved_plan,
        on_item=on_item,
        approve=approve,
        on_event=on_event,
        on_start=on_start,
    )
    service, credentials = service_of(
        os.environ, emulate=emulate, credentials=credentials
    )
    async with Connection(
        credentials,
        settings,
        target.clock,
        service=service,
        is_fresh=saved_plan is not None,
    ) as connection:
        loaded = await target.load(
            connection,
            on_name=lambda name: check_owner(
                folder_of(name, output=output, emulate=emulate), service
            ),
        )
        with holding_output(
            target.folder_of(loaded),
            service,
            target.lock_file_of(loaded),
            item_count=loaded.item_count,
        ) as (ledger, reader):
            execution = _Execution(
                target=target,
                hooks=hooks,
                connection=connection,
                loaded=loaded,
                ledger=ledger,
                reader=reader,
            )
            return await execution.finish()


class _Hooks(Struct, frozen=True, kw_only=True):
    """What the caller of a run takes part in; see :func:`run`."""

    saved_plan: SavedPlan | None
    on_item: Callable[[PlannedItem], None]
    approve: Approve
    on_event: ProgressCallback
    on_start: Callable[[Run], None]


class _Execution(Struct, frozen=True, kw_only=True):
    """A run with everything open: its manifest, its folder, the connection."""

    target: Target
    hooks: _Hooks
    connection: Connection
    loaded: Manifest
    ledger: Ledger
    reader: Ledger

    async def finish(self) -> RunResult:
        """Plan and carry out; the ledger remembers when, and how it ended."""
        ledger, clock = self.ledger, self.target.clock
        ledger.record_manifest(self.loaded.name)
        # Before the plan: damage that is found in planning has to leave a trace.
        run_id = ledger.record_run_started(clock.utc_now())
        code = ExitCode.BUG
        try:
            result = await self._plan_and_carry_out(run_id)
            code = result.exit_code
        except BaseExceptionGroup as group:
            error = _only(group)
            if isinstance(error, PipelineError):
                code = error.exit_code
            raise error from None
        except PipelineError as error:
            code = error.exit_code
            raise
        finally:
            ledger.record_run_ended(run_id, clock.utc_now(), code)
            self._tell_unsynced()
        return result

    def _tell_unsynced(self) -> None:
        unsynced = take_unsynced()
        if unsynced is not None:
            self.hooks.on_event(Warned(message=str(unsynced)))

    async def _plan_and_carry_out(self, run_id: int) -> RunResult:
        groups = CostGroups()
        saved_plan = self.hooks.saved_plan
        recorder = PlanRecorder(saved_plan.items if saved_plan else ())
        plan = await self._make_plan(groups, recorder)
        settings = self._settings
        if settings.frozen:
            _check_frozen(groups)
        service = self.connection.service
        notes = self.target.notes(self.loaded, self.connection, service)

        def agree(priced: Estimate) -> None:
            if saved_plan is not None:
                saved_plan.check(priced, groups, recorder)
            self.hooks.approve(priced)

        # --strict looks at what is done, too.
        if _has_nothing_to_do(plan, self.reader) and not settings.strict:
            agree(Estimate(plan=plan, cost=Cost(), notes=notes, service=service))
            result = _nothing_done(plan, run_id, self.hooks.on_event)
        else:
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
                agree(await run.price(groups, notes=notes))
                self.hooks.on_start(run)
                async with session.watching():
                    result = await run.carry_out(run_id, notes=notes)
        self._write_lock_file(plan)
        return result

    @property
    def _settings(self) -> Settings:
        """Those of the target, under the budget that the manifest sets itself."""
        settings = self.target.settings
        limit = smaller(settings.max_cost, self.loaded.max_cost)
        return replace(settings, max_cost=limit)

    async def _make_plan(self, groups: CostGroups, recorder: PlanRecorder) -> Plan:
        def take(planned: PlannedItem) -> None:
            groups.add(planned)
            if self.hooks.saved_plan is not None:
                recorder.add(planned)
            self.hooks.on_item(planned)

        return await anyio.to_thread.run_sync(
            partial(
                make_plan,
                self.loaded,
                self.target.folder_of(self.loaded),
                ledger=self.reader,
                selection=self.target.selection,
                models=self.loaded.models,
                on_item=take,
            )
        )

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
            tell(Warned(message=f"the lock file is not written: {error.message}"))
            return
        if not is_ours:
            text = f"{lock_file} is another service's, so nothing of this run is locked"
            tell(Warned(message=f"{text}: delete it if it is of a rehearsal"))


def _check_frozen(groups: CostGroups) -> None:
    count = groups.count
    if count:
        sample = next(iter(groups.by_key.values())).samples[0].item.item_id
        raise PlanMoved(
            f"--frozen, but {count:,} of the items would be paid for, such as {sample}",
            hint="run without --frozen and commit the lock file",
        )


def _has_nothing_to_do(plan: Plan, ledger: Ledger) -> bool:
    counts = ledger.count_by_status()
    if plan.to_do or any(counts.get(status) for status in UNFINISHED):
        return False
    # A run that was killed has not held its submits against the service's list.
    return plan.selection.only_fetch or not ledger.find_open_marks()


def _nothing_done(plan: Plan, run_id: int, on_event: ProgressCallback) -> RunResult:
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
        submitted=0,
        stopped_by=None,
    )


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one error that matters of what the task groups gathered.

    A RunError explains the rest; a single error is raised as itself; several bugs
    stay together.
    """
    errors: list[BaseException] = []

    def flatten(inner: BaseExceptionGroup[BaseException]) -> None:
        for error in inner.exceptions:
            if isinstance(error, BaseExceptionGroup):
                flatten(error)
            else:
                errors.append(error)

    flatten(group)
    bugs = [error for error in errors if not isinstance(error, PipelineError)]
    if not bugs:
        return errors[0]
    return bugs[0] if len(bugs) == 1 else group
