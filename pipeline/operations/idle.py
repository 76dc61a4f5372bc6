"""Idle: a run that has nothing to do needs no credentials and sends no request."""

from functools import partial

import anyio.to_thread

from pipeline.errors import PipelineError
from pipeline.job import UNFINISHED
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest, load_manifest
from pipeline.models.catalog import ModelCatalog, find_cache
from pipeline.models.schema import ModelSchema
from pipeline.operations.target import Target
from pipeline.output.folder import folder_of, open_for_reading
from pipeline.planning import Plan, PlannedItem, make_plan
from pipeline.planning.decision import UNTOUCHED
from pipeline.settings import Service, Settings


class HasWork(Exception):
    """An item has something to do: a plan need not go on to know that."""


def stop_at_work(planned: PlannedItem) -> None:
    """End a plan that is made only to find out whether there is anything to do.

    Raises:
        HasWork: This item has something to do.
    """
    if planned.action not in UNTOUCHED:
        raise HasWork


def is_idle(plan: Plan, ledger: Ledger, settings: Settings) -> bool:
    """Whether a run would change nothing, and has nothing to ask the service.

    Args:
        plan: What it would do.
        ledger: The output folder's.
        settings: With ``strict``, items that are done are checked too.
    """
    counts = ledger.count_by_status()
    if settings.strict or plan.to_do or plan.moves:
        return False
    if any(counts.get(status) for status in UNFINISHED):
        return False
    # A run that crashed has not compared its submits with the service's job list.
    return plan.selection.only_fetch or not ledger.find_open_marks()


async def find_idle_service(target: Target) -> Service | None:
    """The service of an output folder in which a run would have nothing to do.

    Nothing is changed. Models are found without a request.

    Returns:
        None if there is something to do, or anything wrong: then a run needs
        credentials, and will say what is wrong.
    """
    if target.emulate:
        return None
    try:
        return await anyio.to_thread.run_sync(partial(_find, target))
    except (PipelineError, HasWork):
        return None


def _find(target: Target) -> Service | None:
    service: Service | None = None
    catalog = ModelCatalog(read=None, cache=None, now=target.clock.utc_now)

    def open_cache(name: str) -> None:
        nonlocal service, catalog
        folder = folder_of(name, output=target.output, emulate=False)
        with open_for_reading(folder) as ledger:
            service = _service_of(ledger)
        if service is not None:
            cache = find_cache(service)
            catalog = ModelCatalog(read=None, cache=cache, now=target.clock.utc_now)

    def find(model_id: str) -> ModelSchema | None:
        return catalog.find(model_id)

    loaded = target.manifest
    if isinstance(loaded, Manifest):
        open_cache(loaded.name)
    else:
        loaded = load_manifest(
            loaded,
            allow_outside=target.allow_outside,
            models=find,
            on_name=open_cache,
            profile=target.profile,
        )
    if service is None:
        return None
    folder = target.folder_of(loaded)
    store = target.open_store(loaded)
    with open_for_reading(
        folder,
        target.lock_file_of(loaded),
        service=service,
        item_count=loaded.item_count,
    ) as ledger:
        plan = make_plan(
            loaded,
            store,
            ledger=ledger,
            selection=target.selection,
            on_item=stop_at_work,
        )
        return service if is_idle(plan, ledger, target.settings) else None


def _service_of(ledger: Ledger) -> Service | None:
    facts = ledger.find_facts()
    service = Service(base_url=facts.base_url, project_id=facts.project_id)
    return None if service.is_emulated or not facts.base_url else service
