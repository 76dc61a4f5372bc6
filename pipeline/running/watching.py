"""Watching: SUBMITTED → SUCCEEDED or FAILED; UNKNOWN → SUBMITTED or PLANNED."""

from collections.abc import Callable

from pipeline.api.interface import RemoteJob, RemoteStatus, Submission
from pipeline.counting import plural
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    JobError,
    OutcomeUnknown,
    UnexpectedAnswer,
)
from pipeline.fault_points import reach
from pipeline.job import Failure, FailureClass, Job, JobStatus
from pipeline.ledger.ledger import IllegalTransition
from pipeline.planning import Plan
from pipeline.record import replace
from pipeline.running.failure import (
    NoOutput,
    failure_of,
    failure_of_remote,
    is_about_credit,
    keeps_moderated,
)
from pipeline.running.lease import Lease
from pipeline.running.records import Records
from pipeline.running.session import Session
from pipeline.running.stopping import Stopping
from pipeline.stages.poller import JobClaimed, JobLost
from pipeline.stages.reading import Rows

# How long a success with a result in its record is given to name assets, too: by what
# the model makes. One that makes files has to name them.
_TEXT_S = {"text": 0.0, "": 15.0}
OTHER_KEY_S = 10.0  # how long a job that another key made may answer 404


class Watch:
    """Follows jobs from their submit's answer, or its loss, to their end.

    A slot is released as soon as the service ends its job.

    Args:
        session: Its poller waits for jobs, its settler resolves lost submits.
        plan: Knows which models refund failed jobs.
        rows: The rows of the run's ledger.
        slots: The slots of this run.
        records: Records each step.
        stopping: Notified of errors that concern every submit.
    """

    def __init__(
        self,
        session: Session,
        *,
        plan: Plan,
        rows: Rows,
        slots: Lease,
        records: Records,
        stopping: Stopping,
    ) -> None:
        self._refunds = plan.refunds
        self._makes = plan.manifest.makes
        self._rows = rows
        self._records = records
        self._stopping = stopping
        self._slots = slots
        self._poller = session.poller
        self._settler = session.settler
        self._habits = session.reader.habits
        self._identity = session.identity

    async def accepted(self, job: Job, submission: Submission) -> Job:
        """SUBMITTING, UNKNOWN or FAILED → SUBMITTED: the service has this job."""
        try:
            job = await self._records.submitted(job, submission)
        except UnexpectedAnswer as error:
            self._slots.retired()
            failure = failure_of(error, FailureClass.GENERATION)
            return await self._records.failed(job, failure)
        reach("job-recorded")
        self._check_charge(job)
        await self.note_own(submission.job)
        return job

    async def wait_until_ended(
        self, job: Job, *, listed: RemoteJob | None = None
    ) -> Job:
        """SUBMITTED → SUCCEEDED or FAILED; any other status is returned unchanged.

        Another submit's own answer may claim the job. Then this submit is settled
        again, and its job may become PLANNED or UNKNOWN. The slot is free when this
        returns.

        Args:
            job: Any job.
            listed: Its record in a listing, if there is one: if it has ended there,
                with its assets, the service is not asked again.
        """
        if job.status is not JobStatus.SUBMITTED:
            return job
        is_over = listed is not None and listed.has_ended and listed.asset_ids
        ended = listed if listed and is_over else await self._watch(job)
        return ended if isinstance(ended, Job) else await self._take_end(job, ended)

    async def _watch(self, job: Job) -> RemoteJob | Job:
        """The service's final record; or the job, if there is none to wait for."""
        assert job.remote_id is not None
        is_of_another_key = self._identity.is_of_another_key(job)
        try:
            return await self._poller.wait_until_finished(
                job.remote_id,
                known_since=job.submitted_at,
                missing_s=OTHER_KEY_S if is_of_another_key else None,
                text_s=_TEXT_S.get(self._makes(job.model_id)),
            )
        except JobClaimed as error:
            return await self._settle_claimed(job, error)
        except JobError as error:
            if isinstance(error, JobLost) and is_of_another_key:
                self._stopping.halt_alone(other_key(job))
            else:
                job = await self._records.failed(job, failure_of(error, None))
            self._slots.retired()
            return job

    async def _take_end(self, job: Job, remote: RemoteJob) -> Job:
        if not self._identity.is_adopted(job.remote_id):
            self._habits.note(job.request or {}, remote.inputs)
        failure = self._failure_in(job, remote)
        if failure is None:
            self._slots.retired()
        await self.note_own(remote)
        try:
            job = await self._records.ended(
                job, remote, failure, refunds=self._is_refunded(job, remote, failure)
            )
        except IllegalTransition:
            if not await self._records.was_claimed(job):
                raise
            # Another submit claimed the job between its end and this record.
            if failure is None:
                self._slots.occupy()
            return await self._settle_claimed(job, JobClaimed())
        self._check_charge(job)
        if failure is not None:
            # Only now: if this failure stops the run, nobody may get the slot.
            self._slots.retired()
        elif remote.status is not RemoteStatus.SUCCESS:
            text = failure_of_remote(remote).reason
            assets = plural(len(remote.asset_ids), "asset")
            made = f"the job failed ({text}) but has {assets}"
            self._records.warn(
                job.item_id, f"{made}: what it made is saved, and the job is charged"
            )
        return job

    async def _settle_claimed(self, job: Job, error: JobClaimed) -> Job:
        """Settle the submit again; the other submit's record made it UNKNOWN."""
        job = replace(
            job,
            status=JobStatus.UNKNOWN,
            remote_id=None,
            failure=failure_of(error, None),
        )
        self._records.announce(job)
        job = await self.settle(job)
        return await self.wait_until_ended(job)

    async def settle(
        self,
        job: Job,
        *,
        holds_slot: bool = True,
        on_waiting: Callable[[], None] = lambda: None,
    ) -> Job:
        """UNKNOWN → SUBMITTED (found), PLANNED (proved absent) or still UNKNOWN.

        The slot is free when this returns, unless the job is SUBMITTED.

        Args:
            job: UNKNOWN.
            holds_slot: False if the slot was released, so that another job can go
                first and show that the list is readable.
            on_waiting: Called once the settler knows of this submit's claim.
        """
        try:
            found = await self._settler.wait_until_settled(
                job, self._rows, on_waiting=on_waiting
            )
        except OutcomeUnknown as error:
            # Others need the slot. If the job is in flight, the worst case is a 429.
            if holds_slot:
                self._slots.retired()
            return await self._records.unsettled(job, failure_of(error, None))
        if found is not None:
            if not holds_slot:
                self._slots.occupy()
            return await self.accepted(job, Submission(job=found, charged=None))
        if holds_slot:
            self._slots.retired()
        reason = "the submit was lost, and it provably made no job"
        return await self._records.put_back(job, Failure(kind=None, reason=reason))

    async def note_own(self, remote: RemoteJob) -> None:
        """Learn our author id from a job that is certainly ours."""
        if self._identity.is_adopted(remote.remote_id):
            return
        if remote.author_id:
            await self._records.author(remote.author_id)
        self._identity.note_own(remote)

    def _check_charge(self, job: Job) -> None:
        """Stop submitting if a job was charged more than its quote."""
        if job.quoted is None or job.charged is None or job.charged <= job.quoted:
            return
        charged = plural(job.charged, "unit")
        text = f"{job.item_id}: charged {charged}, quoted {job.quoted:,f}"
        hint = "check the prices in the Scenario web app, then run: pipeline plan"
        self._stopping.halt(BudgetReached(text, hint=hint))

    def _is_refunded(
        self, job: Job, remote: RemoteJob, failure: Failure | None
    ) -> bool:
        return (
            failure is not None
            and remote.status is RemoteStatus.FAILURE
            and remote.refunds
            and self._refunds(job.model_id)
            and not keeps_moderated(job.model_id, failure)
        )

    def _failure_in(self, job: Job, remote: RemoteJob) -> Failure | None:
        if remote.status is RemoteStatus.SUCCESS:
            is_text = remote.output is not None and self._makes(job.model_id) in _TEXT_S
            made = remote.asset_ids or is_text
            return None if made else failure_of(NoOutput(), None)
        if remote.asset_ids:
            return None  # part of the outputs was made: it is saved
        failure = failure_of_remote(remote)
        if is_about_credit(failure.reason):
            self._stopping.halt(BudgetReached(failure.reason, hint=failure.hint))
        return failure


def other_key(job: Job) -> AccessDenied:
    """The error for a job made with another API key, which this key cannot see."""
    return AccessDenied(
        f"job {job.remote_id} of item {job.item_id} was made with another API key, and"
        " the current key cannot see it",
        hint="use the earlier key, or give the current one access to the project",
    )
