"""The public entry points: a manifest's path → a Plan, its price, a finished run.

Real objects are built once, here, and passed down: credentials, lock, ledger, API,
emulator. Usable from a notebook (``await run(...)``), a program and the command line
alike; prints nothing.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from pipeline.clock import Clock, SystemClock
from pipeline.contract.contract_file import notes_on_contract
from pipeline.errors import (
    ExitCode,
    LockError,
    OutputError,
    PipelineError,
    PlanMoved,
)
from pipeline.job import JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.lockfile.reconcile import find_lock_file, write_lock_file
from pipeline.manifest import Manifest
from pipeline.operations.connection import (
    Connection,
    notes_on,
    service_of,
)
from pipeline.operations.plan import load
from pipeline.output.folder import check_owner, folder_of, holding_output, output_folder
from pipeline.output.names import EMULATOR_STATE_NAME
from pipeline.planning import Action, Plan, PlannedItem, Selection, make_plan
from pipeline.pricing import Cost, CostGroups, Estimate
from pipeline.pricing.budget import smaller
from pipeline.pricing.saved_plan import PlanRecorder, SavedPlan
from pipeline.running.events import Launched, ProgressCallback, Warned
from pipeline.running.result import RunResult
from pipeline.running.run import Run
from pipeline.settings import Credentials, Service, Settings

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
    clock = clock or SystemClock()
    service, credentials = service_of(
        os.environ, emulate=emulate, credentials=credentials
    )
    async with Connection(
        credentials, settings, clock, service=service, is_fresh=saved_plan is not None
    ) as connection:
        loaded = await load(
            manifest,
            connection,
            allow_outside=allow_outside,
            on_name=lambda name: check_owner(
                folder_of(name, output=output, emulate=emulate), service
            ),
        )
        settings = replace(
            settings, max_cost=smaller(settings.max_cost, loaded.max_cost)
        )
        folder = output_folder(loaded, output=output, emulate=emulate)
        lock_file = find_lock_file(loaded, emulate=emulate)
        with holding_output(
            folder, service, lock_file, item_count=loaded.item_count
        ) as (ledger, reader):
            ledger.record_manifest(loaded.name)
            # Before the plan: damage that is found in planning has to leave a trace.
            run_id = ledger.record_run_started(clock.utc_now())
            code = ExitCode.BUG
            try:
                result = await _plan_and_carry_out(
                    loaded,
                    folder,
                    run_id,
                    ledgers=(ledger, reader),
                    connection=connection,
                    service=service,
                    selection=selection,
                    settings=settings,
                    clock=clock,
                    saved_plan=saved_plan,
                    on_item=on_item,
                    approve=approve,
                    on_event=on_event,
                    on_start=on_start,
                )
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
            return result


async def _plan_and_carry_out(
    loaded: Manifest,
    folder: Path,
    run_id: int,
    *,
    ledgers: tuple[Ledger, Ledger],
    connection: Connection,
    service: Service,
    selection: Selection,
    settings: Settings,
    clock: Clock,
    saved_plan: SavedPlan | None,
    on_item: Callable[[PlannedItem], None],
    approve: Approve,
    on_event: ProgressCallback,
    on_start: Callable[[Run], None],
) -> RunResult:
    ledger, reader = ledgers
    groups = CostGroups()
    recorder = PlanRecorder(saved_plan.items if saved_plan else ())

    def take(planned: PlannedItem) -> None:
        groups.add(planned)
        if saved_plan is not None:
            recorder.add(planned)
        on_item(planned)

    plan = await anyio.to_thread.run_sync(
        partial(
            make_plan,
            loaded,
            folder,
            ledger=reader,
            selection=selection,
            models=loaded.models,
            on_item=take,
        )
    )
    if settings.frozen:
        _check_frozen(groups)
    notes = (
        *notes_on(service, os.environ),
        *notes_on_contract(loaded.path.parent, service, os.environ),
        *loaded.warnings,
        *connection.catalog.notes,
    )

    def agree(priced: Estimate) -> None:
        if saved_plan is not None:
            saved_plan.check(priced, groups, recorder)
        approve(priced)

    # --strict looks at what is done, too.
    if _has_nothing_to_do(plan, reader) and not settings.strict:
        agree(Estimate(plan=plan, cost=Cost(), notes=notes, service=service))
        result = _nothing_done(plan, run_id, on_event)
    else:
        api, transfer = await connection.open(folder / EMULATOR_STATE_NAME)
        async with LedgerWriter(ledger) as writer:
            run = Run(
                plan,
                api=api,
                transfer=transfer,
                ledger=reader,
                writer=writer,
                clock=clock,
                settings=settings,
                service=service,
                made_with=connection.key_digest,
                on_event=on_event,
            )
            agree(await run.price(groups, notes=notes))
            on_start(run)
            result = await run.carry_out(run_id, notes=notes)
    lock_file = find_lock_file(loaded, emulate=service.is_emulated)
    _write_lock_file(lock_file, ledger, service, plan, on_event)
    return result


def _check_frozen(groups: CostGroups) -> None:
    count = groups.count
    if count:
        sample = next(iter(groups.by_key.values())).samples[0].item.item_id
        raise PlanMoved(
            f"--frozen, but {count:,} of the items would be paid for, such as {sample}",
            hint="run without --frozen and commit the lock file",
        )


def _write_lock_file(
    lock_file: Path | None,
    ledger: Ledger,
    service: Service,
    plan: Plan,
    on_event: ProgressCallback,
) -> None:
    try:
        is_ours = write_lock_file(lock_file, ledger, service, orphans=plan.orphan_ids())
    except (LockError, OutputError) as error:
        on_event(Warned(message=f"the lock file is not written: {error.message}"))
        return
    if not is_ours:
        text = f"{lock_file} is another service's, so nothing of this run is locked"
        on_event(Warned(message=f"{text}: delete it if it is of a rehearsal"))


def _has_nothing_to_do(plan: Plan, ledger: Ledger) -> bool:
    counts = ledger.count_by_status()
    unfinished = (JobStatus.SUBMITTED, JobStatus.SUBMITTING, JobStatus.UNKNOWN)
    if plan.to_do or any(counts.get(status) for status in unfinished):
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
