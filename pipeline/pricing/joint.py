"""JointEstimate: the plans of several manifests with their prices, for one approval."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from pipeline.pricing.budget import left_of
from pipeline.pricing.cost import Cost, Estimate, Share
from pipeline.record import Struct
from pipeline.settings import Service


class JointEstimate(Struct, frozen=True, kw_only=True):
    """The plans of several manifests with their prices, for approval.

    It has what an :class:`Estimate` has, but for the plan.

    Attributes:
        parts: One for each manifest, in the order in which they were named.
        limit: What all of them may cost together, or None. A manifest's own limit is in
            its part.
        taken: Compute units that their ledgers' jobs have taken so far.
    """

    parts: tuple[Estimate, ...]
    limit: Decimal | None = None
    taken: Decimal = Decimal(0)

    @property
    def cost(self) -> Cost | None:
        """What all of them cost; None if the service was not asked about one."""
        costs = [part.cost for part in self.parts if part.cost is not None]
        return add_up(costs) if len(costs) == len(self.parts) else None

    @property
    def left(self) -> Decimal | None:
        """Compute units left of the limit; None without a limit."""
        return left_of(self.limit, self.taken)

    @property
    def team_left(self) -> Decimal | None:
        """Compute units that the team has left, or None if unknown."""
        known = (part.team_left for part in self.parts)
        return next((units for units in known if units is not None), None)

    @property
    def unsure(self) -> Decimal:
        """Compute units quoted for submits whose outcome is unknown."""
        return sum((part.unsure for part in self.parts), Decimal(0))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, each sentence once; may be empty."""
        return tuple(dict.fromkeys(note for part in self.parts for note in part.notes))

    @property
    def service(self) -> Service | None:
        """The service that the prices are from; None if there are no prices."""
        return next((part.service for part in self.parts if part.service), None)


def add_up(costs: Sequence[Cost]) -> Cost:
    """What several plans cost together."""
    return Cost(
        units=sum((cost.units for cost in costs), Decimal(0)),
        waiting=sum((cost.waiting for cost in costs), Decimal(0)),
        addons=_sum_addons(cost.addons for cost in costs),
        items=sum(cost.items for cost in costs),
        files=sum(cost.files for cost in costs),
        by_model=_sum_shares(cost.by_model for cost in costs),
        by_template=_sum_shares(cost.by_template for cost in costs),
        by_key={key: quote for cost in costs for key, quote in cost.by_key.items()},
        unpriced=sum(cost.unpriced for cost in costs),
        problems=tuple(dict.fromkeys(text for cost in costs for text in cost.problems)),
    )


def _sum_addons(parts: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for part in parts:
        for name, units in part.items():
            sums[name] += units
    return dict(sums)


def _sum_shares(parts: Iterable[Mapping[str, Share]]) -> dict[str, Share]:
    sums: defaultdict[str, Share] = defaultdict(Share)
    for part in parts:
        for name, share in part.items():
            sums[name] += share
    return dict(sums)
