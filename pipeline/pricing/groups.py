"""CostGroups: items that have one price → one group, so that each is priced once."""

from collections import Counter

from pipeline.planning import Action, PlannedItem
from pipeline.record import Struct, field

SAMPLES = 3  # of a group: where the service refuses one, another may be priced
MOST_GROUPS = 20_000  # different prices that are asked for in advance: minutes


class CostGroup(Struct, kw_only=True):
    """Items whose price is sure to be the same.

    Attributes:
        model_id: Of all of them.
        samples: The first few, to ask the price of.
        templates: How many of its items come from each entry of the manifest.
        files: How many files they are asked to make.
    """

    model_id: str
    samples: list[PlannedItem] = field(default_factory=list)
    templates: Counter[str] = field(default_factory=Counter)
    files: int = 0

    @property
    def count(self) -> int:
        """Items in it."""
        return self.templates.total()


class CostGroups:
    """The items of a plan that will be paid for, by price.

    Memory grows with the different prices, up to a limit, and not with the items.

    Attributes:
        by_key: The groups, by the cost key of their items.
        beyond: Items of still more prices: each is asked for as it is submitted.
    """

    def __init__(self) -> None:
        self.by_key: dict[str, CostGroup] = {}
        self.beyond = 0

    def add(self, planned: PlannedItem) -> None:
        """Take up one item; one that is not paid for is passed over."""
        if planned.action is not Action.SUBMIT:
            return
        group = self.by_key.get(planned.cost_key)
        if group is None and len(self.by_key) >= MOST_GROUPS:
            self.beyond += 1
            return
        if group is None:
            group = CostGroup(model_id=planned.item.model_id)
            self.by_key[planned.cost_key] = group
        if len(group.samples) < SAMPLES:
            group.samples.append(planned)
        group.templates[planned.item.template_id] += 1
        group.files += planned.outputs

    @property
    def count(self) -> int:
        """Items that will be paid for."""
        return self.beyond + sum(group.count for group in self.by_key.values())

    def find_sample(self, item_id: str) -> PlannedItem | None:
        """The sample with this item id, or None."""
        samples = (s for group in self.by_key.values() for s in group.samples)
        return next((s for s in samples if s.item.item_id == item_id), None)
