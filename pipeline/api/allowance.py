"""Allowance: how much of a limit on requests is ours, found out from refusals.

Clients on other machines use the same limit and do not tell. So the allowance falls by
a part of itself when the service refuses a request, and rises by a little each minute
without a refusal: additive increase, multiplicative decrease. The larger of two clients
loses more than the smaller one, and both gain the same, so that their shares settle to
equal ones. Until the whole limit is allowed again, requests leave one by one, evenly
spaced: the first of a burst would fit, and the rest be refused. Pure.
"""

from collections.abc import Sequence

from pipeline.record import Struct, replace

KEPT = 0.85  # the part of the requests in the last minute that is kept after a refusal
LEAST = 0.1  # the part of the limit that is always allowed
GAIN = 0.1  # the part of the limit by which the allowance rises in a minute
SAME_REFUSAL_S = 10.0  # refusals within so long are one: their requests left together
# A minute, plus a second for a request that takes longer to arrive than an earlier one.
WINDOW_S = 61.0
_MINUTE_S = 60.0


class Allowance(Struct, frozen=True, kw_only=True):
    """What was allowed after the last refusal.

    Attributes:
        reduced: Requests a minute that were allowed then; 0 if none was refused yet.
        refused_at: When that was, in seconds of any clock.
    """

    reduced: float = 0.0
    refused_at: float = 0.0

    def of(self, limit: int, now: float) -> int:
        """Requests allowed within a minute, at most ``limit`` and at least 1."""
        if not self.reduced:
            return limit
        gained = limit * GAIN * max(0.0, now - self.refused_at) / _MINUTE_S
        return max(1, min(limit, int(self.reduced + gained)))

    def wait_s(self, sent: Sequence[float], limit: int, now: float) -> float:
        """Seconds until one more request may leave; 0 or less if it may leave now.

        Args:
            sent: When requests left within the last ``WINDOW_S``, in order.
            limit: The limit that is to be shared.
            now: The time.
        """
        allowed = self.of(limit, now)
        wait_s = 0.0
        if len(sent) >= allowed:
            wait_s = sent[len(sent) - allowed] + WINDOW_S - now
        if sent and allowed < limit:
            wait_s = max(wait_s, sent[-1] + WINDOW_S / allowed - now)
        return wait_s

    def after_refusal(self, limit: int, used: int, now: float) -> "Allowance":
        """The allowance after a refusal.

        Args:
            limit: The limit that is to be shared.
            used: Requests sent within the last minute.
            now: The time.
        """
        if self.reduced and 0.0 <= now - self.refused_at < SAME_REFUSAL_S:
            return self
        kept = min(used, self.of(limit, now)) * KEPT
        return replace(self, reduced=max(kept, limit * LEAST, 1.0), refused_at=now)
