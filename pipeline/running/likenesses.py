"""Likenesses: the pictures of a manifest's items, for finding those that are too alike.

A run compares an item with the others of its output folder, in the order in which they
are saved; ``pipeline check`` compares all with all.
"""

import math
from collections.abc import Iterable

from pipeline.assets.checks.picture import LIKENESS_BITS
from pipeline.naming import item_of
from pipeline.save_spec import CheckResult

NAME = "similar_to_another"


class Likenesses:
    """Item ids and the likenesses of their pictures.

    Args:
        known: Each item with the likeness of a picture of it.
        are_wanted: Whether any item is to be compared with others.
    """

    def __init__(
        self, known: Iterable[tuple[str, str]] = (), *, are_wanted: bool
    ) -> None:
        self.are_wanted = are_wanted
        self._by_item: dict[str, list[int]] = {}
        for item_id, likeness in known:
            self.add(item_id, likeness)

    def add(self, item_id: str, likeness: str) -> None:
        """Note a picture of an item; "" for a file that is none."""
        if likeness:
            self._by_item.setdefault(item_id, []).append(int(likeness, 16))

    def forget(self, item_id: str) -> None:
        """Forget the pictures of an item, which are made or saved again."""
        self._by_item.pop(item_id, None)

    def check(self, item_id: str, likeness: str, most: float) -> CheckResult:
        """Compare a picture with those of all other items.

        Args:
            item_id: Whose picture it is; its other pictures do not count.
            likeness: Its likeness.
            most: From this similarity on it is too similar: above 0, at most 1.
        """
        bits, own = int(likeness, 16), item_of(item_id)
        fewest, alike = math.floor((1 - most) * LIKENESS_BITS + 1e-9) + 1, ""
        for other_id, others in self._by_item.items():
            for other in others:
                differing = (bits ^ other).bit_count()
                if differing < fewest and item_of(other_id) != own:
                    fewest, alike = differing, other_id
        if not alike:
            return CheckResult(name=NAME)
        similarity = 1 - fewest / LIKENESS_BITS
        return CheckResult(name=NAME, why=f"it is like {alike} ({similarity:.2f})")
