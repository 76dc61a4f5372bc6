"""Changes of jobs → how far each line is: items that are made from one another."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.job import JobStatus
from pipeline.planning import Lines
from pipeline.running.events import Blocked, JobChanged

_MARK = ": "  # between the name of a manifest and an item's id


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """How far one line is.

    Attributes:
        root: The item that the others are made from.
        made: Jobs of the line that have made their outputs.
        total: Jobs of the line, at least 2.
        latest: The job that changed last.
        status: Its status.
    """

    root: str
    made: int
    total: int
    latest: str
    status: JobStatus


class LineProgress:
    """Follows the lines of a run; :meth:`take` must get every change.

    An item that is made from several roots belongs to the line of the first. A screen
    may read it from another thread.

    Args:
        lines: Of each plan, once every item has been planned; by the name that its
            items have before their ids, as in ``icons: oak``, or "" for a single plan.

    Attributes:
        total: How many lines have more than one job.
        complete: How many of these are made.
    """

    def __init__(self, lines: Mapping[str, Lines]) -> None:
        self._lines = lines
        self._root_of: dict[str, str] = {}
        self._made: set[str] = set()
        self._made_of: Counter[str] = Counter()
        self._total_of: Counter[str] = Counter()
        self._latest: dict[str, tuple[str, JobStatus]] = {}  # by root, newest last
        for name, of_plan in lines.items():
            for root in of_plan.roots:
                self._add(_full(name, root), _full(name, root))
            for child in of_plan.in_order():
                parents = (
                    self._root_of.get(_full(name, one), "") for one in child.parents
                )
                self._add(_full(name, child.item_id), next(parents, ""))
        self.total = sum(count > 1 for count in self._total_of.values())
        self.complete = sum(map(self._is_complete, self._total_of))

    def is_made_unsaved(self, change: JobChanged) -> bool:
        """Whether a job has ended well, and its outputs stay at the service."""
        is_over = change.status is JobStatus.SUCCEEDED
        name, _, item_id = change.item_id.rpartition(_MARK)
        lines = self._lines.get(name)
        return is_over and lines is not None and not lines.is_saved(item_id)

    def take(self, change: JobChanged | Blocked) -> None:
        """Note a change of a job, or of an item that cannot be made."""
        item_id = change.item_id
        root = self._root_of.get(item_id)
        if root is None:
            return
        status = JobStatus.FAILED if isinstance(change, Blocked) else change.status
        self._latest.pop(root, None)
        self._latest[root] = item_id, status
        if isinstance(change, Blocked):
            return
        if status is JobStatus.SAVED or self.is_made_unsaved(change):
            was_complete = self._is_complete(root)
            self._note_made(item_id, root)
            self.complete += self._is_complete(root) and not was_complete

    def active(self, most: int) -> list[LineState]:
        """The lines that are at work, those that changed last first.

        Args:
            most: How many at most.
        """
        found: list[LineState] = []
        # A copy, made at once: the run may go on meanwhile.
        for root, (item_id, status) in reversed(list(self._latest.items())):
            made, total = self._made_of[root], self._total_of[root]
            if total > 1 and made < total and len(found) < most:
                found.append(
                    LineState(
                        root=root, made=made, total=total, latest=item_id, status=status
                    )
                )
        return found

    def _add(self, item_id: str, root: str) -> None:
        name, _, bare_id = item_id.rpartition(_MARK)
        parent = self._lines[name].parents.get(bare_id)
        if not root or parent is None or not (parent.is_coming or parent.job):
            return
        self._root_of[item_id] = root
        self._total_of[root] += 1
        if parent.job is not None:
            self._note_made(item_id, root)

    def _is_complete(self, root: str) -> bool:
        return self._made_of[root] == self._total_of[root] > 1

    def _note_made(self, item_id: str, root: str) -> None:
        if item_id not in self._made:
            self._made.add(item_id)
            self._made_of[root] += 1


def _full(name: str, item_id: str) -> str:
    return f"{name}{_MARK}{item_id}" if name else item_id
