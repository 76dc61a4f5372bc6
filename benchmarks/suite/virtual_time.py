"""Virtual time: an event loop that jumps to the next timer instead of waiting for it.

Days pass in seconds, and two simulations with the same seed are equal. Nothing on this
loop may use sockets or threads: it would never hear of them.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
RESOLUTION_S = 1e-6  # a float of some 1e9 s cannot tell less


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for a timeout, it has the time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("every task waits, and none of them for time")
        if timeout > 0:
            self.now_s += max(timeout, RESOLUTION_S)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose time passes only when every task waits."""

    def __init__(self) -> None:
        self._virtual = _JumpingSelector()
        super().__init__(self._virtual)
        self._clock_resolution = RESOLUTION_S

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._virtual.now_s


class VirtualClock:
    """A ``Clock`` on a :class:`VirtualLoop`."""

    def utc_now(self) -> datetime:
        """The wall-clock time."""
        return START + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        """Seconds since the simulation began."""
        return asyncio.get_running_loop().time()

    async def sleep(self, duration_s: float) -> None:
        """Suspend for ``duration_s`` seconds."""
        await asyncio.sleep(duration_s)


def simulate(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
