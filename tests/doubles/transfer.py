"""The CDN of the service, in process."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from doubles.api import CDN, FakeApi
from doubles.calls import Point
from pipeline.api.interface import UrlExpired
from pipeline.job import AssetId


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What the CDN sends instead of the file.

    Attributes:
        content: The bytes; None for those of the file.
        announced: The length it names: -1 for the true one, None for none.
        cut_at: So many bytes of it arrive.
        breaks: Raised after them.
    """

    content: bytes | None = None
    announced: int | None = -1
    cut_at: int | None = None
    breaks: Exception | None = None


class FakeTransfer:
    """The CDN of a ``FakeApi``.

    Attributes:
        reads: The URL of every download that was begun.
        writes: The URL of every part that was sent.
        lifetime_s: How long a signed URL is good.
        chunk_bytes: Bytes that arrive at a time.
        chunk_s: How long each of them takes, on the clock of the ``FakeApi``.
        open_now: Downloads under way.
        most_open: The highest number of them at one time.
        on_point: As for ``FakeApi``: "read", "read!" between chunks, "write".
    """

    def __init__(self, api: FakeApi, *, lifetime_s: float = 1e9) -> None:
        self._api = api
        self._next: deque[Body | Exception] = deque()
        self._next_writes: deque[Exception] = deque()
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.lifetime_s = lifetime_s
        self.chunk_bytes = 64
        self.chunk_s = 0.0
        self.open_now = 0
        self.most_open = 0
        self.gate: anyio.Event | None = None
        self.on_point: Point = lambda _name: None

    def answer_next(self, *answers: Body | Exception) -> None:
        """Let the next downloads go like this, one after the other."""
        self._next.extend(answers)

    def fail_next_writes(self, *errors: Exception) -> None:
        """Let the next parts fail like this."""
        self._next_writes.extend(errors)

    @asynccontextmanager
    async def read(
        self, url: str
    ) -> AsyncIterator[tuple[int | None, AsyncIterator[bytes]]]:
        self.reads.append(url)
        self.on_point("read")
        await anyio.lowlevel.checkpoint()
        answer = self._next.popleft() if self._next else Body()
        if isinstance(answer, Exception):
            raise answer
        path, _, query = url.removeprefix(f"{CDN}/").partition("?")
        signed_s = float(query.rpartition("at=")[2])
        if self._api.clock.monotonic_s() - signed_s > self.lifetime_s:
            raise UrlExpired("downloading: HTTP 403")
        content = self._api.files[AssetId(path)]
        if answer.content is not None:
            content = answer.content
        announced = len(content) if answer.announced == -1 else answer.announced
        self.open_now += 1
        self.most_open = max(self.most_open, self.open_now)
        try:
            if self.gate is not None:
                await self.gate.wait()
            yield announced, self._chunks(content[: answer.cut_at], answer.breaks)
        finally:
            self.open_now -= 1

    async def write(self, url: str, content: bytes, media_type: str) -> None:
        assert media_type
        self.writes.append(url)
        self.on_point("write")
        await anyio.lowlevel.checkpoint()
        if self._next_writes:
            raise self._next_writes.popleft()
        self._api.parts[url] = content

    async def _chunks(
        self, content: bytes, breaks: Exception | None
    ) -> AsyncIterator[bytes]:
        for start in range(0, len(content), self.chunk_bytes):
            self.on_point("read!")
            await anyio.lowlevel.checkpoint()
            if self.chunk_s:
                await self._api.clock.sleep(self.chunk_s)
            yield content[start : start + self.chunk_bytes]
        if breaks is not None:
            raise breaks
