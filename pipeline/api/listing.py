"""A listing of jobs, page by page → all of it, or an error; never a part."""

from collections.abc import AsyncIterator
from datetime import datetime

from pipeline.api.interface import GenerationApi, JobFilter, RemoteJob
from pipeline.errors import UnexpectedAnswer

MAX_PAGES = 10_000  # more is a listing without an end
MAX_STALE_PAGES = 50  # in a row, empty or of jobs that were shown before; likewise


async def list_created_after(api: GenerationApi, since: datetime) -> list[RemoteJob]:
    """Every job made since, in one complete reading.

    By creation and without types: that order stands still while it is read.

    Raises:
        UnexpectedAnswer: A page comes again, or there is no end of them.
    """
    pages = [page async for page in pages_of(api, JobFilter(created_after=since))]
    return [job for page in pages for job in page]


async def pages_of(
    api: GenerationApi, which: JobFilter
) -> AsyncIterator[tuple[RemoteJob, ...]]:
    """Page after page until there is no token; a page may be empty.

    Raises:
        UnexpectedAnswer: A page comes again, or there is no end of them.
    """
    token = ""
    seen: set[str] = set()
    ids: set[str] = set()
    stale = 0  # pages in a row that show nothing new
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
    raise UnexpectedAnswer("the listing of jobs has no end")
