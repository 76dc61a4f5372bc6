"""Marks: what the service listed last → from where a lost submit is looked for.

The first is read before anything is submitted, and recorded with the first intent, so
that a later run reads from the mark of the run that died. In a long run it moves on, so
that a reading does not grow with all that was made before.
"""

import contextlib
from collections.abc import Sequence

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
from pipeline.stages.reading import LONG_AGO, SKEW

SUBMITS_PER_MARK = 500
_MOST_PAGES = 50


class Marks:
    """The mark of the submits that follow.

    Args:
        api: The service.
        clock: Whose time is spent.
        settings: How long a first contact is tried.
    """

    def __init__(self, api: GenerationApi, clock: Clock, settings: Settings) -> None:
        self._api = api
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
        assert self._mark is not None, "nothing is submitted before the list is read"
        if not self._mark.mark_id:
            self._mark = ledger.record_mark(self._mark)
            self.recorded.add(self._mark.mark_id)
        return self._mark.mark_id

    async def _read(self) -> Mark:
        """The newest jobs that the service lists, whichever way it sorts them.

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
        times = [job.created_at for job in newest if job.created_at is not None]
        return Mark(
            created_at=max(times, default=None),
            listed=tuple(job.remote_id for job in newest),
        )


def _newest_of(jobs: list[RemoteJob]) -> list[RemoteJob]:
    """Those that a reading from the newest on would show again, and the undated."""
    times = [job.created_at for job in jobs if job.created_at is not None]
    since = max(times, default=LONG_AGO) - SKEW
    return [job for job in jobs if job.created_at is None or job.created_at >= since]


def _is_newest_first(before: Sequence[RemoteJob], page: Sequence[RemoteJob]) -> bool:
    """Whether the list goes back in time, and has come past what a mark keeps."""
    times = [job.created_at for job in (*before, *page) if job.created_at is not None]
    return len(times) > 1 and times[-1] < max(times) - SKEW and times[0] > times[-1]
