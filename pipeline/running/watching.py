"""Watching: SUBMITTED → SUCCEEDED or FAILED, and UNKNOWN → what came of it."""

from collections.abc import Callable

from pipeline.api.interface import RemoteJob, RemoteStatus, Submission
from pipeline.errors import (
    BudgetReached,
    JobError,
    OutcomeUnknown,
    RunError,
    UnexpectedAnswer,
)
from pipeline.failure import (
    NoOutput,
    failure_of,
    failure_of_remote,
    is_about_credit,
    keeps_moderated,
)
from pipeline.fault_points import reach
from pipeline.job import Failure, FailureClass, Job, JobStatus
from pipeline.ledger.ledger import IllegalTransition
from pipeline.record import replace
from pipeline.running.records import Records
from pipeline.stages.poller import JobClaimed, Poller
from pipeline.stages.settler import Settler
from pipeline.stages.slots import Slots


class Watch:
    """From the service's job id, or its absence, to the end of the job.

    Args:
        records: Writes each step.
        slots: A slot is given back the moment the service ends the job.
        poller: Waits for the end.
        settler: Finds out about lost submits.
        refunds: Whether failed jobs of a model are refunded, by its id.
        halt: Called with what concerns every submit.
    """

    def __init__(
        self,
        *,
        records: Records,
        slots: Slots,
        poller: Poller,
        settler: Settler,
        refunds: Callable[[str], bool],
        halt: Callable[[RunError, str], None],
    ) -> None:
        self._refunds = refunds
        self._records = records
        self._slots = slots
        self._poller = poller
        self._settler = settler
        self._halt = halt

    async def accepted(self, job: Job, submission: Submission) -> Job:
        """SUBMITTING or UNKNOWN → SUBMITTED: the service has this job."""
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

    async def wait_until_ended(self, job: Job) -> Job:
        """SUBMITTED → SUCCEEDED or FAILED; any other status is given back as it is.

        Another submit's own answer may claim the job; then what became of this one
        is found out anew, and it may be PLANNED or UNKNOWN. The slot is free when
        this returns, unless it is UNKNOWN.
        """
        if job.status is not JobStatus.SUBMITTED:
            return job
        assert job.remote_id is not None
        try:
            remote = await self._poller.wait_until_finished(
                job.remote_id, known_since=job.submitted_at
            )
        except JobClaimed as error:
            return await self._settle_claimed(job, error)
        except JobError as error:
            job = await self._records.failed(job, failure_of(error, None))
            self._slots.retired()
            return job
        self._settler.note_echo(job, remote)
        failure = self._failure_in(remote)
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
            # The claim came between the end of the job and its record.
            if failure is None:
                self._slots.occupy()
            return await self._settle_claimed(job, JobClaimed())
        self._check_charge(job)
        if failure is not None:
            # Only now: a failure may be one too many, and then nobody gets the slot.
            self._slots.retired()
        return job

    async def _settle_claimed(self, job: Job, error: JobClaimed) -> Job:
        """Find out anew; the ledger has put it to UNKNOWN with the other's record."""
        job = replace(
            job,
            status=JobStatus.UNKNOWN,
            remote_id=None,
            failure=failure_of(error, None),
        )
        self._records.announce(job)
        job = await self.settle(job, derived_seed=job.derived_seed)
        return await self.wait_until_ended(job)

    async def settle(self, job: Job, *, derived_seed: bool) -> Job:
        """UNKNOWN → SUBMITTED (found), PLANNED (proved absent) or still UNKNOWN.

        Proved absent, its slot is free; still unknown, it keeps its slot: it may be
        in flight.
        """
        try:
            found = await self._settler.wait_until_settled(
                job, derived_seed=derived_seed
            )
        except OutcomeUnknown as error:
            job = replace(job, failure=failure_of(error, None))
            self._records.announce(job)
            return job
        if found is not None:
            return await self.accepted(job, Submission(job=found, charged=None))
        self._slots.retired()
        reason = "the submit was lost, and it is proved that no job came of it"
        return await self._records.put_back(job, Failure(kind=None, reason=reason))

    async def note_own(self, remote: RemoteJob) -> None:
        """A job that is ours beyond doubt tells who we are."""
        if remote.author_id and remote.author_id != self._settler.author_id:
            await self._records.author(remote.author_id)
        self._settler.note_own(remote)

    def _check_charge(self, job: Job) -> None:
        """Prices that are not kept are a reason to stop."""
        if job.quoted is None or job.charged is None or job.charged <= job.quoted:
            return
        text = f"{job.item_id}: charged {job.charged:,f} units, quoted {job.quoted:,f}"
        hint = "look at the prices in the Scenario web app, then: pipeline plan"
        self._halt(BudgetReached(text, hint=hint), "")

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

    def _failure_in(self, remote: RemoteJob) -> Failure | None:
        if remote.status is RemoteStatus.SUCCESS:
            return None if remote.asset_ids else failure_of(NoOutput(), None)
        failure = failure_of_remote(remote)
        if is_about_credit(failure.reason):
            self._halt(BudgetReached(failure.reason, hint=failure.hint), "")
        return failure
