"""Items of the manifest ↔ items of the ledger: which are gone, which are renamed.

While the manifest is expanded once, every row of the ledger whose item still exists is
marked, and every row whose request its own item still makes. An item without results
may be another one renamed: one that is gone, or that asks for something else now. It is
never guessed which: where several fit, the user has to say. Costs nothing if the ledger
is empty.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from pipeline.job import Job, JobKey, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.naming import split_take
from pipeline.planning.decision import Action, Decision, Presence, decide
from pipeline.record import Struct

MOVABLE = frozenset({Action.DONE, Action.FETCH, Action.COLLECT, Action.SETTLE})
_PARTS = re.compile(r"[/._-]+")
_IS_THERE, _IS_ASKED = 1, 2  # of a row: its item exists; it still makes the request


class Request(Struct, frozen=True, kw_only=True):
    """What an item asks for, in the form that ledger rows are found by.

    Attributes:
        job_key: Defaults left out.
        request_key: With defaults as written.
        former: Both keys of the same request in other forms that a row may have.
    """

    job_key: JobKey
    request_key: JobKey
    former: tuple[tuple[JobKey, JobKey], ...] = ()

    @property
    def keys(self) -> tuple[tuple[JobKey, JobKey], ...]:
        """Every pair of keys that a row of this request may have."""
        return ((self.job_key, self.request_key), *self.former)

    def is_of(self, job: Job) -> bool:
        """Whether an attempt made this request."""
        return any(
            job.asks_for(job_key, request_key) for job_key, request_key in self.keys
        )

    def decide(
        self, attempts: Sequence[Job], look: Callable[[Job], Presence]
    ) -> Decision:
        """What a run would do with an item that has these attempts."""
        return decide(
            attempts,
            job_key=self.job_key,
            request_key=self.request_key,
            former=self.former,
            look=look,
        )


class Reassignment(Struct, frozen=True, kw_only=True):
    """Attempts that belong to another item now, because ids were swapped or shifted.

    Attributes:
        new_id: The job id that they get.
        old_id: The job id that they have.
        stem: The stem of the new item's files.
        rows: The numbers of the rows, in the order of their attempts.
        newest: The row whose files get the item's own name.
        line: The new item's line in the manifest.
    """

    new_id: str
    old_id: str
    stem: str
    rows: tuple[int, ...]
    newest: int
    line: int


class _Source(Struct, frozen=True):
    """An item that has made a request which it does not make any more."""

    base_id: str
    is_live: bool  # its files are there, or have never been fetched


class Renames:
    """Finds renamed items; each old id is used only once.

    Args:
        ledger: The ledger to search, or None.
        look: Looks whether the files of a SAVED job are in place.
        is_own: Whether an item that is gone was made by this manifest; None if all
            were.

    Attributes:
        old_ids: New job id to old one, for every rename passed to :meth:`fix`.
        implied: New item id to old one, for items that do not say it themselves.
        unclear: By item id: the items that it may have been.
    """

    def __init__(
        self,
        ledger: Ledger | None,
        look: Callable[[Job], Presence],
        *,
        is_own: Callable[[str], bool] | None = None,
    ) -> None:
        last = 0 if ledger is None else ledger.find_last_row_id()
        self._ledger = ledger if last else None
        self._look = look
        self._is_own = is_own
        self._marks = bytearray(last + 1 if last else 0)
        self._names: dict[JobKey, tuple[str, ...]] = {}  # candidates by request
        self._pairs: dict[JobKey, dict[str, str]] = {}
        self._reviewed: set[str] = set()
        self._late: dict[str, Request] = {}  # by item id, in the manifest's order
        self._claims: defaultdict[JobKey, list[str]] = defaultdict(list)
        self._named: set[str] = set()  # former ids that items name themselves
        self._given: set[str] = set()
        self._is_resolved = False
        self.old_ids: dict[str, str] = {}
        self.implied: dict[str, str] = {}
        self.unclear: dict[str, tuple[str, ...]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to search."""
        return self._ledger is None

    # --- while the manifest is read the first time --------------------------------

    def note(self, attempts: Iterable[Job], request: Request) -> None:
        """Mark the rows of an item that is in the manifest, with what it asks for."""
        for job in attempts:
            if job.row_id < len(self._marks):  # else a run has written it since
                asked = _IS_ASKED if request.is_of(job) else 0
                self._marks[job.row_id] |= _IS_THERE | asked

    def note_kept(self, row_ids: Iterable[int]) -> None:
        """Mark the rows of an item in the manifest whose request is not known yet."""
        for row_id in row_ids:
            if row_id < len(self._marks):
                self._marks[row_id] |= _IS_THERE | _IS_ASKED

    def note_reviewed(self, base_id: str) -> None:
        """Note an item with decisions: its replaced takes are nobody else's."""
        self._reviewed.add(base_id)

    def put_off(self, base_id: str, request: Request, *, job_id: str, was: str) -> bool:
        """Whether an item without results may be a renamed one: it is decided last.

        Args:
            base_id: The item.
            request: Of its first take without results.
            job_id: Of that take.
            was: The former job id that the item names itself, or "".
        """
        if was:
            may_be = bool(self._rows.find_row_ids(was))
            self._named.add(split_take(was)[0])
        else:
            may_be = any(
                self._rows.has_request(
                    job_key=job_key, request_key=request_key, not_of=job_id
                )
                for job_key, request_key in request.keys
            )
            if may_be:
                self._claims[request.job_key].append(base_id)
        if may_be:
            self._late[base_id] = request
        return may_be

    def is_late(self, base_id: str) -> bool:
        """Whether an item was put off."""
        return base_id in self._late

    @property
    def has_late(self) -> bool:
        """Whether any item was put off."""
        return bool(self._late)

    # --- once every item has been noted -------------------------------------------

    def resolve(self) -> None:
        """Decide which items that were put off are which renamed ones."""
        if self._is_resolved:
            return
        self._is_resolved = True
        claimed = {base for bases in self._claims.values() for base in bases}
        for base_id, request in self._late.items():
            if base_id in claimed:
                self._resolve(base_id, request)

    def _resolve(self, base_id: str, request: Request) -> None:
        names = self._names.get(request.job_key)
        if names is None:
            names = self._names[request.job_key] = self._find_names(request)
            self._pairs[request.job_key] = self._pair(names, request)
        pairs = self._pairs[request.job_key]
        if pairs:
            old = pairs[base_id]
        elif len(names) > 1:
            self.unclear[base_id] = names
            return
        else:
            old = names[0] if names and names[0] not in self._given else ""
        if old:
            self.implied[base_id] = old
            self._given.add(old)

    def claim(self, base_id: str, request: Request) -> str:
        """The one old item that an item without results may have been, or "".

        For items whose request is known only now; call it after :meth:`resolve`.
        """
        if self.is_idle:  # the rows of the items that it uses were written since
            return ""
        names = self._find_names(request)
        if len(names) > 1:
            self.unclear[base_id] = names
            return ""
        if names:
            self.implied[base_id] = names[0]
            self._given.add(names[0])
        return names[0] if names else ""

    def _find_names(self, request: Request) -> tuple[str, ...]:
        """The items that a new one may have been; those with files, if any has."""
        found = [
            source
            for source in self._find_sources(request)
            if source.base_id not in self._given | self._named | self._reviewed
        ]
        live = [source for source in found if source.is_live]
        return tuple(source.base_id for source in live or found)

    def _pair(self, names: Sequence[str], request: Request) -> dict[str, str]:
        """New id → old id, if the last parts of all ids tell which is which; else {}.

        So it is when only the first part of ids with numbers has changed.
        """
        claims = self._claims[request.job_key]
        old_ends = {_end_of(name): name for name in names}
        new_ends = {_end_of(claim): claim for claim in claims}
        if not len(old_ends) == len(names) == len(new_ends) == len(claims) > 1:
            return {}
        if old_ends.keys() != new_ends.keys():
            return {}
        return {claim: old_ends[end] for end, claim in new_ends.items()}

    def find_movable(self, old_id: str, request: Request) -> list[Job]:
        """The attempts of an old item that can be those of a renamed one, newest first.

        Empty unless one of them has results, or is in flight.
        """
        if self._ledger is None or not old_id:
            return []
        jobs = [
            job for job in self._ledger.find_jobs_of(old_id) if not self._is_asked(job)
        ]
        decision = request.decide(jobs, lambda _job: Presence())
        return jobs if decision.action in MOVABLE else []

    def is_gone(self, old_id: str) -> bool:
        """Whether an item with rows is no longer in the manifest."""
        rows = self._rows.find_row_ids(old_id)
        return not any(self._has(row_id, _IS_THERE) for row_id in rows)

    def has_living_take(self, base_id: str) -> bool:
        """Whether any take of an item is in the manifest."""
        takes = self._rows.find_take_ids(base_id)
        is_there = any(not self.is_gone(one) for one in takes)
        return is_there or base_id in self._reviewed

    def fix(self, item_id: str, old_id: str) -> None:
        """Record that the old item is now this one."""
        self.old_ids[item_id] = old_id
        self.set_apart(old_id)

    def set_apart(self, old_id: str) -> None:
        """Record that the old item is renamed, or may be: it is no orphan."""
        self._given.add(split_take(old_id)[0])

    def find_orphans(self) -> Iterator[str]:
        """The ledger's items that are neither in the manifest nor renamed, sorted."""
        if self._ledger is None:
            return
        apart = {
            *self._given,
            *(one for names in self.unclear.values() for one in names),
        }
        for item_id, row_id in self._ledger.find_items():
            is_kept = split_take(item_id)[0] in apart or item_id in self.old_ids
            if is_kept or self._has(row_id, _IS_THERE):
                continue
            if self._is_own is None or self._is_own(item_id):
                yield item_id

    # --- inside -------------------------------------------------------------------

    @property
    def _rows(self) -> Ledger:
        assert self._ledger is not None, "without rows, no item is put off"
        return self._ledger

    def _has(self, row_id: int, mark: int) -> bool:
        # A row that was written since belongs to an item that asks for it.
        return row_id >= len(self._marks) or bool(self._marks[row_id] & mark)

    def _is_asked(self, job: Job) -> bool:
        return self._has(job.row_id, _IS_ASKED)

    def _find_sources(self, request: Request) -> list[_Source]:
        by_base: dict[str, bool] = {}
        for item_id, is_live in self._search(request):
            base = split_take(item_id)[0]
            by_base[base] = by_base.get(base, False) or is_live
        return [_Source(*pair) for pair in by_base.items()]

    def _search(self, request: Request) -> Iterator[tuple[str, bool]]:
        """Items that made the request and do not make it any more, oldest first."""
        found = {
            row_id: item_id
            for job_key, request_key in request.keys
            for item_id, row_id in self._rows.find_items_asking(
                job_key=job_key, request_key=request_key
            )
        }
        for _, item_id in sorted(found.items()):
            jobs = self.find_movable(item_id, request)
            if self._is_own is not None and not self._is_own(item_id):
                continue
            if not jobs or (
                self.is_gone(item_id) and self.has_living_take(split_take(item_id)[0])
            ):
                continue
            decision = request.decide(jobs, self._look)
            is_pruned = (
                decision.action is Action.FETCH
                and decision.job is not None
                and decision.job.status is JobStatus.SAVED
            )
            yield item_id, not is_pruned


def _end_of(item_id: str) -> str:
    return _PARTS.split(item_id)[-1]
