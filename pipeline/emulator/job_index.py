"""The jobs in two orders, by creation and by update, each read from its end.

The order by update is a log: each change of a job appends a new entry, and the job's
older entry becomes stale. Future changes wait in a heap until their time has come. So
the cost of a page depends on what it shows, not on the number of jobs.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from pipeline.emulator.jobs import RUNNING, EmulatedJob

COMPACT_ABOVE = 4096
SCAN_LIMIT = 10_000

Accept = Callable[[EmulatedJob], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPage:
    """One page of one order.

    Attributes:
        jobs: At most as many as were asked for; may be empty.
        position: Where the next page continues; None at the end.
    """

    jobs: tuple[EmulatedJob, ...]
    position: int | None


class JobIndex:
    """All jobs, as they were at the moment to which the index was advanced.

    Args:
        heartbeat_ms: How often ``updatedAt`` of a running job moves. 0 is never.
    """

    def __init__(self, heartbeat_ms: int = 0) -> None:
        self.jobs: list[EmulatedJob] = []
        self._heartbeat_ms = heartbeat_ms
        self._created = array("q")
        self._waiting: list[tuple[int, int, int]] = []
        self._times = array("q")
        self._revisions = array("q")
        self._numbers = array("q")
        self._latest = array("q")
        self._next_revision = 0
        self._horizon_ms = 0

    def add(self, job: EmulatedJob) -> None:
        """Add a job. Its number must be the number of jobs so far."""
        self.jobs.append(job)
        self._created.append(job.created_ms)
        self._latest.append(-1)
        heappush(self._waiting, (job.created_ms, job.number, 0))

    def reschedule(self, job: EmulatedJob) -> None:
        """Expect the steps that were added to the end of a job's schedule."""
        step = job.step_at(self._horizon_ms) + 1
        if step < len(job.step_times):
            heappush(self._waiting, (job.step_times[step], job.number, step))

    def advance(self, moment_ms: int) -> None:
        """Append every change up to this moment to the order by update."""
        self._horizon_ms = max(self._horizon_ms, moment_ms)
        while self._waiting and self._waiting[0][0] <= moment_ms:
            at_ms, number, step = heappop(self._waiting)
            self._write(at_ms, number)
            job = self.jobs[number]
            following = step + 1
            until_ms = None
            if following < len(job.step_times):
                until_ms = job.step_times[following]
            beat_ms = self._next_beat(job, step, at_ms, moment_ms)
            if beat_ms is not None and (until_ms is None or beat_ms < until_ms):
                heappush(self._waiting, (beat_ms, number, step))
            elif until_ms is not None:
                heappush(self._waiting, (until_ms, number, following))
        if len(self._times) > COMPACT_ABOVE + 2 * len(self.jobs):
            self._compact()

    def by_update(
        self,
        *,
        after_ms: int,
        position: int | None,
        limit: int,
        newest_first: bool,
        accept: Accept,
    ) -> IndexPage:
        """Jobs updated after a moment, in the order of their last update."""
        low = bisect_right(self._times, after_ms)
        high = len(self._times)
        if position is not None and newest_first:
            high = min(high, bisect_left(self._revisions, position))
        elif position is not None:
            low = max(low, bisect_right(self._revisions, position))
        order = range(high - 1, low - 1, -1) if newest_first else range(low, high)
        live = (
            (self._revisions[entry], self.jobs[self._numbers[entry]])
            for entry in order
            if self._latest[self._numbers[entry]] == self._revisions[entry]
        )
        return _page(live, limit, accept)

    def by_creation(
        self,
        *,
        after_ms: int,
        position: int | None,
        limit: int,
        newest_first: bool,
        accept: Accept,
    ) -> IndexPage:
        """Jobs created after a moment, in the order of their creation."""
        low = bisect_right(self._created, after_ms)
        high = bisect_right(self._created, self._horizon_ms)
        if position is not None and newest_first:
            high = min(high, position)
        elif position is not None:
            low = max(low, position + 1)
        order = range(high - 1, low - 1, -1) if newest_first else range(low, high)
        return _page(((number, self.jobs[number]) for number in order), limit, accept)

    def _next_beat(
        self, job: EmulatedJob, step: int, at_ms: int, moment_ms: int
    ) -> int | None:
        if not self._heartbeat_ms or job.step_statuses[step] != RUNNING:
            return None
        # Heartbeats that nobody saw need no entries: continue with the last one due.
        missed = max((moment_ms - at_ms) // self._heartbeat_ms, 1)
        if step + 1 < len(job.step_times):
            left_ms = job.step_times[step + 1] - at_ms - 1
            missed = max(min(missed, left_ms // self._heartbeat_ms), 1)
        return at_ms + missed * self._heartbeat_ms

    def _write(self, at_ms: int, number: int) -> None:
        self._times.append(at_ms)
        self._revisions.append(self._next_revision)
        self._numbers.append(number)
        self._latest[number] = self._next_revision
        self._next_revision += 1

    def _compact(self) -> None:
        live = [
            entry
            for entry, revision in enumerate(self._revisions)
            if self._latest[self._numbers[entry]] == revision
        ]
        self._times = array("q", (self._times[entry] for entry in live))
        self._numbers = array("q", (self._numbers[entry] for entry in live))
        self._revisions = array("q", (self._revisions[entry] for entry in live))


def _page(
    entries: Iterator[tuple[int, EmulatedJob]], limit: int, accept: Accept
) -> IndexPage:
    chosen: list[EmulatedJob] = []
    for scanned, (position, job) in enumerate(entries, start=1):
        if accept(job):
            chosen.append(job)
        if len(chosen) == limit or scanned == SCAN_LIMIT:
            more = next(entries, None) is not None
            return IndexPage(jobs=tuple(chosen), position=position if more else None)
    return IndexPage(jobs=tuple(chosen), position=None)
