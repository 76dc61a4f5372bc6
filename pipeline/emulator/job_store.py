"""All jobs, the slots they occupy, and their refunds; restored after a restart.

Knows when a slot becomes free and when a failed job is refunded. How jobs are made is
left to ``job_maker`` and ``uploads``, and what clients can see of them to
``job_listing``.
"""

from collections.abc import Mapping
from heapq import heappop, heappush

from pipeline.emulator.account import Account
from pipeline.emulator.counters import Counters
from pipeline.emulator.job_index import JobIndex
from pipeline.emulator.jobs import SUCCEEDED, TERMINAL, EmulatedJob, record_of_job
from pipeline.emulator.journal import Journal
from pipeline.emulator.timeline import Timeline


class JobStore:
    """Every job of the project.

    Args:
        index: Keeps the jobs in order; empty.
        timeline: The service's time.
        account: Where jobs are charged and refunded.
        counters: Where the highest number of jobs in flight is counted.
        journal: Where new jobs are written.
        finalizing_counts: A job that is finalizing still occupies its slot.
        partial_refunded: A failed job is refunded even if it has produced assets.
    """

    def __init__(
        self,
        index: JobIndex,
        timeline: Timeline,
        account: Account,
        counters: Counters,
        journal: Journal,
        *,
        finalizing_counts: bool,
        partial_refunded: bool,
    ) -> None:
        self.index = index
        self._timeline = timeline
        self._account = account
        self._counters = counters
        self._journal = journal
        self._finalizing_counts = finalizing_counts
        self._partial_refunded = partial_refunded
        self._numbers: dict[str, int] = {}
        self._events: list[tuple[int, int, bool]] = []
        self.in_flight = 0

    @property
    def jobs(self) -> list[EmulatedJob]:
        """All jobs in the order of creation; not to be changed."""
        return self.index.jobs

    @property
    def numbers(self) -> Mapping[str, int]:
        """The number of each job, by its id."""
        return self._numbers

    @property
    def next_number(self) -> int:
        """The number of the next job."""
        return len(self.index.jobs)

    def find(self, job_id: str) -> EmulatedJob | None:
        """A job by its id, whether or not clients can see it."""
        number = self._numbers.get(job_id)
        return None if number is None else self.index.jobs[number]

    def add(self, job: EmulatedJob, *, is_new: bool = True) -> None:
        """Add a job and charge it. A new job is in the journal on return."""
        if is_new:
            self._journal.append("job", record_of_job(job))
        self._numbers[job.job_id] = job.number
        self.index.add(job)
        if job.job_type != "custom" or not job.is_ours:
            return
        self._account.charge(job.author_id, job.total_cu)
        self.in_flight += 1
        self._counters.most_in_flight = max(
            self._counters.most_in_flight, self.in_flight
        )
        slot_ends_ms = self._slot_ends_ms(job)
        if slot_ends_ms is not None:
            heappush(self._events, (slot_ends_ms, job.number, True))
        if job.ends_ms is not None and self._is_refunded(job):
            heappush(self._events, (job.ends_ms, job.number, False))

    def extend(
        self,
        job: EmulatedJob,
        steps: tuple[tuple[int, str], ...],
        *,
        error: str = "",
        entity_id: str = "",
    ) -> None:
        """Add steps to the end of a job's schedule, and say how the job ends."""
        job.step_times += tuple(moment for moment, _ in steps)
        job.step_statuses += tuple(status for _, status in steps)
        job.error, job.entity_id = error, entity_id
        self.index.reschedule(job)

    def advance(self) -> int:
        """Free the slots and make the refunds that are due.

        Returns:
            The present moment in milliseconds.
        """
        now_ms = self._timeline.now_ms()
        while self._events and self._events[0][0] <= now_ms:
            _, number, frees_slot = heappop(self._events)
            job = self.index.jobs[number]
            if frees_slot:
                self.in_flight -= 1
            else:
                self._account.refund(job.author_id, job.total_cu)
        return now_ms

    def _is_refunded(self, job: EmulatedJob) -> bool:
        last = job.step_statuses[-1]
        if last not in TERMINAL or last in SUCCEEDED or not job.refundable:
            return False
        return not job.asset_ids or self._partial_refunded

    def _slot_ends_ms(self, job: EmulatedJob) -> int | None:
        if not self._finalizing_counts and "finalizing" in job.step_statuses:
            return job.step_times[job.step_statuses.index("finalizing")]
        return job.ends_ms
