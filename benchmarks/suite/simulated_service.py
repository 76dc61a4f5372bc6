"""A service in this process, on any clock: a ceiling, a limit on requests, job lists.

It answers what a run's control plane asks, as far as slots, requests and ends of jobs
are concerned, and holds nothing for longer than needed. Several clients share it, each
with its own API key.
"""

import heapq
import random
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.api.interface import (
    JobFilter,
    JobPage,
    RemoteAsset,
    RemoteJob,
    RemoteStatus,
    Submission,
)
from pipeline.api.rate_limiter import Priority, RateLimiter
from pipeline.clock import Clock
from pipeline.errors import RateLimited
from pipeline.job import AssetId, JsonValue, RemoteId
from pipeline.record import replace

PAGE = 100
MINUTE_S = 60.0
LISTED_S = 120.0  # how far back a list may ask
MODEL = "model_simulated"


@dataclass(frozen=True, slots=True)
class _Change:
    at: datetime
    job: RemoteJob


@dataclass(slots=True, kw_only=True)
class SimulatedService:
    """The service.

    Attributes:
        clock: Its time.
        ceiling: Jobs that may be in flight, of all clients together.
        job_seconds: How long a job takes, at least and at most.
        requests_per_minute: Of all clients together, or None for no limit.
        latency_s: From a request to its answer, one way.
        names_ceiling: Whether a refused submit is told the ceiling and the count.
        seed: Of the durations.
        by_kind: How many requests of each kind were answered.
        refused_slots: Submits refused for the ceiling.
        refused_requests: Requests refused for the rate.
        in_flight: Jobs in flight of each client.
        most_in_flight: The most there ever were, of all clients together.
        taken: Slots that clients hold who are not simulated.
        durations_s: Of the jobs, in the order in which they began.
    """

    clock: Clock
    ceiling: int
    job_seconds: tuple[float, float]
    requests_per_minute: int | None = None
    latency_s: float = 0.05
    names_ceiling: bool = True
    seed: int = 1
    by_kind: dict[str, int] = field(default_factory=dict)
    refused_slots: int = 0
    refused_requests: int = 0
    in_flight: dict[str, int] = field(default_factory=dict)
    most_in_flight: int = 0
    taken: int = 0
    durations_s: list[float] = field(default_factory=list)
    _rng: random.Random = field(init=False)
    _made: int = 0
    _running: list[tuple[float, int, RemoteJob]] = field(default_factory=list)
    _requests: deque[float] = field(default_factory=deque)
    _changes: dict[str, deque[_Change]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    @property
    def total_in_flight(self) -> int:
        """Jobs in flight of all clients at this moment."""
        self.end_jobs()
        return sum(self.in_flight.values()) + self.taken

    def receive(self, kind: str) -> None:
        """Count a request.

        Raises:
            RateLimited: There were too many within a minute.
        """
        now_s = self.clock.monotonic_s()
        if self.requests_per_minute is not None:
            requests = self._requests
            while requests and requests[0] <= now_s - MINUTE_S:
                requests.popleft()
            if len(requests) >= self.requests_per_minute:
                self.refused_requests += 1
                raise RateLimited("Too many requests", is_about_requests=True)
            requests.append(now_s)
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1

    def submit(self, author_id: str) -> RemoteJob:
        """Start a job.

        Raises:
            RateLimited: The ceiling is reached.
        """
        count = self.total_in_flight
        if count >= self.ceiling:
            self.refused_slots += 1
            if not self.names_ceiling:
                raise RateLimited("Too many parallel jobs")
            raise RateLimited(
                "Too many parallel jobs",
                ceiling=self.ceiling,
                in_flight=count,
                scope="team",
            )
        self.most_in_flight = max(self.most_in_flight, count + 1)
        self._made += 1
        now = self.clock.utc_now()
        job = replace(
            RemoteJob.named(RemoteId(f"job_{self._made}")),
            status_text="in-progress",
            created_at=now,
            updated_at=now,
            author_id=author_id,
            model_id=MODEL,
        )
        self.durations_s.append(self._rng.uniform(*self.job_seconds))
        ends_s = self.clock.monotonic_s() + self.durations_s[-1]
        heapq.heappush(self._running, (ends_s, self._made, job))
        self.in_flight[author_id] = self.in_flight.get(author_id, 0) + 1
        self._note(job, now)
        return job

    def list_changes(self, author_id: str, since: datetime) -> list[RemoteJob]:
        """The last state of every job that changed since then, newest first."""
        self.end_jobs()
        seen: dict[RemoteId, RemoteJob] = {}
        for change in reversed(self._changes.get(author_id, ())):
            if change.at < since:
                break
            seen.setdefault(change.job.remote_id, change.job)
        return list(seen.values())

    def end_jobs(self) -> None:
        """End the jobs whose time has come."""
        now_s = self.clock.monotonic_s()
        start = self.clock.utc_now() - timedelta(seconds=now_s)
        while self._running and self._running[0][0] <= now_s:
            ends_s, number, job = heapq.heappop(self._running)
            ended_at = start + timedelta(seconds=ends_s)
            self.in_flight[job.author_id] -= 1
            ended = replace(
                job,
                status=RemoteStatus.SUCCESS,
                status_text="success",
                updated_at=ended_at,
                asset_ids=(AssetId(f"asset_{number}"),),
            )
            self._note(ended, ended_at)

    def _note(self, job: RemoteJob, at: datetime) -> None:
        changes = self._changes.setdefault(job.author_id, deque())
        changes.append(_Change(at, job))
        oldest = at - timedelta(seconds=LISTED_S)
        while changes[0].at < oldest:
            changes.popleft()


class SimulatedApi:
    """What one client sees of the service; the part of ``GenerationApi`` it needs."""

    is_emulator = False

    def __init__(
        self,
        service: SimulatedService,
        author_id: str,
        rate_limiter: RateLimiter,
        clock: Clock,
    ) -> None:
        self.rate_limiter = rate_limiter
        self.answered_at_s: float | None = None
        self._service = service
        self._author_id = author_id
        self._clock = clock
        self._pages: dict[str, list[RemoteJob]] = {}
        self._listings = 0

    def service_now(self) -> datetime:
        """The service's time."""
        return self._clock.utc_now()

    async def submit(
        self, _model_id: str, _inputs: Mapping[str, JsonValue]
    ) -> Submission:
        """Start a job."""
        await self.rate_limiter.begin_submit()
        await self._exchange("submit")
        return Submission(job=self._service.submit(self._author_id), charged=None)

    async def list_jobs(self, which: JobFilter, *, token: str = "") -> JobPage:
        """Read one page of what has changed."""
        await self._ask("list", Priority.LIST)
        if token:
            left = self._pages.pop(token, [])
        else:
            assert which.updated_after is not None
            left = self._service.list_changes(self._author_id, which.updated_after)
        next_token = ""
        if len(left) > PAGE:
            self._listings += 1
            next_token = f"page_{self._listings}"
            self._pages = {next_token: left[PAGE:]}
        return JobPage(jobs=tuple(left[:PAGE]), next_token=next_token)

    async def find_job(self, remote_id: RemoteId) -> RemoteJob | None:
        """Read one job; what a list could no longer show is shown as running."""
        await self._ask("job", Priority.READ)
        since = self._clock.utc_now() - timedelta(seconds=LISTED_S)
        for job in self._service.list_changes(self._author_id, since):
            if job.remote_id == remote_id:
                return job
        return replace(RemoteJob.named(remote_id), author_id=self._author_id)

    async def find_asset(self, asset_id: AssetId) -> RemoteAsset | None:
        """Read one asset."""
        return (await self.find_assets([asset_id]))[asset_id]

    async def find_assets(
        self, asset_ids: Sequence[AssetId]
    ) -> dict[AssetId, RemoteAsset]:
        """Read assets in bulk; every one is ready."""
        await self._ask("assets", Priority.READ)
        return {asset_id: _asset(asset_id) for asset_id in asset_ids}

    async def _ask(self, kind: str, priority: Priority) -> None:
        await self.rate_limiter.wait_for_turn(priority)
        await self._exchange(kind)

    async def _exchange(self, kind: str) -> None:
        latency_s = self._service.latency_s
        await self._clock.sleep(latency_s)
        try:
            self._service.receive(kind)
        except RateLimited:
            self.rate_limiter.note_refusal()
            raise
        finally:
            self.answered_at_s = self._clock.monotonic_s() + latency_s


def _asset(asset_id: AssetId) -> RemoteAsset:
    return RemoteAsset(
        asset_id=asset_id,
        url="",
        is_ready=True,
        has_failed=False,
        media_type="image/png",
        kind="image",
        size_bytes=1,
        author_id="",
    )
