"""Items of the manifest ↔ items of the ledger: which are gone, which are renamed.

While the manifest is expanded once, every ledger row whose item still exists is marked.
Items whose rows stay unmarked are gone. An item without results that makes the same
request as one of those is that item, renamed. Costs nothing if the ledger is empty.
"""

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator

from pipeline.job import Job, JobKey
from pipeline.ledger.ledger import Ledger
from pipeline.planning.decision import Action, Presence, decide
from pipeline.record import Struct

MOVABLE = frozenset({Action.DONE, Action.FETCH, Action.COLLECT, Action.SETTLE})
_PARTS = re.compile(r"[/._-]+")


class Request(Struct, frozen=True, kw_only=True):
    """What an item asks for, in the form that ledger rows are found by.

    Attributes:
        job_key: Defaults left out.
        request_key: With defaults as written.
        former: Both keys of the same request with other line ends, as earlier versions
            sent it.
    """

    job_key: JobKey
    request_key: JobKey
    former: tuple[tuple[JobKey, JobKey], ...] = ()

    @property
    def keys(self) -> tuple[tuple[JobKey, JobKey], ...]:
        """Every pair of keys that a row of this request may have."""
        return ((self.job_key, self.request_key), *self.former)


class Renames:
    """Finds renamed items; each old id is used only once.

    Args:
        ledger: The ledger to search, or None.
        is_own: Whether an item that is gone was made by this manifest.

    Attributes:
        old_ids: New id to old id, for every rename passed to :meth:`fix`.
    """

    def __init__(
        self,
        ledger: Ledger | None,
        *,
        is_own: Callable[[str], bool] = lambda _item_id: True,
    ) -> None:
        last = 0 if ledger is None else ledger.find_last_row_id()
        self._ledger = ledger if last else None
        self._is_own = is_own
        self._is_there = bytearray(last + 1 if last else 0)
        self._candidates: dict[Request, _Candidates] = {}
        self._given: set[str] = set()
        self.old_ids: dict[str, str] = {}

    def note_item(self, item_id: str) -> bool:
        """Mark an item of the manifest; whether it is new and the ledger has others."""
        if self._ledger is None:
            return False
        row_ids = self._ledger.find_row_ids(item_id)
        self._note(row_ids)
        return not row_ids

    def note_attempts(self, attempts: Iterable[Job]) -> None:
        """Mark the item of these rows as still in the manifest."""
        self._note(job.row_id for job in attempts)

    def may_be_renamed(self, item_id: str, request: Request) -> bool:
        """Whether another item's row made the same request: it may be that item."""
        return self._ledger is not None and any(
            self._ledger.has_request(
                job_key=job_key, request_key=request_key, not_of=item_id
            )
            for job_key, request_key in request.keys
        )

    def find_old_id(self, item_id: str, request: Request) -> str | None:
        """The old id of a renamed item: one that is gone and not used yet, or None.

        Call it only after every item of the manifest has been noted.
        """
        if item_id in self.old_ids:
            return self.old_ids[item_id]
        candidates = self._candidates.get(request)
        if candidates is None:
            candidates = _Candidates(self._find_gone(request))
            self._candidates[request] = candidates
        return candidates.choose(item_id, self._given)

    def fix(self, item_id: str, old_id: str) -> None:
        """Record that the old item is now this one."""
        self.old_ids[item_id] = old_id
        self._given.add(old_id)

    def set_apart(self, old_id: str) -> None:
        """Record that the old item is renamed, but not to be moved by this command."""
        self._given.add(old_id)

    def find_orphans(self) -> Iterator[str]:
        """The ledger's items that are neither in the manifest nor renamed, sorted."""
        if self._ledger is None:
            return
        for item_id, row_id in self._ledger.find_items():
            is_kept = item_id in self._given or item_id in self.old_ids
            if not is_kept and not self._has_noted(row_id) and self._is_own(item_id):
                yield item_id

    def _note(self, row_ids: Iterable[int]) -> None:
        for row_id in row_ids:
            if row_id < len(self._is_there):  # else a run has written it since
                self._is_there[row_id] = 1

    def _has_noted(self, row_id: int) -> bool:
        return row_id >= len(self._is_there) or bool(self._is_there[row_id])

    def _find_gone(self, request: Request) -> Iterator[str]:
        assert self._ledger is not None
        found = {
            row_id: item_id
            for job_key, request_key in request.keys
            for item_id, row_id in self._ledger.find_items_asking(
                job_key=job_key, request_key=request_key
            )
        }
        for row_id, item_id in sorted(found.items()):
            if self._has_noted(row_id) or item_id in self._given:
                continue
            decision = decide(
                self._ledger.find_jobs_of(item_id),
                job_key=request.job_key,
                request_key=request.request_key,
                former=request.former,
                look=lambda _job: Presence(),
            )
            if decision.action in MOVABLE and self._is_own(item_id):
                yield item_id


class _Candidates:
    """Items that are gone and made the same request, oldest first."""

    def __init__(self, item_ids: Iterable[str]) -> None:
        self._all: deque[str] = deque()
        self._by_end: defaultdict[str, deque[str]] = defaultdict(deque)
        for item_id in item_ids:
            self._all.append(item_id)
            self._by_end[_end_of(item_id)].append(item_id)

    def choose(self, item_id: str, given: set[str]) -> str | None:
        """One whose id has the same last part, else the oldest, else None."""
        for queue in (self._by_end.get(_end_of(item_id), deque()), self._all):
            while queue and queue[0] in given:
                queue.popleft()
            if queue:
                return queue[0]
        return None


def _end_of(item_id: str) -> str:
    return _PARTS.split(item_id)[-1]
