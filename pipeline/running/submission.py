"""Submitter: PLANNED → SUBMITTED, with at most one paid job per item.

Each submit follows the pattern of a *write-ahead intent*: the ledger durably records
SUBMITTING before the first byte of the POST leaves. A POST is never repeated on a
guess. Only a request that the service refused without charging, or that provably never
left, is sent again; in every other case the job is UNKNOWN until the settler resolves
it. After a refusal, a request is sent again only once the job list shows no job that
could have come from it.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import partial

from pipeline.api.interface import (
    NoPrice,
    Quote,
    RemoteJob,
    Submission,
    UnexpectedJob,
)
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    JobError,
    OutcomeUnknown,
    PipelineError,
    RateLimited,
    Rejected,
    ServiceUnreachable,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.fault_points import reach
from pipeline.job import (
    Failure,
    FailureClass,
    Job,
    JobStatus,
    JsonValue,
)
from pipeline.ledger.ledger import Ledger
from pipeline.planning import PlannedItem
from pipeline.pricing import Budget
from pipeline.pricing.budget import OverBudget
from pipeline.record import Struct, replace
from pipeline.running.adoption import Adoption
from pipeline.running.failure import failure_of
from pipeline.running.intents import intent_of
from pipeline.running.lease import Lease
from pipeline.running.marks import Marks
from pipeline.running.records import Records
from pipeline.running.recovery import Recovery, next_attempt
from pipeline.running.session import Session
from pipeline.running.stopping import NotSubmitted, Stopping
from pipeline.running.watching import Watch
from pipeline.settings import Settings
from pipeline.stages.slots import LAST_RANK
from pipeline.stages.uploader import Renewal

MAX_LOST_SUBMITS = 10  # of one item in one run, each proved absent, before it fails
LOST_IN_A_ROW = 3  # consecutive lost submits before a pause
LONGEST_PAUSE_S = 30.0
OUTAGE_PAUSE_S = 1.0
_IDS_NAMED = 5
_UNPRICED = "submit all the same with: --allow-unpriced"
_DECIDE = "decide with: pipeline resolve"


class _Attempts(Struct):
    """The history of one item's submits in this run."""

    renewal: Renewal
    lost: int = 0
    refused: bool = False
    first_in_line: bool = False
    end_answer: Callable[[], None] = lambda: None


class Submitter:
    """Posts jobs as slots allow, each after a durable write-ahead intent.

    Args:
        session: The connection to the service.
        ledger: For reading.
        settings: The limits of this run.
        slots: The slots of this run.
        records: Records each step before the next begins.
        budget: The limit on spending.
        marks: The starting points in the service's job list.
        watch: Follows accepted jobs and settles lost submits.
        recovery: The jobs that an earlier run left in flight.
        adoption: Jobs of ours that only a lost ledger knew.
        stopping: Decides when nothing more may be submitted.

    Attributes:
        waiting: Items that wait for the first job of their kind.
        accepted: Jobs that the service accepted in this run.
    """

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        *,
        settings: Settings,
        slots: Lease,
        records: Records,
        budget: Budget,
        marks: Marks,
        watch: Watch,
        recovery: Recovery,
        adoption: Adoption,
        stopping: Stopping,
    ) -> None:
        self._api = session.api
        self._clock = session.clock
        self._settings = settings
        self._slots = slots
        self._uploader = session.uploader
        self._quotes = session.quotes
        self._settler = session.settler
        self._unanswered = session.unanswered
        self._ledger = ledger
        self._records = records
        self._budget = budget
        self._marks = marks
        self._watch = watch
        self._recovery = recovery
        self._adoption = adoption
        self._stopping = stopping
        self._lost_in_a_row = 0
        self._first_jobs = session.first_jobs
        self.waiting = 0
        self.accepted = 0

    async def submit(
        self, planned: PlannedItem, job: Job, on_slot: Callable[[], None]
    ) -> Job:
        """Submit until the service accepts the job, or the job fails or stays unknown.

        Args:
            planned: The item, with its inputs.
            job: PLANNED.
            on_slot: Called once a slot is held.

        Returns:
            The job or a later attempt: SUBMITTED with its slot held, FAILED, or
            UNKNOWN.

        Raises:
            NotSubmitted: The run stopped before this item's turn.
        """
        # Refused in an earlier run, and perhaps not compared with the list since.
        attempts = _Attempts(
            renewal=self._uploader.renewal_of(planned.params),
            refused=job.sent_at is not None and job.mark_id is not None,
        )
        waits = attempts.refused and self._is_recent(job)
        while job.status is JobStatus.PLANNED:
            price = await self._find_price(planned, job)
            if isinstance(price, JobError):
                failure = failure_of(price, FailureClass.LOCAL)
                return await self._records.failed(job, failure)
            await self._wait_for_first_jobs(planned, price)
            if attempts.refused or (
                attempts.lost and await self._settler.sees_unowned(job, self._ledger)
            ):
                job = await self._make_sure(job, attempts, waits=waits)
                waits = False
                if job.status is not JobStatus.PLANNED:
                    return job
            inputs = await self._prepare(planned, attempts)
            if not isinstance(inputs, dict):
                return await self._records.failed(
                    job, failure_of(inputs, FailureClass.LOCAL)
                )
            on_slot()
            try:
                sent = await self._send(planned, job, inputs, price, attempts)
                if sent is None:
                    continue
                job, error = sent
                attempts.first_in_line = True
                if error is not None:
                    job = await self._judge(job, error, attempts)
            finally:
                attempts.end_answer()
        return job

    async def _send(
        self,
        planned: PlannedItem,
        job: Job,
        inputs: dict[str, JsonValue],
        price: Quote,
        attempts: _Attempts,
    ) -> tuple[Job, PipelineError | None] | None:
        """Reserve the price, record the write-ahead intent, then post.

        Returns:
            The job and None; or the SUBMITTING job and the error of the POST. None
            when other jobs have used up the budget meanwhile.
        """
        if self._stopping.concerns(job.model_id):
            self._slots.unused()
            raise NotSubmitted
        known = self._adoption.take(
            job.model_id, inputs, derived_seed=planned.derived_seed
        )
        if known is not None and "seed" in inputs:
            # If the item was renamed since, the job was made with another seed.
            inputs = {**inputs, "seed": _seed_of(known, inputs["seed"])}
        intent = await self._record_intent(planned, job, inputs, price)
        if intent is None:
            return None
        reach("intent-recorded")
        if known is None and (ids := self._adoption.may_hold(job.model_id, inputs)):
            self._slots.unused()
            named = ", ".join(ids[:_IDS_NAMED])
            reason = f"the ledger was lost, and its job may be {named}"
            failure = Failure(kind=None, reason=reason, hint=_DECIDE)
            # Without a mark, the job list is read from a time before this submit.
            return await self._records.unknown(
                replace(intent, mark_id=None), failure
            ), None
        if known is not None:
            self._slots.accepted()
            adopted = Submission(job=known, charged=None)
            return await self._watch.accepted(intent, adopted), None
        attempts.end_answer = self._unanswered.begin(job.model_id)
        try:
            submission = await self._api.submit(job.model_id, inputs)
        except PipelineError as error:
            return intent, error
        reach("answer-received")
        self._slots.accepted()
        self._lost_in_a_row = 0
        self.accepted += 1
        job = await self._watch.accepted(intent, submission)
        if job.remote_id is not None:
            self._settler.note_answered(job, self._ledger)
        attempts.end_answer()
        self._first_jobs.know(_first_of_model(job.model_id))
        await self._marks.move_on()
        return job, None

    async def _wait_for_first_jobs(self, planned: PlannedItem, price: Quote) -> None:
        """Let one job go first where others depend on what it shows.

        One job of each model must be answered first: the list has to show it before
        any job is considered absent. Under a budget, or at a price of 0, one job of
        each price and all jobs in flight from an earlier run must end first: the final
        charge may exceed the quote, and the overcharge must be noticed before many
        such jobs are in flight.

        Raises:
            NotSubmitted: Nothing more may be submitted.
        """
        model_id, item = planned.item.model_id, self._name(planned.item.item_id)
        self.waiting += 1
        try:
            with self._stopping.ending_waits():
                if not self._is_known(model_id):
                    kind = _first_of_model(model_id)
                    await self._first_jobs.wait_for_turn(kind, item)
                if self._budget.is_limited or not price.units:
                    await self._recovery.wait_until_all_ended()
                    await self._first_jobs.wait_for_turn(planned.cost_key, item)
        finally:
            self.waiting -= 1
        if self._stopping.concerns(model_id):
            raise NotSubmitted

    def _name(self, item_id: str) -> tuple[int, str]:
        """An item's name among those of every run on the session."""
        return (id(self), item_id)

    def _is_known(self, model_id: str) -> bool:
        """Whether a job of this model is known that the job list has to show."""
        knows = self._first_jobs.knows(_first_of_model(model_id))
        return knows or model_id in self._marks.models

    def note_ended(self, planned: PlannedItem, job: Job) -> None:
        """Note that a job has ended, so that its final charge is known."""
        if job.remote_id is not None:
            self._first_jobs.know(planned.cost_key)

    def leave(self, planned: PlannedItem) -> None:
        """Note that an item is done with its submits: no other item waits for it."""
        self._first_jobs.leave(self._name(planned.item.item_id))

    def _is_recent(self, job: Job) -> bool:
        """Whether the list may not yet show the job of a submit of an earlier run."""
        assert job.sent_at is not None
        age_s = (self._api.service_now() - job.sent_at).total_seconds()
        return age_s < self._settings.settle_s

    async def _make_sure(self, job: Job, attempts: _Attempts, *, waits: bool) -> Job:
        """Check whether a submit that was refused, or proved absent, has made a job.

        Returns:
            The job: PLANNED when there is none, SUBMITTED with a slot held when one
            was adopted, or UNKNOWN.
        """
        try:
            with self._stopping.ending_waits():
                found = await self._settler.wait_until_settled(
                    job,
                    self._ledger,
                    is_refused=True,
                    waits=waits,
                    let_others_go=partial(self._pass_on, job),
                )
        except OutcomeUnknown as error:
            job = await self._recorded(job)
            return await self._records.unknown(job, failure_of(error, None))
        attempts.refused = False
        if found is None:
            return job
        job = await self._recorded(job)
        self._slots.occupy()
        said = job.failure or Failure(kind=None, reason="refused")
        job = await self._records.unknown(job, said)
        return await self._watch.accepted(job, Submission(job=found, charged=None))

    async def _recorded(self, job: Job) -> Job:
        """The job with a row of its own; the next attempt may not have one yet."""
        if job.row_id:
            return job
        reason = "a job has surfaced late"
        return await self._records.put_back(job, Failure(kind=None, reason=reason))

    async def _find_price(self, planned: PlannedItem, job: Job) -> Quote | JobError:
        """The price of the item, once it fits the budget.

        Raises:
            NotSubmitted: It never fits, or nothing more may be submitted.
        """
        try:
            price = await self._ask_price(planned)
            with self._stopping.ending_waits():
                fits = await self._budget.wait_for_room(price.units)
        except UnexpectedJob as unexpected:
            self._stopping.halt(unexpected)
            await self._records.unexpected_job(planned, job, unexpected)
            raise NotSubmitted from unexpected
        except (AccessDenied, BudgetReached) as error:
            self._stopping.halt(error, job.model_id)
            raise NotSubmitted from error
        except Unavailable as error:
            hint = error.hint or "check the network, then run again"
            self._stopping.halt(ServiceUnreachable(error.message, hint=hint))
            raise NotSubmitted from error
        except JobError as error:
            return error
        if not price.units and not self._settings.allow_unpriced:
            return UnexpectedAnswer("the service quotes 0 units", hint=_UNPRICED)
        self._check_bound(planned, price)
        if not fits:
            self._stopping.pass_over(self._budget.reached(price.units))
            raise NotSubmitted
        return price

    def _check_bound(self, planned: PlannedItem, price: Quote) -> None:
        """Submit no item of a line for more than the plan said it may cost.

        Raises:
            NotSubmitted: It costs more, or the plan had no price for it and there is no
                budget.
        """
        if not planned.bound_key:
            return
        item_id, bound = planned.item.item_id, self._quotes.find(planned.bound_key)
        if bound is None:
            if self._budget.is_limited or self._settings.allow_unpriced:
                return
            text = f"{item_id} costs {price.units:,f} units; the plan had no price"
            hint = "set a limit with --max-cost; to agree to this price, run again"
        elif price.units > bound.units:
            text = f"{item_id} costs {price.units:,f} units; the plan said"
            text += f" {bound.units:,f} at most"
            hint = "to agree to this price, run again"
        else:
            return
        self._stopping.pass_over(BudgetReached(text, hint=hint))
        raise NotSubmitted

    async def _ask_price(self, planned: PlannedItem) -> Quote:
        while True:
            if self._stopping.concerns(planned.item.model_id):
                raise NotSubmitted
            try:
                with self._stopping.ending_waits():
                    await self._marks.set()
                    return await self._quotes.price(planned)
            except RateLimited:
                pass  # dry runs may need a slot, and others may hold all of them
            except NoPrice as error:
                if not self._settings.allow_unpriced:
                    raise UnexpectedAnswer(error.message, hint=_UNPRICED) from error
                return Quote(units=Decimal(0))

    async def _record_intent(
        self, planned: PlannedItem, job: Job, inputs: dict[str, JsonValue], price: Quote
    ) -> Job | None:
        """Reserve the price and record the write-ahead intent, before the POST.

        Returns:
            The job, or None when other jobs have used up the budget meanwhile.
        """
        intent = intent_of(
            planned,
            job,
            inputs,
            units=price.units,
            sent_at=self._api.service_now(),
        )
        try:
            with self._budget.holding(price.units):
                return await self._records.intent(intent)
        except OverBudget:
            self._slots.unused()
            return None

    async def _prepare(
        self, planned: PlannedItem, attempts: _Attempts
    ) -> dict[str, JsonValue] | JobError:
        """Upload the item's reference files, then wait for a slot."""
        if self._stopping.concerns(planned.item.model_id):
            raise NotSubmitted
        try:
            with self._stopping.ending_waits():
                inputs = await self._uploader.inputs_of(planned.params)
                await self._slots.wait_for_slot(
                    first_in_line=attempts.first_in_line,
                    rank=planned.steps_left or LAST_RANK,
                )
        except JobError as error:
            return error
        except (AccessDenied, BudgetReached) as error:
            self._stopping.halt(error)
            raise NotSubmitted from error
        return inputs

    async def _judge(self, job: Job, error: PipelineError, attempts: _Attempts) -> Job:
        """Handle a POST that gave no job: PLANNED again, FAILED, or to settle."""
        match error:
            case RateLimited() if error.is_about_requests:
                attempts.refused = True
                self._slots.unused()  # the refusal says nothing about slots
            case RateLimited():
                attempts.refused = error.request_left
                self._slots.refused(
                    ceiling=error.ceiling,
                    wait_s=error.retry_after_s,
                    counted=error.in_flight,
                    scope=error.scope,
                )
            case OutcomeUnknown():
                return await self._settle(job, error, attempts)
            case Unavailable():  # provably, nothing was sent
                self._slots.unused()
                self._pause_for_outage(error)
            case AccessDenied() | BudgetReached():
                self._slots.unused()
                await self._records.put_back(job, failure_of(error, None))
                self._stopping.halt(error, job.model_id)
                raise NotSubmitted from error
            case Rejected() if attempts.renewal.may_help(error, job.request or {}):
                attempts.refused = True
                self._slots.unused()
                await attempts.renewal.renew()
            case _:
                job = await self._records.failed(
                    job, failure_of(error, FailureClass.REFUSED)
                )
                # After the record: this failure may be the one that stops the run.
                self._slots.unused()
                return job
        return await self._records.put_back(job, failure_of(error, None))

    async def _settle(
        self, job: Job, error: OutcomeUnknown, attempts: _Attempts
    ) -> Job:
        # The job may be in flight, so its slot stays taken. But while no job is known
        # that the list has to show, the next item must be able to submit one.
        is_known = self._is_known(job.model_id)
        if is_known:
            self._slots.accepted()
        else:
            self._slots.unused()
            self._pass_on(job)
        self._pause_after_loss()
        job = await self._records.unknown(job, failure_of(error, None))
        job = await self._watch.settle(
            job, holds_slot=is_known, on_waiting=attempts.end_answer
        )
        if job.status is not JobStatus.PLANNED:
            return job
        attempts.lost += 1
        if attempts.lost >= MAX_LOST_SUBMITS:
            return await self._records.failed(
                job, failure_of(error, FailureClass.GENERATION)
            )
        return next_attempt(job, self._ledger)

    def _pass_on(self, job: Job) -> None:
        """Let another item go first, whose job may settle this one."""
        kind = _first_of_model(job.model_id)
        self._first_jobs.pass_on(kind, self._name(job.item_id))

    def _pause_after_loss(self) -> None:
        self._lost_in_a_row += 1
        excess = self._lost_in_a_row - LOST_IN_A_ROW
        if excess >= 0:
            self._slots.pause(min(2.0**excess, LONGEST_PAUSE_S))

    def _pause_for_outage(self, error: Unavailable) -> None:
        """Pause while the service is unreachable; stop after the deadline."""
        answered_s = self._api.answered_at_s
        assert answered_s is not None, "nothing is submitted before the list is read"
        silent_s = self._clock.monotonic_s() - answered_s
        if silent_s > self._settings.free_deadline_s:
            hint = error.hint or "check the network, then run again"
            self._stopping.halt(ServiceUnreachable(error.message, hint=hint))
        self._slots.pause(OUTAGE_PAUSE_S)


def _first_of_model(model_id: str) -> str:
    return f"model {model_id}"


def _seed_of(known: RemoteJob, sent: JsonValue) -> JsonValue:
    """The seed that a job was made with, according to its echo."""
    try:
        return int(float(str(known.inputs.get("seed", sent))))
    except (ValueError, OverflowError):
        return sent
