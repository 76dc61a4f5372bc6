"""Downloader: an asset's record → a whole, decoded, hashed file beside its place.

``fetch(spec) → receipt`` knows no credential and no ledger. Whatever goes wrong with
a URL, a fresh one is asked for until the deadline; the image is never made again.
"""

import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread

from pipeline.api.interface import FileTransfer, RemoteAsset, UrlExpired
from pipeline.api.retry import Backoff
from pipeline.assets.checks.image import DECODED_TYPES, PNG, measure_image
from pipeline.assets.checks.png import NotAnImage, PngCheck
from pipeline.clock import Clock
from pipeline.errors import DownloadFailed, Unavailable
from pipeline.fault_points import reach
from pipeline.job import AssetId
from pipeline.record import Struct, field
from pipeline.settings import Settings
from pipeline.storage.atomic_file import PartialFile, WriteCall
from pipeline.storage.batching import Batcher
from pipeline.storage.media_type import media_type_of

MAX_FILE_BYTES = 2 << 30  # nothing the service makes comes near
MAX_IMAGE_BYTES = 256 << 20  # a 4K picture without any compression is 50 MB
# In each such span but the first: 1 KiB a second, which 64 downloads at a time leave
# each other on a line of half a megabit.
LEAST_BYTES = 30 << 10
LEAST_WINDOW_S = 30.0
UNKNOWN_BYTES = 4 << 20  # what a file without an announced size is taken for
_LARGE_AT_ONCE = 4  # however large they are
BLOCK_BYTES = 4 << 20  # written in one thread hop: the whole of a usual file
_PIECES_PER_BLOCK = 1024  # each costs memory of its own, however small it is


class BrokenFile(Unavailable):
    """What arrived is not the file that was announced; another try may be right."""


class OutOfTime(DownloadFailed):
    """The run is to stop and waits no longer; the asset can be fetched later."""


class TooLarge(DownloadFailed):
    """The service's own record announces more than is ever taken."""


class FetchSpec(Struct, frozen=True, kw_only=True):
    """What to fetch and where to put it.

    Attributes:
        asset_id: For messages.
        url: Signed; a secret.
        output: The output folder; the file goes to its ``.partial``.
        size_bytes: As announced, or None.
        kind: As announced: an ``image`` that is none is refused, and so is one of
            more than ``MAX_IMAGE_BYTES``.
        media_type: As announced; what counts is the content.
    """

    asset_id: AssetId
    url: str
    output: Path
    size_bytes: int | None
    kind: str
    media_type: str

    @property
    def max_bytes(self) -> int:
        """The most that is taken, whatever is announced."""
        return MAX_IMAGE_BYTES if self.kind == "image" else MAX_FILE_BYTES

    def __repr__(self) -> str:  # a signed URL is a credential
        return f"FetchSpec({self.asset_id!r})"


class Receipt(Struct, frozen=True, kw_only=True):
    """A whole file, synced to disk, not in its place yet.

    Attributes:
        partial: Where it is.
        sha256: Hex digest.
        size_bytes: Its size.
        media_type: By content.
        width_px: Pixels, or None for what is no image.
        height_px: Likewise.
    """

    partial: Path
    sha256: str
    size_bytes: int
    media_type: str
    width_px: int | None
    height_px: int | None


class LeastRate:
    """Whether a download is worth waiting for, looked at as each chunk comes.

    A silent connection is broken off by the transfer; this is for one that trickles.

    Args:
        clock: Whose time is spent.
        must_end: Whether there is no more time for any download.
    """

    def __init__(self, clock: Clock, must_end: Callable[[], bool]) -> None:
        self._clock = clock
        self._must_end = must_end
        self._window_ends_s = clock.monotonic_s() + LEAST_WINDOW_S
        self._bytes = 0
        self._is_first = True

    async def watch(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks, as long as they come fast enough.

        Raises:
            BrokenFile: They do not, or there is no more time.
        """
        async for chunk in chunks:
            self.check()
            self._bytes += len(chunk)
            now_s = self._clock.monotonic_s()
            if now_s >= self._window_ends_s:
                if self._bytes < LEAST_BYTES and not self._is_first:
                    text = f"{self._bytes} bytes in {LEAST_WINDOW_S:.0f} s: too slow"
                    raise BrokenFile(text)
                self._window_ends_s = now_s + LEAST_WINDOW_S
                self._bytes, self._is_first = 0, False
            yield chunk

    def check(self) -> None:
        """Whether there is time at all.

        Raises:
            BrokenFile: There is none.
        """
        if self._must_end():
            raise BrokenFile("not whole in the time that is left after a stop")


class Room:
    """Bytes that those under way share; the others wait in the order they came.

    Args:
        total_bytes: For all together. Nobody gets more than a quarter of it, so that
            some large ones are under way together.
    """

    def __init__(self, total_bytes: int) -> None:
        self._free = total_bytes
        self._largest = max(1, total_bytes // _LARGE_AT_ONCE)
        self._waiting: deque[_Turn] = deque()

    @asynccontextmanager
    async def take(self, size_bytes: int | None) -> AsyncIterator[None]:
        """Hold room for so many bytes; ``UNKNOWN_BYTES`` for None."""
        wanted = UNKNOWN_BYTES if size_bytes is None else size_bytes
        turn = _Turn(min(wanted, self._largest))
        self._waiting.append(turn)
        self._admit()
        try:
            if not turn.has_come.is_set():
                await turn.has_come.wait()
            yield
        finally:
            if turn.has_come.is_set():
                self._free += turn.size_bytes
            else:
                self._waiting.remove(turn)
            self._admit()

    def _admit(self) -> None:
        while self._waiting and self._waiting[0].size_bytes <= self._free:
            turn = self._waiting.popleft()
            self._free -= turn.size_bytes
            turn.has_come.set()


class _Turn(Struct, eq=False):
    size_bytes: int
    has_come: anyio.Event = field(default_factory=anyio.Event)


class Downloader:
    """Fetches assets, some at a time: many small ones, few large ones.

    Args:
        transfer: Reads signed URLs.
        clock: Whose time is spent.
        settings: The deadline and how many downloads there are at a time.
        resolve: Gives the record of an asset with a fresh URL.
    """

    def __init__(
        self,
        transfer: FileTransfer,
        clock: Clock,
        settings: Settings,
        *,
        resolve: Callable[[AssetId], Awaitable[RemoteAsset]],
    ) -> None:
        self._transfer = transfer
        self._clock = clock
        self._settings = settings
        self._resolve = resolve
        self._hurried_s: float | None = None
        self._limit = anyio.Semaphore(settings.downloads, fast_acquire=True)
        self._room = Room(settings.download_bytes)
        # A decoded picture is large, and more at a time than processors gain nothing.
        self._decoders = anyio.CapacityLimiter(os.cpu_count() or 1)
        self._batcher: Batcher[WriteCall, None] = Batcher(lambda write: write())

    def hurry(self) -> None:
        """From now on a download gets ``hurried_download_s`` seconds and no more."""
        if self._hurried_s is None:
            self._hurried_s = self._clock.monotonic_s()

    async def download(self, asset_id: AssetId, output: Path) -> Receipt:
        """Fetch one asset, with a fresh URL for every try.

        Raises:
            DownloadFailed: Not whole at the deadline, or too large.
            OutOfTime: Not whole when the time is over that a stop leaves.
            OutputError: The disk is full or not writable.
        """
        backoff = Backoff(self._clock, self._settings.free_deadline_s)
        began_s = self._clock.monotonic_s()

        def must_end() -> bool:
            if self._hurried_s is None:
                return False
            since_s = max(began_s, self._hurried_s)
            allowed_s = self._settings.hurried_download_s
            return self._clock.monotonic_s() - since_s >= allowed_s

        while True:
            asset = await self._resolve(asset_id)
            spec = FetchSpec(
                asset_id=asset_id,
                url=asset.url,
                output=output,
                size_bytes=asset.size_bytes,
                kind=asset.kind,
                media_type=asset.media_type,
            )
            try:
                async with self._limit, self._room.take(asset.size_bytes):
                    least_rate = LeastRate(self._clock, must_end)
                    least_rate.check()
                    return await fetch(
                        spec,
                        self._transfer,
                        self._decoders,
                        self._batcher,
                        least_rate=least_rate,
                    )
            except (Unavailable, UrlExpired) as error:
                if must_end():
                    raise OutOfTime(f"asset {asset_id}: {error.message}") from error
                if not await backoff.sleep():
                    raise DownloadFailed(
                        f"asset {asset_id}: {error.message}",
                        hint=error.hint
                        or "run again: it is paid for and can be fetched later",
                    ) from error


async def fetch(
    spec: FetchSpec,
    transfer: FileTransfer,
    decoders: anyio.CapacityLimiter | None = None,
    batcher: Batcher[WriteCall, None] | None = None,
    *,
    least_rate: LeastRate | None = None,
) -> Receipt:
    """One try: stream, check the length, hash, sync, look at the picture.

    In memory are at most what the transfer holds back, ``BLOCK_BYTES`` with two
    chunks and ``CHUNK_SIZE_BYTES`` for joining small ones, and what a picture needs
    that has to be decoded.

    Args:
        spec: What to fetch and where to put it.
        transfer: Reads signed URLs.
        decoders: Limits the pictures that are decoded at a time.
        batcher: Where small files share their way to a thread.
        least_rate: Ends a download that is not worth waiting for.

    Raises:
        TooLarge: By the service's own record.
        Unavailable, UrlExpired: Another try, with a fresh URL, may mend it.
        OutputError: The disk is full or not writable.
    """
    _check_record(spec)
    png = PngCheck()
    async with transfer.read(spec.url) as (announced, chunks):
        _check_length(announced, spec)
        expected = announced if announced is not None else spec.size_bytes
        most = expected if expected is not None else spec.max_bytes
        async with PartialFile(spec.output, watch=png.feed) as partial:
            try:
                block: list[bytes] = []
                held_bytes = 0
                async for chunk in (
                    chunks if least_rate is None else least_rate.watch(chunks)
                ):
                    if held_bytes >= BLOCK_BYTES or len(block) == _PIECES_PER_BLOCK:
                        await partial.write(block)
                        block, held_bytes = [], 0
                    block.append(chunk)
                    held_bytes += len(chunk)
                    if partial.size_bytes + held_bytes > most:
                        raise BrokenFile(f"more than the {most} bytes that are taken")
                _check_whole(partial.size_bytes + held_bytes, expected)
                sha256 = await partial.finish(block, batcher)
                reach("download-synced")
                media_type = _recognise(partial.head, spec)
                size = None
                if media_type == PNG:
                    size = png.finish()
                elif media_type in DECODED_TYPES:
                    async with decoders or anyio.CapacityLimiter(1):
                        size = await anyio.to_thread.run_sync(
                            measure_image, partial.path, media_type
                        )
            except NotAnImage as error:
                raise BrokenFile(str(error)) from error
    width_px, height_px = size or (None, None)
    return Receipt(
        partial=partial.path,
        sha256=sha256,
        size_bytes=partial.size_bytes,
        media_type=media_type or spec.media_type or "application/octet-stream",
        width_px=width_px,
        height_px=height_px,
    )


def _recognise(head: bytes, spec: FetchSpec) -> str:
    """The media type by content, or ""; what cannot be the asset is refused."""
    media_type = media_type_of(head)
    if spec.kind == "image" and not media_type.startswith("image/"):
        raise BrokenFile(f"not an image but {media_type or 'unknown bytes'}")
    if media_type == "text/html" and "html" not in spec.media_type:
        raise BrokenFile("a web page instead of the asset")
    return media_type


def _check_record(spec: FetchSpec) -> None:
    """The service's own record announces a size that is taken."""
    if spec.size_bytes is not None and spec.size_bytes > spec.max_bytes:
        raise TooLarge(
            f"asset {spec.asset_id}: {spec.size_bytes:,} bytes, which is more than the"
            f" {spec.max_bytes:,} that are taken",
            hint="fetch it by hand from the Scenario web app",
        )


def _check_whole(arrived: int, expected: int | None) -> None:
    if expected is not None and arrived != expected:
        raise BrokenFile(f"{arrived} of {expected} bytes arrived")
    if not arrived:
        raise BrokenFile("an empty file")


def _check_length(announced: int | None, spec: FetchSpec) -> None:
    """Before anything is read: what is announced can be right.

    The URL is the original's, so both announcements have to agree.
    """
    if announced is None:
        return
    if spec.size_bytes not in {None, announced}:
        raise BrokenFile(f"{announced} bytes announced instead of {spec.size_bytes}")
    if announced > spec.max_bytes:
        raise BrokenFile(f"{announced} bytes announced, at most {spec.max_bytes} taken")
