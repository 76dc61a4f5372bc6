"""A manifest → what a run would do and what it would cost; nothing is spent.

The service is asked for tables and quotes alone, and brought the references that a
price depends on.
"""

import logging
import os
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio.to_thread

from pipeline.api.interface import TeamLimits, UnexpectedJob
from pipeline.clock import Clock, SystemClock
from pipeline.contract.contract_file import notes_on_contract
from pipeline.errors import LedgerBusy, OutputError, ServiceUnreachable
from pipeline.job import AssetId, JobStatus
from pipeline.ledger.ledger import KEY_PROJECT
from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest, load_manifest
from pipeline.operations.connection import Connection, notes_on, service_of
from pipeline.output.folder import holding_output, open_for_reading, output_folder
from pipeline.planning import Orphan, PlannedItem, Selection, make_plan
from pipeline.pricing import (
    Budget,
    Cost,
    CostGroups,
    Estimate,
    Quotes,
    check_project,
    find_cost,
    find_limits,
)
from pipeline.pricing.budget import Overcharge, smaller
from pipeline.running.intents import record_unexpected_job
from pipeline.settings import Credentials, MissingCredentials, Service, Settings
from pipeline.stages.uploader import Uploader

logger = logging.getLogger(__name__)


async def estimate(
    manifest: str | os.PathLike[str] | Manifest,
    *,
    output: str | os.PathLike[str] | None = None,
    emulate: bool = False,
    allow_outside: bool = False,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    settings: Settings = Settings(),  # noqa: B008 - frozen
    credentials: Credentials | None = None,
    clock: Clock | None = None,
    offline: bool = False,
    on_item: Callable[[PlannedItem], None] = lambda _planned: None,
    on_orphan: Callable[[Orphan], None] = lambda _orphan: None,
) -> Estimate:
    """What :func:`run` would do and what it would cost; spends nothing.

    References that a price depends on are uploaded, which is free; the ledger
    remembers them unless a run is at work.

    Args:
        manifest: As for :func:`run`, and so are the others.
        output: Likewise.
        emulate: Likewise.
        allow_outside: Likewise.
        selection: Likewise.
        settings: Likewise.
        credentials: Likewise.
        clock: Likewise.
        offline: Ask the service nothing; then there is no price.
        on_item: Called in a thread with each item in the order of the manifest.
        on_orphan: Called in a thread with each item that is gone from it.

    Raises:
        InputError: Something a person wrote has to change.
        RunError, JobError: The service could not be asked.
    """
    clock = clock or SystemClock()
    notes: list[str] = []
    try:
        service, credentials = service_of(
            os.environ, emulate=emulate, credentials=credentials
        )
        notes += notes_on(service, os.environ)
    except MissingCredentials as error:
        service, credentials, offline = Service(base_url=""), None, True
        notes.append(f"no prices: {error.message}; {error.hint}")
    async with Connection(
        credentials, settings, clock, service=service, offline=offline
    ) as connection:
        loaded = await load(manifest, connection, allow_outside=allow_outside)
        notes += notes_on_contract(loaded.path.parent, service, os.environ)
        folder = output_folder(loaded, output=output, emulate=emulate)
        lock_file = find_lock_file(loaded, emulate=emulate)
        groups = CostGroups()

        def take(planned: PlannedItem) -> None:
            if not offline:
                groups.add(planned)
            on_item(planned)

        with open_for_reading(
            folder,
            lock_file,
            service=None if offline else service,
            item_count=loaded.item_count,
        ) as ledger:
            plan = await anyio.to_thread.run_sync(
                partial(
                    make_plan,
                    loaded,
                    folder,
                    ledger=ledger,
                    selection=selection,
                    models=loaded.models,
                    on_item=take,
                    on_orphan=on_orphan,
                )
            )
            limit = smaller(settings.max_cost, loaded.max_cost)
            overcharge = Overcharge(() if limit is None else ledger.find_overcharges())
            budget = Budget(limit, ledger.find_commitments(), overcharge)
            unsure = sum(
                (
                    job.committed
                    for job in ledger.find_jobs_in(
                        JobStatus.SUBMITTING, JobStatus.UNKNOWN
                    )
                ),
                Decimal(0),
            )
            bound = "" if service.project_id else ledger.find_meta().get(KEY_PROJECT)
            uploads = {} if emulate else ledger.find_uploads(service.project_id)
        cost: Cost | None = None if plan.to_submit else Cost()
        limits = TeamLimits()
        uploaded: dict[str, AssetId] = {}
        if cost is None and not offline:
            try:
                cost, limits, uploaded = await _price(
                    groups,
                    connection,
                    settings,
                    clock,
                    uploads,
                    check=lambda found: check_project(found, bound or "", folder),
                )
            except UnexpectedJob as unexpected:
                if not emulate:
                    made_with = credentials.key_digest if credentials else ""
                    _record_unexpected(
                        folder, service, groups, unexpected, clock, made_with=made_with
                    )
                raise
            except ServiceUnreachable as error:
                notes.append(f"no prices: {error.message}")
        if uploaded and not emulate:
            _remember_uploads(folder, service, uploaded, clock)
        return Estimate(
            plan=plan,
            cost=cost,
            team_left=limits.units_left,
            unsure=unsure,
            taken=budget.taken,
            limit=limit,
            service=service,
            notes=(*loaded.warnings, *connection.catalog.notes, *notes),
        )


async def load(
    manifest: str | os.PathLike[str] | Manifest,
    connection: Connection,
    *,
    allow_outside: bool,
    on_name: Callable[[str], None] = lambda _name: None,
) -> Manifest:
    """A manifest, checked against what the service says of its models.

    Args:
        manifest: The YAML file, or what ``load_manifest`` made of it.
        connection: To the service; asked only where no table of today is kept.
        allow_outside: Let references lie outside of the manifest's folder.
        on_name: Called with its name before anything is asked.

    Raises:
        ManifestError: Every fault.
    """
    if isinstance(manifest, Manifest):
        return manifest
    return await anyio.to_thread.run_sync(
        partial(
            load_manifest,
            manifest,
            allow_outside=allow_outside,
            models=connection.catalog.find,
            on_name=on_name,
        )
    )


async def _price(
    groups: CostGroups,
    connection: Connection,
    settings: Settings,
    clock: Clock,
    uploads: dict[str, AssetId],
    *,
    check: Callable[[str], None],
) -> tuple[Cost, TeamLimits, dict[str, AssetId]]:
    """What it costs, what the team has left, and what was uploaded to find out."""
    api, transfer = await connection.open()
    uploaded: dict[str, AssetId] = {}

    async def remember(sha256: str, asset_id: AssetId) -> None:
        uploaded[sha256] = asset_id

    uploader = Uploader(
        api, transfer, clock, settings, known=uploads, remember=remember
    )
    limits = await find_limits(api, clock, settings)
    check(limits.project_id)
    quotes = Quotes(api, clock, settings, uploader=uploader)
    return await find_cost(groups, quotes), limits, uploaded


def _record_unexpected(
    folder: Path,
    service: Service,
    groups: CostGroups,
    unexpected: UnexpectedJob,
    clock: Clock,
    *,
    made_with: str,
) -> None:
    """Book what a dry run may have started, for the next run to take up."""
    planned = groups.find_sample(unexpected.item_id)
    if planned is None:
        return
    try:
        with holding_output(folder, service) as (ledger, _):
            record_unexpected_job(
                ledger,
                planned,
                planned.job,
                unexpected,
                service=service,
                made_with=made_with,
                marks=None,
                now=clock.utc_now(),
            )
    except (LedgerBusy, OutputError) as error:
        logger.warning("job %s is not booked: %s", unexpected.remote_id, error.message)


def _remember_uploads(
    folder: Path, service: Service, uploaded: dict[str, AssetId], clock: Clock
) -> None:
    try:
        with holding_output(folder, service) as (ledger, _):
            for sha256, asset_id in uploaded.items():
                ledger.record_upload(
                    sha256, service.project_id, asset_id, clock.utc_now()
                )
    except (LedgerBusy, OutputError) as error:
        logger.info("uploads are not remembered: %s", error.message)
