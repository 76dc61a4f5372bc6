"""Plan: what a run would do and what it would cost; spends nothing.

The service is asked only for models, limits and quotes. References that a price depends
on are uploaded.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio.to_thread

from pipeline.activity import Activity
from pipeline.api.interface import TeamLimits, UnexpectedJob
from pipeline.clock import Clock, SystemClock
from pipeline.errors import LedgerBusy, OutputError, ServiceUnreachable, UsageError
from pipeline.job import AssetId
from pipeline.manifest import Manifest
from pipeline.operations.callbacks import in_thread
from pipeline.operations.connection import Connection, service_of
from pipeline.operations.run import Amend
from pipeline.operations.target import Source, Target
from pipeline.output.folder import check_manifest, holding_output, open_for_reading
from pipeline.output.names import EMULATOR_STATE_NAME
from pipeline.planning import Action, Orphan, PlannedItem, Selection, make_plan
from pipeline.pricing import (
    Cost,
    CostGroups,
    Estimate,
    Quotes,
    asking_prices,
    check_project,
    find_cost,
    find_limits,
)
from pipeline.pricing.budget import budget_of
from pipeline.running.intents import record_unexpected_job
from pipeline.settings import Credentials, MissingCredentials, Service, Settings
from pipeline.stages.uploader import Uploader
from pipeline.storage.store import Store

logger = logging.getLogger(__name__)


async def estimate(
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
    offline: bool = False,
    on_item: Callable[[PlannedItem], object] = lambda _planned: None,
    on_orphan: Callable[[Orphan], object] = lambda _orphan: None,
    is_paid_elsewhere: Callable[[PlannedItem], bool] = lambda _planned: False,
    activity: Activity | None = None,
    amend: Amend | None = None,
) -> Estimate:
    """What :func:`run` would do and what it would cost; spends nothing.

    References that a price depends on are uploaded, which is free. The ledger records
    the uploads, unless a run is in progress.

    ``(await plan("icons.yaml")).entries()`` goes through the items.

    Args:
        manifest: As for :func:`run`.
        output: As for :func:`run`.
        emulate: As for :func:`run`.
        store: As for :func:`run`.
        allow_outside: As for :func:`run`.
        profile: As for :func:`run`.
        selection: As for :func:`run`.
        settings: As for :func:`run`.
        credentials: As for :func:`run`.
        clock: As for :func:`run`.
        offline: Send the service no requests; then there is no price.
        on_item: Called with each item, in the order of the manifest; in a thread,
            unless it is async.
        on_orphan: Called like ``on_item`` with each item that has files and is no
            longer in the manifest.
        is_paid_elsewhere: Called in a thread with each item: whether its price is part
            of another plan.
        activity: As for :func:`run`.
        amend: As for :func:`run`.

    Raises:
        InputError: The user has to change a file, an option or the environment.
        RunError, JobError: The service did not answer, or refused.
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
    notes: tuple[str, ...] = ()
    try:
        service, credentials = service_of(
            os.environ, emulate=emulate, credentials=credentials
        )
    except MissingCredentials as error:
        service, credentials, offline = Service(base_url=""), None, True
        notes = (f"no prices: {error.message}; {error.hint}",)
    except UsageError as error:
        await target.report_faults_first(error)
    async with Connection(
        credentials,
        settings,
        target.clock,
        service=service,
        offline=offline,
        activity=activity,
    ) as connection:
        connection.activity.begin("reading the manifest")
        loaded = await target.load(connection)
        if not offline:
            connection.activity.begin("connecting to the service")
            await connection.check_address()
        folder = target.folder_of(loaded)
        opened = await anyio.to_thread.run_sync(target.open_store, loaded)
        groups = CostGroups()
        connection.activity.begin("planning")

        tell_item = in_thread(on_item)

        def take(planned: PlannedItem) -> None:
            if not offline and not is_paid_elsewhere(planned):
                groups.add(planned)
            tell_item(planned)

        with open_for_reading(
            folder,
            target.lock_file_of(loaded),
            service=None if offline else service,
            item_count=loaded.most_jobs,
        ) as ledger:
            check_manifest(ledger, folder, loaded)
            if amend is not None:
                amended = amend(loaded, opened, ledger)
                loaded, notes = amended.manifest, (*notes, *amended.notes)
                target = replace(target, selection=amended.selection)
            plan = await target.plan(
                loaded, opened, ledger, on_item=take, on_orphan=in_thread(on_orphan)
            )
            budget = budget_of(
                ledger,
                target.settings_for(plan).max_cost,
                counts=plan.selection.in_shard,
            )
            unsure = ledger.find_unsure_units()
            bound = "" if service.project_id else ledger.find_facts().key_project
            known = {} if emulate else ledger.find_uploads(service.project_id)
        plan.again = partial(
            _plan_again,
            loaded,
            opened,
            target.lock_file_of(loaded),
            target.selection,
        )
        may_pay = plan.to_submit or plan.counts[Action.WAIT]
        cost: Cost | None = None if may_pay else Cost()
        limits = TeamLimits()
        if cost is None and not offline:
            pricing = _Pricing(target, connection, folder, groups)
            try:
                cost, limits = await pricing.ask(known, bound)
            except ServiceUnreachable as error:
                notes = (*notes, f"no prices: {error.message}")
        return Estimate(
            plan=plan,
            cost=cost,
            team_left=limits.units_left,
            unsure=unsure,
            taken=budget.taken,
            limit=budget.limit,
            service=service,
            notes=(*target.notes(plan, connection), *notes),
        )


plan = estimate  # the name of the command


def _plan_again(
    manifest: Manifest,
    store: Store,
    lock_file: Path | None,
    selection: Selection,
) -> Iterator[PlannedItem]:
    """The items of a plan whose ledger has been closed."""
    with open_for_reading(
        store.home, lock_file, item_count=manifest.most_jobs
    ) as ledger:
        plan = make_plan(manifest, store, ledger=ledger, selection=selection)
        yield from plan.entries()


class _Pricing:
    """Asks what the items of a plan cost, and records the uploads that this needed.

    Args:
        target: The arguments of the plan.
        connection: The connection to the service.
        folder: The output folder, locked only while something is recorded.
        groups: The items by price.
    """

    def __init__(
        self, target: Target, connection: Connection, folder: Path, groups: CostGroups
    ) -> None:
        self._target = target
        self._connection = connection
        self._folder = folder
        self._groups = groups
        self._uploaded: dict[str, AssetId] = {}

    async def ask(
        self, known: Mapping[str, AssetId], bound: str
    ) -> tuple[Cost, TeamLimits]:
        """What the plan costs, and what the team has left.

        Args:
            known: The uploads of earlier runs: SHA-256 → asset id.
            bound: The project that the folder belongs to, or "".

        Raises:
            UnexpectedJob: A dry run may have started a job; the job is recorded.
            AccessDenied: The credentials are wrong, or belong to another project.
            ServiceUnreachable: The service did not answer.
        """
        settings, clock = self._target.settings, self._target.clock
        activity = self._connection.activity
        activity.begin("connecting to the service")
        state = self._folder / EMULATOR_STATE_NAME
        api, transfer = await self._connection.open_to_read(state)
        uploader = Uploader(api, transfer, clock, settings, memory=self)
        uploader.learn(known)
        limits = await find_limits(api, clock, settings)
        check_project(limits.project_id, bound, self._folder)
        quotes = Quotes(api, clock, settings, uploader=uploader)
        activity.begin(asking_prices(self._groups, quotes))
        try:
            cost = await find_cost(self._groups, quotes)
        except UnexpectedJob as unexpected:
            self._record_unexpected(unexpected)
            raise
        self._record_uploads()
        return cost, limits

    async def remember_upload(self, sha256: str, asset_id: AssetId) -> None:
        """Note the asset id under which the service holds this content."""
        self._uploaded[sha256] = asset_id

    async def forget_upload(self, sha256: str) -> None:
        """Forget the asset id of this content: the service may no longer hold it."""
        self._uploaded.pop(sha256, None)

    def _record_unexpected(self, unexpected: UnexpectedJob) -> None:
        """Record a job that a dry run may have started, for the next run to collect."""
        planned = self._groups.find_sample(unexpected.item_id)
        if planned is None or self._target.emulate:
            return
        service = self._connection.service
        try:
            with holding_output(self._folder, service) as (ledger, _):
                record_unexpected_job(
                    ledger,
                    planned,
                    planned.job,
                    unexpected,
                    service=service,
                    made_with=self._connection.key_digest,
                    marks=None,
                    now=self._target.clock.utc_now(),
                )
        except (LedgerBusy, OutputError) as error:
            text = "job %s is not recorded: %s"
            logger.warning(text, unexpected.remote_id, error.message)

    def _record_uploads(self) -> None:
        if not self._uploaded or self._target.emulate:
            return
        service, now = self._connection.service, self._target.clock.utc_now()
        try:
            with holding_output(self._folder, service) as (ledger, _):
                for sha256, asset_id in self._uploaded.items():
                    ledger.record_upload(sha256, service.project_id, asset_id, now)
        except (LedgerBusy, OutputError) as error:
            logger.info("uploads are not recorded: %s", error.message)
