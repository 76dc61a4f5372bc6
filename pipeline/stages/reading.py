"""Reading: the service's job list from a mark on → unowned jobs that may be ours.

Readings start at marks, which hold only times that the service itself has given. A job
is excluded by its kind, its model, or an author who is provably somebody else, and
never by the inputs that it shows.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pipeline.api.echo import Agreement, Habits
from pipeline.api.interface import GenerationApi, JobFilter, RemoteJob
from pipeline.api.listing import pages_of
from pipeline.job import Job, Mark, RemoteId
from pipeline.record import Struct, field
from pipeline.stages.identity import Identity

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)  # before the service's first job
SKEW = timedelta(seconds=5)  # between the service's machines; dates cut to seconds
OWN_TYPES = frozenset({"", "custom"})  # of jobs of ``/generate/custom``; API section 3
_JOBS_SEEN = 1000
_LEARNED_FROM = 100  # own jobs per model and reading that habits are learned from


class Reading(Struct, frozen=True, kw_only=True):
    """The result of one complete reading of the job list.

    Attributes:
        unowned: Jobs that no row owned and that a submit may have made.
        owned: Ids of jobs that a row owned.
        controls: Own jobs that the rule for candidates finds, by model id. They show
            that the reading would have found a lost job.
    """

    unowned: list[RemoteJob] = field(default_factory=list)
    owned: set[RemoteId] = field(default_factory=set)
    controls: dict[str, list[RemoteJob]] = field(default_factory=dict)


class Owners(Protocol):
    """Finds the ledger rows that own the service's jobs."""

    def find_owned(self, remote_ids: Iterable[RemoteId]) -> AbstractSet[RemoteId]:
        """The subset of these remote ids that a row owns."""
        ...

    def find_job(self, remote_id: RemoteId) -> Job | None:
        """The row that owns a remote id, or None."""
        ...


class Rows(Owners, Protocol):
    """The jobs and marks in the ledger of one run."""

    def find_mark(self, mark_id: int) -> Mark | None:
        """A mark by its number, or None."""
        ...

    def find_remote_ids(self, mark_id: int) -> AbstractSet[RemoteId]:
        """Ids of all known jobs that were sent since a mark."""
        ...


class AllRows:
    """The rows of several runs, combined; each job has one owner among them."""

    def __init__(self) -> None:
        self._rows: list[Owners] = []

    def add(self, rows: Owners) -> None:
        """Add the rows of one more run."""
        self._rows.append(rows)

    def find_owned(self, remote_ids: Iterable[RemoteId]) -> AbstractSet[RemoteId]:
        """The subset of these remote ids that a row owns."""
        ids = list(remote_ids)
        owned: set[RemoteId] = set()
        return owned.union(*(rows.find_owned(ids) for rows in self._rows))

    def find_job(self, remote_id: RemoteId) -> Job | None:
        """The row that owns a remote id, or None."""
        found = (rows.find_job(remote_id) for rows in self._rows)
        return next((job for job in found if job is not None), None)


class Sent(Struct, frozen=True, eq=False):
    """An in-doubt submit, and where in the job list the search for its job starts.

    Attributes:
        job: The attempt, with its request.
        rows: The rows of its run.
        mark: The mark before the submit. None for rows of an older version, and for a
            dry run that may have started a job: such a job can be found, but never
            proved absent.
        listed: The ids of the mark.
    """

    job: Job
    rows: Rows
    mark: Mark | None
    listed: frozenset[RemoteId]

    @property
    def since(self) -> datetime:
        """When the reading of the list has to start, in the service's time."""
        if self.mark is not None:
            return since_mark(self.mark)
        sent_at = self.job.sent_at
        return LONG_AGO if sent_at is None else sent_at - timedelta(days=1)

    def precedes(self, remote: RemoteJob) -> bool:
        """Whether a job may have been made after this submit, judging by the mark."""
        return self.mark is None or is_after(self.mark, remote, listed=self.listed)

    def reaches(self, control: RemoteJob) -> bool:
        """Whether a reading from the mark on has to show this job of ours."""
        return self.mark is None or is_after(self.mark, control, listed=frozenset())


def sent_of(job: Job, rows: Rows) -> Sent:
    """An in-doubt submit with its mark from the run's ledger."""
    return next(sents_of([job], rows))


def sents_of(jobs: Iterable[Job], rows: Rows) -> Iterator[Sent]:
    """In-doubt submits with their marks; many share one, which is read once."""
    found: dict[int | None, tuple[Mark | None, frozenset[RemoteId]]] = {}
    for job in jobs:
        if job.mark_id not in found:
            mark = None if job.mark_id is None else rows.find_mark(job.mark_id)
            found[job.mark_id] = mark, frozenset(mark.listed if mark else ())
        mark, listed = found[job.mark_id]
        yield Sent(job=job, rows=rows, mark=mark, listed=listed)


class ListedJobs:
    """The most recent job records that any listing has shown, ours or not."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[RemoteId, RemoteJob] = OrderedDict()

    def note(self, remote: RemoteJob) -> None:
        """Keep a record that a listing shows."""
        self._jobs[remote.remote_id] = remote
        if len(self._jobs) > _JOBS_SEEN:
            self._jobs.popitem(last=False)

    def __iter__(self) -> Iterator[RemoteJob]:
        return iter(list(self._jobs.values()))


class JobReader:
    """Reads the job list, and judges which jobs may belong to which submit.

    Args:
        api: The service.
        owners: Finds the rows that own jobs.
        identity: Our identity; learns from each reading.

    Attributes:
        habits: How the service changes inputs when it shows them.
    """

    def __init__(self, api: GenerationApi, owners: Owners, identity: Identity) -> None:
        self._api = api
        self._owners = owners
        self._identity = identity
        self.habits = Habits()

    async def read(self, since: datetime) -> Reading:
        """Read every job made since then, page by page to the end.

        Raises:
            Unavailable, UnexpectedAnswer, Rejected: The list could not be read to the
                end.
        """
        reading = Reading()
        own: list[tuple[Job, RemoteJob]] = []
        count: Counter[str] = Counter()
        unowned: dict[RemoteId, RemoteJob] = {}  # pages may overlap
        async for page in pages_of(self._api, JobFilter(created_after=since)):
            owned = self._owners.find_owned([job.remote_id for job in page])
            reading.owned.update(owned)
            for remote in page:
                if remote.remote_id not in owned:
                    if _may_be_generated(remote):
                        unowned[remote.remote_id] = remote
                elif count[
                    remote.model_id
                ] < _LEARNED_FROM and not self._identity.is_adopted(remote.remote_id):
                    count[remote.model_id] += 1
                    row = self._owners.find_job(remote.remote_id)
                    if row is not None:
                        own.append((row, remote))
        reading.unowned.extend(unowned.values())
        for row, remote in own:
            self.habits.note(row.request or {}, remote.inputs)
            self._identity.note_listed(row, remote)
        for row, remote in own:
            if _may_be_generated(remote) and self._identity.may_be_of(row, remote):
                reading.controls.setdefault(row.model_id, []).append(remote)
        return reading

    def still_unowned(self, jobs: Iterable[RemoteJob]) -> list[RemoteJob]:
        """The subset of these jobs that no row owns now."""
        listed = list(jobs)
        owned = self._owners.find_owned([job.remote_id for job in listed])
        return [job for job in listed if job.remote_id not in owned]

    def may_come_of(self, sent: Sent, remote: RemoteJob) -> bool:
        """Whether a submit of ours may have made this job."""
        return (
            _may_be_generated(remote)
            and self._identity.may_be_of(sent.job, remote)
            and sent.precedes(remote)
        )

    def compare(self, job: Job, remote: RemoteJob) -> Agreement:
        """How well a job's inputs agree with the request of our submit."""
        return self.habits.compare(job.request or {}, remote.inputs)

    def score(self, sent: Sent, remote: RemoteJob) -> int | None:
        """How well a job fits a submit; None if the job cannot belong to it."""
        if not self.may_come_of(sent, remote):
            return None
        job = sent.job
        if self.habits.rules_out(job.request or {}, remote.inputs):
            return None  # cheap, and true for most pairs; the comparison is expensive
        agreement = self.compare(job, remote)
        return (
            agreement.score if agreement.fits(derived_seed=job.derived_seed) else None
        )


def since_mark(mark: Mark) -> datetime:
    """When a reading has to start, to show everything made after a mark."""
    return LONG_AGO if mark.created_at is None else mark.created_at - SKEW


def is_after(
    mark: Mark, remote: RemoteJob, *, listed: AbstractSet[RemoteId] | None = None
) -> bool:
    """Whether a job may have been made after a mark, by the service's own times.

    Args:
        mark: The mark.
        remote: A job that a listing shows.
        listed: ``mark.listed`` as a set, if the caller has it.
    """
    if remote.remote_id in (mark.listed if listed is None else listed):
        return False
    if mark.created_at is None or remote.created_at is None:
        return True
    return remote.created_at >= mark.created_at - SKEW


def _may_be_generated(remote: RemoteJob) -> bool:
    """Whether a submit makes jobs of this kind: not an upload or a workflow step."""
    return remote.job_type in OWN_TYPES and not remote.is_child
