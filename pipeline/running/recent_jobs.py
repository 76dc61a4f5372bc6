"""Recent jobs: new items → jobs for the very same requests, made elsewhere just now.

Two checkouts with a ledger each, or one checkout whose ledger is gone, would pay twice
for a new item. So before a run submits anything, it looks at the newest jobs that the
service lists. It only reads, and a job is taken over only if it was made from exactly
the item's request: see ``running.same_request``. Whatever is not certain is paid for.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from datetime import datetime, timedelta

from pipeline.api.echo import is_archived
from pipeline.api.interface import JobFilter, RemoteJob, RemoteStatus
from pipeline.api.listing import pages_of
from pipeline.api.retry import Backoff, retry_free
from pipeline.counting import plural
from pipeline.errors import JobError, UnexpectedAnswer
from pipeline.job import Job, JobStatus, RemoteId
from pipeline.ledger.ledger import Ledger
from pipeline.planning import Action, Plan, PlannedItem
from pipeline.pricing.limits import unreachable
from pipeline.running.asset_digests import AssetDigests
from pipeline.running.lease import Lease
from pipeline.running.marks import Marks
from pipeline.running.records import Records
from pipeline.running.same_request import find_unproved
from pipeline.running.session import Session
from pipeline.stages.reading import OWN_TYPES

# As long as a CI job may take on the common services: a run that starts when another
# one ends still sees what that one made first.
RECENT = timedelta(hours=6)
FIRST_PAGES = 5  # of up to 100 jobs, for any run that submits
ITEMS_PER_PAGE = 20  # and a page more for so many items: little beside their submits
_UNREADABLE_ANSWERS = 3  # in a row, before what was read has to do
_ARCHIVED = "archived"
_TELLING = ("seed", "prompt")  # inputs that jobs are looked up by


class RecentJobs:
    """The jobs made lately that no row owns, each given to at most one item.

    Args:
        session: The service, and the rows of every run on the connection.
        ledger: Tells which author we are.
        plan: The models, and the number of items to submit.
        records: Records the jobs that are taken over.
        slots: The slots of this run; each job that is taken over holds one.

    Attributes:
        taken: How many jobs items have taken over.
    """

    def __init__(
        self,
        session: Session,
        ledger: Ledger,
        *,
        plan: Plan,
        records: Records,
        slots: Lease,
    ) -> None:
        self._slots = slots
        self._session = session
        self._ledger = ledger
        self._plan = plan
        self._records = records
        self._jobs: defaultdict[Hashable, list[RemoteJob]] = defaultdict(list)
        self._digests = AssetDigests(session.api, session.transfer)
        self._given: set[RemoteId] = set()  # to items of this run
        self.taken = 0

    async def find(self, marks: Marks) -> None:
        """Read the newest jobs, if anything is to be submitted.

        In most cases, the mark's own listing shows them all. With ``--force`` the user
        asks for new jobs, so none is looked for.

        Args:
            marks: With the first mark set, just now.

        Raises:
            ServiceUnreachable: The list cannot be read, so nothing may be paid for.
        """
        if not self._plan.to_submit or self._plan.selection.force:
            return
        session = self._session
        since = session.api.service_now() - RECENT
        listing = marks.listing
        if not marks.shows_all_since(since):
            listing = await self._read(since)
        author_id = session.identity.author_id or self._ledger.find_author(
            session.identity.key_digest
        )
        found = {
            remote.remote_id: remote  # pages, and readings, may overlap
            for remote in listing
            if _may_replace_a_submit(remote, since, author_id)
        }
        # In any order they were listed: the newest first.
        for remote in sorted(found.values(), key=_made_at, reverse=True):
            for key in _keys_of(remote):
                self._jobs[key].append(remote)

    async def _read(self, since: datetime) -> list[RemoteJob]:
        """The jobs made since then, newest first where the service lists them so."""
        session = self._session
        backoff = Backoff(session.clock, session.settings.first_contact_s)
        most_pages = FIRST_PAGES + self._plan.to_submit // ITEMS_PER_PAGE
        listing: list[RemoteJob] = []
        unreadable = 0
        while True:
            pages = 0
            try:
                async for page in pages_of(session.api, JobFilter(created_after=since)):
                    listing += page
                    pages += 1
                    if pages >= most_pages:
                        break
                return listing
            except UnexpectedAnswer:
                unreadable += 1
                if unreadable >= _UNREADABLE_ANSWERS or not await backoff.sleep():
                    return listing  # what is missing is paid for
            except JobError as error:
                if not await backoff.sleep_after(error):
                    raise unreachable(error) from error

    async def adopt(
        self, planned: PlannedItem, job: Job
    ) -> tuple[Job, RemoteJob] | None:
        """Give a new item a job that was made from exactly its request.

        Args:
            planned: The item.
            job: Its attempt.

        Returns:
            The attempt, SUBMITTED and with a slot taken, and the job as it was listed;
            None if there is no such job.
        """
        if planned.action is not Action.SUBMIT or job.status is not JobStatus.PLANNED:
            return None
        if job.row_id and job.mark_id is None:
            return None  # the user has decided to submit it again
        defaults = self._defaults_of(planned.item.model_id)
        for remote in self._find_similar(planned):
            unproved = find_unproved(
                planned.params,
                remote.inputs,
                defaults=defaults,
                uploads=self._session.uploader.known,
            )
            if unproved is None or not self._is_free(remote):
                continue
            # Reading contents takes time: the job may be given away meanwhile.
            if not await self._digests.agree(unproved) or not self._is_free(remote):
                continue
            self._session.identity.adopt(remote.remote_id)
            return await self._take(planned, job, remote)
        return None

    async def take_over(
        self, planned: PlannedItem, job: Job, remote_id: RemoteId
    ) -> tuple[Job, RemoteJob]:
        """Give an item the job of another manifest's item, which asked for the same.

        Args:
            planned: The item.
            job: Its attempt.
            remote_id: The job; it has ended.

        Returns:
            As for :meth:`adopt`.

        Raises:
            JobError: The service does not show the job.
        """
        session = self._session
        remote = await retry_free(
            lambda: session.api.find_job(remote_id),
            clock=session.clock,
            deadline_s=session.settings.free_deadline_s,
        )
        if remote is None:
            raise UnexpectedAnswer(f"the service does not show job {remote_id}")
        return await self._take(planned, job, remote)

    async def _take(
        self, planned: PlannedItem, job: Job, remote: RemoteJob
    ) -> tuple[Job, RemoteJob]:
        self._given.add(remote.remote_id)
        self._slots.occupy()
        self.taken += 1
        quote = self._session.quotes.find(planned.cost_key)
        quoted = None if quote is None else quote.units
        return await self._records.adopted(planned, job, remote, quoted), remote

    def has_given(self, remote_id: RemoteId) -> bool:
        """Whether an item of this manifest has the job, or is about to get it."""
        return remote_id in self._given or bool(self._ledger.find_owned([remote_id]))

    def tell(self) -> None:
        """Tell the user how many jobs were taken over, if any."""
        if self.taken:
            jobs = plural(self.taken, "job")
            text = f"{jobs} of another run taken over, made for exactly the same"
            self._records.warn("", f"{text} request: not paid for again")

    def _find_similar(self, planned: PlannedItem) -> Iterator[RemoteJob]:
        """The jobs that show the seed of an item, or else its prompt."""
        model_id, params = planned.item.model_id, planned.params
        for name in _TELLING:
            if name in params:
                key = (model_id, name, _plain(params[name]))
                yield from self._jobs.get(key, ())
                yield from self._jobs.get((model_id, name, _ARCHIVED), ())
                return
        yield from self._jobs.get(model_id, ())

    def _defaults_of(self, model_id: str) -> dict[str, object]:
        schema = self._plan.manifest.models(model_id)
        inputs = {} if schema is None else schema.inputs
        return {name: one.default for name, one in inputs.items() if one.has_default}

    def _is_free(self, remote: RemoteJob) -> bool:
        """Whether no other item of this manifest has the job, or is about to get it.

        Another manifest may have it: run alone, this one would take it over too.
        """
        if self.has_given(remote.remote_id):
            return False
        is_adopted = self._session.identity.is_adopted(remote.remote_id)
        return not is_adopted or bool(self._session.rows.find_owned([remote.remote_id]))


def _may_replace_a_submit(remote: RemoteJob, since: datetime, author_id: str) -> bool:
    """Whether a job is of the kind that a submit of ours makes, and may have a result.

    Args:
        remote: The job.
        since: The earliest time that counts.
        author_id: Whom the service names for jobs of the key in use; "" if not known.
    """
    is_of_another = author_id and remote.author_id and remote.author_id != author_id
    if remote.created_at is None or remote.created_at < since:
        return False
    if is_of_another or remote.is_child or remote.job_type not in OWN_TYPES:
        return False
    return remote.status in {RemoteStatus.RUNNING, RemoteStatus.SUCCESS}


def _keys_of(remote: RemoteJob) -> Iterator[Hashable]:
    """Under what a job is kept: its model alone, and with each telling input."""
    yield remote.model_id
    for name in _TELLING:
        shown = remote.inputs.get(name)
        if shown is not None:
            # Any text will do as what was sent: only the shown one is looked at.
            text = _ARCHIVED if is_archived(" ", shown) else _plain(shown)
            yield (remote.model_id, name, text)


def _plain(value: object) -> Hashable:
    """A key that is equal for equal values: 7, 7.0 and "7" are one seed."""
    try:
        return float(str(value))
    except ValueError:
        return str(value)


def _made_at(remote: RemoteJob) -> float:
    assert remote.created_at is not None
    return remote.created_at.timestamp()
