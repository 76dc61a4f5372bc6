"""Items that are made, and that a run makes again if what they are made from changes.

``plan`` names them with the decisions about them, which would count no longer.
"""

from collections.abc import Iterator

from pipeline.cli.console.text import one_line
from pipeline.manifest.review import Review
from pipeline.planning import Action, PlannedItem

_NAMED = 5


class StaleItems:
    """Collects them as they are planned, each after the items that it needs.

    Takes and steps count as the item that they belong to.
    """

    def __init__(self) -> None:
        self._origin_of: dict[str, str] = {}
        self._base_of: dict[str, str] = {}  # of items with steps that do not wait
        self._made: dict[str, dict[str, None]] = {}  # by origin, in order

    def add(self, planned: PlannedItem) -> str:
        """Note an item.

        Returns:
            The item that it may be made again with, at the beginning of its line; ""
            if it is not made, or does not wait.
        """
        item = planned.item
        if planned.action is not Action.WAIT:
            if item.has_steps:
                self._base_of[item.item_id] = item.base
            return ""
        parent = item.parents[0]
        origin = self._origin_of.get(parent, parent)
        self._origin_of[item.item_id] = origin
        if not planned.is_made:
            return ""
        if self._base_of.get(origin) != item.base:  # its own line says it
            self._made.setdefault(origin, {})[item.base] = None
        return origin

    def lines(self, review: Review) -> Iterator[str]:
        """A sentence for each item that others are made again with.

        Args:
            review: The decisions about the items.
        """
        for origin, names in self._made.items():
            yield f"made again if {one_line(origin)} changes: {_named(names)}"
            decided = [name for name in names if name in review.items]
            if decided:
                yield f"  the decisions about {_named(decided)} would count no longer"


def _named(names: dict[str, None] | list[str]) -> str:
    shown = ", ".join(one_line(name, 60) for name in list(names)[:_NAMED])
    more = len(names) - _NAMED
    return shown + (f" and {more:,} more" if more > 0 else "")
