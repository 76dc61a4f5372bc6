"""Options of a command → which items it applies to."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Self

from pipeline.manifest import Manifest
from pipeline.naming import TAKE_MARK, item_of
from pipeline.planning.decision import UNTOUCHED, Action
from pipeline.planning.shards import Division, Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which items a command applies to.

    Attributes:
        globs: Patterns of item ids; empty for all.
        limit: The most items that are not done yet, or None.
        force: Generate finished items again.
        only_failed: ``rerun``: only failed items, including final failures.
        only_fetch: ``fetch``: only items that are paid for and whose files are missing.
        ids: Only these items, or None for all.
        verify: Compare the files of finished items by SHA-256, not only by size.
        as_new: Items that may be renamed ones, but it is not clear which, are new.
        only: Only takes about which this was decided, ``rejected`` or ``approved``; ""
            for all.
        shard: Only the items of this shard, or None for all.
        division: How the manifest is divided; set by :meth:`resolved`.
    """

    globs: tuple[str, ...] = ()
    limit: int | None = None
    force: bool = False
    only_failed: bool = False
    only_fetch: bool = False
    ids: frozenset[str] | None = None
    verify: bool = False
    as_new: bool = False
    only: str = ""
    shard: Shard | None = None
    division: Division | None = field(default=None, compare=False, repr=False)

    def resolved(self, manifest: Manifest) -> Self:
        """The selection among the items of a manifest: its shards are known.

        Raises:
            ManifestError: With every fault that the expansion found.
        """
        if self.shard is None or self.division is not None:
            return self
        return replace(self, division=Division(manifest, self.shard))

    @property
    def in_shard(self) -> Callable[[str], bool] | None:
        """Whether a job belongs to the shard, by its id; None if all do."""
        return None if self.division is None else self.division.holds

    def includes(self, item_id: str) -> bool:
        """Whether an item or a take is included, by its job id.

        The id of an item includes all of its takes; ``hero@1`` is the first alone.
        """
        if self.division is not None and not self.division.holds(item_id):
            return False
        if self.ids is None and not self.globs:
            return True
        names = {item_id, item_of(item_id)}
        if len(names) == 1:  # neither a further take nor a step
            names.add(f"{item_id}{TAKE_MARK}1")
        if self.ids is not None and names.isdisjoint(self.ids):
            return False
        return not self.globs or any(
            fnmatchcase(name, glob) for glob in self.globs for name in names
        )


class Limit:
    """Counts down how many more items that are not done may be planned."""

    def __init__(self, limit: int | None) -> None:
        self._left = limit

    def admits(self, action: Action) -> bool:
        """Whether an item with this action is within the limit; counts it if so."""
        if self._left is None or action in UNTOUCHED:
            return True
        self._left -= 1
        return self._left >= 0
