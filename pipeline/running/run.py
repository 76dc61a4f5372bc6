"""Run: carries out a plan, with one coroutine per job from submit to sidecar.

The task groups of one run are here; those that all runs on a connection share are in
``running.session``. An error that concerns one job ends only that job's coroutine; any
other error ends the run. After a crash at any point, the next run continues from the
ledger without paying again.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal

import anyio
import anyio.abc
import anyio.lowlevel

from pipeline.api.echo import describe_difference
from pipeline.api.interface import (
    RemoteJob,
    TeamLimits,
    UnexpectedJob,
)
from pipeline.assets.delivery import Delivery
from pipeline.counting import plural
from pipeline.errors import (
    DownloadFailed,
    JobError,
    RunError,
    Unavailable,
)
from pipeline.job import (
    UNFINISHED,
    AssetId,
    FailureClass,
    Job,
    JobStatus,
    RemoteId,
)
from pipeline.ledger.ledger import Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.planning import Action, Plan, PlannedItem
from pipeline.planning.lines import NOT_NEEDED
from pipeline.pricing import (
    Cost,
    CostGroups,
    Estimate,
    asking_prices,
    find_cost,
)
from pipeline.pricing.budget import budget_of
from pipeline.pricing.limits import unreachable
from pipeline.record import replace
from pipeline.running.adoption import Adoption
from pipeline.running.events import Blocked, Halted, Launched, ProgressCallback
from pipeline.running.failure import failure_of
from pipeline.running.key_check import KeyCheck
from pipeline.running.lease import Lease
from pipeline.running.likenesses import Likenesses
from pipeline.running.line_scheduler import LineScheduler
from pipeline.running.marks import Marks
from pipeline.running.pausing import Pausing
from pipeline.running.reassigning import Reassigning
from pipeline.running.recent_jobs import RecentJobs
from pipeline.running.reconciling import Adopted, Reconciler
from pipeline.running.records import Records
from pipeline.running.recovery import Recovery, next_attempt
from pipeline.running.relocating import Relocating
from pipeline.running.renaming import Renaming
from pipeline.running.result import RunCost, RunResult, find_exit_code
from pipeline.running.saving import Saver, source_at
from pipeline.running.session import Session
from pipeline.running.shared_requests import may_be_shared
from pipeline.running.stopping import NotSubmitted, Stopping
from pipeline.running.submission import Submitter
from pipeline.running.watching import Watch
from pipeline.settings import Settings

WIND_UP_S = 10.0  # after a stop, for what follows the last download
_ITEMS_PER_CHECKPOINT = 200
_CHANGES_KEPT = 1000
_MADE = frozenset({JobStatus.SAVED, JobStatus.SUCCEEDED})
_OUTCOMES = {
    JobStatus.SAVED: "saved",
    JobStatus.FAILED: "failed",
    JobStatus.UNKNOWN: "unknown",
    JobStatus.SUBMITTED: "in_flight",
    JobStatus.SUCCEEDED: "not_fetched",
    JobStatus.PLANNED: "not_submitted",
}


class Run:
    """One execution of one manifest's plan.

    Args:
        plan: What to do.
        session: The connection, which other runs may share.
        ledger: A read-only connection; the writer has its own.
        writer: The only writer to the ledger.
        settings: The limits of this run.
        on_event: Called on the event loop with every change, once it is durable.
        draws: Whether the gallery will want thumbnails of the files.

    Attributes:
        is_over: Whether it has ended, so that nothing is left to stop.
        is_abandoned: Whether it was told to stop at once.
    """

    def __init__(
        self,
        plan: Plan,
        session: Session,
        *,
        ledger: Ledger,
        writer: LedgerWriter,
        settings: Settings,
        on_event: ProgressCallback,
        draws: bool = False,
    ) -> None:
        self._plan = plan
        self._session = session
        self._ledger = ledger
        self._clock = session.clock
        self._activity = session.activity
        self._settings = settings
        self.tell = on_event
        self._counts: Counter[str] = Counter()
        self.is_over = False
        self.is_abandoned = False
        self._in_progress = 0
        self._waiting = 0  # of these, those that wait for another manifest's item
        self._searched = False
        self._scope = anyio.CancelScope()
        self._must_leave_in_s: float | None = None
        self._stopped = anyio.Event()
        self._ahead = anyio.Semaphore(settings.ahead)
        self._undelivered = anyio.Semaphore(settings.undelivered)
        self._cost = Cost()
        self._limits = TeamLimits()
        self._changed_inputs: dict[str, str] = {}
        self._moved: set[str] = set()  # takes whose files have moved
        self._blocked: dict[str, DownloadFailed] = {}  # items whose files could not
        self._needs_review = 0
        service = session.identity.service
        session.join(self, ledger)
        session.uploader.learn(ledger.find_uploads(service.project_id))
        self._slots = Lease(session.slots)
        self._stopping = Stopping(self._tell_halt, session.halt)
        self.budget = budget_of(
            ledger,
            settings.max_cost,
            shared=session.budget,
            counts=plan.selection.in_shard,
        )
        facts = ledger.find_facts()
        self._rebuilt_since = facts.rebuilt_since
        self._was_emulated = facts.is_emulated
        session.identity.last_author_id = (
            session.identity.last_author_id or facts.author_id
        )
        self._marks = Marks(session.api, session.clock, session.settings, owners=ledger)
        self._records = Records(
            writer,
            session,
            marks=self._marks,
            budget=self.budget,
            author_id=facts.author_id,
            tell=on_event,
        )
        self._key_check = KeyCheck(
            session, ledger, records=self._records, output=plan.output
        )
        self._watch = Watch(
            session,
            plan=plan,
            rows=ledger,
            slots=self._slots,
            records=self._records,
            stopping=self._stopping,
        )
        self._reconciler = Reconciler(
            session,
            ledger,
            records=self._records,
            watch=self._watch,
            marks=self._marks,
            is_shard=plan.selection.shard is not None,
        )
        self._recovery = Recovery(
            ledger, self._slots, records=self._records, watch=self._watch
        )
        self._adoption = Adoption(session)
        self._recent = RecentJobs(
            session, ledger, plan=plan, records=self._records, slots=self._slots
        )
        self._submitter = Submitter(
            session,
            ledger,
            settings=settings,
            slots=self._slots,
            records=self._records,
            budget=self.budget,
            marks=self._marks,
            watch=self._watch,
            recovery=self._recovery,
            adoption=self._adoption,
            stopping=self._stopping,
        )
        self._relocating = Relocating(
            ledger,
            writer=writer.ledger,
            write=writer.write,
            store=plan.store,
            emulated=service.is_emulated,
        )
        self._reassigning = Reassigning(
            ledger,
            writer=writer.ledger,
            write=writer.write,
            relocating=self._relocating,
            store=plan.store,
            may_be_named=plan.may_be_named,
        )
        self._renaming = Renaming(
            ledger,
            records=self._records,
            relocating=self._relocating,
            output=plan.output,
        )
        delivery = Delivery(
            plan.store,
            session.clock,
            find_owner=ledger.find_path_owner,
            is_emulated=self._is_emulated,
            may_be_named=plan.may_be_named,
            draws=draws,
        )
        self._saver = Saver(
            plan,
            ledger=ledger,
            records=self._records,
            downloader=session.downloader,
            delivery=delivery,
            renaming=self._renaming,
            relocating=self._relocating,
            likenesses=_find_likenesses(plan, ledger),
            keeps_old=settings.keep_old,
        )
        self._line_scheduler = LineScheduler(
            plan,
            ledger,
            start=self._start_held,
            block=self._count_blocked,
            leave_out=self._count_left_out,
        )
        self._pausing = Pausing(
            session.api.rate_limiter,
            session.clock,
            settings,
            tell=on_event,
            stopping=self._stopping,
            stop=self._stop_for_time,
        )

    async def price(
        self, groups: CostGroups, *, notes: tuple[str, ...] = ()
    ) -> Estimate:
        """Ask what the plan costs and what the team has left; spends nothing.

        Args:
            groups: The items of the plan by price.
            notes: What the user should know about the plan.

        Raises:
            ServiceUnreachable: The service did not answer.
            AccessDenied: The credentials are wrong, or belong to another project.
            UnexpectedJob: A dry run may have started a job; the job is recorded as the
                item's own.
        """
        if groups.by_key or self._key_check.has_jobs_to_see():
            try:
                self._activity.begin("connecting to the service")
                self._limits = await self._session.find_limits()
                await self._key_check.check_project(self._limits)
                if groups.by_key:
                    # Before the quotes, because a dry run may start a job.
                    self._activity.begin("reading the service's job list")
                    await self._set_mark()
                    await self._recent.find(self._marks)
                self._activity.begin(asking_prices(groups, self._session.quotes))
                self._cost = await find_cost(groups, self._session.quotes)
            except UnexpectedJob as unexpected:
                sample = groups.find_sample(unexpected.item_id)
                if sample is not None:
                    await self._records.unexpected_job(sample, sample.job, unexpected)
                raise
        pays = not self._pays_nothing
        unsure = self._ledger.find_unsure_units() if pays else Decimal(0)
        return Estimate(
            plan=self._plan,
            cost=self._cost,
            team_left=self._limits.units_left,
            unsure=unsure,
            taken=self.budget.taken,
            limit=self.budget.limit,
            service=self._session.identity.service,
            notes=notes,
        )

    async def carry_out(self, run_id: int, *, notes: Sequence[str] = ()) -> RunResult:
        """Carry out the plan; the caller holds :meth:`Session.watching` open.

        Args:
            run_id: This run's number in the ledger.
            notes: What the user should know about the plan.

        Raises:
            RunError: The run could not continue; the ledger is complete. May be
                wrapped in an exception group.
        """
        plan = self._plan
        ceiling = self._limits.ceiling
        if ceiling is not None:
            self._session.slots.announce(ceiling)
        self.tell(
            Launched(
                run_id=run_id,
                items=plan.items,
                total=plan.total,
                done=plan.counts[Action.DONE],
                skipped=plan.failed_for_good,
                to_submit=plan.to_submit,
                ceiling=ceiling,
                quoted=self._cost.units,
            )
        )
        for problem in (*notes, *self._cost.problems):
            self._records.warn("", problem)
        try:
            await self._carry_out()
        finally:
            # Nobody watches what is left: runs beside this one must not wait for it.
            self._slots.give_back()
            self.budget.close()
        return self._result()

    async def _carry_out(self) -> None:
        async with anyio.create_task_group() as watchers:
            self._scope = watchers.cancel_scope
            watchers.start_soon(self._stop_at_deadline)
            watchers.start_soon(self._pausing.run)
            watchers.start_soon(self._leave_in_time)
            # After Ctrl-C nothing is submitted, but jobs in flight are collected.
            with suppress(NotSubmitted), self._stopping.ending_waits():
                self._activity.begin("looking at jobs of earlier runs")
                await self._adopt_forgotten()
                await self._key_check.check_jobs()
                if not self._pays_nothing:
                    await self._reconciler.reconcile(must_read=True)
            await self._reassign()
            await self._renaming.rename_unfinished(self._plan.old_ids)
            await self._lay_out_takes()
            self._activity.begin("")
            async with anyio.create_task_group() as self._items:
                self._recovery.start(self._items)
                await self._start_items()
            self._line_scheduler.leave_rest()
            self._recent.tell()
            self._activity.begin("comparing the service's job list with this run")
            if self._marks.recorded:
                await self._collect_adopted(await self._reconciler.reconcile())
            if self._session.is_emulated and not self._was_emulated:
                await self._records.note_emulator()
            if self._searched and self._is_complete():
                await self._records.search_done()
            watchers.cancel_scope.cancel()
        self.is_over = True

    def stop(self) -> float:
        """Stop submitting; collect paid jobs, with a short time limit on downloads.

        Returns:
            The longest time that this takes, in seconds from the first stop: after it,
            the run leaves, as by :meth:`abandon`.
        """
        self._stopping.interrupt()
        self._session.downloader.hurry()
        if self._must_leave_in_s is None:
            self._must_leave_in_s = self._find_longest_wait()
            self._stopped.set()
        return self._must_leave_in_s

    def abandon(self) -> None:
        """Stop at once; the ledger knows which jobs are in flight."""
        self._stopping.interrupt()
        self.is_abandoned = True
        self._scope.cancel()

    def may_learn(self) -> bool:
        """Whether any item is in progress without waiting for the settler or a turn."""
        is_stopping = self._stopping.interrupted or self._stopping.failing
        lost = self._session.settler.count_waiting(self._ledger)
        waiting = self._submitter.waiting + self._waiting
        return not is_stopping and self._in_progress > lost + waiting

    @property
    def total(self) -> int:
        """How many items the run applies to."""
        return self._plan.total

    @property
    def failed(self) -> int:
        """How many of them have failed."""
        return self._counts["failed"]

    def halt(self, error: RunError, model_id: str) -> None:
        """Stop submitting because of an error that concerns every run."""
        self._stopping.halt_alone(error, model_id)

    def give_up(self, reason: str, hint: str) -> None:
        """Stop submitting because more items failed than the user allows."""
        self._stopping.give_up(reason, hint)

    async def remember_upload(self, sha256: str, asset_id: AssetId) -> None:
        """Record the asset id under which the service holds this content."""
        await self._records.remember_upload(sha256, asset_id)

    async def forget_upload(self, sha256: str) -> None:
        """Forget the asset id of this content: the service may no longer hold it."""
        await self._records.forget_upload(sha256)

    @property
    def in_flight(self) -> int:
        """How many jobs the service is working on."""
        return self._session.slots.in_flight

    def find_units_in_flight(self) -> Decimal:
        """Compute units charged for jobs in flight."""
        jobs = self._ledger.find_jobs_in(JobStatus.SUBMITTED)
        return sum((job.charged or Decimal(0) for job in jobs), Decimal(0))

    def _is_emulated(self) -> bool:
        """Whether the emulator makes the assets, in this process or in another."""
        return self._session.is_emulated or self._was_emulated

    @property
    def _pays_nothing(self) -> bool:
        """Whether this run must not submit, as with ``fetch`` and ``--frozen``."""
        return self._plan.selection.only_fetch or self._settings.frozen

    async def _start_items(self) -> None:
        ready: list[PlannedItem] = []
        # All of them first: an item is held back before any of its parents can end.
        for planned in self._plan.line_entries():
            if planned.action is Action.WAIT:
                self._line_scheduler.hold(planned)
            else:
                ready.append(planned)
        entries = itertools.chain(ready, self._plan.free_entries())
        for number, entry in enumerate(entries, start=1):
            if number % _ITEMS_PER_CHECKPOINT == 0:
                await anyio.lowlevel.checkpoint()
            planned = self._recovery.as_priced(entry)
            if self._needs_no_task(planned):
                continue
            # Before the task starts, so that the number of tasks is bounded too.
            await self._ahead.acquire()
            self._start(planned, _Place(self._ahead))

    def _needs_no_task(self, planned: PlannedItem) -> bool:
        """Whether there is nothing to do for an item; if so, it is counted."""
        item_id = planned.item.item_id
        if planned.blocked:
            self._count_blocked(planned, planned.blocked)
            self._line_scheduler.blocked(item_id, planned.blocked)
            return True
        if item_id in self._blocked:
            job = self._fail(planned, self._blocked[item_id])
            self._line_scheduler.ended(item_id, job)
            return True
        if planned.action is Action.DONE:
            self._counts["renamed" if item_id in self._moved else "done"] += 1
            self._note_review(planned.job)
            if self._settings.strict:
                self._check_inputs(planned.job)
        elif planned.action is Action.SKIP:
            self._counts["skipped"] += 1
        elif planned.action is Action.ASK or (
            planned.action is Action.SUBMIT
            and self._stopping.concerns(planned.item.model_id)
        ):
            self._counts["not_submitted"] += 1
            self._line_scheduler.ended(item_id, None)
            return True
        else:
            return False
        self._line_scheduler.ended(item_id, planned.job)
        return True

    def _start(self, planned: PlannedItem, place: "_Place") -> None:
        self._items.start_soon(self._take_up, planned, place)

    def _start_held(self, entry: PlannedItem) -> None:
        """Go on with an item whose parents are made; it waits behind no other."""
        planned = self._recovery.as_priced(entry)
        if not self._needs_no_task(planned):
            self._start(planned, _Place(None))

    def _count_blocked(self, planned: PlannedItem, reason: str) -> None:
        if reason.startswith(NOT_NEEDED):
            self._counts["not_needed"] += 1
            self._records.warn(planned.item.item_id, reason)
            return
        self._counts["blocked"] += 1
        item = planned.item
        self.tell(Blocked(item_id=item.item_id, reason=reason, place=item.place))

    def _count_left_out(self, _planned: PlannedItem) -> None:
        self._counts["not_submitted"] += 1

    async def _take_up(self, planned: PlannedItem, place: "_Place") -> None:
        with self._records.placing(planned.item):
            renames = planned.action is Action.RENAME
            handle = self._rename if renames else self._process
            await handle(planned, place)

    async def _process(self, planned: PlannedItem, place: "_Place") -> None:
        """Take one item through submit → wait → download → sidecar."""
        job, ended = planned.job, None
        is_cut_off = True
        self._in_progress += 1
        try:
            async with self._undelivered:
                if planned.action in {Action.SETTLE, Action.COLLECT}:
                    place.leave()
                    job = await self._recovery.wait_until_ended(job)
                    if job.status is JobStatus.PLANNED:
                        job = next_attempt(job, self._ledger)
                elif planned.action is Action.FETCH:
                    place.leave()
                    if job.status is not JobStatus.SUCCEEDED:
                        job = await self._records.succeeded(job)
                found = await self._find_made(planned, job, place)
                if found is not None:
                    place.leave()
                    job = await self._watch.wait_until_ended(found[0], listed=found[1])
                while not self._pays_nothing and job.status is JobStatus.PLANNED:
                    job = await self._submitter.submit(planned, job, place.leave)
                    job = await self._watch.wait_until_ended(job)
                    self._submitter.note_ended(planned, job)
                    if job.status is JobStatus.PLANNED:
                        job = next_attempt(job, self._ledger)
                job = await self._save(planned, job)
            ended, is_cut_off = job, False
            self._count(planned, job)
        except NotSubmitted:
            is_cut_off = False
            self._counts["not_submitted"] += 1
        finally:
            self._in_progress -= 1
            self._submitter.leave(planned)
            place.leave()
            if self._session.requests is not None:
                self._session.requests.ended(
                    str(self._plan.output), planned, ended, is_cut_off=is_cut_off
                )
        self._line_scheduler.ended(planned.item.item_id, ended)

    async def _find_made(
        self, planned: PlannedItem, job: Job, place: "_Place"
    ) -> tuple[Job, RemoteJob] | None:
        """A job for exactly this request: of another manifest, or of an earlier run.

        None if there is none, or if it has not been paid for.

        Raises:
            NotSubmitted: It is paid for and was not made, or this run stops.
        """
        if job.status is not JobStatus.PLANNED:
            return None
        # First, so that nobody else takes over what another manifest has lost sight of.
        twin_id = await self._wait_for_twin(planned, place)
        if twin_id is None or self._recent.has_given(twin_id):
            return await self._recent.adopt(planned, job)
        try:
            return await self._recent.take_over(planned, job, twin_id)
        except JobError as error:
            raise NotSubmitted from error

    async def _wait_for_twin(
        self, planned: PlannedItem, place: "_Place"
    ) -> RemoteId | None:
        """The job of another manifest's item that asks for the same, once it has ended.

        None if there is none, or if it has not been paid for.

        Raises:
            NotSubmitted: It is paid for and was not made, or this run stops.
        """
        requests, force = self._session.requests, self._plan.selection.force
        if requests is None or not may_be_shared(planned, force=force):
            return None
        twin = requests.find_maker(str(self._plan.output), planned)
        if twin is None:
            return None
        place.leave()
        self._waiting += 1
        try:
            with self._stopping.ending_waits():
                await twin.ended.wait()
        finally:
            self._waiting -= 1
        made = twin.job
        if twin.is_cut_off:
            raise NotSubmitted
        if made is None or not made.committed:
            return None
        if made.remote_id is None or made.status not in _MADE:
            raise NotSubmitted
        return made.remote_id

    async def _collect_adopted(self, adopted: Sequence[Adopted]) -> None:
        """Wait for jobs adopted at the end of this run, and save their files."""
        found = {one.job.item_id: one for one in adopted}
        if not found:
            return
        async with anyio.create_task_group() as items:
            for planned in self._plan.entries():
                one = found.pop(planned.item.item_id, None)
                if one is None or one.job.request_key != planned.job.request_key:
                    continue  # the item was edited since: the next run finishes it
                counted = _OUTCOMES[one.before]
                if one.job.mark_id not in self._marks.recorded:
                    # Sent in an earlier run: a final failure was counted as skipped.
                    is_failure = one.before is JobStatus.FAILED
                    counted = "skipped" if is_failure else counted
                self._slots.occupy()
                if self._counts[counted]:
                    self._counts[counted] -= 1
                items.start_soon(self._collect, planned, one.job)

    async def _collect(self, planned: PlannedItem, job: Job) -> None:
        with self._records.placing(planned.item):
            job = await self._watch.wait_until_ended(job)
            self._count(planned, await self._save(planned, job))

    async def _save(self, planned: PlannedItem, job: Job) -> Job:
        """SUCCEEDED → SAVED, if the item is saved at all; else unchanged."""
        if job.status is not JobStatus.SUCCEEDED:
            return job
        if len(job.remote_assets) == planned.outputs:
            self._line_scheduler.succeeded(job)
        return await self._saver.save(planned, job) if planned.item.is_saved else job

    def _count(self, planned: PlannedItem, job: Job) -> None:
        is_made = job.status is JobStatus.SUCCEEDED and not planned.item.is_saved
        self._counts["made" if is_made else _OUTCOMES[job.status]] += 1
        self._count_failure(job)
        self._check_inputs(job)
        self._note_review(job)

    async def _rename(self, planned: PlannedItem, place: "_Place") -> None:
        """Rename an item's files, then process it further if there is more to do."""
        source = self._saver.source_of(planned, planned.job)
        try:
            renamed = await self._renaming.carry_out(planned, source)
        except DownloadFailed as error:
            place.leave()
            job = self._fail(planned, error)
            self._line_scheduler.ended(planned.item.item_id, job)
            return
        if renamed.action is not Action.DONE:
            await self._process(renamed, place)
            return
        place.leave()
        self._records.announce(renamed.job)
        self._counts["renamed"] += 1
        self._note_review(renamed.job)
        self._line_scheduler.ended(planned.item.item_id, renamed.job)

    def _fail(self, planned: PlannedItem, error: DownloadFailed) -> Job:
        """Another item owns a file there. Nothing changed, so nothing is recorded."""
        failure = failure_of(error, FailureClass.DOWNLOAD)
        job = replace(planned.job, status=JobStatus.FAILED, failure=failure)
        with self._records.placing(planned.item):
            self._records.announce(job)
        self._counts["failed"] += 1
        self._count_failure(job)
        return job

    async def _reassign(self) -> None:
        """Give attempts to the items that ask for them now: ids were swapped."""
        moves = list(self._plan.reassigned.values())
        try:
            jobs = await self._reassigning.carry_out(
                moves, lambda line: source_at(self._plan, line)
            )
        except DownloadFailed as error:
            self._blocked |= {move.new_id: error for move in moves}
            return
        for job in jobs:
            self._moved.add(job.item_id)
            self._records.announce(job)

    async def _lay_out_takes(self) -> None:
        """Give each item's own name to the chosen one of its takes."""
        for layout in self._plan.moves.values():
            try:
                source = source_at(self._plan, layout.line)
                jobs = await self._relocating.lay_out(layout, source)
            except DownloadFailed as error:
                self._blocked |= dict.fromkeys(layout.stems, error)
                continue
            for job in jobs:
                self._moved.add(job.item_id)
                self._records.announce(job)

    def _tell_halt(self, reason: str, hint: str) -> None:
        self.tell(Halted(reason=reason, hint=hint, in_flight=self.in_flight))

    async def _set_mark(self) -> None:
        try:
            await self._marks.set()
        except Unavailable as error:
            raise unreachable(error) from error

    async def _adopt_forgotten(self) -> None:
        """After a lost ledger, search once for our jobs that left no sidecar."""
        since = self._rebuilt_since
        if since is None or not self._plan.to_submit:
            return
        self._searched = True
        count = await self._adoption.find(since)
        self._records.warn(
            "",
            f"the ledger was rebuilt; {plural(count, 'earlier job')} found at the"
            " service",
        )

    def _is_complete(self) -> bool:
        """Whether this run considered every item of the manifest."""
        selection = self._plan.selection
        is_part = selection.globs or selection.limit or selection.ids is not None
        is_part = is_part or selection.in_shard is not None
        whole = not (is_part or selection.only_failed or selection.only)
        return whole and not self._counts["not_submitted"] and not self.is_abandoned

    def _find_longest_wait(self) -> float:
        """Seconds until all that is in flight has ended and is downloaded."""
        settings = self._session.settings
        poller = self._session.poller
        jobs_s = poller.longest_left_s
        if self.in_flight > poller.watched:
            jobs_s = settings.job_timeout_s
        if any(self._ledger.find_jobs_in(JobStatus.SUBMITTING, JobStatus.UNKNOWN)):
            settled_s = settings.submit_timeout_s + settings.settle_s
            jobs_s = max(jobs_s, settled_s + settings.job_timeout_s)
        return jobs_s + settings.hurried_download_s + WIND_UP_S

    async def _leave_in_time(self) -> None:
        """After a stop, leave once the longest wait is over."""
        await self._stopped.wait()
        assert self._must_leave_in_s is not None
        await self._clock.sleep(self._must_leave_in_s)
        reason = "the longest wait after a stop is over"
        self._tell_halt(reason, "run the same command again to collect the rest")
        self.abandon()

    async def _stop_at_deadline(self) -> None:
        """Stop as the first Ctrl-C does, so that a CI job collects what it paid for."""
        if self._settings.deadline_s is None:
            return
        await self._clock.sleep(self._settings.deadline_s)
        self._stop_for_time("the deadline of this run is reached")

    def _stop_for_time(self, reason: str) -> None:
        if not self._stopping.interrupted:
            self.stop()
            self._tell_halt(reason, "run the same command again to continue")

    def _count_failure(self, job: Job) -> None:
        """Stop submitting once more items have failed than the user allows."""
        if job.status is not JobStatus.FAILED or self._stopping.failing:
            return
        failed, settings = self._session.failed, self._settings
        of_count = settings.fail_count is not None and failed >= settings.fail_count
        of_share = settings.fail_share is not None and (
            failed > settings.fail_share * self._session.total
        )
        if of_count or of_share:
            hint = "look at the reasons, then: pipeline rerun"
            self._session.give_up(
                f"{plural(failed, 'item has', 'items have')} failed", hint
            )

    def _check_inputs(self, job: Job) -> None:
        """Note inputs that the service dropped or changed; with --strict, stop."""
        if not job.echo or job.status not in {JobStatus.SAVED, JobStatus.SUCCEEDED}:
            return
        difference = describe_difference(job.echo)
        if len(self._changed_inputs) < _CHANGES_KEPT:
            self._changed_inputs[job.item_id] = difference
        if self._settings.strict and not self._stopping.failing:
            hint = "correct the input, or run without --strict"
            self._session.give_up(f"{job.item_id}: {difference}", hint)

    def _note_review(self, job: Job) -> None:
        """Count a saved job whose files a person has to look at."""
        if job.status is JobStatus.SAVED and job.review:
            self._needs_review += 1

    def _result(self) -> RunResult:
        counts = self._counts
        if self.is_abandoned:
            counts["in_flight"] = sum(1 for _ in self._ledger.find_jobs_in(*UNFINISHED))
            made = self._ledger.find_latest_jobs_in(JobStatus.SUCCEEDED)
            counts["not_fetched"] = sum(1 for _ in made)
        unsure = sum(1 for _ in self._ledger.find_latest_jobs_in(JobStatus.UNKNOWN))
        counts["unknown"] = max(counts["unknown"], unsure)
        halted = self._stopping.reason
        code = find_exit_code(
            counts,
            halted=halted,
            is_interrupted=self._stopping.interrupted,
            may_pay=not self._pays_nothing,
            is_broken=bool(self._settings.strict and self._changed_inputs),
            frozen=self._settings.frozen,
        )
        return RunResult(
            exit_code=code,
            counts={name: count for name, count in counts.items() if count},
            submitted=self._submitter.accepted,
            stopped_by=halted,
            cost=self._find_cost(),
            changed_inputs=self._changed_inputs,
            needs_review=self._needs_review,
        )

    def _find_cost(self) -> RunCost:
        charges = self._records.charges
        return RunCost(
            quoted=self._cost.units,
            charged=charges.charged,
            addons={name: units for name, units in charges.addons.items() if units},  # type: ignore[misc]
            refunded=charges.refunded,
            reserved=self._ledger.find_unsure_units(),
            taken=self.budget.taken,
            left=self.budget.left,
            team_left=self._limits.units_left,
        )


def _find_likenesses(plan: Plan, ledger: Ledger) -> Likenesses:
    """The recorded pictures, if any item of the manifest is compared with others."""
    if not plan.manifest.compares_pictures:
        return Likenesses(are_wanted=False)
    known = ((item_id, asset.likeness) for item_id, asset in ledger.find_checked())
    return Likenesses(known, are_wanted=True)


class _Place:
    """One of the places for items prepared ahead of the slots; released only once.

    Items whose parents have just been made need none, so ``ahead`` may be None.
    """

    def __init__(self, ahead: anyio.Semaphore | None) -> None:
        self._ahead = ahead

    def leave(self) -> None:
        if self._ahead is not None:
            self._ahead.release()
            self._ahead = None
