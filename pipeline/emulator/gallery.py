"""The files of assets: made when they are read, off the event loop.

Keeps the most recent files in memory, and what is known of every file it has made.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio
from anyio import to_thread

from pipeline.emulator.journal import FileStore
from pipeline.emulator.media.making import Made, make_file
from pipeline.emulator.pictures.canvas import Content, MadeFile, Picture, StoredFile
from pipeline.emulator.pictures.rendering import render_picture

CACHE_BYTES = 96 * 2**20
THREADS = 2
INLINE_PIXELS = 64 * 64
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of an asset's file.

    Attributes:
        size_bytes: Its size.
        properties: What the record says besides, such as width and height.
    """

    size_bytes: int
    properties: Mapping[str, object]


class Gallery:
    """The files of all assets.

    Args:
        files: Where uploaded bytes are kept.
    """

    def __init__(self, files: FileStore) -> None:
        self._files = files
        self._cache: OrderedDict[Content, bytes] = OrderedDict()
        self._cached_bytes = 0
        self._sizes: dict[Content, int] = {}
        self._properties: dict[MadeFile, Mapping[str, object]] = {}
        self._being_made: dict[Content, anyio.Event] = {}
        self._limiter: anyio.CapacityLimiter | None = None

    async def read(self, content: Content) -> bytes:
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
            made = await self._make(content)
            self._keep(content, made)
        finally:
            del self._being_made[content]
            done.set()
        return made.data

    async def measure(self, content: Content) -> FileFacts:
        """What is known of a file."""
        size_bytes = self._sizes.get(content)
        if size_bytes is None:
            size_bytes = len(await self.read(content))
        if isinstance(content, MadeFile):
            properties = self._properties[content]
        else:
            sides = {"width": content.width_px, "height": content.height_px}
            properties = sides if content.width_px else {}
        return FileFacts(size_bytes=size_bytes, properties=properties)

    async def _make(self, content: Picture | MadeFile) -> Made:
        if isinstance(content, MadeFile):
            sources = [await self.read(source) for source in content.sources]
            return await self._in_thread(partial(make_file, content, sources))
        files: dict[Content, bytes] = {
            reference: await self.read(reference)
            for reference in content.references
            if not isinstance(reference, Picture)  # the scene of a picture is sketched
        }
        paint = partial(render_picture, content, files)
        if content.width_px * content.height_px <= INLINE_PIXELS:
            return Made(data=paint(), properties={})
        return Made(data=await self._in_thread(paint), properties={})

    async def _in_thread(self, function: Callable[[], T]) -> T:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(THREADS)
        return await to_thread.run_sync(function, limiter=self._limiter)

    def _keep(self, content: Content, made: Made) -> None:
        self._sizes[content] = len(made.data)
        if isinstance(content, MadeFile):
            self._properties[content] = made.properties
        self._cache[content] = made.data
        self._cached_bytes += len(made.data)
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= len(oldest)
