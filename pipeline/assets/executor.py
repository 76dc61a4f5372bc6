"""Executor: where assets are fetched. In this process, unless the user says otherwise.

An executor bounds how much it has in hand at a time. It knows no credential: whatever
needs the API, such as a fresh URL, is left to the downloader.
"""

import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import anyio

from pipeline.api.interface import FileTransfer
from pipeline.assets.fetching import FetchSpec, fetch
from pipeline.assets.least_rate import LeastRate
from pipeline.assets.receipt import Receipt
from pipeline.record import Struct, field
from pipeline.settings import Settings
from pipeline.storage.batching import Batcher
from pipeline.storage.store import WriteCall

UNKNOWN_BYTES = 4 << 20  # assumed for a file without an announced size
_LARGE_AT_ONCE = 4  # at least, however large they are


class Executor(Protocol):
    """Fetches assets."""

    async def fetch(self, spec: FetchSpec, least_rate: LeastRate) -> Receipt | None:
        """One attempt: wait for room, then fetch.

        Args:
            spec: What to fetch and where to put it.
            least_rate: Is told when it begins, and what arrives in this process.

        Returns:
            None if it is to be fetched in this process instead.

        Raises:
            TooLarge: According to the service's own record.
            Unavailable, UrlExpired: Another attempt, with a fresh URL, may succeed.
            OutputError: The disk is full or not writable.
        """


class InProcess:
    """Fetches in this process: many small assets or a few large ones at a time.

    Args:
        transfer: Reads signed URLs.
        settings: How many downloads may run at a time.

    Attributes:
        decoders: Limits how many files are decoded at a time. A decoded image is large,
            and decoding more than one per processor gains nothing.
        batcher: Lets small files share a thread call.
    """

    def __init__(self, transfer: FileTransfer, settings: Settings) -> None:
        self._transfer = transfer
        self._limit = anyio.Semaphore(settings.downloads, fast_acquire=True)
        self._byte_limiter = ByteLimiter(settings.download_bytes)
        self.decoders = anyio.CapacityLimiter(os.cpu_count() or 1)
        self.batcher: Batcher[WriteCall, None] = Batcher(lambda write: write())

    async def fetch(self, spec: FetchSpec, least_rate: LeastRate) -> Receipt:
        """See :class:`Executor`; never None."""
        async with self._limit, self._byte_limiter.take(spec.size_bytes):
            return await fetch(
                spec,
                self._transfer,
                self.decoders,
                self.batcher,
                least_rate=least_rate,
            )


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
