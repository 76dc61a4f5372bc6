"""Watching: which items of a manifest have changed, without reading the others.

A look costs a question to SQLite and a few to the file system, as long as nothing has
changed. Blocking.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.manifest import Manifest
from pipeline.manifest.review import ItemReview
from pipeline.naming import item_of
from pipeline.operations.view.deciding import version_of
from pipeline.record import Struct

_Stamp = tuple[int, int, int] | None


class Changes(Struct, frozen=True, kw_only=True):
    """What has changed since the look before.

    Attributes:
        is_whole: Whether the manifest itself has, so that anything may have.
        has_review: Whether the review file has.
        items: The items whose rows in the ledger have.
    """

    is_whole: bool = False
    has_review: bool = False
    items: frozenset[str] = frozenset()

    def __or__(self, other: "Changes") -> "Changes":
        return Changes(
            is_whole=self.is_whole or other.is_whole,
            has_review=self.has_review or other.has_review,
            items=self.items | other.items,
        )


NOTHING = Changes()


class Watcher:
    """Looks at one manifest, its review file and its ledger.

    Args:
        manifest: With its review.
        output: The output folder.
    """

    def __init__(self, manifest: Manifest, output: Path) -> None:
        self._review = manifest.review.path
        self._written = tuple(
            path
            for path in (
                manifest.path,
                *(one.rows.path for one in manifest.templates if one.rows is not None),
            )
        )
        self._ledger = _LedgerWatcher(output / LEDGER_NAME)
        self._stamps = _stamps_of(self._written)
        self._review_stamp = _stamp_of(self._review)
        self.version = version_of(self._review)

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def look(self) -> Changes:
        """What has changed since the last look.

        Raises:
            LedgerError, OutputError: The ledger cannot be read now.
        """
        items = self._ledger.look()  # first: only this may raise
        stamps = _stamps_of(self._written)
        is_whole, self._stamps = stamps != self._stamps, stamps
        return Changes(
            is_whole=is_whole, has_review=self._look_at_review(), items=items
        )

    def _look_at_review(self) -> bool:
        stamp = _stamp_of(self._review)
        if stamp == self._review_stamp:
            return False
        version = version_of(self._review)
        has_changed = version != self.version
        self._review_stamp, self.version = stamp, version
        return has_changed


class _LedgerWatcher:
    """Finds the items whose rows have changed.

    Args:
        path: The ledger; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: Ledger | None = None
        self._stamp: object = None
        self._version = 0
        self._signs: dict[int, tuple[str, int]] = {}
        self.look()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def look(self) -> frozenset[str]:
        """Item ids, without the numbers of takes and the names of steps."""
        try:
            about = self._path.stat()
        except OSError:
            self.close()
            return self._compare({})
        stamp = about.st_dev, about.st_ino  # another file may have its name
        if self._open is None or stamp != self._stamp:
            self.close()
            opened = Ledger(self._path, read_only=True)
            if not opened.is_current:  # a run is about to migrate or to fill it
                opened.close()
                return frozenset()
            self._open, self._stamp, self._version = opened, stamp, 0
        version = self._open.find_version()
        if version == self._version:
            return frozenset()
        # The version first: what is written meanwhile is found the next time.
        self._version = version
        return self._compare(self._open.find_signs())

    def _compare(self, signs: dict[int, tuple[str, int]]) -> frozenset[str]:
        changed = self._signs.items() ^ signs.items()
        self._signs = signs
        return frozenset(item_of(item_id) for _, (item_id, _) in changed)


def changed_reviews(
    before: Mapping[str, ItemReview], after: Mapping[str, ItemReview]
) -> frozenset[str]:
    """The items about which something else is decided now."""
    return frozenset(
        item_id
        for item_id in before.keys() | after.keys()
        if before.get(item_id) != after.get(item_id)
    )


def _stamps_of(paths: Sequence[Path]) -> tuple[_Stamp, ...]:
    return tuple(map(_stamp_of, paths))


def _stamp_of(path: Path | None) -> _Stamp:
    try:
        about = None if path is None else path.stat()
    except OSError:
        about = None
    return about and (about.st_mtime_ns, about.st_size, about.st_ino)
