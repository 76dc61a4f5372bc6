"""Joint: several manifests carried out on one connection; a single one is one of one.

All of them are loaded, planned and priced before the user agrees to the price of all,
and nothing of any is started before that. From then on, each may fail by itself. Credit
that is used up, a lost connection and Ctrl-C stop all of them.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NoReturn

import anyio

from pipeline.activity import Activity
from pipeline.errors import Fault, ManifestError, UsageError, find_only
from pipeline.ledger.writer import LedgerWriter
from pipeline.manifest import Manifest
from pipeline.operations.callbacks import call
from pipeline.operations.connection import Connection, service_of
from pipeline.operations.execution import Amend, Execution, Hooks
from pipeline.operations.idle import find_idle_service
from pipeline.operations.target import Target
from pipeline.output.folder import (
    OUTPUT_ROOT,
    check_owner,
    folder_of,
    holding_output,
)
from pipeline.output.names import EMULATOR_STATE_NAME
from pipeline.output.stores import normal_url
from pipeline.planning.shards import share_of_all
from pipeline.pricing.budget import SharedBudget
from pipeline.pricing.joint import JointEstimate
from pipeline.record import replace as replace_record
from pipeline.running.joint import JointResult, JointRun
from pipeline.running.shared_requests import SharedRequests
from pipeline.settings import Credentials, MissingCredentials, Service


class Joint:
    """Carries out several manifests on one connection.

    Args:
        targets: At least one manifest; their service, settings and clock are the same.
        hooks: The callbacks of each.
        max_cost: What all of them may cost together, or None. The limit in the settings
            of a target is that of its own folder.
        credentials: None to read them from the environment, ``.env`` or the keyring.
        approve: Called once with all plans and their price; raises to stop.
        on_start: Called with the runs before they begin, so that they can be stopped.
        activity: Is told what is done at each moment.
        amend: See :func:`pipeline.operations.run.run`.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        hooks: Sequence[Hooks],
        *,
        max_cost: Decimal | None = None,
        credentials: Credentials | None = None,
        approve: Callable[[JointEstimate], object],
        on_start: Callable[[JointRun], None],
        activity: Activity | None = None,
        amend: Amend | None = None,
    ) -> None:
        self._targets = tuple(targets)
        self._hooks = tuple(hooks)
        self._max_cost = max_cost
        self._credentials = credentials
        self._approve = approve
        self._on_start = on_start
        self._activity = activity
        self._amend = amend
        self._requests = SharedRequests() if len(targets) > 1 else None
        self._has_saved_plan = any(one.saved_plan is not None for one in hooks)

    async def carry_out(self) -> JointResult:
        """Carry all of them out.

        Raises:
            InputError: The user has to change something; nothing has started.
            RunError: All had to stop; the ledgers are intact.
        """
        first = self._targets[0]
        offline = False
        try:
            service, credentials = service_of(
                os.environ, emulate=first.emulate, credentials=self._credentials
            )
        except UsageError as error:
            is_missing = isinstance(error, MissingCredentials)
            idle = await self._find_idle_service() if is_missing else None
            if idle is None:
                if is_missing and first.settings.frozen:
                    error.hint += "; --frozen needs none if every file is in place"
                await self._report_faults_first(error)
            service, credentials, offline = idle, None, True
        async with (
            Connection(
                credentials,
                first.settings,
                first.clock,
                service=service,
                offline=offline,
                is_fresh=self._has_saved_plan,
                activity=self._activity,
            ) as connection,
            AsyncExitStack() as stack,
        ):
            executions = await self._open(connection, stack)
            return await self._finish(executions, connection)

    async def _find_idle_service(self) -> Service | None:
        """The service of all folders, if none has anything to do; else None."""
        if self._has_saved_plan:
            return None
        found = [await find_idle_service(target) for target in self._targets]
        return found[0] if all(one == found[0] for one in found) else None

    async def _report_faults_first(self, error: UsageError) -> NoReturn:
        faults: list[Fault] = []
        for target in self._targets:
            try:
                await target.report_faults_first(error)
            except ManifestError as found:
                faults += found.faults
            except UsageError as found:
                if found is not error:
                    raise
        if faults:
            raise ManifestError(faults) from error
        raise error

    async def _open(
        self, connection: Connection, stack: AsyncExitStack
    ) -> list[Execution]:
        """Load every manifest, then hold every folder."""
        connection.activity.begin("reading the manifest")
        manifests = await self._load(connection)
        check_apart(
            (loaded, target.folder_of(loaded))
            for loaded, target in zip(manifests, self._targets, strict=True)
        )
        check_stores_apart(
            (loaded, url)
            for loaded, target in zip(manifests, self._targets, strict=True)
            if (url := target.store_url_of(loaded))
        )
        connection.activity.begin("connecting to the service")
        await connection.check_address()
        connection.activity.begin("opening the output folder")
        executions = []
        for loaded, target, hooks in zip(
            manifests, self._targets, self._hooks, strict=True
        ):
            folder = target.folder_of(loaded)
            store = await anyio.to_thread.run_sync(target.open_store, loaded)
            ledger, reader = stack.enter_context(
                holding_output(
                    folder,
                    connection.service,
                    target.lock_file_of(loaded),
                    item_count=loaded.most_jobs,
                    store=store,
                )
            )
            make = partial(
                Execution,
                connection=connection,
                requests=self._requests,
                store=store,
                ledger=ledger,
                reader=reader,
            )
            if self._amend is None:
                execution = make(target, hooks, loaded=loaded)
            else:
                amended = self._amend(loaded, store, reader)
                execution = make(
                    replace(target, selection=amended.selection),
                    replace_record(hooks, before_spending=amended.before_spending),
                    loaded=amended.manifest,
                    notes=amended.notes,
                )
            executions.append(execution)
        return executions

    async def _load(self, connection: Connection) -> list[Manifest]:
        catalog, service = connection.catalog, connection.service

        def look_at_folder(target: Target, name: str) -> None:
            folder = folder_of(name, output=target.output, emulate=target.emulate)
            check_owner(folder, service)
            may_be_idle = not self._has_saved_plan and folder.is_dir()
            # Of several, one may be idle while another needs the models.
            if may_be_idle and len(self._targets) == 1:
                catalog.put_off_asking()

        looks = [partial(look_at_folder, target) for target in self._targets]
        try:
            return await self._load_all(connection, looks)
        except ManifestError:
            if not catalog.put_off:
                raise
            catalog.ask_now()  # the service may take what it did not before
            return await self._load_all(connection, [lambda _name: None])

    async def _load_all(
        self, connection: Connection, looks: Sequence[Callable[[str], None]]
    ) -> list[Manifest]:
        """Load every manifest, and report the faults of all together."""
        manifests: list[Manifest] = []
        errors: list[ManifestError] = []
        for target, look in zip(self._targets, looks, strict=True):
            try:
                manifests.append(await target.load(connection, on_name=look))
            except ManifestError as error:
                errors.append(error)
        raise_all(errors)
        return manifests

    async def _finish(
        self, executions: Sequence[Execution], connection: Connection
    ) -> JointResult:
        cause: BaseException | None = None
        try:
            for execution in executions:
                execution.begin()
            left = await self._carry_out(executions, connection)
        except BaseExceptionGroup as group:
            cause = find_only(group)
            raise cause from None
        except BaseException as error:
            cause = error
            raise
        finally:
            for execution in executions:
                execution.end(cause)
                await execution.save_snapshot()
        for execution in executions:  # the ends are recorded: it may be cut off
            await execution.write_gallery()
        return JointResult(
            outcomes=tuple(execution.outcome for execution in executions), left=left
        )

    async def _carry_out(
        self, executions: Sequence[Execution], connection: Connection
    ) -> Decimal | None:
        """Plan, ask, and carry out; what is left of the common budget."""
        connection.activity.begin("planning")
        await _prepare(executions)
        busy = [one for one in executions if not one.has_nothing_to_do]
        left = None
        if busy:
            left = await self._carry_out_busy(executions, busy, connection)
        else:
            await self._agree(executions, SharedBudget(self._max_cost))
            for execution in executions:
                await execution.carry_out()
        connection.activity.begin("writing the lock file")
        for execution in executions:
            if execution.error is None:
                execution.write_lock_file()
        return left

    async def _carry_out_busy(
        self,
        executions: Sequence[Execution],
        busy: Sequence[Execution],
        connection: Connection,
    ) -> Decimal | None:
        connection.activity.begin("checking that the store can be written")
        for execution in busy:
            await execution.check_store()
        session = await connection.open_session(
            _emulator_state_of(executions),
            max_cost=share_of_all(
                self._max_cost, (one.plan.selection.division for one in executions)
            ),
            stores=[execution.plan.store for execution in busy],
            requests=self._requests,
        )
        async with AsyncExitStack() as stack:
            for execution in executions:
                if execution.has_nothing_to_do:
                    execution.join(session)
                    continue
                writer = LedgerWriter(execution.ledger)
                await stack.enter_async_context(writer)
                await execution.price(session, writer)
            await self._agree(executions, session.budget)
            runs = [one.run for one in busy if one.run is not None]
            self._on_start(JointRun(runs, session.budget))
            async with session.watching(), anyio.create_task_group() as tasks:
                for execution in executions:
                    tasks.start_soon(execution.carry_out)
        return session.budget.left

    async def _agree(
        self, executions: Sequence[Execution], budget: SharedBudget
    ) -> None:
        """Let the caller agree to the price, once for all of them."""
        for execution in executions:
            execution.check_saved_plan()
        estimate = JointEstimate(
            parts=tuple(execution.estimate for execution in executions),
            limit=budget.limit,
            taken=budget.taken,
        )
        await call(self._approve, estimate)
        for execution in executions:
            await execution.agreed()


def _emulator_state_of(executions: Sequence[Execution]) -> Path:
    """Where the emulator keeps its books: beside the folders, if there are several."""
    if len(executions) == 1:
        return executions[0].folder / EMULATOR_STATE_NAME
    return OUTPUT_ROOT / EMULATOR_STATE_NAME


async def _prepare(executions: Sequence[Execution]) -> None:
    """Plan every manifest, and report the faults of all together."""
    errors: list[ManifestError] = []
    for execution in executions:
        try:
            await execution.prepare()
        except ManifestError as error:
            errors.append(error)
    raise_all(errors)


def raise_all(errors: Sequence[ManifestError]) -> None:
    """Report the faults of several manifests together, if there are any.

    Raises:
        ManifestError: With all of them.
    """
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ManifestError([fault for error in errors for fault in error.faults])


def check_apart(places: Iterable[tuple[Manifest, Path]]) -> None:
    """Refuse manifests that would write to the same folder at the same time.

    Raises:
        UsageError: Two do.
    """
    seen: dict[str, Manifest] = {}
    for loaded, folder in places:
        other = seen.setdefault(os.path.normcase(folder.resolve()), loaded)
        if other is loaded:
            continue
        if other.path.resolve() == loaded.path.resolve():
            raise UsageError(
                f"{loaded.file} is named twice", hint="name each manifest once"
            )
        raise UsageError(
            f"{other.file} and {loaded.file} both write to {folder}",
            hint="give each a 'name:' of its own, leave --output out, or run one after"
            " the other",
        )


def check_stores_apart(places: Iterable[tuple[Manifest, str]]) -> None:
    """Refuse manifests of one run that would write to the same store.

    Args:
        places: Each manifest with the URL of its store.

    Raises:
        UsageError: Two do.
    """
    seen: dict[str, Manifest] = {}
    for loaded, url in places:
        place = normal_url(url)
        other = seen.setdefault(place, loaded)
        if other is not loaded:
            raise UsageError(
                f"{other.file} and {loaded.file} both write to {place}",
                hint="give each manifest a store, or a prefix, of its own",
            )
