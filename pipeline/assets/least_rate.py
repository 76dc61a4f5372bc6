"""LeastRate: ends a transfer that is too slow to wait for, whatever it waits for.

Time is looked at, not chunks: a server can keep a connection busy for ever without
sending a byte of the file, with a header or a chunk size that never ends.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.abc

from pipeline.clock import Clock
from pipeline.counting import plural
from pipeline.errors import DownloadFailed, JobError, Unavailable

# In each window except the first: 1 KiB/s, the share of each of 64 downloads on a line
# of half a megabit per second.
LEAST_BYTES = 30 << 10
LEAST_WINDOW_S = 30.0
_LOOK_S = 1.0

T = TypeVar("T")


class BrokenFile(Unavailable):
    """What arrived is not the announced file; another attempt may succeed."""


class OutOfTime(DownloadFailed):
    """The run is stopping and waits no longer; the asset can be fetched later."""


class LeastRate:
    """Compares the bytes of one transfer with the least that may arrive.

    The transfer itself ends a silent connection; this is for one that trickles. From
    :meth:`begin` to :meth:`finish`, each window of ``LEAST_WINDOW_S`` except the first
    must bring ``LEAST_BYTES``.

    Args:
        clock: The source of time.

    Attributes:
        began_s: When it began, or was handed to a worker; None before.
        is_finished: Whether everything has arrived.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bytes = 0
        self._window_ends_s: float | None = None
        self._is_first = True
        self.began_s: float | None = None
        self.is_finished = False

    def begin(self) -> None:
        """Note that the transfer begins now."""
        self.hand_over()
        self._bytes, self._is_first = 0, True
        self._window_ends_s = self._clock.monotonic_s() + LEAST_WINDOW_S

    def hand_over(self) -> None:
        """Note that the transfer begins now, where its bytes are not seen here."""
        self.began_s = self._clock.monotonic_s()

    def add(self, size_bytes: int) -> None:
        """Note that so many bytes have arrived."""
        self._bytes += size_bytes

    def finish(self) -> None:
        """Note that everything has arrived."""
        self._window_ends_s = None
        self.is_finished = True

    def find_error(self) -> BrokenFile | None:
        """The error of a transfer that is too slow, or None. Begins a new window."""
        now_s = self._clock.monotonic_s()
        if self._window_ends_s is None or now_s < self._window_ends_s:
            return None
        if self._bytes < LEAST_BYTES and not self._is_first:
            arrived = plural(self._bytes, "byte")
            return BrokenFile(f"{arrived} in {LEAST_WINDOW_S:.0f} s: too slow")
        self._window_ends_s = now_s + LEAST_WINDOW_S
        self._bytes, self._is_first = 0, False
        return None


async def watched(
    call: Callable[[], Awaitable[T]],
    find_error: Callable[[], JobError | None],
    clock: Clock,
) -> T:
    """The result of a call, which is cancelled as soon as there is an error.

    Args:
        call: What to wait for.
        find_error: Asked once a second, and once before the call.
        clock: The source of time.

    Raises:
        JobError: As found, or as the call raised it.
    """
    found = find_error()
    if found is not None:
        raise found
    results: list[T] = []
    raised: Exception | None = None

    async def watch(scope: anyio.CancelScope) -> None:
        nonlocal found
        while found is None:
            await clock.sleep(_LOOK_S)
            found = find_error()
        scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch, tasks.cancel_scope)
        try:
            results.append(await call())
        except Exception as error:  # noqa: BLE001 - raised below, outside of the group
            raised = error
        tasks.cancel_scope.cancel()
    if results:
        return results[0]
    if raised is not None:
        raise raised
    assert found is not None
    raise found
