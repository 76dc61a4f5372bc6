"""A settler at work, what the ledger knows, and jobs that were lost."""

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
import pytest

from doubles.api import FakeApi
from doubles.jobs import MODEL, US
from doubles.quick_clock import QuickClock
from doubles.rows import FakeRows
from pipeline.errors import OutcomeUnknown
from pipeline.job import Job, JobKey, JobStatus, Mark, RemoteId
from pipeline.settings import Service, Settings
from pipeline.stages.identity import Identity
from pipeline.stages.reading import JobReader, ListedJobs
from pipeline.stages.settler import Settler
from pipeline.stages.unanswered import Unanswered

STRANGER = "apiu_stranger"
OAK = {"prompt": "an oak", "size": "1K", "seed": 7}
ELM = {"prompt": "an elm", "size": "1K", "seed": 99}
SETTINGS = Settings(settle_s=10.0, submit_timeout_s=5.0, free_deadline_s=60.0)


@dataclass
class Desk:
    """A settler, what the ledger knows, and what came of each lost job."""

    api: FakeApi
    clock: QuickClock
    reader: JobReader = field(init=False)
    settler: Settler = field(init=False)
    rows: dict[RemoteId, Job] = field(default_factory=dict)
    marks: dict[int, Mark] = field(default_factory=dict)
    known: FakeRows = field(init=False)
    identity: Identity = field(init=False)
    seen: ListedJobs = field(default_factory=ListedJobs)
    unanswered: Unanswered = field(default_factory=Unanswered)
    may_learn: bool = False
    ended: dict[str, object] = field(default_factory=dict)
    ended_s: dict[str, float] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.known = FakeRows(self.rows, self.marks)
        self.identity = Identity(Service(base_url="https://api.example/v1"))
        self.reader = JobReader(self.api, self.known, self.identity)
        self.settler = Settler(
            self.reader,
            self.identity,
            self.clock,
            SETTINGS,
            seen=self.seen,
            unanswered=self.unanswered,
            may_learn=lambda: self.may_learn,
        )

    def mark(self) -> Mark:
        """What the service lists now, as a run remembers it before its submits."""
        jobs = [self.api.time_at(job.created_s) for job in self.api.jobs]
        mark = Mark(
            mark_id=len(self.marks) + 1,
            created_at=max(jobs, default=None),
            listed=tuple(job.remote_id for job in self.api.jobs),
        )
        self.marks[mark.mark_id] = mark
        return mark

    def job(self, inputs=OAK, *, name="oak", model_id=MODEL, mark=None, **facts) -> Job:
        self.count += 1
        mark = mark or (self.marks[1] if self.marks else self.mark())
        return Job(
            row_id=self.count,
            item_id=name,
            attempt=1,
            job_key=JobKey("k"),
            request_key=JobKey("k"),
            model_id=model_id,
            request=dict(inputs),
            sent_at=self.api.service_now(),
            **{"status": JobStatus.UNKNOWN, "mark_id": mark.mark_id, **facts},
        )

    def lost(self, inputs=OAK, *, derived_seed=True, **facts) -> Job:
        return self.job(inputs, derived_seed=derived_seed, **facts)

    def own(self, inputs=ELM, *, echo=None, said=US, made=None, **facts) -> Job:
        """A job that the service made and whose submit was answered."""
        made = made or self.api.add_job(inputs if echo is None else echo)
        job = self.job(
            inputs,
            name=f"own-{made.remote_id}",
            remote_id=made.remote_id,
            author_id=said,
            **facts,
        )
        self.rows[made.remote_id] = job
        self.settler.note_answered(job, self.known)
        return job

    async def settle(self, job, *, is_refused=False) -> None:
        try:
            found = await self.settler.wait_until_settled(
                job, self.known, is_refused=is_refused, waits=not is_refused
            )
            self.ended[job.item_id] = found and found.remote_id
        except OutcomeUnknown as error:
            self.ended[job.item_id] = error
        self.ended_s[job.item_id] = self.clock.monotonic_s()

    @asynccontextmanager
    async def settling(self, *jobs, is_refused=False):
        """The settler at work on these jobs."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(anyio.create_task_group())
            tasks.start_soon(self.settler.run)
            for job in jobs:
                tasks.start_soon(partial(self.settle, job, is_refused=is_refused))
            await self.clock.settle()
            yield
            tasks.cancel_scope.cancel()

    async def settle_all(self, *jobs, within_s=200.0, is_refused=False):
        async with self.settling(*jobs, is_refused=is_refused):
            await self.clock.advance(within_s)
        return self.ended


@pytest.fixture
def desk(api, clock):
    return Desk(api, clock)


def unsure(outcome) -> bool:
    return isinstance(outcome, OutcomeUnknown)
