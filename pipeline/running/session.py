"""Session: one connection to a project, and everything that its runs share.

Slots, request rate, poller, settler, resolver, uploads, prices and downloads belong to
the connection; so do the limits that the user sets for all runs together. What belongs
to a single manifest is in ``running.run``.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Protocol

import anyio

from pipeline.activity import Activity
from pipeline.api.interface import FileTransfer, GenerationApi, TeamLimits
from pipeline.assets.downloader import Downloader
from pipeline.assets.executor import Executor, InProcess
from pipeline.clock import Clock
from pipeline.errors import RunError
from pipeline.job import AssetId
from pipeline.pricing import Quotes, find_limits
from pipeline.pricing.budget import SharedBudget
from pipeline.running.events import Event, SlotsChanged, Warned
from pipeline.running.first_jobs import FirstJobs
from pipeline.running.shared_requests import SharedRequests
from pipeline.settings import Settings
from pipeline.stages.identity import Identity
from pipeline.stages.poller import Poller
from pipeline.stages.reading import AllRows, JobReader, ListedJobs, Owners
from pipeline.stages.resolver import Resolver
from pipeline.stages.settler import Settler
from pipeline.stages.slots import Slots, SlotStatistics
from pipeline.stages.unanswered import Unanswered
from pipeline.stages.uploader import Uploader, UploadMemory


class Member(UploadMemory, Protocol):
    """The interface of a run towards its session."""

    @property
    def total(self) -> int:
        """How many items the run applies to."""

    @property
    def failed(self) -> int:
        """How many of them have failed."""

    def halt(self, error: RunError, model_id: str) -> None:
        """Stop submitting because of an error that concerns every run."""

    def give_up(self, reason: str, hint: str) -> None:
        """Stop submitting because more items failed than the user allows."""

    def tell(self, event: Event) -> None:
        """Send the run's listener an event that concerns all runs."""

    def may_learn(self) -> bool:
        """Whether an answer is pending that may show that the job list is readable."""


class Session:
    """One connection to one project of the service.

    Args:
        api: The service.
        transfer: Its CDN.
        clock: The clock to use.
        settings: Limits and timeouts of the connection.
        identity: Who we are to the service.
        activity: Is told what a run does, to be shown.
        max_cost: Compute units that the ledgers of all runs may cost together, or None.
        requests: What several manifests ask for; None if there is one manifest.
        executor: Fetches assets elsewhere; None for this process.

    Attributes:
        activity: What the runs do now.
        api: The service.
        transfer: Its CDN.
        clock: The clock to use.
        settings: Limits and timeouts of the connection.
        identity: Who we are to the service.
        rows: The ledger rows of all runs on this session.
        slots: The limit on jobs in flight.
        reader: Reads the service's job list.
        unanswered: The submits that wait for their answer.
        settler: Finds out what became of lost submits.
        poller: Watches all submitted jobs.
        resolver: Reads asset records in bulk.
        uploader: Uploads reference files.
        quotes: The prices obtained so far.
        downloader: Downloads assets.
        budget: The limit on what all runs cost together.
        first_jobs: Lets one job of each kind go first, of whichever run.
        requests: As given.
    """

    def __init__(
        self,
        api: GenerationApi,
        transfer: FileTransfer,
        clock: Clock,
        settings: Settings,
        identity: Identity,
        *,
        activity: Activity | None = None,
        max_cost: Decimal | None = None,
        requests: SharedRequests | None = None,
        executor: Executor | None = None,
    ) -> None:
        self.activity = activity or Activity(clock)
        self.activity.watch_requests(api.rate_limiter.budget)
        self.api = api
        self.transfer = transfer
        self.clock = clock
        self.settings = settings
        self.identity = identity
        self.rows = AllRows()
        self.budget = SharedBudget(max_cost)
        self.first_jobs = FirstJobs()
        self.requests = requests
        self._members: list[Member] = []
        self._limits: TeamLimits | None = None
        self.slots = Slots(
            clock,
            first=settings.first_jobs,
            posts=settings.posts,
            rate_limiter=api.rate_limiter,
            max_jobs=settings.max_jobs,
            on_change=self._tell_slots,
        )
        seen = ListedJobs()
        self.reader = JobReader(api, self.rows, identity)
        self.unanswered = Unanswered()
        self.settler = Settler(
            self.reader,
            identity,
            clock,
            settings,
            seen=seen,
            unanswered=self.unanswered,
            may_learn=lambda: any(member.may_learn() for member in self._members),
        )
        self.poller = Poller(api, clock, settings, identity=identity, seen=seen)
        self.resolver = Resolver(
            api, clock, settings, expects_more=lambda: self.slots.in_flight > 0
        )
        self.uploader = Uploader(api, transfer, clock, settings, memory=self)
        self.quotes = Quotes(api, clock, settings, uploader=self.uploader)
        self.downloader = Downloader(
            InProcess(transfer, settings),
            clock,
            settings,
            resolve=self.resolver.resolve,
            find_job=api.find_job,
            executor=executor,
        )

    @property
    def is_emulated(self) -> bool:
        """Whether the service is known to be the emulator."""
        return self.identity.service.is_emulated or self.api.is_emulator

    def join(self, member: Member, rows: Owners) -> None:
        """Add a run to this session.

        Args:
            member: The run.
            rows: The rows of its ledger.
        """
        self._members.append(member)
        self.rows.add(rows)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Run poller, settler and resolver while the block carries out runs.

        Raises:
            ServiceUnreachable: The service has not answered for too long. Wrapped in
                an exception group.
        """
        async with anyio.create_task_group() as watchers:
            watchers.start_soon(self.poller.run)
            watchers.start_soon(self.settler.run)
            watchers.start_soon(self.resolver.run)
            yield
            watchers.cancel_scope.cancel()

    async def find_limits(self) -> TeamLimits:
        """The limits of the team; the service is asked only once.

        Raises:
            ServiceUnreachable: The service did not answer.
            AccessDenied: The credentials are wrong.
        """
        if self._limits is None:
            self._limits = await find_limits(self.api, self.clock, self.settings)
        return self._limits

    async def forget_upload(self, sha256: str) -> None:
        """Have each run forget that the service holds this content."""
        for member in self._members:
            await member.forget_upload(sha256)

    async def remember_upload(self, sha256: str, asset_id: AssetId) -> None:
        """Have each run record the asset id of this content."""
        for member in self._members:
            await member.remember_upload(sha256, asset_id)

    def halt(self, error: RunError, model_id: str = "") -> None:
        """Stop every run because of an error.

        Args:
            error: The reason, such as credit that is used up.
            model_id: The only model that it concerns, or "".
        """
        for member in self._members:
            member.halt(error, model_id)

    def give_up(self, reason: str, hint: str) -> None:
        """Stop every run because more items failed than the user allows."""
        for member in self._members:
            member.give_up(reason, hint)

    def warn(self, message: str) -> None:
        """Warn of something that concerns all runs; it is told once."""
        for member in self._members[:1]:
            member.tell(Warned(message=message))

    @property
    def total(self) -> int:
        """How many items all runs apply to."""
        return sum(member.total for member in self._members)

    @property
    def failed(self) -> int:
        """How many of them have failed."""
        return sum(member.failed for member in self._members)

    def _tell_slots(self, slots: SlotStatistics) -> None:
        for member in self._members:
            member.tell(SlotsChanged(slots=slots))
