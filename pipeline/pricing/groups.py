"""CostGroups: groups items with the same price, so that each price is asked once."""

from collections import Counter

from pipeline.planning import Action, PlannedItem
from pipeline.record import Struct, field

SAMPLES = 3  # per group: if the service refuses to price one, it may price another
MOST_GROUPS = 20_000  # different prices to ask for in advance; this takes minutes


class CostGroup(Struct, kw_only=True):
    """Items that certainly have the same price.

    Attributes:
        model_id: The model of all items.
        samples: The first few items, to ask the price of.
        templates: The number of items from each entry of the manifest.
        files: How many files the items request.
        waiting: How many of the items wait for others; their price is a bound.
    """

    model_id: str
    samples: list[PlannedItem] = field(default_factory=list)
    templates: Counter[str] = field(default_factory=Counter)
    files: int = 0
    waiting: int = 0

    @property
    def count(self) -> int:
        """The number of items."""
        return self.templates.total()


class CostGroups:
    """The items of a plan that will be paid for, by price.

    Memory grows with the number of different prices, up to ``MOST_GROUPS``, not with
    the number of items.

    Attributes:
        by_key: The groups, by the cost key of their items.
        beyond: Items beyond ``MOST_GROUPS``; their prices are asked for when they are
            submitted.
        models: The models of all items that will be paid for.
    """

    def __init__(self) -> None:
        self.by_key: dict[str, CostGroup] = {}
        self.models: set[str] = set()
        self.beyond = 0

    def add(self, planned: PlannedItem) -> None:
        """Add an item, if it will or may be paid for."""
        if planned.action not in {Action.SUBMIT, Action.WAIT}:
            return
        self.models.add(planned.item.model_id)
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
        group.waiting += planned.action is Action.WAIT
        group.files += planned.outputs

    @property
    def count(self) -> int:
        """Items that will be paid for."""
        return self.beyond + sum(group.count for group in self.by_key.values())

    def find_sample(self, item_id: str) -> PlannedItem | None:
        """The sample with this item id, or None."""
        samples = (s for group in self.by_key.values() for s in group.samples)
        return next((s for s in samples if s.item.item_id == item_id), None)
