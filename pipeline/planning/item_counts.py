"""ItemCounts: counts items whose takes and steps come one by one."""

from collections import Counter

from pipeline.job import Item
from pipeline.naming import is_step


class ItemCounts:
    """Counts items by the worst rank of their takes and steps.

    They come in the order of a plan: the takes of an item one after the other, and
    steps after everything else. Only items with steps or parents are kept.

    Attributes:
        jobs: How many takes and steps were added.
    """

    def __init__(self) -> None:
        self.jobs = 0
        self._whole: Counter[int] = Counter()
        self._in_lines: dict[str, int] = {}
        self._last = ""
        self._worst = 0

    def add(self, item: Item, rank: int = 0) -> None:
        """Add a take or a step.

        Args:
            item: The take or step, as the plan has it.
            rank: How it stands; the least rank is the worst.
        """
        self.jobs += 1
        base = item.base
        if item.has_steps or item.parents or is_step(item.item_id):
            self._in_lines[base] = min(rank, self._in_lines.get(base, rank))
            return
        if base == self._last:
            self._worst = min(rank, self._worst)
            return
        self._finish()
        self._last, self._worst = base, rank

    @property
    def by_rank(self) -> Counter[int]:
        """Items by rank."""
        self._finish()
        return self._whole + Counter(self._in_lines.values())

    @property
    def total(self) -> int:
        """How many items there are."""
        return self.by_rank.total()

    def _finish(self) -> None:
        if self._last:
            self._whole[self._worst] += 1
            self._last = ""
