"""Reconciling: the service's job list since our marks ↔ the rows of the ledger.

Every run ends with it. A run begins with it if the run before could not complete it.
An unowned job is adopted by the submit that it fits, even if that submit was refused.
An unowned job that fits no submit is reported, because it may have been paid for.
"""

from collections.abc import Sequence
from datetime import datetime

from pipeline.api.interface import RemoteJob, Submission
from pipeline.api.retry import Backoff
from pipeline.counting import plural
from pipeline.errors import AccessDenied, BudgetReached, JobError, Unavailable
from pipeline.job import Failure, FailureClass, Job, JobStatus, Mark
from pipeline.ledger.ledger import Ledger
from pipeline.pricing.limits import unreachable
from pipeline.record import Struct
from pipeline.running.marks import Marks
from pipeline.running.records import Records
from pipeline.running.session import Session
from pipeline.running.watching import Watch
from pipeline.stages.matching import match
from pipeline.stages.reading import Reading, Sent, is_after, sents_of, since_mark
from pipeline.stages.settler import DISTINGUISHING, request_of, shown_by

_IDS_NAMED = 10


class Adopted(Struct, frozen=True, kw_only=True):
    """An attempt whose job was found after all.

    Attributes:
        job: SUBMITTED now, or FAILED if the job belongs to another row.
        before: The status of the attempt before.
    """

    job: Job
    before: JobStatus


class Reconciler:
    """Compares the service's job list with the ledger.

    Args:
        session: Reads the job list.
        ledger: For reading.
        records: Records each step.
        watch: Takes over the jobs that are found.
        marks: Of this run.
        is_shard: Whether other shards of the manifest make jobs too. Then jobs that no
            row owns are as expected. The marks of this run stay open, so that the first
            run after the shards were merged compares the list with all of their rows.
    """

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        *,
        records: Records,
        watch: Watch,
        marks: Marks,
        is_shard: bool,
    ) -> None:
        self._marks = marks
        self._is_shard = is_shard
        self._reader = session.reader
        self._identity = session.identity
        self._clock = session.clock
        self._settings = session.settings
        self._ledger = ledger
        self._records = records
        self._watch = watch

    async def reconcile(self, *, must_read: bool = False) -> list[Adopted]:
        """Read the list from the oldest open mark on, and adopt the jobs that fit.

        If the list cannot be read, the marks stay open for the next run.

        Args:
            must_read: Raise if the list cannot be read while refused submits are open:
                they are about to be sent again.

        Raises:
            ServiceUnreachable, AccessDenied, BudgetReached: Only with ``must_read``.
        """
        marks = self._ledger.find_open_marks()
        if not marks:
            return []
        jobs = self._ledger.find_without_job(mark.mark_id for mark in marks)
        sent = [*sents_of(filter(_may_have_a_job, jobs), self._ledger)]
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
            text += "; the next run compares it with the ledger"
            self._records.warn("", text, has_failed=True)
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
        # A job that may belong to an unsure submit is reported with that submit.
        unexplained = [
            remote
            for remote in rest
            if not any(self._reader.may_come_of(one, remote) for one in unsure)
        ]
        still_open = {one.job.mark_id for one in unsure}
        if not self._is_shard:
            self._report(unexplained, marks[0])
        elif unexplained:
            still_open |= self._marks.recorded
        if self._is_complete(reading, sent, marks):
            await self._records.reconciled(
                mark.mark_id for mark in marks if mark.mark_id not in still_open
            )
        return [one for one in adopted if one is not None]

    def _score(self, sent: Sent, remote: RemoteJob) -> int | None:
        score = self._reader.score(sent, remote)
        return None if score is None or score < DISTINGUISHING else score

    async def _is_unsure(self, sent: Sent, rest: Sequence[RemoteJob]) -> bool:
        """Whether the outcome of a submit is still unknown.

        A refused submit is recorded as UNKNOWN if unowned jobs fit it.
        """
        job = sent.job
        if job.status is not JobStatus.PLANNED and not _is_refused(job):
            return job.status is JobStatus.UNKNOWN
        fitting = [one for one in rest if self._reader.score(sent, one) is not None]
        newest = self._ledger.find_jobs_of(job.item_id)[0]
        if not fitting or newest.row_id != job.row_id:
            return False
        ids = ", ".join(one.remote_id for one in fitting[:_IDS_NAMED])
        reason = f"the submit failed ({_reason_of(job)}), but its job may be {ids}"
        hint = "decide with: pipeline resolve"
        failure = Failure(kind=None, reason=reason, hint=hint)
        await self._records.unknown(job, failure)
        return True

    def _is_complete(
        self, reading: Reading, sent: Sequence[Sent], marks: Sequence[Mark]
    ) -> bool:
        """Whether the list has shown every known job, and had time to show the rest.

        If no submit was refused or lost, the list cannot hide anything.
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
                if not await backoff.sleep_after(error):
                    raise

    async def _take(self, job: Job, remote: RemoteJob) -> Adopted | None:
        newest = self._ledger.find_jobs_of(job.item_id)[0]
        if newest.row_id != job.row_id:
            await self._note_second(job, newest, remote)
            return None
        before = job.status
        if before is not JobStatus.UNKNOWN:
            text = f"job {remote.remote_id} {_how_it_was_made(job)}"
            self._records.warn(job.item_id, f"{text}; it is adopted, not paid again")
        if before is JobStatus.PLANNED:
            failure = Failure(kind=None, reason=_reason_of(job))
            job = await self._records.unknown(job, failure)
        self._identity.adopt(remote.remote_id)
        job = await self._watch.accepted(job, Submission(job=remote, charged=None))
        return Adopted(job=job, before=before)

    async def _note_second(self, job: Job, newest: Job, remote: RemoteJob) -> None:
        """Handle a job of an attempt that was followed by a newer one."""
        if newest.status is JobStatus.UNKNOWN:
            return  # it may be the job of the newer attempt
        if newest.status is JobStatus.PLANNED:
            # The newer attempt has not been paid for: the next run adopts the job.
            reason = f"job {remote.remote_id} appeared late"
            await self._records.unknown(newest, Failure(kind=None, reason=reason))
            return
        if job.status is JobStatus.PLANNED:
            await self._records.duplicate(job, remote)
        late = f"job {remote.remote_id} appeared late: this item was paid for twice"
        self._records.warn(job.item_id, late)

    def _report(self, rest: Sequence[RemoteJob], since: Mark) -> None:
        """Warn about jobs that fit no submit of this folder."""
        if not rest:
            return
        ids = ", ".join(job.remote_id for job in rest[:_IDS_NAMED])
        more = f" and {len(rest) - _IDS_NAMED} more" if len(rest) > _IDS_NAMED else ""
        whose = "of ours" if self._identity.author_id else "that may be ours"
        when = "" if since.created_at is None else f" since {since.created_at:%H:%M:%S}"
        jobs = plural(len(rest), "job")
        self._records.warn(
            "",
            f"the service lists {jobs} {whose}{when} that no item of this folder has"
            f" asked for: {ids}{more}. If no other run or program uses this API key,"
            " look for them in the Scenario web app",
        )


def _how_it_was_made(job: Job) -> str:
    """How an attempt that is not UNKNOWN came to have a job, for a warning."""
    if job.failure is None:
        return "was made by a submit whose answer was lost"
    if _is_refused(job):
        return f"was made although it was refused ({job.failure.reason})"
    return f"was made although its submit seemed to fail ({job.failure.reason})"


def _reason_of(job: Job) -> str:
    return job.failure.reason if job.failure else "the answer was lost"


def _is_refused(job: Job) -> bool:
    kind = job.failure.kind if job.failure else None
    return job.status is JobStatus.FAILED and kind is FailureClass.REFUSED


def _may_have_a_job(job: Job) -> bool:
    kind = job.failure.kind if job.failure else None
    return job.sent_at is not None and kind is not FailureClass.GIVEN_UP
