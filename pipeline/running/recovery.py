"""Recovery: jobs that an earlier run left in flight or unsure → their end.

They are taken up before anything is submitted, since they hold slots. Jobs of items
that have changed or gone since are looked after too, as far as knowing their assets.
"""

import anyio
import anyio.abc

from pipeline.job import UNFINISHED, Failure, Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.planning import Action, PlannedItem
from pipeline.record import replace
from pipeline.running.records import Records
from pipeline.running.watching import Watch
from pipeline.stages.slots import Slots


class _Recovered:
    def __init__(self, *, in_flight: bool) -> None:
        self.in_flight = in_flight
        self.done = anyio.Event()
        self.job: Job | None = None


class Recovery:
    """Takes up unfinished jobs, each once.

    Args:
        ledger: Where they are found.
        slots: Which they hold.
        records: Writes each step.
        watch: Waits for them.
    """

    def __init__(
        self,
        ledger: Ledger,
        slots: Slots,
        *,
        records: Records,
        watch: Watch,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._slots = slots
        self._watch = watch
        self._jobs: dict[int, _Recovered] = {}
        self._ended: dict[str, Job] = {}  # by item, those that failed in this run

    def start(self, tasks: anyio.abc.TaskGroup) -> None:
        """Begin to look after every unfinished job, as a task of ``tasks``."""
        for job in list(self._ledger.find_jobs_in(*UNFINISHED)):
            recovered = _Recovered(in_flight=job.status is JobStatus.SUBMITTED)
            if recovered.in_flight:
                self._slots.occupy()
            self._jobs[job.row_id] = recovered
            tasks.start_soon(self._recover, job, recovered)

    async def wait_until_ended(self, job: Job) -> Job:
        """The job as it ended: SUCCEEDED, FAILED, PLANNED, or still UNKNOWN."""
        recovered = self._jobs.get(job.row_id)
        if recovered is not None:
            await recovered.done.wait()
            assert recovered.job is not None
            return recovered.job
        # It outlived its deadline in an earlier run: look at it again.
        self._slots.occupy()
        return await self._watch.wait_until_ended(
            await self._records.watched_again(job)
        )

    async def wait_until_all_ended(self) -> None:
        """Suspend until every job that was in flight has ended.

        Not until what is unsure is settled: it may need another job for that.
        """
        for recovered in list(self._jobs.values()):
            if recovered.in_flight:
                await recovered.done.wait()

    def without_surprise(self, planned: PlannedItem) -> PlannedItem:
        """The item as it was counted: to collect, although its job has ended since.

        What fails in a run is not paid for again in the same run.
        """
        ended = self._ended.get(planned.item.item_id)
        if (
            ended is None
            or planned.action not in {Action.SUBMIT, Action.SKIP}
            or planned.job.request_key != ended.request_key
        ):
            return planned
        return replace(planned, action=Action.COLLECT, job=ended)

    async def _recover(self, job: Job, recovered: _Recovered) -> None:
        if job.status is JobStatus.SUBMITTING:
            # The process ended between the intent and the record of its answer.
            reason = "the run ended while the submit was under way"
            job = await self._records.unknown(job, Failure(kind=None, reason=reason))
        if job.status is JobStatus.UNKNOWN:
            # Others need the slot: one of them is to show that the list can be read.
            job = await self._watch.settle(job, holds_slot=False)
        recovered.job = await self._watch.wait_until_ended(job)
        if recovered.job.status is JobStatus.FAILED:
            self._ended[job.item_id] = recovered.job
        recovered.done.set()


def next_attempt(job: Job, ledger: Ledger) -> Job:
    """A new attempt at the same request, PLANNED, counted from the item's newest.

    That need not be this one: it may have asked for something else. Until it is sent
    it keeps the mark of this one, whose job may surface yet.
    """
    return replace(
        Job(
            item_id=job.item_id,
            attempt=ledger.find_last_attempt(job.item_id) + 1,
            job_key=job.job_key,
            request_key=job.request_key,
            model_id=job.model_id,
        ),
        seed=job.seed,
        derived_seed=job.derived_seed,
        request=job.request,
        mark_id=job.mark_id,
        made_with=job.made_with,
    )
