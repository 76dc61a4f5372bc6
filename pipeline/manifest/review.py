"""Review: the decisions about takes, one record for each item. Pure.

A decision is about bytes: it names the SHA-256 of each file that it was made about, and
counts only as long as the take has these bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.job import Item
from pipeline.record import Struct, field, replace


class Verdict(Struct, frozen=True, kw_only=True):
    """A decision about one take.

    Attributes:
        take: The number of the take, from 1.
        output: The number of the output with ``choose: one``; 0 for all outputs.
        sha256: Hex digests of the take's files as they were made, in their order.
        by: Who decided.
        at: When, in UTC: ``2026-10-02T21:20:16Z``.
        note: A text, or "".
    """

    take: int
    output: int = 0
    sha256: tuple[str, ...]
    by: str = ""
    at: str = ""
    note: str = ""


class Added(Struct, frozen=True, kw_only=True):
    """A take that ``redo`` has put in the place of another.

    Attributes:
        take: Its number.
        replaces: The number of the take that it replaces.
        seed: Its seed, or None if the model takes none.
        pinned: The seed that the manifest gave the item at that time, or None. The
            recorded seed counts only as long as the manifest gives the same.
        by: Who added it.
        at: When, in UTC.
    """

    take: int
    replaces: int
    seed: int | None = None
    pinned: int | None = None
    by: str = ""
    at: str = ""


class Kept(Struct, frozen=True, kw_only=True):
    """A file that was kept as the result of another request: see ``accept``.

    Attributes:
        take: The number of the take.
        job_key: The key of the request whose result the file is to be from now on.
        made_by: The key of the request that made it.
        sha256: Hex digests of its files.
        by: Who decided.
        at: When, in UTC.
    """

    take: int
    job_key: str
    made_by: str
    sha256: tuple[str, ...]
    by: str = ""
    at: str = ""


class ItemReview(Struct, frozen=True, kw_only=True):
    """The decisions about one item.

    Attributes:
        picked: The chosen take, or None if nobody has chosen.
        approved: At most one for each take, sorted.
        rejected: At most one for each take, sorted.
        added: Takes made by ``redo``, sorted by number.
        kept: Files kept after an edit, sorted.
    """

    picked: Verdict | None = None
    approved: tuple[Verdict, ...] = ()
    rejected: tuple[Verdict, ...] = ()
    added: tuple[Added, ...] = ()
    kept: tuple[Kept, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was decided."""
        return self == ItemReview()

    def verdicts(self) -> Iterator[tuple[str, Verdict]]:
        """Every decision of a person, with its word.

        Yields:
            ``chosen``, ``approved`` or ``rejected``, and the decision.
        """
        for word, verdicts in (
            ("chosen", () if self.picked is None else (self.picked,)),
            ("approved", self.approved),
            ("rejected", self.rejected),
        ):
            for verdict in verdicts:
                yield word, verdict

    def wanted_takes(self, count: int) -> list[int]:
        """The numbers of the takes that the item wants, sorted.

        There are ``count`` of them. A take that ``redo`` replaced is not wanted any
        more, the take in its place is. The picked take is always wanted: instead of the
        one that replaced it, or of the last.

        Args:
            count: From the manifest, at least 1.
        """
        added = {one.take for one in self.added}
        wanted: list[int] = []
        number = 0
        while len(wanted) < count:
            number += 1
            if number not in added:
                wanted.append(self._latest(number))
        picked = self.picked.take if self.picked else 0
        if picked and picked not in wanted:
            stand_in = self._latest(self.root_of(picked))
            place = wanted.index(stand_in) if stand_in in wanted else -1
            wanted[place] = picked
        return sorted(wanted)

    def root_of(self, take: int) -> int:
        """The number of the take that this one stands in for, through every redo."""
        before = {one.take: one.replaces for one in self.added}
        while take in before:
            take = before[take]
        return take

    def find_added(self, take: int) -> Added | None:
        """How a take was added, or None if the manifest itself asks for it."""
        return next((one for one in self.added if one.take == take), None)

    def with_pick(self, verdict: Verdict) -> "ItemReview":
        """With this take chosen; it is not rejected any more."""
        rejected = _without(self.rejected, verdict)
        return replace(self, picked=verdict, rejected=rejected)

    def with_approval(self, verdict: Verdict) -> "ItemReview":
        """With this take approved; it is not rejected any more."""
        return replace(
            self,
            approved=_with(self.approved, verdict),
            rejected=_without(self.rejected, verdict),
        )

    def with_rejection(self, verdict: Verdict) -> "ItemReview":
        """With this take rejected; it is neither approved nor chosen any more."""
        is_picked = self.picked is not None and _place(self.picked) == _place(verdict)
        return replace(
            self,
            picked=None if is_picked else self.picked,
            approved=_without(self.approved, verdict),
            rejected=_with(self.rejected, verdict),
        )

    def with_added(self, added: Added) -> "ItemReview":
        """With one more take."""
        takes = sorted((*self.added, added), key=lambda one: one.take)
        return replace(self, added=tuple(takes))

    def with_kept(self, kept: Kept) -> "ItemReview":
        """With a file kept as the result of another request."""
        others = [
            one
            for one in self.kept
            if (one.take, one.job_key) != (kept.take, kept.job_key)
        ]
        every = sorted((*others, kept), key=lambda one: (one.take, one.at, one.job_key))
        return replace(self, kept=tuple(every))

    def _latest(self, number: int) -> int:
        """The take that stands in for this one now."""
        after = {one.replaces: one.take for one in self.added}
        while number in after:
            number = after[number]
        return number


_NOTHING = ItemReview()


class Review(Struct, frozen=True, kw_only=True):
    """The review file of a manifest.

    Attributes:
        path: The file; it need not exist. None for a manifest without one.
        items: By item id.
    """

    path: Path | None = None
    items: Mapping[str, ItemReview] = field(default_factory=dict)

    def of(self, base_id: str) -> ItemReview:
        """The decisions about an item; empty if there are none."""
        return self.items.get(base_id, _NOTHING)

    def of_item(self, item: Item) -> ItemReview:
        """The decisions that count for a take: those of its item, or its former one."""
        return self.of(item.decided_as or item.base)

    def with_renamed(self, old: str, new: str) -> "Review":
        """With the decisions about an item under its new id, unless it has others."""
        if new in self.items or old not in self.items:
            return self
        moved = self.of(old)
        return self.with_item(old, ItemReview()).with_item(new, moved)

    def with_item(self, base_id: str, review: ItemReview) -> "Review":
        """With other decisions about an item; without it if there are none."""
        items = {name: one for name, one in self.items.items() if name != base_id}
        if not review.is_empty:
            items[base_id] = review
        return replace(self, items=items)


def _place(verdict: Verdict) -> tuple[int, int]:
    return verdict.take, verdict.output


def _without(verdicts: Sequence[Verdict], other: Verdict) -> tuple[Verdict, ...]:
    return tuple(one for one in verdicts if _place(one) != _place(other))


def _with(verdicts: Sequence[Verdict], verdict: Verdict) -> tuple[Verdict, ...]:
    return tuple(sorted((*_without(verdicts, verdict), verdict), key=_place))
