"""The service's job list from a mark on → jobs that no row owns, and whose they may be.

Only marks bound a reading: times that the service itself has given. Nothing that a
job's echo shows excludes it; what does is the kind of job, the model, and an author who
is provably somebody else.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta

from pipeline.api.echo import Agreement, Habits
from pipeline.api.interface import GenerationApi, JobFilter, RemoteJob
from pipeline.api.listing import pages_of
from pipeline.job import Job, Mark, RemoteId
from pipeline.record import Struct, field

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)  # before the service's first job
SKEW = timedelta(seconds=5)  # clocks of one service's machines; dates cut to seconds
OWN_TYPES = frozenset({"", "custom"})  # of jobs of ``/generate/custom``; API section 3
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


class JobReader:
    """Reads the list, and knows which of its jobs may be whose.

    Args:
        api: The service.
        find_owned: Those of some remote ids that belong to a row of the ledger.
        find_job: The row that owns a remote id, or None.
        find_mark: A mark by its number, or None.
        made_with: The digest of the API key in use.

    Attributes:
        author_id: Who we are, once a submit's answer and the list have named the same
            author; "" until then, and for good once they have not.
        made_with: The digest of the API key in use.
        adopted: Jobs that were taken over in this run: they teach nothing.
        habits: What the service does to inputs.
    """

    def __init__(
        self,
        api: GenerationApi,
        *,
        find_owned: Callable[[Iterable[RemoteId]], AbstractSet[RemoteId]],
        find_job: Callable[[RemoteId], Job | None],
        find_mark: Callable[[int], Mark | None],
        made_with: str = "",
    ) -> None:
        self._api = api
        self._find_owned = find_owned
        self._find_job = find_job
        self._find_mark = find_mark
        self._marks: dict[int, tuple[Mark, frozenset[RemoteId]]] = {}
        self._disagrees = False
        self.made_with = made_with
        self.author_id = ""
        self.adopted: set[RemoteId] = set()
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
            owned = self._find_owned([job.remote_id for job in page])
            reading.owned.update(owned)
            for remote in page:
                if remote.remote_id not in owned:
                    if _may_be_generated(remote):
                        unowned[remote.remote_id] = remote
                elif (
                    count[remote.model_id] < _LEARNED_FROM
                    and remote.remote_id not in self.adopted
                ):
                    count[remote.model_id] += 1
                    row = self._find_job(remote.remote_id)
                    if row is not None:
                        own.append((row, remote))
        reading.unowned.extend(unowned.values())
        self._learn(own)
        for row, remote in own:
            if _may_be_generated(remote) and self._may_be_of(row, remote):
                reading.controls.setdefault(row.model_id, []).append(remote)
        return reading

    def still_unowned(self, jobs: Iterable[RemoteJob]) -> list[RemoteJob]:
        """Those of these jobs that no row owns now."""
        listed = list(jobs)
        owned = self._find_owned([job.remote_id for job in listed])
        return [job for job in listed if job.remote_id not in owned]

    def since(self, jobs: Iterable[Job]) -> datetime:
        """From when the list has to be read for these submits, the service's time."""
        return min((self._since(job) for job in jobs), default=LONG_AGO)

    def is_of_another_key(self, job: Job) -> bool:
        """Whether an attempt was sent with another API key than the one in use."""
        return bool(job.made_with) and job.made_with != self.made_with

    def since_mark(self, mark: Mark) -> datetime:
        """The same for everything that was made after a mark."""
        return LONG_AGO if mark.created_at is None else mark.created_at - SKEW

    def may_come_of(self, job: Job, remote: RemoteJob) -> bool:
        """Whether a job of the service may have come of a submit of ours."""
        if not (_may_be_generated(remote) and self._may_be_of(job, remote)):
            return False
        marked = self._marked(job)
        return marked is None or is_after(marked[0], remote, listed=marked[1])

    def is_in_reach(self, job: Job, control: RemoteJob) -> bool:
        """Whether the bound of a submit's mark lets a job of ours be seen."""
        marked = self._marked(job)
        return marked is None or is_after(marked[0], control, listed=frozenset())

    def compare(self, job: Job, remote: RemoteJob) -> Agreement:
        """How far a job agrees with what a submit of ours has asked for."""
        return self.habits.compare(job.request or {}, remote.inputs)

    def score(self, job: Job, remote: RemoteJob) -> int | None:
        """How well a job fits a submit; None where it may not be taken for its own."""
        if not self.may_come_of(job, remote):
            return None
        if self.habits.rules_out(job.request or {}, remote.inputs):
            return None  # most pairs, and the comparison is dear
        agreement = self.compare(job, remote)
        return (
            agreement.score if agreement.fits(derived_seed=job.derived_seed) else None
        )

    def _since(self, job: Job) -> datetime:
        marked = self._marked(job)
        if marked is None:
            # A row of an older version, or of a dry run that was none: it can be
            # found, but never proved absent.
            return LONG_AGO if job.sent_at is None else job.sent_at - timedelta(days=1)
        return self.since_mark(marked[0])

    def _marked(self, job: Job) -> tuple[Mark, frozenset[RemoteId]] | None:
        if job.mark_id is None:
            return None
        if job.mark_id not in self._marks:
            mark = self._find_mark(job.mark_id)
            if mark is None:
                return None
            self._marks[job.mark_id] = (mark, frozenset(mark.listed))
        return self._marks[job.mark_id]

    def _may_be_of(self, job: Job, remote: RemoteJob) -> bool:
        if remote.model_id and remote.model_id != job.model_id:
            return False
        # Another key of ours may be another author.
        is_of_this_key = job.made_with == self.made_with
        return not (is_of_this_key and self.is_foreign(remote))

    def is_foreign(self, remote: RemoteJob) -> bool:
        """Whether a job is provably somebody else's, as far as authors prove it."""
        return bool(
            self.author_id and remote.author_id and remote.author_id != self.author_id
        )

    def _learn(self, own: Iterable[tuple[Job, RemoteJob]]) -> None:
        for row, remote in own:
            self.habits.note(row.request or {}, remote.inputs)
            if row.made_with != self.made_with:
                continue
            if not row.author_id or not remote.author_id:
                continue
            known = self.author_id or row.author_id
            if not row.author_id == remote.author_id == known:
                self._disagrees = True
            self.author_id = "" if self._disagrees else known


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
