"""Pausing: a pause that the service asks for → what a person is told, or a stop.

The pause itself is kept where submits leave, in the rate limiter. Here it is said until
when, again every minute; and where it is longer than the user waits for, submitting
ends.
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
_SAME = timedelta(seconds=2)  # ends that differ by less are one


class Pausing:
    """Tells of pauses; :meth:`run` is its task.

    Args:
        rate_limiter: Knows of them.
        clock: Whose time is spent.
        settings: How long a pause may be.
        tell: Takes the events.
        stopping: Told of a pause that is too long.
        stop: Called with the reason when the run's deadline comes before its end.
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
        """Tell until cancelled, or until nothing more is submitted."""
        deadline_s = self._settings.deadline_s
        if deadline_s is not None:
            deadline_s += self._clock.monotonic_s()
        self._rate_limiter.look()
        has_warned = False
        while True:
            if self._rate_limiter.trouble and not has_warned:
                self._tell(Warned(message=self._rate_limiter.trouble))
                has_warned = True
            # A pause that nobody waits for is not worth a word.
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
                self._stop("the deadline comes before the end of the service's pause")
                return
            wait_s = self._until_told_again(left_s) if left_s else None
            await self._rate_limiter.wait_for_change(wait_s)

    def _tell_once(self, left_s: float) -> None:
        """Tell of a pause that is new or longer, or was last told of a minute ago."""
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
    """A pause that is not waited for, with the time to come back."""
    return CoolingDown(
        f"the service takes no submits for {left_s / 60:,.0f} min,"
        f" until {until:%Y-%m-%d %H:%M} UTC",
        hint=f"run again after {until:%Y-%m-%d %H:%M} UTC, or wait: --max-pause",
    )
