"""The files of assets: rendered when they are read, off the event loop.

Keeps the most recent files in memory, and the size of every file it has made.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass

import anyio
from anyio import to_thread

from pipeline.emulator.journal import FileStore
from pipeline.emulator.pictures.canvas import Picture, StoredFile
from pipeline.emulator.pictures.rendering import render_picture

CACHE_BYTES = 96 * 2**20
THREADS = 2
NOT_IMAGES = frozenset({"json", "text"})
INLINE_PIXELS = 64 * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of an asset's file.

    Attributes:
        size_bytes: Its size.
        width_px: 0 if it is no image.
        height_px: 0 if it is no image.
    """

    size_bytes: int
    width_px: int
    height_px: int


class Gallery:
    """The files of all assets.

    Args:
        files: Where uploaded bytes are kept.
    """

    def __init__(self, files: FileStore) -> None:
        self._files = files
        self._cache: OrderedDict[Picture, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._sizes: dict[Picture, int] = {}
        self._being_made: dict[Picture, anyio.Event] = {}
        self._limiter: anyio.CapacityLimiter | None = None

    async def read(self, content: Picture | StoredFile) -> bytes:
        """The bytes of a file, the same every time."""
        if isinstance(content, StoredFile):
            return self._files.get(content.name) or b""
        while content in self._being_made:
            await self._being_made[content].wait()
        if content in self._cache:
            self._cache.move_to_end(content)
            return self._cache[content]
        done = self._being_made[content] = anyio.Event()
        try:
            data = await self._make(content)
            self._keep(content, data)
        finally:
            del self._being_made[content]
            done.set()
        return data

    async def measure(self, content: Picture | StoredFile) -> FileFacts:
        """The size of a file, and of the image in it."""
        if isinstance(content, Picture) and content in self._sizes:
            size_bytes = self._sizes[content]
        else:
            size_bytes = len(await self.read(content))
        is_image = (
            isinstance(content, StoredFile) or content.image_format not in NOT_IMAGES
        )
        return FileFacts(
            size_bytes=size_bytes,
            width_px=content.width_px if is_image else 0,
            height_px=content.height_px if is_image else 0,
        )

    async def _make(self, picture: Picture) -> bytes:
        if picture.image_format == "text":
            return picture.prompt.encode()
        if picture.image_format == "json":
            companion = {"prompt": picture.prompt, "seed": picture.seed}
            return json.dumps(companion, indent=2).encode()
        uploads = {
            reference.name: self._files.get(reference.name) or b""
            for reference in picture.references
            if isinstance(reference, StoredFile)
        }
        if picture.width_px * picture.height_px <= INLINE_PIXELS:
            return render_picture(picture, uploads)
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(THREADS)
        return await to_thread.run_sync(
            render_picture, picture, uploads, limiter=self._limiter
        )

    def _keep(self, picture: Picture, data: bytes) -> None:
        self._sizes[picture] = len(data)
        self._cache[picture] = data
        self._cached_bytes += len(data)
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= len(oldest)
