"""Free calls → repeated until a deadline. Never used for a submit.

The limit is a deadline, not a number of attempts: a bad quarter of an hour costs time,
not items. The delay doubles from half a second to five. A refusal for the rate of
requests is no outage: the time that it takes does not count.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pipeline.clock import Clock
from pipeline.errors import JobError, RateLimited, Unavailable, UnexpectedAnswer

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 5.0
LONGEST_ASKED_S = 60.0  # that the service may ask for; submits may wait longer

T = TypeVar("T")


class Backoff:
    """The delays between attempts, and when to stop.

    Args:
        clock: The source of time.
        deadline_s: Seconds from now until the last attempt.
    """

    def __init__(self, clock: Clock, deadline_s: float) -> None:
        self._clock = clock
        self._began_s = clock.monotonic_s()  # of the attempt in progress
        self._end_s = self._began_s + deadline_s
        self._delay_s = FIRST_DELAY_S

    async def sleep(self, at_least_s: float = 0.0) -> bool:
        """Suspend until the next attempt; return False at once after the deadline."""
        left_s = self._end_s - self._clock.monotonic_s()
        if left_s <= 0:
            return False
        await self._wait(min(max(self._delay_s, _asked(at_least_s)), left_s))
        return True

    async def sleep_after(self, error: JobError) -> bool:
        """As :meth:`sleep`, for as long as the service asked for.

        Args:
            error: Why the attempt failed. If the service refused it for the rate of
                requests, the attempt and the wait do not count towards the deadline.
        """
        asked_s = error.retry_after_s if isinstance(error, Unavailable) else 0.0
        if not is_rate_refusal(error):
            return await self.sleep(asked_s)
        began_s = self._began_s
        await self._wait(max(self._delay_s, _asked(asked_s)))
        self.leave_out(began_s)
        return True

    async def retry(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until it succeeds.

        Args:
            call: Free and safe to repeat.

        Raises:
            Unavailable, UnexpectedAnswer: The call still fails at the deadline.
        """
        while True:
            try:
                return await call()
            except (Unavailable, UnexpectedAnswer) as error:
                if not await self.sleep_after(error):
                    raise

    def leave_out(self, since_s: float, until_s: float | None = None) -> None:
        """Count nothing between two moments, or until now, towards the deadline."""
        if until_s is None:
            until_s = self._clock.monotonic_s()
        self._end_s += until_s - since_s

    async def _wait(self, duration_s: float) -> None:
        await self._clock.sleep(duration_s)
        self._delay_s = min(self._delay_s * 2, LONGEST_DELAY_S)
        self._began_s = self._clock.monotonic_s()


def is_rate_refusal(error: JobError) -> bool:
    """Whether the service is there, but refused a request because of their rate."""
    return isinstance(error, RateLimited) and error.is_about_requests


async def retry_free(
    call: Callable[[], Awaitable[T]], *, clock: Clock, deadline_s: float
) -> T:
    """Call until it succeeds.

    Args:
        call: Free and safe to repeat.
        clock: The source of time.
        deadline_s: Seconds until the last attempt.

    Raises:
        Unavailable, UnexpectedAnswer: The call still fails at the deadline.
    """
    return await Backoff(clock, deadline_s).retry(call)


def _asked(duration_s: float) -> float:
    return min(duration_s, LONGEST_ASKED_S)
