"""All jobs, what they hold and what they give back; kept over a restart.

Knows when a slot is free again and when a failure is refunded. How a job comes to
be is left to ``service`` and ``uploads``.
"""

from collections.abc import Mapping
from dataclasses import fields
from heapq import heappop, heappush

from pipeline.emulator.account import Account
from pipeline.emulator.counters import Counters
from pipeline.emulator.identity import PROJECT_ID, random_of
from pipeline.emulator.job_index import JobIndex
from pipeline.emulator.job_queries import (
    Tokens,
    end_position,
    parse_job_query,
    read_page,
    start_position,
)
from pipeline.emulator.jobs import SUCCEEDED, TERMINAL, EmulatedJob
from pipeline.emulator.journal import Journal
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import not_found
from pipeline.emulator.timeline import Timeline, span_ms

JOB_FIELDS = tuple(field.name for field in fields(EmulatedJob))
TUPLE_FIELDS = ("step_times", "step_statuses", "asset_ids")


class JobStore:
    """Every job of the project.

    Args:
        profile: Lags, retention and what counts as a job in flight.
        timeline: The service's time.
        account: Where jobs are charged and refunded.
        counters: Where the highest number in flight is noted.
        journal: Where new jobs are written down.
    """

    def __init__(
        self,
        profile: EmulatorProfile,
        timeline: Timeline,
        account: Account,
        counters: Counters,
        journal: Journal,
    ) -> None:
        self._profile = profile
        self._timeline = timeline
        self._account = account
        self._counters = counters
        self._journal = journal
        self._index = JobIndex(span_ms(profile.heartbeat_s))
        self._by_id: dict[str, int] = {}
        self._events: list[tuple[int, int, bool]] = []
        self._random = random_of(profile.seed, "list")
        self.in_flight = 0

    @property
    def jobs(self) -> list[EmulatedJob]:
        """All jobs in order of creation; not to be changed."""
        return self._index.jobs

    @property
    def next_number(self) -> int:
        """The number of the next job."""
        return len(self._index.jobs)

    def find(self, job_id: str) -> EmulatedJob | None:
        """A job by its id, whether or not it is visible."""
        number = self._by_id.get(job_id)
        return None if number is None else self._index.jobs[number]

    def add(self, job: EmulatedJob, *, is_new: bool = True) -> None:
        """Take up a job and charge it; a new one is durable on return."""
        if is_new:
            self._journal.append("job", job_record(job))
        self._by_id[job.job_id] = job.number
        self._index.add(job)
        if job.job_type != "custom" or not job.is_ours:
            return
        self._account.charge(job.author_id, job.total_cu)
        self.in_flight += 1
        self._counters.most_in_flight = max(
            self._counters.most_in_flight, self.in_flight
        )
        frees_ms = self._frees_ms(job)
        if frees_ms is not None:
            heappush(self._events, (frees_ms, job.number, True))
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
        """Add steps to the end of a job's schedule and what it ends with."""
        job.step_times += tuple(moment for moment, _ in steps)
        job.step_statuses += tuple(status for _, status in steps)
        job.error, job.entity_id = error, entity_id
        self._index.reschedule(job)

    def advance(self) -> int:
        """Free slots and book refunds up to now.

        Returns:
            Now, in milliseconds.
        """
        now_ms = self._timeline.now_ms()
        while self._events and self._events[0][0] <= now_ms:
            _, number, frees = heappop(self._events)
            job = self._index.jobs[number]
            if frees:
                self.in_flight -= 1
            else:
                self._account.refund(job.author_id, job.total_cu)
        return now_ms

    def visible(self, job_id: str, now_ms: int, reader_id: str = "") -> EmulatedJob:
        """A job as a client may read it.

        Raises:
            Refused: 404: unknown, too new, too old, or not for this reader.
        """
        job = self.find(job_id)
        if job is None or not self._may_see(job, reader_id):
            raise not_found("Job", job_id)
        age_ms = now_ms - job.created_ms
        kept_s = self._profile.job_retention_s
        if age_ms < span_ms(self._profile.hidden_job_s):
            raise not_found("Job", job_id)
        if kept_s is not None and age_ms >= span_ms(kept_s):
            raise not_found("Job", job_id)
        return job

    def page(
        self,
        query: Mapping[str, str],
        now_ms: int,
        *,
        reader_id: str = "",
        is_empty: bool = False,
        is_endless: bool = False,
    ) -> tuple[tuple[EmulatedJob, ...], int, str]:
        """One page of the listing.

        Args:
            query: The parameters of the request.
            now_ms: Now.
            reader_id: Who asks; "" may see every job.
            is_empty: Show nothing, with a token for the very same place.
            is_endless: Never let a page be the last.

        Returns:
            The jobs; the moment at which they are shown; the next token or "".

        Raises:
            Refused: 400 for filters that do not go together.
        """
        profile = self._profile
        moment_ms = now_ms - span_ms(profile.list_lag_s)
        parsed = parse_job_query(query, now_ms, self._by_id)
        newest_first = profile.list_newest_first
        nonce = self._random.getrandbits(32)
        tokens = Tokens(self._index, PROJECT_ID, by_update=parsed.by_update)
        if is_empty:
            start = start_position(parsed, newest_first=newest_first)
            return (), moment_ms, tokens.make(start, nonce)
        self._index.advance(moment_ms)
        page = read_page(
            self._index,
            parsed,
            moment_ms,
            profile,
            lambda job: self._may_see(job, reader_id),
        )
        token = "" if page.position is None else tokens.make(page.position)
        if is_endless and not token:
            token = tokens.make(end_position(newest_first=newest_first), nonce)
        return page.jobs, moment_ms, token

    def _may_see(self, job: EmulatedJob, reader_id: str) -> bool:
        shared = self._profile.keys_share_jobs or not reader_id
        return shared or job.author_id == reader_id

    def _is_refunded(self, job: EmulatedJob) -> bool:
        last = job.step_statuses[-1]
        if last not in TERMINAL or last in SUCCEEDED or not job.refundable:
            return False
        return not job.asset_ids or self._profile.partial_refunded

    def _frees_ms(self, job: EmulatedJob) -> int | None:
        if not self._profile.finalizing_counts and "finalizing" in job.step_statuses:
            return job.step_times[job.step_statuses.index("finalizing")]
        return job.ends_ms


def job_record(job: EmulatedJob) -> dict[str, object]:
    """A job as a record of the journal."""
    return {name: getattr(job, name) for name in JOB_FIELDS}


def job_of_record(record: Mapping[str, object]) -> EmulatedJob:
    """The inverse of :func:`job_record`; unknown keys are ignored."""
    values = {name: record[name] for name in JOB_FIELDS if name in record}
    for name in TUPLE_FIELDS:
        values[name] = tuple(values[name])  # type: ignore[arg-type]
    return EmulatedJob(**values)  # type: ignore[arg-type]
