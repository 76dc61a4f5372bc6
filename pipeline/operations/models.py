"""Models: lists the service's public models. Spends nothing."""

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import anyio

from pipeline.api.interface import GenerationApi, ModelPage
from pipeline.api.retry import retry_free
from pipeline.clock import Clock, SystemClock
from pipeline.errors import JobError, RunError, UnexpectedAnswer
from pipeline.models.catalog import KEPT_FOR, ModelCache, find_cache
from pipeline.models.public import PublicModel, choose, read_public, slim
from pipeline.operations.connection import Connection, service_of
from pipeline.pricing.limits import unreachable
from pipeline.record import Struct
from pipeline.settings import (
    BASE_URL_VARIABLE,
    DEFAULT_BASE_URL,
    Credentials,
    MissingCredentials,
    Service,
    Settings,
    check_base_url,
)

T = TypeVar("T")

MOST_SHOWN = 500
_MOST_PAGES = 40  # of 500 models; there are two
_AT_ONCE = 4  # reads of single models
_SETTINGS = Settings(read_timeout_s=10.0)  # short, because a user is waiting
_LIST = "public models"  # the name of the list in the cache; no model has a space


class FoundModels(Struct, frozen=True, kw_only=True):
    """The models that were asked for.

    Attributes:
        models: The first of them, sorted by id, with their inputs and prices.
        count: How many there are.
        notes: What a person should know, one sentence each.
    """

    models: tuple[PublicModel, ...]
    count: int
    notes: tuple[str, ...]


async def find_models(
    query: str = "",
    *,
    kind: str = "",
    limit: int = 20,
    emulate: bool = False,
    clock: Clock | None = None,
) -> FoundModels:
    """Find public models; the list is read once a day.

    Without credentials it is read as anybody may read it.

    Args:
        query: Words that id, name or tags contain.
        kind: One of ``pipeline.models.public.CHOICES``, or "".
        limit: At most so many are read in full, each by a request of its own.
        emulate: Ask the emulator.
        clock: The clock to use.

    Raises:
        ServiceUnreachable: The service does not answer, and no list is kept.
    """
    service, credentials = _find_service(emulate=emulate)
    clock = clock or SystemClock()
    cache = None if emulate else find_cache(service)
    async with Connection(credentials, _SETTINGS, clock, service=service) as connection:
        reader = _Reader(connection, clock, cache)
        records = await reader.read_list()
        chosen = choose(records, query=query, kind=kind)
        shown = await reader.complete(chosen[: min(limit, MOST_SHOWN)])
    return FoundModels(
        models=tuple(shown), count=len(chosen), notes=tuple(reader.notes)
    )


def _find_service(*, emulate: bool) -> tuple[Service, Credentials | None]:
    try:
        return service_of(os.environ, emulate=emulate)
    except MissingCredentials:
        base_url = check_base_url(os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL)
        nobody = Credentials(key="", secret="", base_url=base_url)
        return Service(base_url=base_url, project_id=""), nobody


class _Reader:
    """Reads public models, from the cache or from the service."""

    def __init__(
        self, connection: Connection, clock: Clock, cache: ModelCache | None
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._cache = cache
        self.notes: list[str] = []

    async def read_list(self) -> Sequence[Mapping[str, Any]]:
        """The records of all public models, without their inputs."""
        kept = None if self._cache is None else self._cache.find(_LIST)
        if kept is not None and self._is_fresh(kept[1]):
            return _records_of(kept[0])
        try:
            records = await self._read_pages()
        except (JobError, RunError) as error:
            if kept is None and isinstance(error, JobError):
                raise unreachable(error) from error
            if kept is None:
                raise
            moment = f"{kept[1]:%Y-%m-%d %H:%M} UTC"
            self.notes.append(f"{error.message}; used the list from {moment}")
            return _records_of(kept[0])
        if self._cache is not None:
            record = {"id": _LIST, "models": records}
            self._cache.keep(_LIST, record, self._clock.utc_now())
        return records

    async def complete(self, models: Sequence[PublicModel]) -> list[PublicModel]:
        """The same models with inputs and prices, where they can be had."""
        completed = dict.fromkeys(model.model_id for model in models)
        found: dict[str, PublicModel] = {}
        limit = anyio.Semaphore(_AT_ONCE)

        async def read(model_id: str) -> None:
            async with limit:
                record = await self._read_model(model_id)
            if record is not None:
                found[model_id] = read_public(record)

        async with anyio.create_task_group() as reads:
            for model_id in completed:
                reads.start_soon(read, model_id)
        return [found.get(model.model_id, model) for model in models]

    async def _read_model(self, model_id: str) -> Mapping[str, Any] | None:
        kept = None if self._cache is None else self._cache.find(model_id)
        if kept is not None and self._is_fresh(kept[1]):
            return kept[0]
        api, _ = await self._connection.open()
        try:
            record = await self._retry(partial(api.find_model, model_id))
        except (JobError, RunError) as error:
            self.notes.append(f"{model_id}: {error.message}")
            return None if kept is None else kept[0]
        if record is None or record.get("id") != model_id:
            return None
        if self._cache is not None:
            self._cache.keep(model_id, record, self._clock.utc_now())
        return record

    async def _read_pages(self) -> list[dict[str, Any]]:
        api, _ = await self._connection.open()
        found: dict[str, dict[str, Any]] = {}
        token, seen = "", {""}
        for _ in range(_MOST_PAGES):
            page = await self._read_page(api, token)
            found |= {record["id"]: slim(record) for record in page.records}
            token = page.next_token
            if not token:
                return [*found.values()]
            if token in seen:
                break
            seen.add(token)
        raise UnexpectedAnswer("the list of models never ends")

    async def _read_page(self, api: GenerationApi, token: str) -> ModelPage:
        return await self._retry(partial(api.list_public_models, token=token))

    async def _retry(self, call: Callable[[], Awaitable[T]]) -> T:
        return await retry_free(
            call, clock=self._clock, deadline_s=_SETTINGS.model_deadline_s
        )

    def _is_fresh(self, read_at: datetime) -> bool:
        return timedelta() <= self._clock.utc_now() - read_at < KEPT_FOR


def _records_of(kept: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = kept.get("models")
    return [
        record
        for record in (listed if isinstance(listed, list) else ())
        if isinstance(record, dict) and isinstance(record.get("id"), str)
    ]
