"""Recovery: follows jobs that an earlier run left in flight or unsure to their end.

Recovery starts before anything is submitted, because these jobs hold slots. It includes
jobs of items that were changed or removed since; their assets are recorded, but not
downloaded.
"""

import anyio
import anyio.abc

from pipeline.job import UNFINISHED, Failure, Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.planning import Action, PlannedItem
from pipeline.record import replace
from pipeline.running.lease import Lease
from pipeline.running.records import Records
from pipeline.running.watching import Watch


class _Recovered:
    def __init__(self, *, in_flight: bool) -> None:
        self.in_flight = in_flight
        self.done = anyio.Event()
        self.job: Job | None = None


class Recovery:
    """Resumes unfinished jobs, each once.

    Args:
        ledger: For reading.
        slots: The slots of this run; each resumed job holds one.
        records: Records each step.
        watch: Waits for the jobs.
    """

    def __init__(
        self,
        ledger: Ledger,
        slots: Lease,
        *,
        records: Records,
        watch: Watch,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._slots = slots
        self._watch = watch
        self._jobs: dict[int, _Recovered] = {}
        self._failed: dict[str, Job] = {}  # by item id

    def start(self, tasks: anyio.abc.TaskGroup) -> None:
        """Start a task in ``tasks`` for every unfinished job."""
        for job in list(self._ledger.find_jobs_in(*UNFINISHED)):
            recovered = _Recovered(in_flight=job.status is JobStatus.SUBMITTED)
            if recovered.in_flight:
                self._slots.occupy()
            self._jobs[job.row_id] = recovered
            tasks.start_soon(self._recover, job, recovered)

    async def wait_until_ended(self, job: Job) -> Job:
        """Suspend until the job has ended: SUCCEEDED, FAILED, PLANNED or UNKNOWN."""
        recovered = self._jobs.get(job.row_id)
        if recovered is not None:
            await recovered.done.wait()
            assert recovered.job is not None
            return recovered.job
        # The job outlived its deadline in an earlier run: check it again.
        self._slots.occupy()
        return await self._watch.wait_until_ended(
            await self._records.watched_again(job)
        )

    async def wait_until_all_ended(self) -> None:
        """Suspend until every job that was in flight has ended.

        This does not wait for unsure jobs: settling them may need another job.
        """
        for recovered in list(self._jobs.values()):
            if recovered.in_flight:
                await recovered.done.wait()

    def as_priced(self, planned: PlannedItem) -> PlannedItem:
        """The item with the action that it had when the plan was priced.

        A recovered job may have failed since, which would turn COLLECT into SUBMIT. An
        item that fails in a run is not paid for again in the same run.
        """
        failed = self._failed.get(planned.item.item_id)
        if (
            failed is None
            or planned.action not in {Action.SUBMIT, Action.SKIP}
            or planned.job.request_key != failed.request_key
        ):
            return planned
        return replace(planned, action=Action.COLLECT, job=failed)

    async def _recover(self, job: Job, recovered: _Recovered) -> None:
        if job.status is JobStatus.SUBMITTING:
            # The process ended between the write-ahead intent and the answer's record.
            reason = "the run ended while the submit was in progress"
            job = await self._records.unknown(job, Failure(kind=None, reason=reason))
        if job.status is JobStatus.UNKNOWN:
            # Without its slot: another job may have to show that the list is readable.
            job = await self._watch.settle(job, holds_slot=False)
        recovered.job = await self._watch.wait_until_ended(job)
        if recovered.job.status is JobStatus.FAILED:
            self._failed[job.item_id] = recovered.job
        recovered.done.set()


def next_attempt(job: Job, ledger: Ledger) -> Job:
    """A new attempt at the same request, PLANNED.

    Its number follows the item's newest attempt, which may be for another request.
    Until it is sent, it keeps the mark of ``job``, because that job may still appear.
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
