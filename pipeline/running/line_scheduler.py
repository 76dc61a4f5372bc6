"""LineScheduler: starts items as soon as the items they need are made.

An item is submitted when its parents have succeeded: the service knows their outputs by
asset id, so nothing is downloaded or uploaded first. Only an item that was made before
waits for its parents' files, because what it asks for depends on their content: if that
has not changed, nothing is paid.
"""

from collections.abc import Callable, Iterator

from pipeline.job import Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.planning import Plan, PlannedItem
from pipeline.planning.decision import failure_word
from pipeline.record import replace

# Of a parent that this run has not made and will not make.
_NOT_MADE_NOW = frozenset(
    {
        JobStatus.PLANNED,
        JobStatus.SUBMITTING,
        JobStatus.SUBMITTED,
        JobStatus.UNKNOWN,
    }
)


class LineScheduler:
    """Holds items back until their parents are made.

    Args:
        plan: Plans an item once its parents are made.
        ledger: For reading.
        start: Called with each item that can go on.
        block: Called with each item that cannot be made, and why.
        leave_out: Called with each item that this run does not come to.
    """

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        *,
        start: Callable[[PlannedItem], None],
        block: Callable[[PlannedItem, str], None],
        leave_out: Callable[[PlannedItem], None],
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._start = start
        self._block = block
        self._leave_out = leave_out
        self._held: dict[str, PlannedItem] = {}
        self._made: dict[str, Job] = {}

    def hold(self, planned: PlannedItem) -> None:
        """Hold an item back; its action is WAIT."""
        self._held[planned.item.item_id] = planned

    def succeeded(self, job: Job) -> None:
        """Note that an item is made, though its files may not be saved yet."""
        self._note_made(job)

    def ended(self, item_id: str, job: Job | None) -> None:
        """Note that this run is done with an item.

        Args:
            item_id: The item.
            job: Its last attempt; None if it was not submitted.
        """
        if not self._plan.lines.is_parent(item_id):
            return
        if job is not None and job.status in {JobStatus.SAVED, JobStatus.SUCCEEDED}:
            self._note_made(job)
        # A child still held now needs a parent that it cannot have, or another parent.
        if job is None or job.status in _NOT_MADE_NOW:
            for held in self._release_below(item_id):
                self._leave_out(held)
        elif job.status is JobStatus.FAILED:
            self.blocked(item_id, f"blocked by {item_id}: {failure_word(job.failure)}")

    def blocked(self, item_id: str, reason: str) -> None:
        """Note that the items that need this one cannot be made."""
        for held in self._release_below(item_id):
            self._block(held, reason)

    def leave_rest(self) -> None:
        """Note that this run does not come to the items still held back."""
        while self._held:
            _, held = self._held.popitem()
            self._leave_out(held)

    def _note_made(self, job: Job) -> None:
        item_id = job.item_id
        if not self._plan.lines.is_parent(item_id):
            return
        self._made[item_id] = job
        for child in self._plan.lines.children_of(item_id):
            # Whoever is started may be done at once, and so start the next.
            if child in self._held:
                self._start_if_ready(self._held[child])

    def _start_if_ready(self, held: PlannedItem) -> None:
        item = held.item
        known = self._plan.lines.parents
        made: dict[str, Job] = {}
        for parent in item.parents:
            job = self._made.get(parent) or known[parent].job
            if job is None:
                return
            made[parent] = job
        # What is not saved has no file to wait for.
        are_final = all(
            job.status is JobStatus.SAVED or not self._plan.lines.is_saved(parent)
            for parent, job in made.items()
        )
        if not are_final and self._ledger.find_last_attempt(item.item_id):
            return
        del self._held[item.item_id]
        planned = self._plan.plan_child(item.item_id, made)
        self._start(replace(planned, bound_key=held.cost_key))

    def _release_below(self, item_id: str) -> Iterator[PlannedItem]:
        """Every held item that needs this one, directly or not; no longer held."""
        waiting = [item_id]
        while waiting:
            for child in self._plan.lines.children_of(waiting.pop()):
                if child in self._held:
                    waiting.append(child)
                    yield self._held.pop(child)
