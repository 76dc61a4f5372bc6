"""Clocks that a test holds.

``FakeClock`` moves only when everything sleeps: for tests without sockets.
``ScaledClock`` runs many times faster than the wall: for tests over real HTTP, where
idleness cannot be seen. Neither lets a test wait for a span of real time.
"""

import heapq
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import anyio
import anyio.lowlevel

T = TypeVar("T")

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """Time stands still until every task sleeps; then it jumps to the next wake-up.

    Use it as ``async with clock.running():`` around the code under test, or call
    :meth:`advance` yourself.

    Attributes:
        slept_s: Every duration that was asked for, in order.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._now_s = 0.0
        self._sleepers: list[tuple[float, int, anyio.Event]] = []
        self._order = itertools.count()
        self.slept_s: list[float] = []

    def utc_now(self) -> datetime:
        return self._start + timedelta(seconds=self._now_s)

    def monotonic_s(self) -> float:
        return self._now_s

    async def sleep(self, duration_s: float) -> None:
        self.slept_s.append(duration_s)
        if duration_s <= 0:
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        entry = (self._now_s + duration_s, next(self._order), woken)
        heapq.heappush(self._sleepers, entry)
        try:
            await woken.wait()
        finally:
            if entry in self._sleepers:
                self._sleepers.remove(entry)
                heapq.heapify(self._sleepers)

    def jump(self, duration_s: float) -> None:
        """Time passes at once; who sleeps no longer than that wakes."""
        self._now_s += duration_s
        while self._sleepers and self._sleepers[0][0] <= self._now_s:
            heapq.heappop(self._sleepers)[2].set()

    async def settle(self) -> None:
        """Let every task run until it can do nothing but wait for time."""
        await anyio.wait_all_tasks_blocked()

    async def advance(self, duration_s: float) -> None:
        """Let time pass step by step, each sleeper at its own moment."""
        end_s = self._now_s + duration_s
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self.jump(self._sleepers[0][0] - self._now_s)
            await self.settle()
        self.jump(end_s - self._now_s)
        await self.settle()

    async def run_until(self, done: anyio.Event, limit_s: float = 100_000.0) -> None:
        """Let time pass until ``done`` is set; fails after ``limit_s`` of it."""
        end_s = self._now_s + limit_s
        while not done.is_set():
            await self.settle()
            if done.is_set():
                return
            if not self._sleepers:
                raise AssertionError("every task waits, and none of them for time")
            if self._sleepers[0][0] > end_s:
                raise AssertionError(f"not done after {limit_s} s of the fake clock")
            self.jump(self._sleepers[0][0] - self._now_s)

    async def finish(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call something and let time pass until it returns; its result."""
        done = anyio.Event()
        results: list[T] = []
        errors: list[Exception] = []

        async def carry_out() -> None:
            try:
                results.append(await call())
            except Exception as error:  # noqa: BLE001 - raised again below
                errors.append(error)
            finally:
                done.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(carry_out)
            await self.run_until(done)
        if errors:
            raise errors[0]
        return results[0]


class ScaledClock:
    """The wall's time, ``speed`` times as fast, for real sockets on this machine."""

    def __init__(self, speed: float = 100.0) -> None:
        self._speed = speed
        self._origin_s = time.monotonic()  # and not the loop's: threads ask too
        self._start = datetime.now(UTC)

    def utc_now(self) -> datetime:
        return self._start + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        return (time.monotonic() - self._origin_s) * self._speed

    def jump(self, duration_s: float) -> None:
        """Time passes at once; who sleeps goes on sleeping."""
        self._origin_s -= duration_s / self._speed

    async def sleep(self, duration_s: float) -> None:
        await anyio.sleep(duration_s / self._speed)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Time passes anyway; as of :class:`~doubles.quick_clock.QuickClock`."""
        yield
