"""Free calls → repeated until a deadline. Never used for a submit.

The limit is a deadline, not a number of attempts: a bad quarter of an hour costs time,
not items. The delay doubles from half a second to five.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pipeline.clock import Clock
from pipeline.errors import Unavailable, UnexpectedAnswer

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
        self._end_s = clock.monotonic_s() + deadline_s
        self._delay_s = FIRST_DELAY_S

    async def sleep(self, at_least_s: float = 0.0) -> bool:
        """Suspend until the next attempt; return False at once after the deadline."""
        left_s = self._end_s - self._clock.monotonic_s()
        if left_s <= 0:
            return False
        asked_s = min(at_least_s, LONGEST_ASKED_S)
        await self._clock.sleep(min(max(self._delay_s, asked_s), left_s))
        self._delay_s = min(self._delay_s * 2, LONGEST_DELAY_S)
        return True


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
    backoff = Backoff(clock, deadline_s)
    while True:
        try:
            return await call()
        except (Unavailable, UnexpectedAnswer) as error:
            wait_s = error.retry_after_s if isinstance(error, Unavailable) else 0.0
            if not await backoff.sleep(wait_s):
                raise
