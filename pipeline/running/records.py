"""Records: writes each step of a job to the ledger, then notifies the listener.

When a method returns, its change is durable.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from pipeline.api.echo import describe_difference, echo_difference
from pipeline.api.interface import RemoteJob, Submission, UnexpectedJob
from pipeline.job import AssetId, Failure, FailureClass, Item, Job, JobStatus
from pipeline.ledger.writer import LedgerWriter
from pipeline.planning import PlannedItem
from pipeline.pricing import Budget
from pipeline.record import Struct, field, replace
from pipeline.running.events import JobChanged, ProgressCallback, Warned
from pipeline.running.intents import record_adopted, record_unexpected_job
from pipeline.running.marks import Marks
from pipeline.running.session import Session


class RunCharges(Struct):
    """Compute units of this run, as the service reports them.

    Attributes:
        charged: For its jobs, add-ons included.
        addons: Of ``charged``, the units of each add-on.
        refunded: Refunded for failed jobs.
    """

    charged: Decimal = Decimal(0)
    addons: Counter[str] = field(default_factory=Counter)
    refunded: Decimal = Decimal(0)


class Records:
    """Records every change of a job and notifies the listener of it.

    Args:
        writer: The only writer to the ledger.
        session: Our identity, and the time here and at the service.
        marks: The starting points in the job list, recorded with the first intent.
        budget: Updated with each change.
        author_id: The author id that the ledger has for us, or "".
        tell: Called with each change once it is durable.

    Attributes:
        charges: What this run has been charged.
        service_now: The current time of the service.
        tell: As given.
    """

    def __init__(
        self,
        writer: LedgerWriter,
        session: Session,
        *,
        marks: Marks,
        budget: Budget,
        author_id: str,
        tell: ProgressCallback,
    ) -> None:
        self._identity = session.identity
        self._marks = marks
        self._write = writer.write
        self._write_patiently = writer.write_patiently
        self._ledger = writer.ledger
        self._clock = session.clock
        self._service = session.identity.service
        self.service_now = session.api.service_now
        self._budget = budget
        self._is_bound = False
        self._author_id = author_id
        self.charges = RunCharges()
        self.tell = tell
        self._places: dict[str, str] = {}  # of the items in progress, by id

    async def intent(self, job: Job) -> Job:
        """PLANNED → SUBMITTING, with ``request`` and ``sent_at``, before the POST."""
        return await self._told(await self._write(self._record_intent, job))

    def _record_intent(self, job: Job) -> Job:
        """Record the intent and, if it is new, its mark in one commit."""
        return self._ledger.record_submitting(
            replace(
                job,
                base_url=self._service.base_url,
                project_id=self._service.project_id,
                made_with=self._identity.key_digest,
                mark_id=self._marks.record(self._ledger),
                failure=None,
            )
        )

    async def unexpected_job(
        self, planned: PlannedItem, job: Job, unexpected: UnexpectedJob
    ) -> None:
        """PLANNED → SUBMITTED or UNKNOWN: a dry run may have started a job."""
        recorded = await self._write(
            record_unexpected_job,
            self._ledger,
            planned,
            job,
            unexpected,
            service=self._service,
            made_with=self._identity.key_digest,
            marks=self._marks if self._marks.is_set else None,
            now=self.service_now(),
        )
        if recorded is not None:
            self._note_charge(job, recorded)
            await self._told(recorded)

    async def submitted(self, job: Job, submission: Submission) -> Job:
        """SUBMITTING or UNKNOWN → SUBMITTED, with the details that the service gave."""
        remote = submission.job
        charged = submission.charged
        submitted = replace(
            job,
            remote_id=remote.remote_id,
            author_id=remote.author_id,
            charged=remote.charged if charged is None else charged,
            addons=submission.addons or remote.addons,
            submitted_at=remote.created_at or self.service_now(),
            failure=None,
        )
        submitted = await self._write(self._ledger.record_submitted, submitted)
        self._note_charge(job, submitted)
        if not self._is_bound and remote.owner_id and not self._service.project_id:
            # The key may not read its team: the first answer names the project.
            self._is_bound = True
            await self.bind_project(remote.owner_id)
        return await self._told(submitted)

    async def adopted(
        self,
        planned: PlannedItem,
        job: Job,
        remote: RemoteJob,
        quoted: Decimal | None,
    ) -> Job:
        """PLANNED → SUBMITTED with a job that another run made for the same request.

        Nothing is sent, so it has no ``sent_at`` and no mark. What it took counts in
        the budget, but not as charged to this run.

        Args:
            planned: The item.
            job: Its attempt.
            remote: The job.
            quoted: What counts until the service says what it charged, or None.
        """
        return await self._told(
            await self._write(
                record_adopted,
                self._ledger,
                planned,
                job,
                remote,
                service=self._service,
                made_with=self._identity.key_digest,
                quoted=quoted,
            ),
            reason=f"another run made job {remote.remote_id} for the same request;"
            " taken over, not paid again",
        )

    async def watched_again(self, job: Job) -> Job:
        """FAILED by its deadline → SUBMITTED: the job may have ended since."""
        return await self._told(
            await self._write(self._ledger.record_submitted, replace(job, failure=None))
        )

    async def put_back(self, job: Job, failure: Failure) -> Job:
        """SUBMITTING or UNKNOWN → PLANNED: nothing was paid."""
        return await self._told(
            await self._write(
                self._ledger.record_planned, replace(job, failure=failure)
            )
        )

    async def duplicate(self, job: Job, remote: RemoteJob) -> Job:
        """PLANNED → FAILED: the attempt was proved absent, but its job has appeared."""
        recorded = await self._write(
            self._ledger.record_failed,
            replace(
                job,
                status=JobStatus.PLANNED,
                remote_id=remote.remote_id,
                charged=remote.charged,
                failure=Failure(
                    kind=FailureClass.DUPLICATE,
                    reason=f"job {remote.remote_id} appeared after it was resubmitted",
                ),
            ),
        )
        self._note_charge(job, recorded)
        self._budget.note(recorded)
        return recorded

    async def unknown(self, job: Job, failure: Failure) -> Job:
        """SUBMITTING, PLANNED or FAILED → UNKNOWN: a job may exist."""
        return await self._told(
            await self._write(
                self._ledger.record_unknown, replace(job, failure=failure)
            )
        )

    async def unsettled(self, job: Job, failure: Failure) -> Job:
        """Record why an UNKNOWN job stays UNKNOWN."""
        return await self._told(
            await self._write(
                self._ledger.record_unsettled, replace(job, failure=failure)
            )
        )

    async def ended(
        self, job: Job, remote: RemoteJob, failure: Failure | None, *, refunds: bool
    ) -> Job:
        """SUBMITTED → SUCCEEDED or FAILED, with the service's final record.

        Args:
            job: As it was submitted.
            remote: The service's last record of it.
            failure: Why it has no assets, or None.
            refunds: Whether the service refunds this failure.
        """
        before = job
        charged = _last_charge(job, remote)
        job = replace(
            job,
            # The author from the submit's answer: the list may name another one.
            author_id=job.author_id or remote.author_id,
            charged=charged,
            addons=remote.addons or job.addons,
            refunded=(job.quoted if charged is None else charged)
            if failure is not None and refunds
            else None,
            submitted_at=remote.created_at or job.submitted_at,
            finished_at=remote.updated_at or self.service_now(),
            remote_assets=remote.asset_ids if failure else _made_by(remote),
            echo=echo_difference(job.request or {}, remote.inputs),
        )
        self._note_charge(before, job)
        if failure is not None:
            return await self.failed(job, failure)
        return await self.succeeded(job)

    async def was_claimed(self, job: Job) -> bool:
        """Whether another submit's own answer has claimed this row's job."""
        rows = await self._write(self._ledger.find_jobs_of, job.item_id)
        return any(
            row.row_id == job.row_id
            and row.status is JobStatus.UNKNOWN
            and row.remote_id is None
            for row in rows
        )

    async def failed(self, job: Job, failure: Failure) -> Job:
        """Any status but SAVED → FAILED."""
        return await self._told(
            await self._write(self._ledger.record_failed, replace(job, failure=failure))
        )

    async def succeeded(self, job: Job) -> Job:
        """SUBMITTED → SUCCEEDED; also SAVED or FAILED, to fetch the files again."""
        job = await self._told(
            await self._write_patiently(
                self._ledger.record_succeeded, replace(job, failure=None)
            )
        )
        if job.echo:
            self.warn(job.item_id, describe_difference(job.echo))
        return job

    async def saved(self, job: Job, leftovers: Mapping[str, str]) -> Job:
        """SUCCEEDED → SAVED, with the job's assets.

        Args:
            job: With its assets.
            leftovers: Files that these replace under another name: the path to remove,
                to the path to keep.
        """
        if not leftovers:
            return await self._told(
                await self._write_patiently(self._ledger.record_saved, job)
            )
        return await self._told(
            await self._write_patiently(self._record_resaved, job, leftovers)
        )

    def _record_resaved(self, job: Job, leftovers: Mapping[str, str]) -> Job:
        """In one commit, so that a kill leaves no file that nothing knows of."""
        saved = self._ledger.record_saved(job)
        self._ledger.record_leftovers(leftovers)
        return saved

    async def remember_upload(self, sha256: str, asset_id: AssetId) -> None:
        """Record the asset id under which the service holds this content."""
        await self._write(
            self._ledger.record_upload,
            sha256,
            self._service.project_id,
            asset_id,
            self._clock.utc_now(),
        )

    async def forget_upload(self, sha256: str) -> None:
        """Forget the asset id of this content: the service may no longer hold it."""
        await self._write(self._ledger.forget_upload, sha256, self._service.project_id)

    async def note_emulator(self) -> None:
        """Record that the emulator has made these jobs."""
        await self._write(self._ledger.record_facts, emulator="1")

    async def author(self, author_id: str) -> None:
        """Record the author id that the service has for us."""
        if author_id != self._author_id:
            self._author_id = author_id
            await self._write(self._ledger.record_facts, author_id=author_id)

    async def reconciled(self, mark_ids: Iterable[int]) -> None:
        """Record that every job made since these marks is accounted for."""
        await self._write(self._ledger.record_reconciled, mark_ids)

    async def bind_project(self, project_id: str) -> str:
        """Bind the ledger to the project of the key, unless it is already bound.

        Returns:
            The project that it is bound to, or "".
        """
        return await self._write(self._ledger.bind_project, project_id)

    async def search_done(self) -> None:
        """Record that the search for jobs of a lost ledger is done for every item."""
        await self._write(self._ledger.record_facts, rebuilt_since=None)

    async def renamed(self, old: str, new: str, paths: Mapping[str, str]) -> int:
        """Move an item's attempts and asset paths to its new name.

        Returns:
            The offset added to the attempt numbers.
        """
        return await self._write(self._ledger.record_renamed, old, new, paths)

    async def moved(self, paths: Mapping[str, str]) -> None:
        """Record that assets have moved: old path to new path."""
        await self._write(self._ledger.record_moved, paths)

    async def cleared(self, paths: Iterable[str]) -> None:
        """Record that files at these paths, which others replace, are removed."""
        await self._write(self._ledger.forget_leftovers, paths)

    @contextmanager
    def placing(self, item: Item) -> Iterator[None]:
        """Within the block, say where in the manifest the item is if it fails."""
        self._places[item.item_id] = item.place
        try:
            yield
        finally:
            self._places.pop(item.item_id, None)  # blocks may be nested

    def announce(self, job: Job, *, reason: str = "") -> None:
        """Send the listener the current state of a job, and where it came from."""
        failure = job.failure
        self.tell(
            JobChanged(
                item_id=job.item_id,
                status=job.status,
                attempt=job.attempt,
                remote_id=job.remote_id or "",
                reason=failure.reason if failure else reason,
                hint=failure.hint if failure else "",
                failure_class=failure.kind if failure else None,
                files=tuple(asset.path for asset in job.assets),
                review=job.review,
                charged=job.charged,
                refunded=job.refunded,
                place=self._places.get(job.item_id, "") if failure else "",
            )
        )

    def warn(self, item_id: str, message: str, *, has_failed: bool = False) -> None:
        """Send the listener a warning for the user; see :class:`Warned`."""
        self.tell(Warned(item_id=item_id, message=message, has_failed=has_failed))

    def _note_charge(self, before: Job, after: Job) -> None:
        self.charges.charged += (after.charged or 0) - (before.charged or 0)
        self.charges.refunded += (after.refunded or 0) - (before.refunded or 0)
        self.charges.addons.update(after.addons)
        self.charges.addons.subtract(before.addons)

    async def _told(self, job: Job, *, reason: str = "") -> Job:
        self._budget.note(job)
        self.announce(job, reason=reason)
        return job


def _made_by(remote: RemoteJob) -> tuple[AssetId, ...]:
    """What a job has made; its own id stands for a result in its record."""
    if not remote.asset_ids and remote.output is not None:
        return (AssetId(remote.remote_id),)
    return remote.asset_ids


def _last_charge(job: Job, remote: RemoteJob) -> Decimal | None:
    """The final charge of an ended job, from the submit's answer and the last record.

    The higher value counts: add-ons read 0 once refunded, and some are charged after
    the submit. Exception: if the record shows the price before the discount, the
    submit's answer counts.
    """
    if remote.charged is None or job.charged is None:
        return job.charged if remote.charged is None else remote.charged
    if remote.charged - remote.discount == job.charged:
        return job.charged
    return max(job.charged, remote.charged)
