"""Versions: whether a page may write although the review file is newer than it knows.

A person who decides fast sends the next decision before the page has the answer to the
last one. So a page may be behind by decisions of this session, unless they are about
the same item. Pure.
"""

_MOST_KEPT = 1000


class Versions:
    """The versions of a review file that this session has written."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[str, str]] = {}  # version → the one before, item

    def note(self, before: str, after: str, item_id: str) -> None:
        """A decision about an item has made one version of another."""
        if before == after:
            return
        self._before.pop(after, None)
        self._before[after] = before, item_id
        if len(self._before) > _MOST_KEPT:
            del self._before[next(iter(self._before))]

    def allow(self, seen: str, current: str, item_id: str) -> bool:
        """Whether a page that has seen one version may decide about an item.

        Args:
            seen: The version that the page shows.
            current: The version of the file.
            item_id: The item.
        """
        passed = {current}
        while current != seen:
            if current not in self._before:
                return False  # somebody else has written it
            current, about = self._before[current]
            if about == item_id or current in passed:
                return False
            passed.add(current)
        return True
