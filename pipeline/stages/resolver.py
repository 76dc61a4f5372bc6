"""Resolver: asset ids → records with fresh URLs, with request batching.

Lookups that arrive within a short time share one bulk read. An asset that the bulk read
shows as unfinished is looked up again until the deadline, because it is paid for; one
that the service does not show, for as long as that may be a delay.
"""

from collections.abc import Callable, Sequence

import anyio

from pipeline.api.interface import GenerationApi, RemoteAsset
from pipeline.api.retry import Backoff
from pipeline.clock import Clock
from pipeline.errors import (
    DownloadFailed,
    PipelineError,
    RateLimited,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import AssetId
from pipeline.settings import Settings

BULK_SIZE = 100  # assets per bulk read; the service allows 200
LINGER_S = 0.6  # how long the first lookup of a batch waits while jobs are in flight
SHORT_LINGER_S = 0.05  # the same when no more lookups are expected
PATIENT_FROM = 0.3  # share of the request limit in use from which batches wait longer
REQUESTS_PER_READ = 24  # they then wait until one request in so many is a bulk read
_GONE = (
    "it is paid for: run again to look for it once more, free; if it is gone for good,"
    " `run --force --select` makes another, and pays again"
)


class _Lookup:
    __slots__ = ("answered", "asset_id", "error", "result")

    def __init__(self, asset_id: AssetId) -> None:
        self.asset_id = asset_id
        self.answered = anyio.Event()
        self.result: RemoteAsset | None = None
        self.error: PipelineError | None = None


class Resolver:
    """Batches lookups of assets into bulk reads; :meth:`run` is its task.

    Args:
        api: The service.
        clock: The clock to use.
        settings: The deadline.
        expects_more: Whether jobs are in flight, whose lookups may join a batch.
    """

    def __init__(
        self,
        api: GenerationApi,
        clock: Clock,
        settings: Settings,
        *,
        expects_more: Callable[[], bool] = lambda: False,
    ) -> None:
        self._expects_more = expects_more
        self._api = api
        self._clock = clock
        self._settings = settings
        self._longest_hidden_s = min(settings.fresh_job_s, settings.free_deadline_s)
        self._batch_size = BULK_SIZE
        self._lookups: list[_Lookup] = []
        self._something_to_read = anyio.Event()

    async def resolve(self, asset_id: AssetId) -> RemoteAsset:
        """The record of an asset that is ready, with a fresh URL.

        Raises:
            DownloadFailed: The asset failed, is not ready at the deadline, or has not
                been shown for ``fresh_job_s``.
            Unavailable, UnexpectedAnswer: No answer until the deadline.
        """
        backoff = Backoff(self._clock, self._settings.free_deadline_s)
        hidden: Backoff | None = None
        while True:
            try:
                asset = await self._ask(asset_id)
            except (Unavailable, UnexpectedAnswer) as error:
                if not await backoff.sleep_after(error):
                    raise
                continue
            if asset is None:
                hidden = hidden or Backoff(self._clock, self._longest_hidden_s)
                if not await hidden.sleep():
                    raise DownloadFailed(
                        f"the service does not show asset {asset_id}", hint=_GONE
                    )
                continue
            hidden = None
            if asset.has_failed:
                raise DownloadFailed(f"the service failed to store asset {asset_id}")
            if asset.is_ready:
                return asset
            if not await backoff.sleep():
                raise DownloadFailed(f"the service has not finished asset {asset_id}")

    async def run(self) -> None:
        """Answer lookups in batches until cancelled."""
        while True:
            await self._something_to_read.wait()
            await self._wait_for_batch()
            batch, self._lookups = (
                self._lookups[: self._batch_size],
                self._lookups[self._batch_size :],
            )
            if not self._lookups:
                self._something_to_read = anyio.Event()
            await self._answer(batch)

    async def _wait_for_batch(self) -> None:
        if not self._expects_more():
            await self._clock.sleep(SHORT_LINGER_S)
            return
        await self._clock.sleep(LINGER_S)
        rate_limiter = self._api.rate_limiter
        if rate_limiter.rate_per_s is None or rate_limiter.used < PATIENT_FROM:
            return
        end_s = self._clock.monotonic_s() + REQUESTS_PER_READ / rate_limiter.rate_per_s
        while (
            self._clock.monotonic_s() < end_s
            and len(self._lookups) < self._batch_size
            and self._expects_more()
        ):
            await self._clock.sleep(LINGER_S)

    async def _ask(self, asset_id: AssetId) -> RemoteAsset | None:
        lookup = _Lookup(asset_id)
        self._lookups.append(lookup)
        self._something_to_read.set()
        await lookup.answered.wait()
        if lookup.error is not None:
            raise lookup.error
        return lookup.result

    async def _answer(self, batch: Sequence[_Lookup]) -> None:
        asset_ids = list(dict.fromkeys(lookup.asset_id for lookup in batch))
        found: dict[AssetId, RemoteAsset] = {}
        failure: PipelineError | None = None
        try:
            found = await self._api.find_assets(asset_ids)
        except Rejected:
            pass  # one unknown id may fail the whole read: look them up one by one
        except PipelineError as error:
            failure = error
            if not isinstance(error, RateLimited):
                # The answer may be too large for the gateway: use smaller batches.
                self._batch_size = max(1, len(asset_ids) // 2)
        else:
            self._batch_size = min(BULK_SIZE, self._batch_size * 2)
        for lookup in batch:
            lookup.result = found.get(lookup.asset_id)
            lookup.error = failure
            if lookup.result is None and failure is None:
                try:
                    lookup.result = await self._api.find_asset(lookup.asset_id)
                except PipelineError as error:
                    lookup.error = error
            lookup.answered.set()
