"""Pausing: reports a pause that the service asks for, or stops the run.

The rate limiter enforces the pause itself. This task reports until when it
lasts, and again every minute. If the pause is longer than the user wants to wait,
submitting stops.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from pipeline.api.rate_limiter import RateLimiter
from pipeline.clock import Clock
from pipeline.errors import CoolingDown
from pipeline.running.events import Paused, ProgressCallback, Warned
from pipeline.running.stopping import Stopping
from pipeline.settings import Settings

TOLD_EVERY_S = 60.0
WORTH_TELLING_S = 3.0
_SAME = timedelta(seconds=2)  # end times that differ by less count as the same


class Pausing:
    """Reports pauses; :meth:`run` is its task.

    Args:
        rate_limiter: Knows the current pause.
        clock: The clock to use.
        settings: The longest pause to wait for, and the run's deadline.
        tell: Receives the events.
        stopping: Notified of a pause that is too long.
        stop: Called with the reason if the run's deadline comes before the end of the
            pause.
    """

    def __init__(
        self,
        rate_limiter: RateLimiter,
        clock: Clock,
        settings: Settings,
        *,
        tell: ProgressCallback,
        stopping: Stopping,
        stop: Callable[[str], None],
    ) -> None:
        self._rate_limiter = rate_limiter
        self._clock = clock
        self._settings = settings
        self._tell = tell
        self._stopping = stopping
        self._stop = stop
        self._told_until: datetime | None = None
        self._told_s = float("-inf")

    async def run(self) -> None:
        """Report until cancelled, or until a pause has stopped submitting."""
        deadline_s = self._settings.deadline_s
        if deadline_s is not None:
            deadline_s += self._clock.monotonic_s()
        self._rate_limiter.look()
        has_warned = False
        while True:
            if self._rate_limiter.trouble and not has_warned:
                self._tell(Warned(message=self._rate_limiter.trouble))
                has_warned = True
            # A pause matters only while a submit waits for its end.
            left_s = (
                self._rate_limiter.paused_s if self._rate_limiter.is_holding else 0.0
            )
            if left_s >= WORTH_TELLING_S:
                self._tell_once(left_s)
            if left_s > self._settings.max_pause_s:
                self._stopping.halt(too_long(left_s, self._end(left_s)))
                return
            if deadline_s is not None and (
                self._clock.monotonic_s() + left_s > deadline_s
            ):
                self._stop("the deadline is before the end of the service's pause")
                return
            wait_s = self._until_told_again(left_s) if left_s else None
            await self._rate_limiter.wait_for_change(wait_s)

    def _tell_once(self, left_s: float) -> None:
        """Report a pause that is new or longer, or was last reported a minute ago."""
        until = self._end(left_s)
        is_longer = self._told_until is None or until > self._told_until + _SAME
        if is_longer or self._clock.monotonic_s() >= self._told_s + TOLD_EVERY_S:
            self._told_until, self._told_s = until, self._clock.monotonic_s()
            self._tell(Paused(until=until, left_s=left_s))

    def _until_told_again(self, left_s: float) -> float:
        next_s = self._told_s + TOLD_EVERY_S - self._clock.monotonic_s()
        return min(left_s, next_s) if next_s > 0 else left_s

    def _end(self, left_s: float) -> datetime:
        return self._clock.utc_now() + timedelta(seconds=left_s)


def too_long(left_s: float, until: datetime) -> CoolingDown:
    """The error for a pause that is too long, with the time to run again."""
    return CoolingDown(
        f"the service takes no submits for {left_s / 60:,.0f} min,"
        f" until {until:%Y-%m-%d %H:%M} UTC",
        hint=f"run again after {until:%Y-%m-%d %H:%M} UTC, or wait longer with"
        " --max-pause",
    )
