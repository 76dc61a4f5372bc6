"""Downloader: an asset's record → a whole, decoded, hashed file beside its place.

``fetch(spec) → receipt`` knows no credential and no ledger. Whatever goes wrong with
a URL, a fresh one is asked for until the deadline; the image is never made again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from pipeline.api.interface import FileTransfer, RemoteAsset, UrlExpired
from pipeline.api.retry import Backoff
from pipeline.atomic_file import CHUNK_SIZE_BYTES, PartialFile
from pipeline.clock import Clock
from pipeline.errors import DownloadFailed, Unavailable
from pipeline.fault_points import reach
from pipeline.job import AssetId
from pipeline.media_type import media_type_of
from pipeline.settings import Settings
from pipeline.stages.image_check import NotAnImage, measure_image

MAX_FILE_BYTES = 2 << 30  # nothing the service makes comes near


class BrokenFile(Unavailable):
    """What arrived is not the file that was announced; another try may be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSpec:
    """What to fetch and where to put it.

    Attributes:
        asset_id: For messages.
        url: Signed; a secret.
        output: The output folder; the file goes to its ``.partial``.
        size_bytes: As announced, or None.
        kind: As announced: an ``image`` that is none is refused.
        media_type: As announced; what counts is the content.
    """

    asset_id: AssetId
    url: str
    output: Path
    size_bytes: int | None
    kind: str
    media_type: str

    def __repr__(self) -> str:  # a signed URL is a credential
        return f"FetchSpec({self.asset_id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
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


class Downloader:
    """Fetches assets, some at a time.

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
        self._limit = anyio.CapacityLimiter(settings.downloads)

    async def download(self, asset_id: AssetId, output: Path) -> Receipt:
        """Fetch one asset, with a fresh URL for every try.

        Raises:
            DownloadFailed: Not whole at the deadline.
            OutputError: The disk is full or not writable.
        """
        backoff = Backoff(self._clock, self._settings.free_deadline_s)
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
                async with self._limit:
                    return await fetch(spec, self._transfer)
            except (Unavailable, UrlExpired) as error:
                if not await backoff.sleep():
                    raise DownloadFailed(
                        f"asset {asset_id}: {error.message}",
                        hint="run again: it is paid for and can be fetched later",
                    ) from error


async def fetch(spec: FetchSpec, transfer: FileTransfer) -> Receipt:
    """One try: stream, check the length, decode, hash, sync.

    Raises:
        Unavailable, UrlExpired: Another try, with a fresh URL, may mend it.
        OutputError: The disk is full or not writable.
    """
    async with transfer.read(spec.url) as (announced, chunks):
        _check_length(announced, spec)
        most = spec.size_bytes or announced or MAX_FILE_BYTES
        async with PartialFile(spec.output) as partial:
            async for block in _blocks(chunks):
                if partial.size_bytes + len(block) > most:
                    raise BrokenFile(f"more than the {most} bytes announced")
                await partial.write(block)
                reach("chunk-written")
            expected = announced if announced is not None else spec.size_bytes
            if expected is not None and partial.size_bytes != expected:
                raise BrokenFile(
                    f"{partial.size_bytes} of {expected} bytes arrived",
                )
            return await anyio.to_thread.run_sync(_finish, partial, spec)


def _finish(partial: PartialFile, spec: FetchSpec) -> Receipt:
    """Blocking: sync first, so that what is decoded is what is on the disk."""
    sha256 = partial.sync()
    reach("download-synced")
    media_type = media_type_of(partial.head)
    if spec.kind == "image" and not media_type.startswith("image/"):
        raise BrokenFile(f"not an image but {media_type or 'unknown bytes'}")
    if media_type == "text/html" and "html" not in spec.media_type:
        raise BrokenFile("a web page instead of the asset")
    try:
        size = measure_image(partial.path, media_type)
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


def _check_length(announced: int | None, spec: FetchSpec) -> None:
    """The URL is the original's, so both announcements have to agree."""
    if announced is not None and spec.size_bytes not in {None, announced}:
        raise BrokenFile(f"{announced} bytes announced instead of {spec.size_bytes}")


async def _blocks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks as they come → blocks of ``CHUNK_SIZE_BYTES``: one thread hop each."""
    pieces: list[bytes] = []
    size_bytes = 0
    async for chunk in chunks:
        pieces.append(chunk)
        size_bytes += len(chunk)
        if size_bytes >= CHUNK_SIZE_BYTES:
            yield b"".join(pieces)
            pieces, size_bytes = [], 0
    if pieces:
        yield b"".join(pieces)
