"""How a run shares a ceiling with runs on other machines: what it leaves to them.

They cannot be told anything. All that a run learns of them is in the refusals of its
submits: how many jobs the team has in flight. Shares settle by additive increase and
multiplicative decrease:

- A run that loses a slot to another, because its submit for a slot that it had is
  refused, gives up more of its slots. The larger its share of the ceiling, the more.
- A run *probes*: it tries one slot more. A run with a large share does so more rarely.

So the larger of two runs loses, and the smaller one gains, until they are equal. Pure.
"""

# Source of both: benchmarks/fair_shares.py --summary. With a larger YIELD, more slots
# stay unused; with more GENERATIONS, slots that others leave are found later.
YIELD = 0.3  # of its share, the part of its slots that a run gives up
GENERATIONS = 3.3  # times its share: how many pass before it probes, at least one


def kept_after_loss(slots: int, others: int) -> int:
    """How many slots a run keeps that has lost one to another client, at least 1.

    Args:
        slots: What is left to it.
        others: Slots that other clients hold.
    """
    return max(1, slots - round(YIELD * slots * _share(slots, others)))


def generations_to_probe(slots: int, others: int) -> float:
    """How many generations without a refusal pass before a run probes.

    A *generation* is as many ended jobs as the run has slots.
    """
    return max(1.0, GENERATIONS * _share(slots, others))


def _share(slots: int, others: int) -> float:
    return slots / (slots + others) if others else 0.0
