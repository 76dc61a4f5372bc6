"""Downloader: an asset's record → a complete, checked, hashed file without a name yet.

Whatever goes wrong with a URL, a fresh one is requested until the deadline; the image
is never generated again. Where the bytes are fetched is the business of an executor.
"""

from collections.abc import Awaitable, Callable
from functools import partial as bound

import anyio.to_thread

from pipeline.api.interface import (
    ARCHIVED_TEXT,
    RemoteAsset,
    RemoteJob,
    UrlExpired,
)
from pipeline.api.retry import Backoff, retry_free
from pipeline.assets.executor import Executor, InProcess
from pipeline.assets.fetching import FetchSpec
from pipeline.assets.least_rate import LeastRate, OutOfTime, watched
from pipeline.assets.originals import find_original
from pipeline.assets.receipt import Receipt
from pipeline.assets.text_result import render_result, text_of
from pipeline.assets.treatment import Treatment, treat
from pipeline.clock import Clock
from pipeline.errors import DownloadFailed, JobError, Unavailable
from pipeline.job import Asset, AssetId, RemoteId
from pipeline.settings import Settings
from pipeline.storage.store import Store


class Downloader:
    """Fetches assets, with a fresh URL for every attempt.

    Args:
        here: Fetches in this process.
        clock: The source of time.
        settings: The deadline.
        resolve: Returns the record of an asset with a fresh URL.
        find_job: Reads the record of a job.
        executor: Fetches elsewhere; None for ``here``.
    """

    def __init__(
        self,
        here: InProcess,
        clock: Clock,
        settings: Settings,
        *,
        resolve: Callable[[AssetId], Awaitable[RemoteAsset]],
        find_job: Callable[[RemoteId], Awaitable[RemoteJob | None]],
        executor: Executor | None = None,
    ) -> None:
        self._find_job = find_job
        self._here = here
        self._executor: Executor = here if executor is None else executor
        self._clock = clock
        self._settings = settings
        self._resolve = resolve
        self._hurried_s: float | None = None

    def hurry(self) -> None:
        """Allow every download only ``hurried_download_s`` more seconds from now on."""
        if self._hurried_s is None:
            self._hurried_s = self._clock.monotonic_s()

    async def download(
        self,
        asset_id: AssetId,
        store: Store,
        *,
        treatment: Treatment | None = None,
        known: Asset | None = None,
        draws: bool = False,
    ) -> Receipt:
        """Fetch one asset, with a fresh URL for every attempt.

        Args:
            asset_id: The service's id of it.
            store: Where it is to be saved.
            treatment: What is done with it before it is saved; None for nothing.
            known: The asset as it is recorded. If its original is in the store,
                nothing is requested.
            draws: Whether the gallery will want a thumbnail of it.

        Raises:
            DownloadFailed: Not complete at the deadline, or too large.
            OutOfTime: Not complete within the time that a stop leaves.
            OutputError: The disk is full or not writable.
        """
        if known is not None:
            found = await self._take_original(known, store, treatment)
            if found is not None:
                return found
        backoff = Backoff(self._clock, self._settings.free_deadline_s)
        began_s = self._clock.monotonic_s()
        trouble = "not complete"

        def out_of_time() -> OutOfTime | None:
            """Once the run stops, neither asking nor reading may take any longer."""
            if self._hurried_s is None:
                return None
            since_s = max(began_s, self._hurried_s)
            if self._clock.monotonic_s() - since_s < self._settings.hurried_download_s:
                return None
            text = f"asset {asset_id}: {trouble}, and no time is left after a stop"
            return OutOfTime(text)

        while True:
            asked_s = self._clock.monotonic_s()
            asset = await watched(
                bound(self._resolve, asset_id), out_of_time, self._clock
            )
            spec = FetchSpec(
                asset_id=asset_id,
                url=asset.url,
                store=store,
                size_bytes=asset.size_bytes,
                kind=asset.kind,
                media_type=asset.media_type,
                treatment=treatment,
                draws=draws,
            )
            least_rate = LeastRate(self._clock)
            try:
                return await watched(
                    bound(self._attempt, spec, least_rate),
                    bound(_find_error, least_rate, out_of_time),
                    self._clock,
                )
            except (Unavailable, UrlExpired) as error:
                trouble = error.message
                # Asking has a deadline of its own, and there may be many before it.
                backoff.leave_out(asked_s, least_rate.began_s)
                if not await backoff.sleep():
                    raise DownloadFailed(
                        f"asset {asset_id}: {error.message}",
                        hint=error.hint
                        or "run again: it is paid for and can be fetched later",
                    ) from error

    async def download_result(self, remote_id: RemoteId, store: Store) -> Receipt:
        """Fetch the result that is a text in a job's own record.

        Raises:
            DownloadFailed: The service no longer shows the job, or not its result.
            Unavailable, UnexpectedAnswer: No answer until the deadline.
            OutputError: The disk is full or not writable.
        """
        job = await retry_free(
            lambda: self._find_job(remote_id),
            clock=self._clock,
            deadline_s=self._settings.free_deadline_s,
        )
        result = None if job is None else job.output
        if ARCHIVED_TEXT.fullmatch(archived := text_of(result) or ""):
            return await self.download(AssetId(archived), store)
        if result is None:
            raise DownloadFailed(
                f"the service does not show the result of job {remote_id}",
                hint="run again: it is paid for and can be fetched later",
            )
        content, media_type = render_result(result)
        async with store.begin() as partial:
            sha256 = await partial.finish([content], self._here.batcher)
        return Receipt(
            partial=partial.pending,
            sha256=sha256,
            size_bytes=partial.size_bytes,
            media_type=media_type,
            kind="text",
            width_px=None,
            height_px=None,
        )

    async def _take_original(
        self, known: Asset, store: Store, treatment: Treatment | None
    ) -> Receipt | None:
        def take() -> Receipt | None:
            receipt = find_original(store, known)
            if receipt is None or treatment is None:
                return receipt
            return treat(receipt, treatment, store.workspace)

        async with self._here.decoders:
            return await anyio.to_thread.run_sync(take)

    async def _attempt(self, spec: FetchSpec, least_rate: LeastRate) -> Receipt:
        receipt = await self._executor.fetch(spec, least_rate)
        if receipt is None:
            receipt = await self._here.fetch(spec, least_rate)
        return receipt


def _find_error(
    least_rate: LeastRate, out_of_time: Callable[[], OutOfTime | None]
) -> JobError | None:
    """Why an attempt must end; never once all of the file has arrived."""
    if least_rate.is_finished:
        return None
    return out_of_time() or least_rate.find_error()
