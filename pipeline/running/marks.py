"""Marks: starting points in the service's job list for finding lost submits.

The first mark is read before anything is submitted, and recorded in the same commit as
the first write-ahead intent. After a crash, the next run reads the list from there. In
a long run the mark moves on, so that a reading does not grow with the run.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime

import anyio

from pipeline.api.interface import GenerationApi, JobFilter, RemoteJob
from pipeline.api.listing import pages_of
from pipeline.api.retry import Backoff
from pipeline.clock import Clock
from pipeline.errors import (
    AccessDenied,
    JobError,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import Mark
from pipeline.ledger.ledger import Ledger
from pipeline.settings import Settings
from pipeline.stages.reading import LONG_AGO, SKEW, Owners

SUBMITS_PER_MARK = 500
_MOST_PAGES = 50
_KEPT = 100  # how many of the newest jobs a mark keeps; one page


class Marks:
    """The current mark: the starting point for the submits that follow.

    Args:
        api: The service.
        clock: The clock to use.
        settings: How long to try to reach the service at first.
        owners: Finds the row that owns a job.

    Attributes:
        recorded: Numbers of the marks of this run.
        listing: The jobs that the first reading showed.
        models: Models for which the mark includes a job of an earlier run. A reading
            from the mark on has to show that job.
    """

    def __init__(
        self,
        api: GenerationApi,
        clock: Clock,
        settings: Settings,
        owners: Owners,
    ) -> None:
        self._api = api
        self._owners = owners
        self.models: set[str] = set()
        self._clock = clock
        self._settings = settings
        self._mark: Mark | None = None
        self._is_reading = False
        self._submits = 0
        self._first = anyio.Lock()
        self.recorded: set[int] = set()
        self.listing: list[RemoteJob] = []
        self._is_whole = False

    @property
    def is_set(self) -> bool:
        """Whether a mark has been read, so that submits may follow."""
        return self._mark is not None

    def shows_all_since(self, moment: datetime) -> bool:
        """Whether the first reading showed every job made since then."""
        times = [job.created_at for job in self.listing if job.created_at is not None]
        is_past = _is_newest_first((), self.listing) and times[-1] < moment
        return self._is_whole or is_past

    async def set(self) -> None:
        """Read the first mark, unless that has been done.

        Raises:
            Unavailable: The job list cannot be read now.
            AccessDenied: The service refuses to show the job list.
        """
        async with self._first:
            if self._mark is not None:
                return
            backoff = Backoff(self._clock, self._settings.first_contact_s)
            while self._mark is None:
                try:
                    self._mark = await self._read()
                except Unavailable as error:
                    if not await backoff.sleep_after(error):
                        raise
                except Rejected as error:
                    if not await backoff.sleep():
                        raise AccessDenied(
                            f"the list of jobs cannot be read: {error.message}",
                            hint="check the key's scope and its project; without the"
                            " list, a lost answer cannot be told from a refusal",
                        ) from error

    async def move_on(self) -> None:
        """Count a submit; read a new mark after every ``SUBMITS_PER_MARK``."""
        self._submits += 1
        if self._submits < SUBMITS_PER_MARK or self._is_reading:
            return
        self._is_reading = True
        try:
            self._mark = await self._read()
            self._submits = 0
        except JobError:
            pass  # the old mark is as safe; reading from it only takes longer
        finally:
            self._is_reading = False

    def record(self, ledger: Ledger) -> int:
        """Record the current mark, once. Runs on the ledger writer's thread.

        Returns:
            The mark's number.
        """
        mark = self._mark
        assert mark is not None, "nothing is submitted before the list is read"
        if mark.mark_id:
            return mark.mark_id
        recorded = ledger.record_mark(mark)
        self.recorded.add(recorded.mark_id)
        if self._mark is mark:  # the event loop may have read a new one meanwhile
            self._mark = recorded
        return recorded.mark_id

    async def _read(self) -> Mark:
        """A mark made of the newest jobs that the service lists, in any sort order.

        The mark reaches back to jobs of ours if the newest jobs include any, so that a
        reading from it on has jobs to show; otherwise by one page, or to the beginning.
        So a few jobs with dates in the future do not hide the jobs made after them.
        If the listing is too long, the part that was read counts: a mark that is too
        old is safe, and reading from it only takes longer.
        """
        newest: list[RemoteJob] = []
        pages = 0
        with contextlib.suppress(UnexpectedAnswer):
            async for page in pages_of(self._api, JobFilter(created_after=LONG_AGO)):
                pages += 1
                if self._mark is None:
                    self.listing += page
                is_over = _is_newest_first(newest, page)
                newest = _newest_of([*newest, *page])
                if is_over or pages >= _MOST_PAGES:
                    break
            else:
                self._is_whole = True
        since = self._find_own(newest)
        if since is None and len(newest) >= _KEPT:
            since = min(
                (job.created_at for job in newest if job.created_at), default=None
            )
        return Mark(
            created_at=since,
            listed=tuple(
                job.remote_id
                for job in newest
                if since is None
                or job.created_at is None
                or job.created_at >= since - SKEW
            ),
        )

    def _find_own(self, listed: Sequence[RemoteJob]) -> datetime | None:
        """The oldest creation time among our newest listed job of each model."""
        found: dict[str, datetime] = {}
        for job in sorted(listed, key=_made_at, reverse=True):
            row = (
                None if job.created_at is None else self._owners.find_job(job.remote_id)
            )
            if row is not None and job.created_at is not None:
                found.setdefault(row.model_id, job.created_at)
        self.models |= found.keys()
        return min(found.values(), default=None)


def _made_at(job: RemoteJob) -> datetime:
    return job.created_at or LONG_AGO


def _time_of_newest(jobs: Sequence[RemoteJob]) -> datetime | None:
    times = [job.created_at for job in jobs if job.created_at is not None]
    return max(times, default=None)


def _newest_of(jobs: Sequence[RemoteJob]) -> list[RemoteJob]:
    """A page of the newest jobs, and all that a reading from the newest would show."""
    by_id = {job.remote_id: job for job in jobs}  # pages may overlap
    ordered = sorted(by_id.values(), key=_made_at, reverse=True)
    newest = _time_of_newest(ordered)
    since = LONG_AGO if newest is None else newest - SKEW
    return [
        job
        for number, job in enumerate(ordered)
        if number < _KEPT or job.created_at is None or job.created_at >= since
    ]


def _is_newest_first(before: Sequence[RemoteJob], page: Sequence[RemoteJob]) -> bool:
    """Whether the list is sorted newest first, and has passed the jobs to keep."""
    times = [job.created_at for job in (*before, *page) if job.created_at is not None]
    return len(times) > 1 and times[-1] < max(times) - SKEW and times[0] > times[-1]
