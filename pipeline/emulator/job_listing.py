"""What clients can see of the jobs: pages of the list, and reads by id."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.emulator.identity import random_of
from pipeline.emulator.job_index import Accept, IndexPage
from pipeline.emulator.job_queries import (
    JobQuery,
    Tokens,
    end_position,
    parse_job_query,
    start_position,
)
from pipeline.emulator.job_store import JobStore
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.profiles.listing import ListingProfile
from pipeline.emulator.refusal import not_found
from pipeline.emulator.timeline import span_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPage:
    """One page of the list.

    Attributes:
        jobs: The jobs on it.
        moment_ms: The moment at which they are shown.
        token: The token of the next page, or "".
    """

    jobs: tuple[EmulatedJob, ...]
    moment_ms: int
    token: str


class JobListing:
    """Shows jobs to clients.

    Args:
        listing: Lags, retention, order and visibility.
        store: The jobs.
        seed: The emulator's seed.
    """

    def __init__(self, listing: ListingProfile, store: JobStore, seed: int) -> None:
        self._listing = listing
        self._store = store
        self._random = random_of(seed, "list")

    def find(self, job_id: str, now_ms: int, reader_id: str = "") -> EmulatedJob:
        """A job, if its reader can see it.

        Args:
            job_id: Any id.
            now_ms: The present moment.
            reader_id: The author who asks; "" may see every job.

        Raises:
            Refused: 404: the job is unknown, too new, too old, or hidden from this
                reader.
        """
        job = self._store.find(job_id)
        if job is None or not self._may_see(job, reader_id):
            raise not_found("Job", job_id)
        age_ms = now_ms - job.created_ms
        kept_s = self._listing.job_retention_s
        if age_ms < span_ms(self._listing.hidden_job_s):
            raise not_found("Job", job_id)
        if kept_s is not None and age_ms >= span_ms(kept_s):
            raise not_found("Job", job_id)
        return job

    def page(
        self,
        query: Mapping[str, str],
        now_ms: int,
        *,
        reader_id: str = "",
        is_empty: bool = False,
        is_endless: bool = False,
    ) -> ListedPage:
        """One page of the list.

        Args:
            query: The parameters of the request.
            now_ms: The present moment.
            reader_id: The author who asks; "" may see every job.
            is_empty: Show no jobs, and give a token for the same place.
            is_endless: Give a token even on the last page.

        Raises:
            Refused: 400 for values and combinations that are not allowed.
        """
        moment_ms = now_ms - span_ms(self._listing.list_lag_s)
        parsed = parse_job_query(query, now_ms, self._store.numbers)
        newest_first = self._listing.list_newest_first
        nonce = self._random.getrandbits(32)
        tokens = Tokens(self._store.index, by_update=parsed.by_update)
        if is_empty:
            start = start_position(parsed, newest_first=newest_first)
            token = tokens.make(start, nonce)
            return ListedPage(jobs=(), moment_ms=moment_ms, token=token)
        self._store.index.advance(moment_ms)
        found = self._read_index(parsed, moment_ms, reader_id)
        token = "" if found.position is None else tokens.make(found.position)
        if is_endless and not token:
            token = tokens.make(end_position(newest_first=newest_first), nonce)
        return ListedPage(jobs=found.jobs, moment_ms=moment_ms, token=token)

    def _read_index(self, query: JobQuery, moment_ms: int, reader_id: str) -> IndexPage:
        index = self._store.index
        read = index.by_update if query.by_update else index.by_creation
        return read(
            after_ms=query.after_ms,
            position=query.position,
            limit=min(query.page_size, self._listing.page_cap),
            newest_first=self._listing.list_newest_first,
            accept=self._filter_of(query, moment_ms, reader_id),
        )

    def _filter_of(self, query: JobQuery, moment_ms: int, reader_id: str) -> Accept:
        oldest_ms = -1
        if self._listing.list_retention_s is not None:
            oldest_ms = moment_ms - span_ms(self._listing.list_retention_s)

        def accept(job: EmulatedJob) -> bool:
            return (
                (not query.types or job.job_type in query.types)
                and (not query.author_id or job.author_id == query.author_id)
                and not query.workflow_id
                and job.created_ms > oldest_ms
                and (not query.status or job.status_at(moment_ms) == query.status)
                and self._may_see(job, reader_id)
            )

        return accept

    def _may_see(self, job: EmulatedJob, reader_id: str) -> bool:
        shares = self._listing.keys_share_jobs or not reader_id
        return shares or job.author_id == reader_id
