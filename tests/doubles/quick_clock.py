"""A ``FakeClock`` that knows when threads are at work: time does not run away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import anyio.to_thread

from doubles.clock import START, FakeClock
from doubles.watched_loop import WatchedLoop


class QuickClock(FakeClock):
    """Moves when every task sleeps and no thread is at work, without real waiting.

    It runs on a ``WatchedLoop`` only.

    Attributes:
        is_busy: Says whether threads that the loop does not know are at work; they
            wake the loop when they end.
        on_point: Called with "sleep" before each sleep; may cancel.
    """

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self.is_busy: Callable[[], bool] = lambda: False
        self.on_point: Callable[[str], None] = lambda _name: None
        self._somebody_sleeps = asyncio.Event()

    async def sleep(self, duration_s: float) -> None:
        self.on_point("sleep")
        self._somebody_sleeps.set()
        await super().sleep(duration_s)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Let time pass whenever all wait, as long as the block runs.

        Real sockets of this process may be in use: what is sent over loopback can be
        read at once, so a loop that is idle waits for time.
        """
        passing = asyncio.create_task(self._pass())
        try:
            yield
        finally:
            passing.cancel()
            with suppress(asyncio.CancelledError):
                await passing

    async def _pass(self) -> None:
        while True:
            await self.settle()
            if self._sleepers:
                self.jump(self._sleepers[0][0] - self._now_s)
            else:
                self._somebody_sleeps.clear()
                await self._somebody_sleeps.wait()

    async def settle(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, WatchedLoop), "the conftest has to import its hook"
        threads = anyio.to_thread.current_default_thread_limiter()
        await loop.until_idle(lambda: threads.borrowed_tokens > 0 or self.is_busy())
