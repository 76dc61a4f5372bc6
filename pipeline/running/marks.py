"""Marks: what the service listed last → from where a lost submit is looked for.

The first is read before anything is submitted, and recorded with the first intent, so
that a later run reads from the mark of the run that died. In a long run it moves on, so
that a reading does not grow with all that was made before.
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
_KEPT = 100  # of the newest jobs; one page


class Marks:
    """The mark of the submits that follow.

    Args:
        api: The service.
        clock: Whose time is spent.
        settings: How long a first contact is tried.
        owners: Which jobs belong to a row of ours.

    Attributes:
        recorded: Numbers of the marks of this run.
        models: Models of which a job of an earlier run is read with the mark, so that
            a reading from it on has one to show.
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

    @property
    def is_set(self) -> bool:
        """Whether the list has been read, and submits may follow."""
        return self._mark is not None

    async def set(self) -> None:
        """Read the list, unless that has been done.

        Raises:
            Unavailable: It cannot be read now.
            AccessDenied: The service refuses to show it.
        """
        async with self._first:
            if self._mark is not None:
                return
            backoff = Backoff(self._clock, self._settings.first_contact_s)
            while self._mark is None:
                try:
                    self._mark = await self._read()
                except Unavailable as error:
                    if not await backoff.sleep(error.retry_after_s):
                        raise
                except Rejected as error:
                    if not await backoff.sleep():
                        raise AccessDenied(
                            f"the list of jobs cannot be read: {error.message}",
                            hint="check the key's scope and its project: without the"
                            " list a lost answer cannot be told from a refusal",
                        ) from error

    async def move_on(self) -> None:
        """Count a submit; after many of them, take a new mark."""
        self._submits += 1
        if self._submits < SUBMITS_PER_MARK or self._is_reading:
            return
        self._is_reading = True
        try:
            self._mark = await self._read()
            self._submits = 0
        except JobError:
            pass  # the old one is as safe, and only longer to read from
        finally:
            self._is_reading = False

    def record(self, ledger: Ledger) -> int:
        """Write the mark in force, once; on the thread that writes the ledger.

        Returns:
            Its number.
        """
        mark = self._mark
        assert mark is not None, "nothing is submitted before the list is read"
        if mark.mark_id:
            return mark.mark_id
        recorded = ledger.record_mark(mark)
        self.recorded.add(recorded.mark_id)
        if self._mark is mark:  # the event loop may have taken a new one
            self._mark = recorded
        return recorded.mark_id

    async def _read(self) -> Mark:
        """The newest jobs that the service lists, whichever way it sorts them.

        The mark goes back to a job of ours where they show one, so that a reading from
        it on has a job to show; else by a page, or to the beginning. So a few jobs that
        the service dates ahead do not hide what is made after them.
        Of a listing that is too long, what has been read: a mark that is too old is
        safe, and only longer to read from.
        """
        newest: list[RemoteJob] = []
        pages = 0
        with contextlib.suppress(UnexpectedAnswer):
            async for page in pages_of(self._api, JobFilter(created_after=LONG_AGO)):
                pages += 1
                is_over = _is_newest_first(newest, page)
                newest = _newest_of([*newest, *page])
                if is_over or pages >= _MOST_PAGES:
                    break
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
        """When the oldest of the newest jobs of ours was made, one a model."""
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
    """A page's worth, and all that a reading from the newest on would show again."""
    by_id = {job.remote_id: job for job in jobs}  # a page may show one again
    ordered = sorted(by_id.values(), key=_made_at, reverse=True)
    newest = _time_of_newest(ordered)
    since = LONG_AGO if newest is None else newest - SKEW
    return [
        job
        for number, job in enumerate(ordered)
        if number < _KEPT or job.created_at is None or job.created_at >= since
    ]


def _is_newest_first(before: Sequence[RemoteJob], page: Sequence[RemoteJob]) -> bool:
    """Whether the list goes back in time, and has come past what a mark keeps."""
    times = [job.created_at for job in (*before, *page) if job.created_at is not None]
    return len(times) > 1 and times[-1] < max(times) - SKEW and times[0] > times[-1]
