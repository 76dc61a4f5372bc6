"""Run: a plan → its jobs, each one coroutine from submit to sidecar.

Every task group is here. A job's life fits one function; whatever ends one job alone
is caught there, everything else ends the run. A kill at any line leaves a ledger from
which the next run goes on without paying again.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial

import anyio
import anyio.abc
import anyio.lowlevel

from pipeline.api.echo import describe_difference
from pipeline.api.interface import (
    FileTransfer,
    GenerationApi,
    TeamLimits,
    UnexpectedJob,
)
from pipeline.assets.delivery import Delivery
from pipeline.assets.downloader import Downloader
from pipeline.clock import Clock, parse_utc
from pipeline.errors import (
    BudgetReached,
    DownloadFailed,
    RunError,
    Unavailable,
)
from pipeline.job import FailureClass, Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.output.rebuild import REBUILT_SINCE
from pipeline.planning import Action, Plan, PlannedItem
from pipeline.pricing import (
    Budget,
    Cost,
    CostGroups,
    Estimate,
    Quotes,
    find_cost,
    find_limits,
)
from pipeline.pricing.budget import Overcharge
from pipeline.pricing.limits import unreachable
from pipeline.record import replace
from pipeline.running.adoption import ForgottenJobs
from pipeline.running.events import Halted, Launched, ProgressCallback, SlotsChanged
from pipeline.running.failure import failure_of
from pipeline.running.key import Key
from pipeline.running.marks import Marks
from pipeline.running.pausing import Pausing
from pipeline.running.reconciling import Adopted, Reconciler
from pipeline.running.records import Records
from pipeline.running.recovery import UNFINISHED, Recovery, next_attempt
from pipeline.running.renaming import Renaming
from pipeline.running.result import RunCost, RunResult, find_exit_code
from pipeline.running.saving import Saver
from pipeline.running.stopping import NotSubmitted, Stopping
from pipeline.running.submission import Submitter
from pipeline.running.unanswered import Unanswered
from pipeline.running.watching import Watch
from pipeline.settings import Service, Settings
from pipeline.stages.poller import Poller
from pipeline.stages.reading import JobReader
from pipeline.stages.resolver import Resolver
from pipeline.stages.settler import Settler
from pipeline.stages.slots import Slots
from pipeline.stages.uploader import Uploader

_ITEMS_PER_CHECKPOINT = 200
_CHANGES_KEPT = 1000
_OUTCOMES = {
    JobStatus.SAVED: "saved",
    JobStatus.FAILED: "failed",
    JobStatus.UNKNOWN: "unknown",
    JobStatus.SUBMITTED: "in_flight",
    JobStatus.SUCCEEDED: "not_fetched",
    JobStatus.PLANNED: "not_submitted",
}


class Run:
    """One execution of a plan.

    Args:
        plan: What to do.
        api: The service.
        transfer: Its CDN.
        ledger: For reading, beside the writer's.
        writer: The only one who writes.
        clock: Whose time is spent.
        settings: Limits and timeouts.
        service: Which one it is, for rows and sidecars.
        made_with: The digest of the API key in use; see ``Credentials.key_digest``.
        on_event: Called on the event loop with every change, once it is durable.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        api: GenerationApi,
        transfer: FileTransfer,
        ledger: Ledger,
        writer: LedgerWriter,
        clock: Clock,
        settings: Settings,
        service: Service,
        on_event: ProgressCallback,
        made_with: str = "",
    ) -> None:
        self._plan = plan
        self._service = service
        self._api = api
        self._ledger = ledger
        self._clock = clock
        self._settings = settings
        self._tell = on_event
        self._counts: Counter[str] = Counter()
        self._abandoned = False
        self._living = 0
        self._searched = False
        self._scope = anyio.CancelScope()
        self._ahead = anyio.Semaphore(settings.ahead)
        self._undelivered = anyio.Semaphore(settings.undelivered)
        self._stopping = Stopping()
        self._cost = Cost()
        self._limits = TeamLimits()
        self._changed_inputs: dict[str, str] = {}
        limit = settings.max_cost
        self.budget = Budget(
            limit,
            ledger.find_commitments(),
            Overcharge(() if limit is None else ledger.find_overcharges()),
        )
        self._marks = Marks(api, clock, settings, find_job=ledger.find_job)
        self._records = Records(
            writer,
            clock,
            service_now=api.service_now,
            service=service,
            made_with=made_with,
            marks=self._marks,
            budget=self.budget,
            tell=on_event,
        )
        self._slots = Slots(
            clock,
            first=settings.first_jobs,
            posts=settings.posts,
            rate_limiter=api.rate_limiter,
            max_jobs=settings.max_jobs,
            on_change=lambda slots: on_event(SlotsChanged(slots=slots)),
        )
        unanswered = Unanswered()
        self._reader = JobReader(
            api,
            find_owned=ledger.find_owned,
            find_job=ledger.find_job,
            find_mark=ledger.find_mark,
            made_with=made_with,
        )
        self._settler = Settler(
            self._reader,
            clock,
            settings,
            wait_for_answers=unanswered.wait_for_answers,
            find_known=ledger.find_remote_ids,
            may_learn=self._may_learn,
        )
        self._key = Key(
            api,
            clock,
            settings,
            ledger=ledger,
            records=self._records,
            reader=self._reader,
            service=service,
            output=plan.output,
        )
        self._settler.author_id = ledger.find_meta().get("author_id", "")
        self._poller = Poller(
            api,
            clock,
            settings,
            on_seen=self._settler.notice,
            on_own=self._settler.note_own,
            author_id=lambda: self._settler.author_id,
        )
        self._watch = Watch(
            records=self._records,
            slots=self._slots,
            poller=self._poller,
            settler=self._settler,
            reader=self._reader,
            refunds=plan.refunds,
            halt=self._halt,
        )
        self._reconciler = Reconciler(
            self._reader,
            clock,
            settings,
            ledger=ledger,
            records=self._records,
            watch=self._watch,
        )
        self._recovery = Recovery(
            ledger,
            records=self._records,
            slots=self._slots,
            watch=self._watch,
        )
        self._forgotten = ForgottenJobs(
            api,
            clock,
            settings,
            find_owned=ledger.find_owned,
        )
        uploader = Uploader(
            api,
            transfer,
            clock,
            settings,
            known=ledger.find_uploads(service.project_id),
            remember=self._records.upload,
        )
        self._quotes = Quotes(api, clock, settings, uploader=uploader)
        self._submitter = Submitter(
            api,
            clock,
            settings,
            records=self._records,
            slots=self._slots,
            uploader=uploader,
            quotes=self._quotes,
            budget=self.budget,
            watch=self._watch,
            stopping=self._stopping,
            settler=self._settler,
            marks=self._marks,
            wait_for_earlier=self._recovery.wait_until_all_ended,
            unanswered=unanswered,
            forgotten=self._forgotten,
            halt=self._halt,
            pass_over=self._pass_over,
            next_attempt=partial(next_attempt, ledger=ledger),
        )
        self._resolver = Resolver(
            api, clock, settings, expects_more=lambda: self.in_flight > 0
        )
        delivery = Delivery(
            plan.output,
            clock,
            find_owner=ledger.find_path_owner,
            emulated=service.is_emulated,
            may_be_named=plan.may_be_named,
        )
        self._renaming = Renaming(
            ledger,
            records=self._records,
            output=plan.output,
            emulated=service.is_emulated,
        )
        self._downloader = Downloader(
            transfer, clock, settings, resolve=self._resolver.resolve
        )
        self._pausing = Pausing(
            api.rate_limiter,
            clock,
            settings,
            tell=on_event,
            warn=partial(self._records.warn, ""),
            halt=lambda error: self._halt(error, ""),
            stop=self._stop_for_time,
        )
        self._saver = Saver(
            plan,
            ledger=ledger,
            records=self._records,
            downloader=self._downloader,
            delivery=delivery,
            renaming=self._renaming,
            keeps_old=settings.keep_old,
        )

    async def price(
        self, groups: CostGroups, *, notes: tuple[str, ...] = ()
    ) -> Estimate:
        """Ask what the plan costs, and what the team has left; spends nothing.

        Args:
            groups: The items of the plan by price.
            notes: What a person should know of how it was planned.

        Raises:
            ServiceUnreachable: It did not answer.
            AccessDenied: Wrong credentials, or those of another project.
            UnexpectedJob: A dry run was not answered as one; a job that it started is
                booked as the item's own.
        """
        if groups.by_key or self._key.has_jobs_to_see():
            try:
                self._limits = await find_limits(self._api, self._clock, self._settings)
                await self._key.check_project(self._limits)
                if groups.by_key:
                    # Before the quotes: a dry run may turn out to be a submit.
                    await self._set_mark()
                self._cost = await find_cost(groups, self._quotes)
            except UnexpectedJob as unexpected:
                sample = groups.find_sample(unexpected.item_id)
                if sample is not None:
                    await self._records.unexpected_job(sample, sample.job, unexpected)
                raise
        return Estimate(
            plan=self._plan,
            cost=self._cost,
            team_left=self._limits.units_left,
            unsure=Decimal(0) if self._pays_nothing else self._find_unsure_units(),
            taken=self.budget.taken,
            limit=self.budget.limit,
            service=self._service,
            notes=notes,
        )

    async def carry_out(self, run_id: int, *, notes: Sequence[str] = ()) -> RunResult:
        """Do everything the plan says.

        Args:
            run_id: This run's number in the ledger.
            notes: What a person should know of how it was planned.

        Raises:
            RunError: The run could not go on; the ledger knows everything. It may
                come inside an exception group.
        """
        plan = self._plan
        ceiling = self._limits.ceiling
        if ceiling is not None:
            self._slots.announce(ceiling)
        self._tell(
            Launched(
                run_id=run_id,
                total=plan.total,
                done=plan.counts[Action.DONE],
                skipped=plan.counts[Action.SKIP],
                to_submit=plan.to_submit,
                ceiling=ceiling,
                quoted=self._cost.units,
            )
        )
        for problem in (*notes, *self._cost.problems):
            self._records.warn("", problem)
        async with anyio.create_task_group() as watchers:
            self._scope = watchers.cancel_scope
            watchers.start_soon(self._poller.run)
            watchers.start_soon(self._settler.run)
            watchers.start_soon(self._resolver.run)
            watchers.start_soon(self._stop_at_deadline)
            watchers.start_soon(self._pausing.run)
            # After a Ctrl-C nothing is submitted, and what is in flight is collected.
            with suppress(NotSubmitted), self._stopping.ending_waits():
                await self._find_forgotten()
                await self._key.check_jobs()
                if not self._pays_nothing:
                    await self._reconciler.reconcile(must_read=True)
            await self._renaming.rename_unfinished(plan.old_ids)
            async with anyio.create_task_group() as lives:
                self._recovery.start(lives)
                await self._start_lives(lives)
            if self._marks.recorded:
                await self._collect_adopted(await self._reconciler.reconcile())
            if self._searched and self._is_complete():
                await self._records.search_done()
            watchers.cancel_scope.cancel()
        return self._result()

    def stop(self) -> None:
        """Submit nothing more; collect what is paid for, without waiting for long."""
        self._stopping.interrupt()
        self._downloader.hurry()

    def abandon(self) -> None:
        """Leave at once; the ledger knows what is in flight."""
        self._stopping.interrupt()
        self._abandoned = True
        self._scope.cancel()

    @property
    def in_flight(self) -> int:
        """Jobs that are submitted and not ended."""
        return self._slots.statistics().in_flight

    def find_units_in_flight(self) -> Decimal:
        """Compute units charged for jobs that are submitted and not ended."""
        jobs = self._ledger.find_jobs_in(JobStatus.SUBMITTED)
        return sum((job.charged or Decimal(0) for job in jobs), Decimal(0))

    def _find_unsure_units(self) -> Decimal:
        jobs = self._ledger.find_jobs_in(JobStatus.SUBMITTING, JobStatus.UNKNOWN)
        return sum((job.committed for job in jobs), Decimal(0))

    @property
    def _pays_nothing(self) -> bool:
        """What ``fetch`` and ``--frozen`` promise."""
        return self._plan.selection.only_fetch or self._settings.frozen

    async def _start_lives(self, lives: anyio.abc.TaskGroup) -> None:
        for number, entry in enumerate(self._plan.entries(), start=1):
            if number % _ITEMS_PER_CHECKPOINT == 0:
                await anyio.lowlevel.checkpoint()
            planned = self._recovery.without_surprise(entry)
            if planned.action is Action.DONE:
                self._counts["done"] += 1
                if self._settings.strict:
                    self._check_inputs(planned.job)
            elif planned.action is Action.SKIP:
                self._counts["skipped"] += 1
            elif planned.action is Action.SUBMIT and self._stopping.concerns(
                planned.item.model_id
            ):
                self._counts["not_submitted"] += 1
            else:
                # Before the task is born, so that the tasks are bounded too.
                await self._ahead.acquire()
                renames = planned.action is Action.RENAME
                lives.start_soon(self._rename if renames else self._live, planned)

    async def _live(self, planned: PlannedItem) -> None:
        """One item: submit → wait → download → sidecar."""
        place = _Place(self._ahead)
        job = planned.job
        self._living += 1
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
                while not self._pays_nothing and job.status is JobStatus.PLANNED:
                    job = await self._submitter.submit(planned, job, place.leave)
                    job = await self._watch.wait_until_ended(job)
                    self._submitter.note_ended(planned, job)
                    if job.status is JobStatus.PLANNED:
                        job = next_attempt(job, self._ledger)
                if job.status is JobStatus.SUCCEEDED:
                    job = await self._saver.save(planned, job)
            self._counts[_OUTCOMES[job.status]] += 1
            self._count_failure(job)
            self._check_inputs(job)
        except NotSubmitted:
            self._counts["not_submitted"] += 1
        finally:
            self._living -= 1
            self._submitter.leave(planned)
            place.leave()

    async def _collect_adopted(self, adopted: Sequence[Adopted]) -> None:
        """Jobs that belong to items of this run after all, as far as their files."""
        found = {one.job.item_id: one for one in adopted}
        if not found:
            return
        async with anyio.create_task_group() as lives:
            for planned in self._plan.entries():
                one = found.pop(planned.item.item_id, None)
                if one is None or one.job.request_key != planned.job.request_key:
                    continue  # of a request before an edit: the next run ends it
                counted = _OUTCOMES[one.before]
                if one.job.mark_id not in self._marks.recorded:
                    # Not sent in this run: a final failure was passed over.
                    is_failure = one.before is JobStatus.FAILED
                    counted = "skipped" if is_failure else counted
                self._slots.occupy()
                if self._counts[counted]:
                    self._counts[counted] -= 1
                lives.start_soon(self._collect, planned, one.job)

    async def _collect(self, planned: PlannedItem, job: Job) -> None:
        job = await self._watch.wait_until_ended(job)
        if job.status is JobStatus.SUCCEEDED:
            job = await self._saver.save(planned, job)
        self._counts[_OUTCOMES[job.status]] += 1
        self._count_failure(job)
        self._check_inputs(job)

    async def _rename(self, planned: PlannedItem) -> None:
        """An item with a new name: its files get it, then it lives on."""
        source = self._saver.source_of(planned)
        try:
            renamed = await self._renaming.carry_out(planned, source)
        except DownloadFailed as error:
            # Others have a file there. Nothing has changed, so nothing is recorded.
            failure = failure_of(error, FailureClass.DOWNLOAD)
            job = replace(planned.job, status=JobStatus.FAILED, failure=failure)
            self._records.announce(job)
            self._counts["failed"] += 1
            self._count_failure(job)
            self._ahead.release()
            return
        if renamed.action is not Action.DONE:
            await self._live(renamed)
            return
        self._ahead.release()
        self._records.announce(renamed.job)
        self._counts["renamed"] += 1

    def _halt(self, error: RunError, model_id: str) -> None:
        """Stop submitting, all or one model; what is in flight is still collected."""
        if self._stopping.halt(error, model_id):
            self._tell_halt(error.message, error.hint)

    def _pass_over(self, reason: BudgetReached) -> None:
        """An item costs more than is left; others may not."""
        if self._stopping.skip_for(reason):
            self._tell_halt(reason.message, reason.hint)

    def _tell_halt(self, reason: str, hint: str) -> None:
        self._tell(Halted(reason=reason, hint=hint, in_flight=self.in_flight))

    async def _set_mark(self) -> None:
        try:
            await self._marks.set()
        except Unavailable as error:
            raise unreachable(error) from error

    def _may_learn(self) -> bool:
        """Whether an item is under way that waits for neither settler nor its turn."""
        is_stopping = self._stopping.interrupted or self._stopping.failing
        idle = self._settler.waiting + self._submitter.waiting
        return not is_stopping and self._living > idle

    async def _find_forgotten(self) -> None:
        """After a lost ledger: look once for jobs of ours that left no sidecar."""
        since = self._ledger.find_meta().get(REBUILT_SINCE)
        if since is None or not self._plan.to_submit:
            return
        self._searched = True
        count = await self._forgotten.find(parse_utc(since))
        self._records.warn("", f"the ledger was rebuilt; {count} jobs found again")

    def _is_complete(self) -> bool:
        """Whether every item of the manifest has had its turn."""
        selection = self._plan.selection
        whole = not (selection.globs or selection.limit or selection.only_failed)
        return whole and not self._counts["not_submitted"] and not self._abandoned

    async def _stop_at_deadline(self) -> None:
        """The first Ctrl-C by itself, so that a CI job always collects."""
        if self._settings.deadline_s is None:
            return
        await self._clock.sleep(self._settings.deadline_s)
        self._stop_for_time("the deadline of this run is reached")

    def _stop_for_time(self, reason: str) -> None:
        if not self._stopping.interrupted:
            self.stop()
            self._tell_halt(reason, "run the same command again to go on")

    def _count_failure(self, job: Job) -> None:
        """Stop submitting when more has failed than the user allows."""
        if job.status is not JobStatus.FAILED or self._stopping.failing:
            return
        failed, settings = self._counts["failed"], self._settings
        of_count = settings.fail_count is not None and failed >= settings.fail_count
        of_share = settings.fail_share is not None and (
            failed > settings.fail_share * self._plan.total
        )
        if of_count or of_share:
            self._stopping.give_up()
            hint = "look at the reasons, then: pipeline rerun MANIFEST"
            self._tell_halt(f"{failed} items have failed", hint)

    def _check_inputs(self, job: Job) -> None:
        """Remember what the service dropped or changed; with --strict, stop."""
        if not job.echo or job.status not in {JobStatus.SAVED, JobStatus.SUCCEEDED}:
            return
        difference = describe_difference(job.echo)
        if len(self._changed_inputs) < _CHANGES_KEPT:
            self._changed_inputs[job.item_id] = difference
        if self._settings.strict and not self._stopping.failing:
            self._stopping.give_up()
            hint = "correct the input, or run without --strict"
            self._tell_halt(f"{job.item_id}: {difference}", hint)

    def _result(self) -> RunResult:
        counts = self._counts
        if self._abandoned:
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
        )

    def _find_cost(self) -> RunCost:
        spending = self._records.spending
        return RunCost(
            quoted=self._cost.units,
            charged=spending.charged,
            addons={name: units for name, units in spending.addons.items() if units},  # type: ignore[misc]
            refunded=spending.refunded,
            reserved=self._find_unsure_units(),
            taken=self.budget.taken,
            left=self.budget.left,
            team_left=self._limits.units_left,
        )


class _Place:
    """One of the places for items prepared ahead of the slots; left once."""

    def __init__(self, ahead: anyio.Semaphore) -> None:
        self._ahead: anyio.Semaphore | None = ahead

    def leave(self) -> None:
        if self._ahead is not None:
            self._ahead.release()
            self._ahead = None
