"""Reconciling: jobs that the service has made since our marks ↔ the rows of the ledger.

Every run ends with it; one that follows a run that could not begins with it. A job
that no row owns is adopted by the submit that it fits, also by one that was answered
with a refusal, and is named in any case: it may have been paid for.
"""

from collections.abc import Sequence
from datetime import datetime

from pipeline.api.interface import RemoteJob, Submission
from pipeline.api.retry import Backoff
from pipeline.errors import AccessDenied, BudgetReached, JobError, Unavailable
from pipeline.job import Failure, FailureClass, Job, JobStatus, Mark
from pipeline.ledger.ledger import Ledger
from pipeline.pricing.limits import unreachable
from pipeline.record import Struct
from pipeline.running.records import Records
from pipeline.running.session import Session
from pipeline.running.watching import Watch
from pipeline.stages.matching import match
from pipeline.stages.reading import Reading, Sent, is_after, sent_of, since_mark
from pipeline.stages.settler import DISTINGUISHING, request_of, shown_by

_IDS_NAMED = 10


class Adopted(Struct, frozen=True, kw_only=True):
    """An attempt that has got its job after all.

    Attributes:
        job: SUBMITTED now, or FAILED where it could not be.
        before: Its status before.
    """

    job: Job
    before: JobStatus


class Reconciler:
    """Holds the list of jobs against the ledger.

    Args:
        session: Reads the list.
        ledger: For reading.
        records: Writes each step.
        watch: Takes over what is found.
    """

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        *,
        records: Records,
        watch: Watch,
    ) -> None:
        self._reader = session.reader
        self._identity = session.identity
        self._clock = session.clock
        self._settings = session.settings
        self._ledger = ledger
        self._records = records
        self._watch = watch

    async def reconcile(self, *, must_read: bool = False) -> list[Adopted]:
        """Read the list from the oldest open mark on, and adopt what fits.

        Where the list cannot be read, the marks stay open: the next run does it.

        Args:
            must_read: What was refused is going to be sent again: not without a look.

        Raises:
            ServiceUnreachable, AccessDenied, BudgetReached: With ``must_read``.
        """
        marks = self._ledger.find_open_marks()
        if not marks:
            return []
        sent = [
            sent_of(job, self._ledger)
            for job in self._ledger.find_without_job(mark.mark_id for mark in marks)
            if _may_have_a_job(job)
        ]
        try:
            reading = await self._read(min(map(since_mark, marks)))
        except (JobError, AccessDenied, BudgetReached) as error:
            if must_read and any(
                one.job.status is not JobStatus.UNKNOWN for one in sent
            ):
                raise (
                    unreachable(error) if isinstance(error, JobError) else error
                ) from error
            text = f"the service's list of jobs could not be read: {error.message}"
            self._records.warn("", f"{text}; the next run holds it against the ledger")
            return []
        unowned = [
            remote
            for remote in self._reader.still_unowned(reading.unowned)
            if is_after(marks[0], remote) and not self._identity.is_foreign(remote)
        ]
        pairs = match(
            sent,
            unowned,
            score=self._score,
            asks_for=lambda one: request_of(one.job),
            shows=shown_by,
        )
        adopted = [await self._take(one.job, remote) for one, remote in pairs]
        taken = {remote.remote_id for _, remote in pairs}
        rest = [remote for remote in unowned if remote.remote_id not in taken]
        paired = {one.job.row_id for one, _ in pairs}
        unsure = [
            one
            for one in sent
            if one.job.row_id not in paired and await self._is_unsure(one, rest)
        ]
        # What may be an unsure submit's is named with it.
        self._name(
            [
                remote
                for remote in rest
                if not any(self._reader.may_come_of(one, remote) for one in unsure)
            ],
            marks[0],
        )
        if self._is_complete(reading, sent, marks):
            still_open = {one.job.mark_id for one in unsure}
            await self._records.reconciled(
                mark.mark_id for mark in marks if mark.mark_id not in still_open
            )
        return [one for one in adopted if one is not None]

    def _score(self, sent: Sent, remote: RemoteJob) -> int | None:
        score = self._reader.score(sent, remote)
        return None if score is None or score < DISTINGUISHING else score

    async def _is_unsure(self, sent: Sent, rest: Sequence[RemoteJob]) -> bool:
        """Whether it is open what became of a submit.

        A refused one beside jobs that fit it is recorded as such.
        """
        job = sent.job
        if job.status is not JobStatus.PLANNED and not _is_refused(job):
            return job.status is JobStatus.UNKNOWN
        fitting = [one for one in rest if self._reader.score(sent, one) is not None]
        newest = self._ledger.find_jobs_of(job.item_id)[0]
        if not fitting or newest.row_id != job.row_id:
            return False
        ids = ", ".join(one.remote_id for one in fitting[:_IDS_NAMED])
        reason = f"it was refused ({_said_of(job)}), and yet it may be {ids}"
        hint = "decide with: pipeline resolve"
        failure = Failure(kind=None, reason=reason, hint=hint)
        await self._records.unknown(job, failure)
        return True

    def _is_complete(
        self, reading: Reading, sent: Sequence[Sent], marks: Sequence[Mark]
    ) -> bool:
        """Whether the list has shown all that it has to, and has had the time for it.

        Where nothing was refused or lost there is nothing that it could hide.
        """
        if not sent:
            return True
        owned = self._ledger.find_remote_ids(marks[0].mark_id)
        newest = max(one.job.sent_at for one in sent if one.job.sent_at is not None)
        age_s = (self._records.service_now() - newest).total_seconds()
        return age_s >= self._settings.settle_s and owned <= reading.owned

    async def _read(self, since: datetime) -> Reading:
        backoff = Backoff(self._clock, self._settings.first_contact_s)
        while True:
            try:
                return await self._reader.read(since)
            except Unavailable as error:
                if not await backoff.sleep(error.retry_after_s):
                    raise

    async def _take(self, job: Job, remote: RemoteJob) -> Adopted | None:
        newest = self._ledger.find_jobs_of(job.item_id)[0]
        if newest.row_id != job.row_id:
            await self._note_second(job, newest, remote)
            return None
        before = job.status
        said = _said_of(job)
        if before is not JobStatus.UNKNOWN:
            text = f"job {remote.remote_id} was made although it was refused ({said})"
            self._records.warn(job.item_id, f"{text}: it is taken over, not paid again")
        if before is JobStatus.PLANNED:
            job = await self._records.unknown(job, Failure(kind=None, reason=said))
        self._identity.adopt(remote.remote_id)
        job = await self._watch.accepted(job, Submission(job=remote, charged=None))
        return Adopted(job=job, before=before)

    async def _note_second(self, job: Job, newest: Job, remote: RemoteJob) -> None:
        """An attempt that was followed by another has a job too."""
        if newest.status is JobStatus.UNKNOWN:
            return  # it may be the job of that attempt
        if newest.status is JobStatus.PLANNED:
            # Nothing has been paid in its place: the next run adopts it.
            reason = f"job {remote.remote_id} surfaced late"
            await self._records.unknown(newest, Failure(kind=None, reason=reason))
            return
        if job.status is JobStatus.PLANNED:
            await self._records.duplicate(job, remote)
        late = f"job {remote.remote_id} surfaced late: it is paid for twice"
        self._records.warn(job.item_id, late)

    def _name(self, rest: Sequence[RemoteJob], since: Mark) -> None:
        """Tell of jobs that fit nothing of this folder."""
        if not rest:
            return
        ids = ", ".join(job.remote_id for job in rest[:_IDS_NAMED])
        more = f" and {len(rest) - _IDS_NAMED} more" if len(rest) > _IDS_NAMED else ""
        whose = "of ours" if self._identity.author_id else "that may be ours"
        when = "" if since.created_at is None else f" since {since.created_at:%H:%M:%S}"
        jobs = "1 job" if len(rest) == 1 else f"{len(rest)} jobs"
        self._records.warn(
            "",
            f"the service lists {jobs} {whose}{when} that no item of this folder has"
            f" asked for: {ids}{more}. If no other run or program uses this API key,"
            " look for them in the Scenario web app",
        )


def _said_of(job: Job) -> str:
    return job.failure.reason if job.failure else "it was not answered"


def _is_refused(job: Job) -> bool:
    kind = job.failure.kind if job.failure else None
    return job.status is JobStatus.FAILED and kind is FailureClass.REFUSED


def _may_have_a_job(job: Job) -> bool:
    kind = job.failure.kind if job.failure else None
    return job.sent_at is not None and kind is not FailureClass.GIVEN_UP
