"""The service's job list from a mark on → jobs that no row owns, and whose they may be.

Only marks bound a reading: times that the service itself has given. Nothing that a
job's echo shows excludes it; what does is the kind of job, the model, and an author who
is provably somebody else.
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
SKEW = timedelta(seconds=5)  # clocks of one service's machines; dates cut to seconds
OWN_TYPES = frozenset({"", "custom"})  # of jobs of ``/generate/custom``; API section 3
_JOBS_SEEN = 1000
_LEARNED_FROM = 100  # own jobs of a model in one reading: they show what is done


class Reading(Struct, frozen=True, kw_only=True):
    """What one complete reading of the list has shown.

    Attributes:
        unowned: Jobs that may have come of a submit and that no row owned.
        owned: Ids of jobs that a row owned.
        controls: By model id: own jobs that the rule for candidates finds.
    """

    unowned: list[RemoteJob] = field(default_factory=list)
    owned: set[RemoteId] = field(default_factory=set)
    controls: dict[str, list[RemoteJob]] = field(default_factory=dict)


class Owners(Protocol):
    """Which of the service's jobs belong to a row of ours."""

    def find_owned(self, remote_ids: Iterable[RemoteId]) -> AbstractSet[RemoteId]:
        """Those of some remote ids that a row owns."""
        ...

    def find_job(self, remote_id: RemoteId) -> Job | None:
        """The row that owns a remote id, or None."""
        ...


class Rows(Owners, Protocol):
    """What the ledger of one run knows of its jobs and marks."""

    def find_mark(self, mark_id: int) -> Mark | None:
        """A mark by its number, or None."""
        ...

    def find_remote_ids(self, mark_id: int) -> AbstractSet[RemoteId]:
        """Ids of all jobs that were sent since a mark and are known."""
        ...


class AllRows:
    """The rows of several runs as those of one: a job has one owner among them."""

    def __init__(self) -> None:
        self._rows: list[Owners] = []

    def add(self, rows: Owners) -> None:
        """Count the rows of one more run."""
        self._rows.append(rows)

    def find_owned(self, remote_ids: Iterable[RemoteId]) -> AbstractSet[RemoteId]:
        """Those of some remote ids that a row owns."""
        ids = list(remote_ids)
        owned: set[RemoteId] = set()
        return owned.union(*(rows.find_owned(ids) for rows in self._rows))

    def find_job(self, remote_id: RemoteId) -> Job | None:
        """The row that owns a remote id, or None."""
        found = (rows.find_job(remote_id) for rows in self._rows)
        return next((job for job in found if job is not None), None)


class Sent(Struct, frozen=True, eq=False):
    """A submit whose outcome is in question, and from where its job is looked for.

    Attributes:
        job: The attempt, with its request.
        rows: What its run knows.
        mark: What was listed before it; None for rows of an older version, and for a
            dry run that started a job: it can be found, but never proved absent.
        listed: The ids of the mark.
    """

    job: Job
    rows: Rows
    mark: Mark | None
    listed: frozenset[RemoteId]

    @property
    def since(self) -> datetime:
        """From when the list has to be read for it, the service's time."""
        if self.mark is not None:
            return since_mark(self.mark)
        sent_at = self.job.sent_at
        return LONG_AGO if sent_at is None else sent_at - timedelta(days=1)

    def precedes(self, remote: RemoteJob) -> bool:
        """Whether its mark lets a job be one that was made after it."""
        return self.mark is None or is_after(self.mark, remote, listed=self.listed)

    def reaches(self, control: RemoteJob) -> bool:
        """Whether the bound of its mark lets a job of ours be seen."""
        return self.mark is None or is_after(self.mark, control, listed=frozenset())


def sent_of(job: Job, rows: Rows) -> Sent:
    """A submit with its mark, as its run's ledger has it."""
    mark = None if job.mark_id is None else rows.find_mark(job.mark_id)
    listed = frozenset[RemoteId]() if mark is None else frozenset(mark.listed)
    return Sent(job=job, rows=rows, mark=mark, listed=listed)


class ListedJobs:
    """The newest records that any listing has shown, ours or not."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[RemoteId, RemoteJob] = OrderedDict()

    def note(self, remote: RemoteJob) -> None:
        """A listing shows a job."""
        self._jobs[remote.remote_id] = remote
        if len(self._jobs) > _JOBS_SEEN:
            self._jobs.popitem(last=False)

    def __iter__(self) -> Iterator[RemoteJob]:
        return iter(list(self._jobs.values()))


class JobReader:
    """Reads the list, and knows which of its jobs may be whose.

    Args:
        api: The service.
        owners: Which jobs belong to a row.
        identity: Who we are; learns from what is read.

    Attributes:
        habits: What the service does to inputs.
    """

    def __init__(self, api: GenerationApi, owners: Owners, identity: Identity) -> None:
        self._api = api
        self._owners = owners
        self._identity = identity
        self.habits = Habits()

    async def read(self, since: datetime) -> Reading:
        """Every job made since, page by page to the last token.

        Raises:
            Unavailable, UnexpectedAnswer, Rejected: It could not be read whole.
        """
        reading = Reading()
        own: list[tuple[Job, RemoteJob]] = []
        count: Counter[str] = Counter()
        unowned: dict[RemoteId, RemoteJob] = {}  # a page may show one again
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
        """Those of these jobs that no row owns now."""
        listed = list(jobs)
        owned = self._owners.find_owned([job.remote_id for job in listed])
        return [job for job in listed if job.remote_id not in owned]

    def may_come_of(self, sent: Sent, remote: RemoteJob) -> bool:
        """Whether a job of the service may have come of a submit of ours."""
        return (
            _may_be_generated(remote)
            and self._identity.may_be_of(sent.job, remote)
            and sent.precedes(remote)
        )

    def compare(self, job: Job, remote: RemoteJob) -> Agreement:
        """How far a job agrees with what a submit of ours has asked for."""
        return self.habits.compare(job.request or {}, remote.inputs)

    def score(self, sent: Sent, remote: RemoteJob) -> int | None:
        """How well a job fits a submit; None where it may not be taken for its own."""
        if not self.may_come_of(sent, remote):
            return None
        job = sent.job
        if self.habits.rules_out(job.request or {}, remote.inputs):
            return None  # most pairs, and the comparison is dear
        agreement = self.compare(job, remote)
        return (
            agreement.score if agreement.fits(derived_seed=job.derived_seed) else None
        )


def since_mark(mark: Mark) -> datetime:
    """From when the list has to be read for everything that was made after a mark."""
    return LONG_AGO if mark.created_at is None else mark.created_at - SKEW


def is_after(
    mark: Mark, remote: RemoteJob, *, listed: AbstractSet[RemoteId] | None = None
) -> bool:
    """Whether a job may have been made after a mark, by the service's own word.

    Args:
        mark: The mark.
        remote: A job that a listing shows.
        listed: ``mark.listed`` as a set, where it is at hand.
    """
    if remote.remote_id in (mark.listed if listed is None else listed):
        return False
    if mark.created_at is None or remote.created_at is None:
        return True
    return remote.created_at >= mark.created_at - SKEW


def _may_be_generated(remote: RemoteJob) -> bool:
    """Whether a submit makes jobs of this kind: no upload, no step of a workflow."""
    return remote.job_type in OWN_TYPES and not remote.is_child
