"""A run's control plane: the real slots, rate limiter, poller and resolver, no bytes.

What a run does between an item and its asset's URL, against a simulated service. There
is no ledger and no download.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

import anyio

from pipeline.api.interface import GenerationApi
from pipeline.api.rate_limiter import RateLimiter
from pipeline.clock import Clock
from pipeline.errors import RateLimited
from pipeline.settings import Service, Settings
from pipeline.stages.identity import Identity
from pipeline.stages.poller import Poller
from pipeline.stages.reading import ListedJobs
from pipeline.stages.resolver import Resolver
from pipeline.stages.slots import Slots
from suite.simulated_service import MODEL, SimulatedApi, SimulatedService


@dataclass(slots=True, kw_only=True)
class SimulatedRun:
    """One run.

    Attributes:
        service: Shared with other runs.
        clock: Its time.
        name: Its author id at the service.
        items: How many items it makes; None for as many as there is time for.
        begins_s: When it begins.
        rate_limiter: Its own, or one that shares a state with others.
        settings: Of the run.
        slots: Its limit on jobs in flight.
        submitted: Jobs accepted so far.
        resolved: Items whose asset's URL is known.
    """

    service: SimulatedService
    clock: Clock
    name: str
    items: int | None = None
    begins_s: float = 0.0
    rate_limiter: RateLimiter
    settings: Settings = field(default_factory=Settings)
    slots: Slots = field(init=False)
    submitted: int = 0
    resolved: int = 0
    _api: GenerationApi = field(init=False)
    _poller: Poller = field(init=False)
    _resolver: Resolver = field(init=False)

    def __post_init__(self) -> None:
        self.slots = Slots(
            self.clock,
            first=self.settings.first_jobs,
            posts=self.settings.posts,
            rate_limiter=self.rate_limiter,
            max_jobs=self.settings.max_jobs,
        )
        api = SimulatedApi(self.service, self.name, self.rate_limiter, self.clock)
        self._api = cast("GenerationApi", api)  # as much of it as is used here
        self._poller = Poller(
            self._api,
            self.clock,
            self.settings,
            identity=Identity(Service(base_url="")),
            seen=ListedJobs(),
        )
        self._resolver = Resolver(
            self._api,
            self.clock,
            self.settings,
            expects_more=lambda: self.slots.in_flight > 0,
        )

    async def carry_out(self) -> None:
        """Make all items."""
        await self.clock.sleep(self.begins_s)
        async with anyio.create_task_group() as watchers:
            watchers.start_soon(self._poller.run)
            watchers.start_soon(self._resolver.run)
            async with anyio.create_task_group() as lives:
                number = 0
                while self.items is None or number < self.items:
                    number += 1
                    await self.slots.wait_for_slot()
                    lives.start_soon(self._make)
            watchers.cancel_scope.cancel()

    async def _make(self) -> None:
        while not await self._submit():
            await self.slots.wait_for_slot(first_in_line=True)

    async def _submit(self) -> bool:
        """Use a slot; False if the service refused."""
        try:
            submission = await self._api.submit(MODEL, {})
        except RateLimited as error:
            if error.is_about_requests:
                self.slots.unused()
            else:
                self.slots.refused(
                    ceiling=error.ceiling,
                    counted=error.in_flight,
                    scope=error.scope,
                )
            return False
        self.slots.accepted()
        self.submitted += 1
        job = await self._poller.wait_until_finished(
            submission.job.remote_id, known_since=submission.job.created_at
        )
        self.slots.retired()
        for asset_id in job.asset_ids:
            await self._resolver.resolve(asset_id)
        self.resolved += 1
        return True


async def carry_out_all(
    runs: list[SimulatedRun],
    *,
    until_s: float | None = None,
    watch: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Carry out runs at the same time, to their ends or until a moment.

    Args:
        runs: The runs.
        until_s: On their clock; None for the end of all.
        watch: Runs beside them and is cancelled at the end.
    """
    async with anyio.create_task_group() as beside:
        if watch is not None:
            beside.start_soon(watch)
        if until_s is not None:
            clock = runs[0].clock

            async def end() -> None:
                await clock.sleep(until_s)
                beside.cancel_scope.cancel()

            beside.start_soon(end)
        async with anyio.create_task_group() as tasks:
            for run in runs:
                tasks.start_soon(run.carry_out)
        beside.cancel_scope.cancel()
