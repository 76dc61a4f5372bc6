"""Submitter: PLANNED → SUBMITTED. The money rule, in one place.

A job is SUBMITTING in the ledger before the first byte of its POST leaves. A POST is
never repeated on a guess: only what the service refused unpaid, or what provably
never left, is sent again; everything else is UNKNOWN until it is settled.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import anyio

from pipeline.api.interface import (
    GenerationApi,
    Quote,
    QuoteAlarm,
    Submission,
)
from pipeline.clock import Clock
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    JobError,
    OutcomeUnknown,
    PipelineError,
    RateLimited,
    Rejected,
    RunError,
    ServiceUnreachable,
    Unavailable,
)
from pipeline.failure import failure_of
from pipeline.fault_points import reach
from pipeline.fingerprint import canonical_json
from pipeline.job import (
    FailureClass,
    Job,
    JobStatus,
    JsonValue,
)
from pipeline.planning import PlannedItem
from pipeline.pricing import Budget, Quotes
from pipeline.pricing.budget import OverBudget
from pipeline.pricing.quotes import YOUNG_UPLOAD_PAUSE_S, may_miss_upload
from pipeline.record import Struct
from pipeline.running.forgotten import ForgottenJobs
from pipeline.running.intents import intent_of
from pipeline.running.records import Records
from pipeline.running.stopping import NotSubmitted, Stopping
from pipeline.running.watching import Watch
from pipeline.settings import Settings
from pipeline.stages.slots import Slots
from pipeline.stages.uploader import Uploader, references_in

MAX_LOST_SUBMITS = 10  # of one item in one run, each proved absent, before it fails
LOST_IN_A_ROW = 3  # lost submits without an accepted one between, before a pause
LONGEST_PAUSE_S = 30.0
OUTAGE_PAUSE_S = 1.0


class _Attempts(Struct):
    """What one item has been through in this run."""

    lost: int = 0
    reuploaded_s: float | None = None
    first_in_line: bool = False


class Unanswered:
    """The requests whose submit waits for its answer."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()

    def holds(self, job: Job) -> bool:
        """Whether a submit of the same model and inputs waits for its answer."""
        return _fingerprint(job) in self._requests

    @contextmanager
    def holding(self, job: Job) -> Iterator[None]:
        """The submit of ``job`` waits within the block."""
        fingerprint = _fingerprint(job)
        self._requests[fingerprint] += 1
        try:
            yield
        finally:
            self._requests[fingerprint] -= 1
            if not self._requests[fingerprint]:
                del self._requests[fingerprint]


def _fingerprint(job: Job) -> str:
    """With a derived seed, whatever is asked for of the item: prompts may change."""
    asked = job.seed if job.derived_seed else job.request
    return canonical_json([job.model_id, asked])


class Trials:
    """Until one job of a price has told its charge, they are submitted one by one."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._locks: dict[str, anyio.Lock] = {}

    @asynccontextmanager
    async def turn(self, cost_key: str, *, is_needed: bool) -> AsyncIterator[None]:
        """Alone with this price within the block, as long as its charge is unknown."""
        if is_needed and cost_key not in self._told:
            async with self._locks.setdefault(cost_key, anyio.Lock()):
                if cost_key not in self._told:
                    yield
                    return
        yield

    def note(self, cost_key: str) -> None:
        """A job of this price has been charged as it was quoted."""
        self._told.add(cost_key)


class Submitter:
    """Posts jobs, each at most once, as slots allow.

    Args:
        api: The service.
        clock: Whose time is spent.
        settings: How long an outage may last.
        records: Writes each step before the next.
        slots: The limit on jobs in flight.
        uploader: Brings references before the slot is taken.
        watch: Settles lost submits.
        stopping: When nothing more may be submitted.
        forgotten: Jobs of ours that a lost ledger knew.
        unanswered: Keeps the submits that wait for their answer.
        quotes: The price of each request, without which nothing is submitted.
        budget: What may be spent.
        halt: Called with what concerns every submit, or one model's.
        pass_over: Called when an item's price does not fit the budget.
        next_attempt: Gives an item's next attempt at the request of this one.
    """

    def __init__(
        self,
        api: GenerationApi,
        clock: Clock,
        settings: Settings,
        *,
        records: Records,
        slots: Slots,
        uploader: Uploader,
        watch: Watch,
        stopping: Stopping,
        unanswered: "Unanswered",
        forgotten: ForgottenJobs,
        quotes: Quotes,
        budget: Budget,
        halt: Callable[[RunError, str], None],
        pass_over: Callable[[BudgetReached], None],
        next_attempt: Callable[[Job], Job],
    ) -> None:
        self._api = api
        self._clock = clock
        self._settings = settings
        self._records = records
        self._slots = slots
        self._uploader = uploader
        self._watch = watch
        self._stopping = stopping
        self._halt = halt
        self._started_s = clock.monotonic_s()
        self._lost_in_a_row = 0
        self._unanswered = unanswered
        self._forgotten = forgotten
        self._quotes = quotes
        self._budget = budget
        self._pass_over = pass_over
        self._next_attempt = next_attempt
        self._trials = Trials()
        self.accepted = 0

    async def submit(
        self, planned: PlannedItem, job: Job, on_slot: Callable[[], None]
    ) -> Job:
        """Submit until the service has the job, or it is known why not.

        Args:
            planned: The item, with its inputs.
            job: PLANNED.
            on_slot: Called when a slot is held.

        Returns:
            The job, or a later attempt: SUBMITTED or beyond (adopted), FAILED, or
            UNKNOWN. Its slot is held unless it is FAILED.

        Raises:
            NotSubmitted: The run stopped before this item's turn.
        """
        attempts = _Attempts()
        while job.status is JobStatus.PLANNED:
            price = await self._find_price(planned, job)
            if isinstance(price, JobError):
                failure = failure_of(price, FailureClass.LOCAL)
                return await self._records.failed(job, failure)
            inputs = await self._prepare(planned, attempts)
            if not isinstance(inputs, dict):
                return await self._records.failed(
                    job, failure_of(inputs, FailureClass.LOCAL)
                )
            on_slot()
            sent = await self._send(planned, job, inputs, price)
            if sent is None:
                continue
            job, error = sent
            attempts.first_in_line = True
            if error is not None:
                job = await self._judge(planned, job, error, attempts)
        return job

    async def _send(
        self, planned: PlannedItem, job: Job, inputs: dict[str, JsonValue], price: Quote
    ) -> tuple[Job, PipelineError | None] | None:
        """Reserve, record, post.

        Returns:
            The job and None, or SUBMITTING and what became of the POST instead. None
            when others have taken what was left of the budget.
        """
        async with self._trials.turn(
            planned.cost_key, is_needed=self._has_to_be_tried(price)
        ):
            if self._stopping.concerns(job.model_id):
                self._slots.unused()
                raise NotSubmitted
            intent = await self._record_intent(planned, job, inputs, price)
            if intent is None:
                return None
            reach("intent-recorded")
            known = self._forgotten.take(job.model_id, inputs)
            if known is not None:
                self._slots.accepted()
                adopted = Submission(job=known, charged=None)
                return await self._watch.accepted(intent, adopted), None
            try:
                submission = await self._post(intent, inputs)
            except PipelineError as error:
                return intent, error
            reach("answer-received")
            self._slots.accepted()
            self._lost_in_a_row = 0
            self.accepted += 1
            job = await self._watch.accepted(intent, submission)
            self._trials.note(planned.cost_key)
            return job, None

    def _has_to_be_tried(self, price: Quote) -> bool:
        """Whether the first charge is to be seen before more is submitted.

        A charge above its quote stops the run; under a budget, or where nothing was to
        be paid, a whole ceiling of such charges would be too late.
        """
        return self._budget.limit is not None or not price.units

    async def _find_price(self, planned: PlannedItem, job: Job) -> Quote | JobError:
        """The price of the item, once it is sure that it fits the budget.

        Raises:
            NotSubmitted: It does not fit, or nothing more may be submitted.
        """
        if self._stopping.concerns(job.model_id):
            raise NotSubmitted
        try:
            with self._stopping.ending_waits():
                price = await self._quotes.price(planned)
                fits = await self._budget.wait_for_room(price.units)
        except QuoteAlarm as alarm:
            self._halt(alarm, "")
            await self._records.alarm(planned, job, alarm)
            raise NotSubmitted from alarm
        except (AccessDenied, BudgetReached) as error:
            self._halt(error, job.model_id)
            raise NotSubmitted from error
        except RateLimited:  # dry runs may need a slot, which others hold
            return await self._find_price(planned, job)
        except Unavailable as error:
            hint = error.hint or "check the network, then run again"
            self._halt(ServiceUnreachable(error.message, hint=hint), "")
            raise NotSubmitted from error
        except JobError as error:
            return error
        if not fits:
            self._pass_over(self._budget.reached(price.units))
            raise NotSubmitted
        return price

    async def _record_intent(
        self, planned: PlannedItem, job: Job, inputs: dict[str, JsonValue], price: Quote
    ) -> Job | None:
        """Reserve the price and write the intent, before the POST.

        Returns:
            The job, or None when others have taken what was left of the budget.
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
        """Upload what the item refers to, then wait for a slot."""
        if self._stopping.concerns(planned.item.model_id):
            raise NotSubmitted
        try:
            with self._stopping.ending_waits():
                inputs = await self._uploader.inputs_of(planned.params)
                await self._slots.wait_for_slot(first_in_line=attempts.first_in_line)
        except JobError as error:
            return error
        except (AccessDenied, BudgetReached) as error:
            self._halt(error, "")
            raise NotSubmitted from error
        return inputs

    async def _post(self, job: Job, inputs: Mapping[str, JsonValue]) -> Submission:
        with self._unanswered.holding(job):
            return await self._api.submit(job.model_id, inputs)

    async def _judge(
        self, planned: PlannedItem, job: Job, error: PipelineError, attempts: _Attempts
    ) -> Job:
        """What an answer that is no job means: PLANNED again, FAILED, or to settle."""
        match error:
            case RateLimited():
                self._slots.refused(ceiling=error.ceiling, wait_s=error.retry_after_s)
            case OutcomeUnknown():
                return await self._settle(job, error, attempts)
            case Unavailable():  # it is proved that nothing left
                self._slots.unused()
                self._pause_for_outage(error)
            case AccessDenied() | BudgetReached():
                self._slots.unused()
                await self._records.put_back(job, failure_of(error, None))
                self._halt(error, job.model_id)
                raise NotSubmitted from error
            case Rejected() if self._may_be_about_references(
                planned, job, error, attempts
            ):
                self._slots.unused()
                await self._renew_references(planned, attempts)
            case _:
                job = await self._records.failed(
                    job, failure_of(error, FailureClass.REFUSED)
                )
                self._slots.unused()  # after the record: it may be one failure too many
                return job
        return await self._records.put_back(job, failure_of(error, None))

    async def _settle(
        self, job: Job, error: OutcomeUnknown, attempts: _Attempts
    ) -> Job:
        self._slots.accepted()  # it may be in flight: the slot stays taken
        self._pause_after_loss()
        job = await self._records.unknown(job, failure_of(error, None))
        job = await self._watch.settle(job, derived_seed=job.derived_seed)
        if job.status is not JobStatus.PLANNED:
            return job
        attempts.lost += 1
        if attempts.lost >= MAX_LOST_SUBMITS:
            return await self._records.failed(
                job, failure_of(error, FailureClass.GENERATION)
            )
        return self._next_attempt(job)

    def _may_be_about_references(
        self, planned: PlannedItem, job: Job, error: Rejected, attempts: _Attempts
    ) -> bool:
        """Whether the service misses an upload of ours, and may yet find it."""
        since_s = attempts.reuploaded_s
        in_time = since_s is None or (
            self._clock.monotonic_s() - since_s < self._settings.fresh_job_s
        )
        return in_time and may_miss_upload(error, planned, job.request or {})

    async def _renew_references(
        self, planned: PlannedItem, attempts: _Attempts
    ) -> None:
        """Upload once more; after that, give the service time to see it."""
        if attempts.reuploaded_s is not None:
            await self._clock.sleep(YOUNG_UPLOAD_PAUSE_S)
            return
        attempts.reuploaded_s = self._clock.monotonic_s()
        for reference in references_in(planned.params):
            self._uploader.forget(reference)
            await self._records.no_upload(reference.sha256)

    def _pause_after_loss(self) -> None:
        self._lost_in_a_row += 1
        excess = self._lost_in_a_row - LOST_IN_A_ROW
        if excess >= 0:
            self._slots.pause(min(2.0**excess, LONGEST_PAUSE_S))

    def _pause_for_outage(self, error: Unavailable) -> None:
        """The service cannot be reached: wait, and after the deadline stop."""
        answered_s = self._api.answered_at_s
        if answered_s is None:
            since_s, limit_s = self._started_s, self._settings.first_contact_s
        else:
            since_s, limit_s = answered_s, self._settings.free_deadline_s
        if self._clock.monotonic_s() - since_s > limit_s:
            hint = error.hint or "check the network, then run again"
            self._halt(ServiceUnreachable(error.message, hint=hint), "")
        self._slots.pause(OUTAGE_PAUSE_S)
