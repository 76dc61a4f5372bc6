"""FairShare: what a run leaves to others that use the same ceiling, and when it asks.

Runs on other machines cannot be told anything. All that a run learns of them is in the
refusals of its submits: how many jobs the team has in flight. Shares settle by additive
increase and multiplicative decrease:

- A run that loses a slot to another, because its submit for a slot that it had is
  refused, gives up more of its slots. The larger its share of the ceiling, the more.
- A run *probes*: it tries one slot more. The larger its share, the rarer.

So the larger of two runs loses, and the smaller one gains, until they are equal. Pure.
"""

YIELD = 0.5  # of its share, the part of its slots that a run gives up
GENERATIONS = 6.0  # times its share: how many pass before it probes, at least one
FIRST_WAIT_S = (
    1.0  # from a refusal to a probe, if that comes first; in vain, it doubles
)


class FairShare:
    """What one run knows of others.

    A *generation* is as many ended jobs as the run may have in flight.

    Attributes:
        others: Slots that other clients' jobs held at the last refusal.
        probe_at_s: When a run that waits for a slot may probe, on the monotonic clock.
        has_yielded: Whether it gave up slots within the last generation. Then it does
            not probe, or it would take them back.
    """

    def __init__(self) -> None:
        self.others = 0
        self.probe_at_s = 0.0
        self.has_yielded = False
        self._wait_s = FIRST_WAIT_S

    def note_full(self, others: int, now_s: float) -> None:
        """Note that there was no slot beyond those that the run has."""
        self.others = others
        self._wait_s = 2 * self._wait_s if others else FIRST_WAIT_S
        self.probe_at_s = now_s + self._wait_s

    def note_lost(self, room: int, others: int, now_s: float) -> int:
        """Note that another client took a slot of the run, and yield.

        Args:
            room: The slots that are left to the run.
            others: Slots that other clients hold.
            now_s: The time.

        Returns:
            How many slots the run keeps, at least 1.
        """
        self.others = others
        self.probe_at_s = now_s + self._wait_s
        if not others or self.has_yielded:
            return max(1, room)
        self.has_yielded = True
        return max(1, room - round(YIELD * room * self._share(room)))

    def generations(self, limit: int) -> float:
        """How many generations without a refusal pass before a run probes."""
        return max(1.0, GENERATIONS * self._share(limit))

    def _share(self, slots: int) -> float:
        return slots / (slots + self.others) if self.others else 0.0
