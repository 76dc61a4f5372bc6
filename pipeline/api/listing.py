"""A listing of jobs, page by page → all of it, or an error; never only a part."""

from collections.abc import AsyncIterator
from datetime import datetime

from pipeline.api.interface import GenerationApi, JobFilter, RemoteJob
from pipeline.errors import UnexpectedAnswer

MAX_PAGES = 10_000  # more means a listing that never ends
MAX_STALE_PAGES = 50  # in a row, empty or with only known jobs; the same


async def list_created_after(api: GenerationApi, since: datetime) -> list[RemoteJob]:
    """Every job made since then, in one complete read.

    Lists by creation time and without types: that order does not change during the
    read.

    Raises:
        UnexpectedAnswer: A page is repeated, or the listing never ends.
    """
    pages = [page async for page in pages_of(api, JobFilter(created_after=since))]
    return [job for page in pages for job in page]


async def pages_of(
    api: GenerationApi, which: JobFilter
) -> AsyncIterator[tuple[RemoteJob, ...]]:
    """Yield pages until there is no token; a page may be empty.

    Raises:
        UnexpectedAnswer: A page is repeated, or the listing never ends.
    """
    token = ""
    seen: set[str] = set()
    ids: set[str] = set()
    stale = 0  # pages in a row with nothing new
    for _ in range(MAX_PAGES):
        page = await api.list_jobs(which, token=token)
        yield page.jobs
        known = len(ids)
        ids.update(job.remote_id for job in page.jobs)
        stale = 0 if len(ids) > known else stale + 1
        if stale > MAX_STALE_PAGES:
            break
        token = page.next_token
        if not token:
            return
        if token in seen:
            raise UnexpectedAnswer("the listing of jobs repeats a page")
        seen.add(token)
    raise UnexpectedAnswer("the listing of jobs never ends")
