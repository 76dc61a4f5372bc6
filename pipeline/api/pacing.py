"""How fast we may ask: one limiter for every request to the API."""

from pipeline.clock import Clock

_RECOVERY_S = 60.0  # from the floor back to the full rate, in steady use


class RequestRate:
    """Spaces requests evenly, after GCRA, with a burst of a tenth of a second.

    Args:
        rate_per_s: Requests per second when nothing has gone wrong.
        clock: Whose time is spent.
    """

    def __init__(self, rate_per_s: float, clock: Clock) -> None:
        self._full_per_s = rate_per_s
        self._rate_per_s = rate_per_s
        self._clock = clock
        self._next_free_s = 0.0
        self._lowered_s = 0.0

    @property
    def rate_per_s(self) -> float:
        """The rate in force now."""
        return self._rate_per_s

    async def wait_for_turn(self) -> None:
        """Suspend until the next request may leave."""
        now_s = self._clock.monotonic_s()
        self._recover(now_s)
        slot_s = max(self._next_free_s, now_s - 0.1)
        self._next_free_s = slot_s + 1 / self._rate_per_s
        if slot_s > now_s:
            await self._clock.sleep(slot_s - now_s)

    def lower(self) -> None:
        """Halve the rate, down to one a second: the service asked for less.

        Answers to requests that were already on their way count once.
        """
        now_s = self._clock.monotonic_s()
        if now_s - self._lowered_s < 1.0:
            return
        self._lowered_s = now_s
        self._rate_per_s = max(min(1.0, self._full_per_s), self._rate_per_s / 2)

    def _recover(self, now_s: float) -> None:
        if self._rate_per_s >= self._full_per_s:
            return
        share = min(1.0, (now_s - self._lowered_s) / _RECOVERY_S)
        self._rate_per_s = max(self._rate_per_s, self._full_per_s * share)
