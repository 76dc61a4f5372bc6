"""Fetching: one attempt to get one asset → a complete, checked, hashed file.

``fetch(spec) → receipt`` knows no credential and no ledger, so it can run in this
process or in another one.
"""

import anyio
import anyio.to_thread

from pipeline.api.interface import FileTransfer
from pipeline.assets.checks.content import CHECKED_TYPES, check_content
from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.image import PNG
from pipeline.assets.checks.png import PngCheck
from pipeline.assets.least_rate import BrokenFile, LeastRate
from pipeline.assets.receipt import Receipt
from pipeline.assets.treatment import Treatment, treat
from pipeline.counting import plural
from pipeline.errors import DownloadFailed
from pipeline.fault_points import reach
from pipeline.job import AssetId
from pipeline.record import Struct
from pipeline.storage.batching import Batcher
from pipeline.storage.folder import Folder
from pipeline.storage.media_type import kind_of, media_type_of
from pipeline.storage.store import Store, WriteCall

MAX_FILE_BYTES = 2 << 30  # nothing the service makes comes close
MAX_IMAGE_BYTES = 256 << 20  # an uncompressed 4K image is 50 MB
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
        draws: Whether the gallery will want a thumbnail of it.
    """

    asset_id: AssetId
    url: str
    store: Store
    size_bytes: int | None
    kind: str
    media_type: str
    treatment: Treatment | None = None
    draws: bool = False

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
