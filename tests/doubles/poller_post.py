"""A poller at work, and what each waiter heard."""

from contextlib import asynccontextmanager

import anyio
import pytest

from pipeline.api.interface import RemoteJob
from pipeline.api.rate_limiter import RateLimiter
from pipeline.record import replace
from pipeline.settings import Settings
from pipeline.stages.poller import Poller
from pipeline.stages.reading import ListedJobs

SETTINGS = Settings(job_timeout_s=300.0, free_deadline_s=60.0, fresh_job_s=30.0)


class Seen(ListedJobs):
    """Every record that a listing has shown."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[RemoteJob] = []

    def note(self, remote: RemoteJob) -> None:
        self.records.append(remote)

    def __iter__(self):
        return iter(self.records)


class Post:
    """A poller, and what each waiter heard."""

    def __init__(self, api, clock, settings=SETTINGS) -> None:
        self.api, self.clock = api, clock
        self.seen = Seen()
        self.poller = Poller(api, clock, settings, seen=self.seen)
        self.heard = {}
        self.heard_s = {}
        self.records = {}
        self.raised = []

    async def wait(self, remote_id, known_since=None):
        try:
            job = await self.poller.wait_until_finished(
                remote_id, known_since=known_since
            )
            self.heard[remote_id] = job.status
            self.records[remote_id] = job
        except Exception as error:  # noqa: BLE001 - for the test to look at
            self.heard[remote_id] = error
        self.heard_s[remote_id] = self.clock.monotonic_s()

    async def _poll(self):
        try:
            await self.poller.run()
        except Exception as error:  # noqa: BLE001 - for the test to look at
            self.raised.append(error)

    @asynccontextmanager
    async def watching(self, *jobs, since=True):
        """The poller at work, with a waiter for each job."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._poll)
            for job in jobs:
                known = self.api.time_at(job.created_s) if since else None
                tasks.start_soon(self.wait, job.remote_id, known)
            await self.clock.settle()
            yield tasks
            tasks.cancel_scope.cancel()

    async def watch(self, *jobs, within_s=400.0, since=True):
        async with self.watching(*jobs, since=since):
            await self.clock.advance(within_s)
        return self.heard


@pytest.fixture
def post(api, clock):
    return Post(api, clock)


@pytest.fixture
def many(api):
    """More jobs than are read one by one."""
    return [api.add_job({"prompt": f"tree {number}"}) for number in range(5)]


def bare_tokens(page):
    return replace(page, next_token="")


@pytest.fixture
def limited(api, clock):
    """A service that may be asked 95 times a minute."""
    api.rate_limiter = RateLimiter(clock, limit=95)
    return api


def asked(api):
    return api.calls["list_jobs"] + api.calls["find_job"]
