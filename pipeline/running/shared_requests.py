"""Shared requests: items of several manifests that ask for exactly the same.

Run one after the other, the second manifest would take over the job of the first: see
``running.recent_jobs``. Run together, its item waits for the other's, then does so too.
"""

from collections import Counter
from collections.abc import Iterable

import anyio

from pipeline.job import Job
from pipeline.planning import Action, PlannedItem
from pipeline.record import Struct, field

_Request = tuple[str, str, int | None]


class Twin(Struct, eq=False):
    """The item that makes what several ask for.

    Attributes:
        maker: The output folder of its manifest.
        ended: Set once its run is done with it.
        job: Its last attempt; None if it was not submitted.
        is_cut_off: Whether its run ended before it: it may be paid for.
        is_sent: Whether an earlier run sent it: its price is in no plan.
    """

    maker: str
    ended: anyio.Event = field(default_factory=anyio.Event)
    job: Job | None = None
    is_cut_off: bool = False
    is_sent: bool = False


class SharedRequests:
    """Which item makes what several manifests ask for; the others wait for it.

    Within a manifest, each item makes its own. So the second of two equal items takes
    over only from the second of another manifest.
    """

    def __init__(self) -> None:
        self._twins: dict[tuple[_Request, int], Twin] = {}
        self._counts: Counter[tuple[str, _Request]] = Counter()
        self._by_item: dict[tuple[str, str, _Request], Twin] = {}

    def know(self, output: str, jobs: Iterable[Job]) -> None:
        """Let others wait for what an earlier run has left in flight or unsure.

        Call it for every manifest before the first is planned.

        Args:
            output: The output folder of its manifest.
            jobs: Its unfinished attempts.
        """
        for job in jobs:
            self._find_twin(output, job.item_id, job).is_sent = True

    def find_maker(self, output: str, planned: PlannedItem) -> Twin | None:
        """Whoever makes what an item asks for; None if that is the item itself.

        Args:
            output: The output folder of the item's manifest.
            planned: The item, with action SUBMIT.
        """
        twin = self._find_twin(output, planned.item.item_id, planned.job)
        return None if twin.maker == output else twin

    def _find_twin(self, output: str, item_id: str, job: Job) -> Twin:
        request = _request_of(job)
        item = (output, item_id, request)
        twin = self._by_item.get(item)
        if twin is None:
            self._counts[output, request] += 1
            place = (request, self._counts[output, request])
            twin = self._twins.setdefault(place, Twin(maker=output))
            self._by_item[item] = twin
        return twin

    def ended(
        self, output: str, planned: PlannedItem, job: Job | None, *, is_cut_off: bool
    ) -> None:
        """Note that a run is done with an item.

        Args:
            output: The output folder of the item's manifest.
            planned: The item.
            job: Its last attempt; None if it was not submitted.
            is_cut_off: Whether the run ended before the item.
        """
        request = _request_of(planned.job)
        twin = self._by_item.get((output, planned.item.item_id, request))
        if twin is not None and twin.maker == output:
            twin.job, twin.is_cut_off = job, is_cut_off
            twin.ended.set()

    def close(self, output: str) -> None:
        """Note that the run of a manifest has ended: nobody waits for it any more."""
        for twin in self._twins.values():
            if twin.maker == output:
                twin.ended.set()


def _request_of(job: Job) -> _Request:
    return job.model_id, str(job.request_key), job.seed


def may_be_shared(planned: PlannedItem, *, force: bool) -> bool:
    """Whether the job of another item will do; with ``--force``, new ones are made."""
    return planned.action is Action.SUBMIT and not force
