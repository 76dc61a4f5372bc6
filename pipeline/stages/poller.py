"""Poller: one task that watches all submitted jobs and wakes each waiter as one ends.

Polling is incremental: each tick lists the jobs that *changed* since a high-water mark,
so the cost does not grow with the number of jobs in flight. A job that the listing does
not show is read by its id.
"""

import statistics
from collections import deque
from datetime import datetime, timedelta

import anyio

from pipeline.api.interface import GenerationApi, JobFilter, RemoteJob, RemoteStatus
from pipeline.api.listing import pages_of
from pipeline.api.wire import TERMINAL_STATUSES
from pipeline.clock import Clock
from pipeline.errors import (
    GenerationTimedOut,
    JobError,
    RateLimited,
    Rejected,
    ServiceUnreachable,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import RemoteId
from pipeline.record import Struct, field
from pipeline.settings import Service, Settings
from pipeline.stages.identity import Identity
from pipeline.stages.reading import ListedJobs

FEW_JOBS = 2  # up to this number, reading by id costs no more than the listing
# While the request rate is limited: at most one request in so many is for a tick.
REQUESTS_PER_TICK = 6
REQUESTS_PER_FIRST_TICK = 8  # the same while no job has ended
SUBMITTING_SHARE = 0.85  # the share of requests for submits, if slots are free
LOOK_S = 1.0  # how often to check whether a tick is worth its request
SILENT_LIMITED_S = 30.0  # as SILENT_S, while the request rate is limited
OVERLAP = timedelta(seconds=1)  # re-read each tick
LONG_OVERLAP_S = 2.0  # how often more is re-read; each tick, once that was needed
LONG_OVERLAP = timedelta(seconds=5 + LONG_OVERLAP_S)  # finds ends listed 5 s late
SILENT_S = 10.0  # a job that no listing showed for so long is read by its id
READS_PER_TICK = 5  # safety reads by id
HEARTBEATS = 100  # unchanged jobs in one reading that show updatedAt moves by itself
LIST_FAILURES = 3  # consecutive failed listings before jobs are read by id instead
LIST_RETRY_TICKS = 10  # the listing is then tried again every so many ticks
MISSED_ENDS = 2  # ends missed by a listing filtered by author, before it is distrusted
_REMEMBERED_DURATIONS = 50


class JobLost(JobError):
    """The service no longer shows a job that it had accepted."""


class JobClaimed(JobError):
    """The answer to another submit names this job, so it belongs to that submit."""


class _WatchedJob(Struct, eq=False):
    remote_id: RemoteId
    started_s: float
    deadline_s: float
    seen_s: float
    missing_s: float
    known_since: datetime | None = None
    listed: bool = False
    missed_s: float | None = None  # when a read by id last found nothing
    bare_since_s: float | None = None
    text_s: float | None = None
    status_text: str = ""
    updated_at: datetime | None = None
    ended: anyio.Event = field(default_factory=anyio.Event)
    result: RemoteJob | None = None
    error: Exception | None = None


class Poller:
    """Watches all submitted jobs at once.

    Args:
        api: The service.
        clock: The clock to use.
        settings: The length of a tick, and deadlines.
        identity: Our identity; learns from the jobs that are watched. Once it knows
            our author id, the listing is filtered by it.
        seen: Receives every job record that a listing shows, ours or not.
    """

    def __init__(
        self,
        api: GenerationApi,
        clock: Clock,
        settings: Settings,
        *,
        identity: Identity | None = None,
        seen: ListedJobs,
    ) -> None:
        self._api = api
        self._clock = clock
        self._settings = settings
        self._identity = identity or Identity(Service(base_url=""))
        self._seen = seen
        self._asked_who_we_are = identity is None
        self._missed_ends = 0
        self._ticks_by_id = 0
        self._watches: dict[RemoteId, _WatchedJob] = {}
        self._something_to_watch = anyio.Event()
        self._watermark: datetime | None = None
        self._overlapped_s = float("-inf")  # when the long overlap was last read
        self._lags = False  # whether an end was listed later than the overlap allows
        self._expected_since: datetime | None = None
        self._durations_s: deque[float] = deque(maxlen=_REMEMBERED_DURATIONS)
        self._heartbeat = False
        self._list_failures = 0
        self._failing_since_s: float | None = None

    async def wait_until_finished(
        self,
        remote_id: RemoteId,
        *,
        known_since: datetime | None = None,
        missing_s: float | None = None,
        text_s: float | None = None,
    ) -> RemoteJob:
        """Suspend until the service ends this job.

        The end is noticed at most one tick later; see ``Settings.poll_fraction``.

        Args:
            remote_id: A submitted job.
            known_since: A time of the service before which the job did not change.
            missing_s: How long the service may not show the job; None for
                ``fresh_job_s``.
            text_s: How long a success that has a result in its own record is given to
                name assets; None for ``output_s``.

        Returns:
            The final record: success, failure or canceled. A success has its assets,
            unless they did not appear within ``output_s`` or ``text_s``.

        Raises:
            GenerationTimedOut: The job is still running after ``job_timeout_s``.
            JobLost: The service answers 404, and no listing has shown the job for
                ``missing_s``.
            JobClaimed: A later call waits for the same job: it belongs to another
                submit.
        """
        earlier = self._watches.get(remote_id)
        if earlier is not None:
            claimed = JobClaimed(f"job {remote_id} belongs to another submit")
            self._end(earlier, error=claimed)
        now_s = self._clock.monotonic_s()
        watch = _WatchedJob(
            remote_id=remote_id,
            started_s=now_s,
            deadline_s=now_s + self._settings.job_timeout_s,
            seen_s=now_s,
            missing_s=self._settings.fresh_job_s if missing_s is None else missing_s,
            known_since=known_since,
            text_s=text_s,
        )
        self._watches[remote_id] = watch
        if known_since is not None:
            if self._watermark is None:
                self._watermark = known_since
            elif known_since < self._watermark - OVERLAP:
                # The submit was answered late: the job may have ended already.
                self._overlapped_s = float("-inf")
        self._something_to_watch.set()
        try:
            await watch.ended.wait()
        finally:
            if self._watches.get(remote_id) is watch:
                del self._watches[remote_id]
        if watch.error is not None:
            raise watch.error
        assert watch.result is not None
        return watch.result

    @property
    def watched(self) -> int:
        """How many jobs are watched."""
        return len(self._watches)

    @property
    def longest_left_s(self) -> float:
        """Seconds until the last job that is watched must have ended; 0 for none."""
        now_s = self._clock.monotonic_s()
        return (
            max(
                (self._must_end_s(one) for one in self._watches.values()), default=now_s
            )
            - now_s
        )

    def _must_end_s(self, watch: _WatchedJob) -> float:
        if watch.bare_since_s is not None:
            return watch.bare_since_s + self._settings.output_s
        return watch.deadline_s

    async def run(self) -> None:
        """Poll until cancelled.

        Raises:
            AccessDenied, BudgetReached: The service refuses to show jobs.
            ServiceUnreachable: No answer for ``free_deadline_s``.
        """
        while True:
            if not self._watches:
                self._something_to_watch = anyio.Event()
                await self._something_to_watch.wait()
            begun_s = self._clock.monotonic_s()
            await self._clock.sleep(self._tick_s())
            await self._wait_until_worth_it(begun_s)
            await self._tick()

    # --- a tick -----------------------------------------------------------------

    def _tick_s(self) -> float:
        """The length of a tick: ``poll_fraction`` of a typical job, within limits."""
        settings = self._settings
        rate_per_s = self._scarce_per_s()
        if self._failing_since_s is not None:
            wait_s = min(1.0, settings.poll_max_s)
            return max(wait_s, REQUESTS_PER_TICK / rate_per_s) if rate_per_s else wait_s
        if self._durations_s:
            typical_s = statistics.median(self._durations_s)
        else:
            # Nothing has ended yet: a job takes at least as long as the oldest one.
            now_s = self._clock.monotonic_s()
            typical_s = max(
                (now_s - watch.started_s for watch in self._watches.values()),
                default=0.0,
            )
        tick_s = max(typical_s * settings.poll_fraction, settings.poll_min_s)
        if rate_per_s is None:
            return min(tick_s, settings.poll_max_s)
        if self._durations_s:
            return max(REQUESTS_PER_TICK / rate_per_s, min(tick_s, settings.poll_max_s))
        first_s = REQUESTS_PER_FIRST_TICK / rate_per_s
        longer_s = min(typical_s / 8, settings.poll_max_limited_s)
        return max(first_s, tick_s, longer_s, min(typical_s, 1.5 * first_s))

    def _scarce_per_s(self) -> float | None:
        """The limit in requests per second, or None if it need not be economised."""
        rate_per_s = self._api.rate_limiter.rate_per_s
        # From this rate on, even the shortest ticks take only a part of the requests.
        plenty_per_s = REQUESTS_PER_TICK / (2 * self._settings.poll_min_s)
        return None if rate_per_s is None or rate_per_s > plenty_per_s else rate_per_s

    async def _wait_until_worth_it(self, begun_s: float) -> None:
        """While the request rate is limited, delay a tick that gains too little.

        A free slot is useful only if a submit may leave to fill it. Slots beyond those
        that submits can fill within a typical job's duration are spare. A tick waits
        until about twice as many jobs as there are spare slots are expected to have
        ended; without spare slots, until one may have ended.
        """
        while (rate_per_s := self._scarce_per_s()) and self._durations_s:
            if self._failing_since_s is not None:
                return
            count = len(self._watches)
            typical_s = statistics.median(self._durations_s)
            spare = count - SUBMITTING_SHARE * rate_per_s * typical_s
            wanted = max(0.5, min(2 * spare, 0.8 * count))
            end_s = min(
                self._expected_s(wanted), begun_s + self._settings.poll_max_limited_s
            )
            left_s = end_s - self._clock.monotonic_s()
            if left_s <= 0:
                return
            # Look again soon: meanwhile other jobs are submitted.
            await self._clock.sleep(min(left_s, LOOK_S))

    def _expected_s(self, wanted: float) -> float:
        """When ``wanted`` of the jobs should have ended, by the durations seen."""
        seen = sorted(self._durations_s)
        tenths = [seen[len(seen) * tenth // 10] for tenth in range(10)]
        ends = sorted(
            watch.started_s + duration_s
            for watch in self._watches.values()
            for duration_s in tenths
        )
        if not ends:  # every job has ended meanwhile
            return float("-inf")
        return ends[min(round(wanted * 10), len(ends)) - 1]

    async def _tick(self) -> None:
        list_works = self._list_failures < LIST_FAILURES
        self._ticks_by_id = 0 if list_works else self._ticks_by_id + 1
        few = FEW_JOBS if self._scarce_per_s() is None else 1
        are_few = len(self._watches) <= few
        by_list = (
            (not are_few or self._misses_some())
            and self._watermark is not None
            and (list_works or self._ticks_by_id % LIST_RETRY_TICKS == 0)
        )
        try:
            if by_list:
                await self._ask_who_we_are()
                await self._read_changes()
                self._list_failures = 0
            await self._read_by_id(all_of_them=not by_list or are_few)
            self._failing_since_s = None
        except RateLimited:
            # The service is there; the rate limiter decides when to ask again.
            self._failing_since_s = None
        except (Unavailable, UnexpectedAnswer, Rejected) as error:
            if by_list:
                self._list_failures += 1
            self._judge_outage(error)

    async def _ask_who_we_are(self) -> None:
        """Read one of our jobs for our author id, so that listings can be filtered."""
        if self._identity.last_author_id or self._asked_who_we_are:
            return
        if self._scarce_per_s() is not None:
            return  # the answer to a later submit may tell, without a request
        self._asked_who_we_are = True
        job = await self._api.find_job(next(iter(self._watches)))
        if job is not None:
            self._take(job, listed=False)

    def _judge_outage(self, error: JobError) -> None:
        now_s = self._clock.monotonic_s()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        elif now_s - self._failing_since_s > self._settings.free_deadline_s:
            raise ServiceUnreachable(
                f"no answer for {now_s - self._failing_since_s:.0f} s: {error.message}",
                hint=error.hint or "run again later: jobs in flight are collected then",
            ) from error

    async def _read_changes(self) -> None:
        assert self._watermark is not None
        now_s = self._clock.monotonic_s()
        overlap = OVERLAP
        if self._lags or now_s - self._overlapped_s >= LONG_OVERLAP_S:
            overlap, self._overlapped_s = LONG_OVERLAP, now_s
        self._expected_since = self._watermark - OVERLAP
        try:
            await self._read_since(self._watermark - overlap)
        except BaseException:
            self._overlapped_s = float("-inf")  # the long overlap was not read
            raise

    async def _read_since(self, since: datetime) -> None:
        heartbeats = 0
        is_trusted = self._missed_ends < MISSED_ENDS
        author_id = self._identity.last_author_id if is_trusted else ""
        for status in TERMINAL_STATUSES if self._heartbeat else ("",):
            which = JobFilter(updated_after=since, status=status, author_id=author_id)
            heartbeats += await self._read_listing(which)
        if heartbeats >= HEARTBEATS:
            self._heartbeat = True

    async def _read_listing(self, which: JobFilter) -> int:
        """Read every page; returns how many running jobs changed only ``updatedAt``."""
        heartbeats = 0
        async for page in pages_of(self._api, which):
            heartbeats += sum(self._take(job, listed=True) for job in page)
            if not self._watches:
                break  # every watched job has ended
        return heartbeats

    async def _read_by_id(self, *, all_of_them: bool) -> None:
        """Read jobs that the listing does not show; without a listing, all in turn."""
        now_s = self._clock.monotonic_s()
        waiting = sorted(self._watches.values(), key=_looked_at_s)
        silent_s, reads = self._safety_reads()
        due = [
            watch
            for watch in waiting
            if all_of_them
            or now_s - _looked_at_s(watch) > silent_s
            or now_s >= watch.deadline_s
            # The listing may never show the assets of a job that has ended.
            or watch.bare_since_s is not None
        ]
        for watch in due[:reads]:
            job = await self._api.find_job(watch.remote_id)
            if job is None:
                await self._miss(watch)
            else:
                is_bare = watch.bare_since_s is not None
                if job.has_ended and not (all_of_them or is_bare):
                    self._missed_ends += 1
                    self._lags = True
                self._take(job, listed=False)
                self._judge_deadline(watch, job)

    def _safety_reads(self) -> tuple[float, int]:
        """After how many silent seconds a job is read by its id, and how many per tick.

        No listing shows a running job that does not change. While the request rate is
        limited, a job may stay silent for as long as a long job takes.
        """
        if self._scarce_per_s() is None:
            return SILENT_S, READS_PER_TICK
        if self._missed_ends >= MISSED_ENDS:
            return SILENT_LIMITED_S, READS_PER_TICK
        longest_s = max(self._durations_s, default=0.0)
        return max(SILENT_LIMITED_S, 1.5 * longest_s), 1

    # --- what a record means ----------------------------------------------------

    def _take(self, job: RemoteJob, *, listed: bool) -> bool:
        """Process a record; True if a running job changed only ``updatedAt``."""
        self._seen.note(job)
        watch = self._watches.get(job.remote_id)
        if job.updated_at is not None:
            # A job older than the watermark that was never listed shows that the
            # watermark is ahead of the service's time.
            missed = not listed and watch is not None and not watch.listed
            if (
                self._watermark is None
                or job.updated_at > self._watermark
                or (missed and job.updated_at < self._watermark)
            ):
                self._watermark = job.updated_at
        if watch is None or watch.ended.is_set():
            return False
        self._identity.note_own(job)
        watch.listed = watch.listed or listed
        watch.seen_s = self._clock.monotonic_s()
        watch.missed_s = None
        if job.has_ended and self._waits_for_assets(watch, job):
            return False
        if job.has_ended:
            self._lags |= listed and self._is_late(job)
            self._durations_s.append(_duration_s(job, watch.seen_s - watch.started_s))
            self._end(watch, result=job)
            return False
        beats = (
            watch.status_text == job.status_text
            and watch.updated_at is not None
            and job.updated_at is not None
            and job.updated_at > watch.updated_at
        )
        watch.status_text = job.status_text
        watch.updated_at = job.updated_at
        return beats

    def _misses_some(self) -> bool:
        """Whether a read by id found nothing: then the listing decides."""
        return any(watch.missed_s is not None for watch in self._watches.values())

    def _waits_for_assets(self, watch: _WatchedJob, job: RemoteJob) -> bool:
        """Whether to wait for the assets of a success that has none yet: it is paid."""
        if job.status is not RemoteStatus.SUCCESS or job.asset_ids:
            return False
        if watch.bare_since_s is None:
            watch.bare_since_s = watch.seen_s
        wait_s = self._settings.output_s
        if job.output is not None and watch.text_s is not None:
            wait_s = min(wait_s, watch.text_s)
        return watch.seen_s - watch.bare_since_s < wait_s

    def _is_late(self, job: RemoteJob) -> bool:
        """Whether only the long overlap could show the end of this job."""
        since = self._expected_since
        return (
            since is not None and job.updated_at is not None and job.updated_at < since
        )

    def _judge_deadline(self, watch: _WatchedJob, job: RemoteJob) -> None:
        # Only a fresh read counts: after a network outage or a laptop's sleep, the
        # deadline is long past, and the job may have ended too.
        now_s = self._clock.monotonic_s()
        if job.status is RemoteStatus.RUNNING and now_s >= watch.deadline_s:
            waited_s = now_s - watch.started_s
            error = GenerationTimedOut(
                f"still {job.status_text or 'running'} after {waited_s:.0f} s",
                waited_s=waited_s,
                last_status=job.status_text,
            )
            self._end(watch, error=error)

    async def _miss(self, watch: _WatchedJob) -> None:
        """Handle a 404: first a delay, later JobLost if no listing shows the job."""
        now_s = self._clock.monotonic_s()
        watch.missed_s = now_s
        shown_s = watch.seen_s if watch.listed else watch.started_s
        if now_s - shown_s <= watch.missing_s:
            return
        if watch.known_since is not None:
            which = JobFilter(updated_after=watch.known_since - LONG_OVERLAP)
            await self._read_listing(which)
        if watch.missed_s is not None and not watch.ended.is_set():
            text = f"the service does not show job {watch.remote_id}"
            self._end(watch, error=JobLost(text))

    def _end(
        self,
        watch: _WatchedJob,
        *,
        result: RemoteJob | None = None,
        error: Exception | None = None,
    ) -> None:
        watch.result, watch.error = result, error
        self._watches.pop(watch.remote_id, None)
        watch.ended.set()


def _looked_at_s(watch: _WatchedJob) -> float:
    """When the job was last seen, or last looked up without success."""
    return max(watch.seen_s, watch.missed_s or watch.seen_s)


def _duration_s(job: RemoteJob, watched_s: float) -> float:
    """How long the job took, by the service's own times if it gives them."""
    if job.created_at is not None and job.updated_at is not None:
        own_s = (job.updated_at - job.created_at).total_seconds()
        if own_s > 0:
            return own_s
    return watched_s
