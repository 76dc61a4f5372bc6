"""Downloader: an asset's record → a complete, checked, hashed file without a name yet.

``fetch(spec) → receipt`` knows no credential and no ledger. Whatever goes wrong with a
URL, a fresh one is requested until the deadline; the image is never generated again.
"""

import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial as bound

import anyio
import anyio.to_thread

from pipeline.api.interface import (
    ARCHIVED_TEXT,
    FileTransfer,
    RemoteAsset,
    RemoteJob,
    UrlExpired,
)
from pipeline.api.retry import Backoff, retry_free
from pipeline.assets.checks.content import CHECKED_TYPES, check_content
from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.image import PNG
from pipeline.assets.checks.png import PngCheck
from pipeline.assets.least_rate import BrokenFile, LeastRate, OutOfTime, watched
from pipeline.assets.originals import find_original
from pipeline.assets.receipt import Receipt
from pipeline.assets.text_result import render_result, text_of
from pipeline.assets.treatment import Treatment, treat
from pipeline.clock import Clock
from pipeline.counting import plural
from pipeline.errors import DownloadFailed, JobError, Unavailable
from pipeline.fault_points import reach
from pipeline.job import Asset, AssetId, RemoteId
from pipeline.record import Struct, field
from pipeline.settings import Settings
from pipeline.storage.batching import Batcher
from pipeline.storage.folder import Folder
from pipeline.storage.media_type import kind_of, media_type_of
from pipeline.storage.store import Store, WriteCall

MAX_FILE_BYTES = 2 << 30  # nothing the service makes comes close
MAX_IMAGE_BYTES = 256 << 20  # an uncompressed 4K image is 50 MB
UNKNOWN_BYTES = 4 << 20  # assumed for a file without an announced size
_LARGE_AT_ONCE = 4  # at least, however large they are
BLOCK_BYTES = 4 << 20  # written in one thread call: all of a typical file
_NOUNS = {"video": "a video", "audio": "a sound"}
# Models written as text, which may begin with anything.
_TEXT_MODELS = frozenset({"model/obj", "model/gltf+json", "model/stl"})
_PIECES_PER_BLOCK = 1024  # each costs some memory, however small it is


class TooLarge(DownloadFailed):
    """The service's own record announces more than the size limit."""


class FetchSpec(Struct, frozen=True, kw_only=True):
    """What to fetch and where to put it.

    Attributes:
        asset_id: For messages.
        url: Signed; a secret.
        store: Where the file goes, without a name yet.
        size_bytes: As announced, or None.
        kind: As announced. An ``image`` that is not one is refused, and so is one of
            more than ``MAX_IMAGE_BYTES``.
        media_type: As announced; the content decides.
        treatment: What is done with the file before it is saved; None for nothing.
    """

    asset_id: AssetId
    url: str
    store: Store
    size_bytes: int | None
    kind: str
    media_type: str
    treatment: Treatment | None = None

    @property
    def target(self) -> Store:
        """Where the file is written first: what is to be treated goes to the disk."""
        is_treated = self.treatment is not None and self.store.is_remote
        return Folder(self.store.workspace) if is_treated else self.store

    @property
    def max_bytes(self) -> int:
        """The size limit, whatever is announced."""
        return MAX_IMAGE_BYTES if self.kind == "image" else MAX_FILE_BYTES

    def __repr__(self) -> str:  # a signed URL is a credential
        return f"FetchSpec({self.asset_id!r})"


class ByteLimiter:
    """Limits the total bytes of the downloads in progress; the others wait in order.

    Args:
        total_bytes: For all of them together. No download counts for more than a
            quarter of it, so that several large ones can run at a time.
    """

    def __init__(self, total_bytes: int) -> None:
        self._free = total_bytes
        self._largest = max(1, total_bytes // _LARGE_AT_ONCE)
        self._waiters: deque[_Waiter] = deque()

    @asynccontextmanager
    async def take(self, size_bytes: int | None) -> AsyncIterator[None]:
        """Reserve so many bytes, waiting for them first; ``UNKNOWN_BYTES`` for None."""
        wanted = UNKNOWN_BYTES if size_bytes is None else size_bytes
        waiter = _Waiter(min(wanted, self._largest))
        self._waiters.append(waiter)
        self._admit()
        try:
            if not waiter.admitted.is_set():
                await waiter.admitted.wait()
            yield
        finally:
            if waiter.admitted.is_set():
                self._free += waiter.size_bytes
            else:
                self._waiters.remove(waiter)
            self._admit()

    def _admit(self) -> None:
        while self._waiters and self._waiters[0].size_bytes <= self._free:
            waiter = self._waiters.popleft()
            self._free -= waiter.size_bytes
            waiter.admitted.set()


class _Waiter(Struct, eq=False):
    size_bytes: int
    admitted: anyio.Event = field(default_factory=anyio.Event)


class Downloader:
    """Fetches assets, several at a time: many small ones or a few large ones.

    Args:
        transfer: Reads signed URLs.
        clock: The source of time.
        settings: The deadline, and how many downloads may run at a time.
        resolve: Returns the record of an asset with a fresh URL.
        find_job: Reads the record of a job.
    """

    def __init__(
        self,
        transfer: FileTransfer,
        clock: Clock,
        settings: Settings,
        *,
        resolve: Callable[[AssetId], Awaitable[RemoteAsset]],
        find_job: Callable[[RemoteId], Awaitable[RemoteJob | None]],
    ) -> None:
        self._find_job = find_job
        self._transfer = transfer
        self._clock = clock
        self._settings = settings
        self._resolve = resolve
        self._hurried_s: float | None = None
        self._limit = anyio.Semaphore(settings.downloads, fast_acquire=True)
        self._byte_limiter = ByteLimiter(settings.download_bytes)
        # A decoded image is large, and decoding more than one per processor gains
        # nothing.
        self._decoders = anyio.CapacityLimiter(os.cpu_count() or 1)
        self._batcher: Batcher[WriteCall, None] = Batcher(lambda write: write())

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
    ) -> Receipt:
        """Fetch one asset, with a fresh URL for every attempt.

        Args:
            asset_id: The service's id of it.
            store: Where it is to be saved.
            treatment: What is done with it before it is saved; None for nothing.
            known: The asset as it is recorded. If its original is in the store,
                nothing is requested.

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
            backoff.leave_out(asked_s)  # it has a deadline of its own
            spec = FetchSpec(
                asset_id=asset_id,
                url=asset.url,
                store=store,
                size_bytes=asset.size_bytes,
                kind=asset.kind,
                media_type=asset.media_type,
                treatment=treatment,
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
            sha256 = await partial.finish([content], self._batcher)
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

        async with self._decoders:
            return await anyio.to_thread.run_sync(take)

    async def _attempt(self, spec: FetchSpec, least_rate: LeastRate) -> Receipt:
        """Wait for room, then fetch."""
        async with self._limit, self._byte_limiter.take(spec.size_bytes):
            return await fetch(
                spec,
                self._transfer,
                self._decoders,
                self._batcher,
                least_rate=least_rate,
            )


def _find_error(
    least_rate: LeastRate, out_of_time: Callable[[], OutOfTime | None]
) -> JobError | None:
    """Why an attempt must end; never once all of the file has arrived."""
    if least_rate.is_finished:
        return None
    return out_of_time() or least_rate.find_error()


async def fetch(
    spec: FetchSpec,
    transfer: FileTransfer,
    decoders: anyio.CapacityLimiter | None = None,
    batcher: Batcher[WriteCall, None] | None = None,
    *,
    least_rate: LeastRate | None = None,
) -> Receipt:
    """One attempt: stream, check the length, hash, sync, check the content, treat it.

    Memory holds at most what the transfer buffers, ``BLOCK_BYTES`` plus two chunks,
    ``CHUNK_SIZE_BYTES`` for joining small ones, and the image if it must be decoded.

    Args:
        spec: What to fetch and where to put it.
        transfer: Reads signed URLs.
        decoders: Limits how many files are decoded at a time.
        batcher: Lets small files share a thread call.
        least_rate: Is told what arrives.

    Raises:
        TooLarge: According to the service's own record.
        Unavailable, UrlExpired: Another attempt, with a fresh URL, may succeed.
        OutputError: The disk is full or not writable.
    """
    _check_record(spec)
    png = PngCheck()
    if least_rate is not None:
        least_rate.begin()
    async with transfer.read(spec.url) as (announced, chunks):
        _check_length(announced, spec)
        expected = announced if announced is not None else spec.size_bytes
        most = expected if expected is not None else spec.max_bytes
        async with spec.target.begin(png.feed) as partial:
            try:
                block: list[bytes] = []
                held_bytes = 0
                async for chunk in chunks:
                    if least_rate is not None:
                        least_rate.add(len(chunk))
                    if held_bytes >= BLOCK_BYTES or len(block) == _PIECES_PER_BLOCK:
                        await partial.write(block)
                        block, held_bytes = [], 0
                    block.append(chunk)
                    held_bytes += len(chunk)
                    if partial.size_bytes + held_bytes > most:
                        raise BrokenFile(
                            f"more than the {plural(most, 'byte')} allowed"
                        )
                if least_rate is not None:
                    least_rate.finish()
                _check_whole(partial.size_bytes + held_bytes, expected)
                sha256 = await partial.finish(block, batcher)
                reach("download-synced")
                media_type = _recognise(partial.head, partial.size_bytes, spec)
                size = None
                if media_type == PNG:
                    size = png.finish()
                elif media_type in CHECKED_TYPES:
                    async with decoders or anyio.CapacityLimiter(1):
                        size = await anyio.to_thread.run_sync(
                            check_content, partial.pending, media_type
                        )
            except Damaged as error:
                raise BrokenFile(str(error)) from error
    width_px, height_px = size or (None, None)
    receipt = Receipt(
        partial=partial.pending,
        sha256=sha256,
        size_bytes=partial.size_bytes,
        media_type=media_type or spec.media_type or "application/octet-stream",
        kind=_kind(media_type, spec),
        width_px=width_px,
        height_px=height_px,
    )
    return await _treated(receipt, spec, decoders or anyio.CapacityLimiter(1))


async def _treated(
    receipt: Receipt, spec: FetchSpec, decoders: anyio.CapacityLimiter
) -> Receipt:
    if spec.treatment is None:
        return receipt
    async with decoders:
        return await anyio.to_thread.run_sync(
            treat, receipt, spec.treatment, spec.store.workspace
        )


def _recognise(head: bytes, size_bytes: int, spec: FetchSpec) -> str:
    """The media type by content, or ""; refuses what cannot be the asset."""
    media_type = media_type_of(head, size_bytes)
    if spec.kind == "image" and not media_type.startswith("image/"):
        raise BrokenFile(f"not an image but {media_type or 'unknown bytes'}")
    if media_type == "text/html" and "html" not in spec.media_type:
        raise BrokenFile("a web page instead of the asset")
    if spec.kind in {"video", "audio"} and kind_of(media_type) == "text":
        raise BrokenFile(f"not {_NOUNS[spec.kind]} but {media_type}")
    if media_type == "text/plain" and spec.media_type in _TEXT_MODELS:
        return spec.media_type
    return media_type


def _kind(media_type: str, spec: FetchSpec) -> str:
    """What kind of file it is: containers of videos may hold sound alone."""
    found = kind_of(media_type)
    if found in {"", "text"} or (found == "video" and spec.kind == "audio"):
        return spec.kind or found
    return found


def _check_record(spec: FetchSpec) -> None:
    """Check that the size in the service's own record is allowed."""
    if spec.size_bytes is not None and spec.size_bytes > spec.max_bytes:
        raise TooLarge(
            f"asset {spec.asset_id}: {plural(spec.size_bytes, 'byte')}, which is more"
            f" than the {spec.max_bytes:,} allowed",
            hint="fetch it by hand from the Scenario web app",
        )


def _check_whole(arrived: int, expected: int | None) -> None:
    if expected is not None and arrived != expected:
        raise BrokenFile(f"{arrived} of {plural(expected, 'byte')} arrived")
    if not arrived:
        raise BrokenFile("an empty file")


def _check_length(announced: int | None, spec: FetchSpec) -> None:
    """Before anything is read, check that the announced length can be right.

    The URL is the original's, so both announcements must agree.
    """
    if announced is None:
        return
    if spec.size_bytes not in {None, announced}:
        raise BrokenFile(
            f"{plural(announced, 'byte')} announced instead of {spec.size_bytes:,}"
        )
    if announced > spec.max_bytes:
        raise BrokenFile(
            f"{plural(announced, 'byte')} announced, at most {spec.max_bytes:,} allowed"
        )
