"""A ``FakeClock`` that knows when threads are at work: time does not run away."""

import asyncio
from collections.abc import Callable
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

    async def sleep(self, duration_s: float) -> None:
        self.on_point("sleep")
        await super().sleep(duration_s)

    async def settle(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, WatchedLoop), "the conftest has to import its hook"
        threads = anyio.to_thread.current_default_thread_limiter()
        await loop.until_idle(lambda: threads.borrowed_tokens > 0 or self.is_busy())
