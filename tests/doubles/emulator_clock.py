"""A clock whose hands the test holds."""

import asyncio
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 11, 3, 12, 0, 0, tzinfo=UTC)
LIMIT_S = 30.0  # for anything that is waited for


class ManualClock:
    """Time passes when the test says so; a sleeper wakes when its time has come."""

    def __init__(self, start: datetime = NOON) -> None:
        self.now = start
        self.elapsed_s = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []
        self._has_sleepers = asyncio.Event()

    @property
    def sleeper_count(self) -> int:
        return len(self._sleepers)

    def utc_now(self) -> datetime:
        return self.now

    def monotonic_s(self) -> float:
        return self.elapsed_s

    async def sleep(self, duration_s: float) -> None:
        wakes_s = self.elapsed_s + duration_s
        if duration_s <= 0:
            await asyncio.sleep(0)
            return
        event = asyncio.Event()
        sleeper = (wakes_s, event)
        self._sleepers.append(sleeper)
        self._has_sleepers.set()
        try:
            await event.wait()
        finally:
            self._sleepers.remove(sleeper)
            if not self._sleepers:
                self._has_sleepers.clear()

    def advance(self, duration_s: float) -> None:
        self.elapsed_s += duration_s
        self.now += timedelta(seconds=duration_s)
        for wakes_s, event in self._sleepers:
            if wakes_s <= self.elapsed_s:
                event.set()

    async def until_someone_sleeps(self) -> None:
        """Let other tasks run until one of them sleeps on this clock."""
        async with asyncio.timeout(LIMIT_S):
            await self._has_sleepers.wait()
