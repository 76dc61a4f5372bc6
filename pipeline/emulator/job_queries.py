"""Query parameters of ``GET /jobs`` in, one page of the index out.

Holds the rules about which filters go together, and the opaque tokens.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.emulator.job_index import IndexPage, JobIndex
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import bad_request
from pipeline.emulator.timeline import MS_PER_S, from_iso, span_ms

STATUSES = frozenset(
    [
        "pending",
        "queued",
        "warming-up",
        "in-progress",
        "finalizing",
        "success",
        "failure",
        "canceled",
    ]
)
BY_UPDATE = ("status", "type", "types", "workflowId")
DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 100
FAR_END = 2**62
WINDOW_MS = 30 * 24 * 3600 * MS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class JobQuery:
    """What a listing asks for.

    Attributes:
        by_update: Sorted by update; else by creation.
        after_ms: Only what is later.
        page_size: 1 to 100.
        token: The order and position to go on from; None for the first page.
        status: Only this one; or "".
        types: Only these; empty is every type.
        author_id: Only theirs; or "".
        workflow_id: Only of this workflow; or "". No job here has one.
    """

    by_update: bool
    after_ms: int
    page_size: int
    token: int | None
    status: str
    types: frozenset[str]
    author_id: str
    workflow_id: str


def parse_job_query(query: Mapping[str, str], now_ms: int) -> JobQuery:
    """Read the parameters of a listing.

    Raises:
        Refused: 400 for values and combinations that are not allowed.
    """
    by_update = any(query.get(name) for name in BY_UPDATE)
    if by_update and query.get("createdAfter"):
        raise bad_request(f'"createdAfter" is not allowed with {_joined()}')
    if not by_update and query.get("updatedAfter"):
        raise bad_request(f'"updatedAfter" is only allowed with {_joined()}')
    status = query.get("status", "")
    if status and status not in STATUSES:
        raise bad_request('"status" must be one of the job statuses')
    after_text = query.get("updatedAfter" if by_update else "createdAfter", "")
    after_ms = parse_date(after_text) if after_text else -1
    is_windowed = query.get("authorId") or query.get("hideResults") == "false"
    if is_windowed and not after_text:
        after_ms = now_ms - WINDOW_MS
    types = query.get("types") or query.get("type") or ""
    return JobQuery(
        by_update=by_update,
        after_ms=after_ms,
        page_size=parse_page_size(query),
        token=_parse_token(query.get("paginationToken", ""), by_update=by_update),
        status=status,
        types=frozenset(filter(None, types.split(","))),
        author_id=query.get("authorId", ""),
        workflow_id=query.get("workflowId", ""),
    )


def parse_page_size(query: Mapping[str, str]) -> int:
    """``pageSize``, 1 to 100, default 50.

    Raises:
        Refused: 400 for anything else.
    """
    text = query.get("pageSize", str(DEFAULT_PAGE_SIZE))
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE_SIZE:
        raise bad_request(f'"pageSize" must be between 1 and {MAX_PAGE_SIZE}')
    return int(text)


def start_token(query: JobQuery, *, newest_first: bool, nonce: int) -> str:
    """A token for the very position that this query already asks for."""
    position = query.token
    if position is None:
        position = FAR_END if newest_first else -1
    return make_token(position, by_update=query.by_update, nonce=nonce)


def end_token(query: JobQuery, *, newest_first: bool, nonce: int) -> str:
    """A token behind which there is nothing."""
    position = -1 if newest_first else FAR_END
    return make_token(position, by_update=query.by_update, nonce=nonce)


def read_page(
    index: JobIndex, query: JobQuery, moment_ms: int, profile: EmulatorProfile
) -> tuple[IndexPage, str]:
    """One page and the token of the next, "" at the end."""
    oldest_ms = -1
    if profile.list_retention_s is not None:
        oldest_ms = moment_ms - span_ms(profile.list_retention_s)

    def accept(job: EmulatedJob) -> bool:
        return (
            (not query.types or job.job_type in query.types)
            and (not query.author_id or job.author_id == query.author_id)
            and not query.workflow_id
            and job.created_ms > oldest_ms
            and (not query.status or job.status_at(moment_ms) == query.status)
        )

    read = index.by_update if query.by_update else index.by_creation
    page = read(
        after_ms=query.after_ms,
        position=query.token,
        limit=min(query.page_size, profile.page_cap),
        newest_first=profile.list_newest_first,
        accept=accept,
    )
    if page.position is None:
        return page, ""
    return page, make_token(page.position, by_update=query.by_update)


def make_token(position: int, *, by_update: bool, nonce: int = 0) -> str:
    """An opaque token for a position in one of the orders.

    Two tokens for one position differ by their ``nonce``, so that a client which
    watches for repeated tokens is not misled by an empty page.
    """
    text = json.dumps(["u" if by_update else "c", position, nonce])
    return base64.urlsafe_b64encode(text.encode()).decode()


def _parse_token(text: str, *, by_update: bool) -> int | None:
    if not text:
        return None
    try:
        order, position, _ = json.loads(base64.urlsafe_b64decode(text.encode()))
    except (ValueError, binascii.Error, TypeError) as error:
        raise bad_request("Invalid pagination token") from error
    if order != ("u" if by_update else "c") or not isinstance(position, int):
        raise bad_request("Invalid pagination token")
    return position


def parse_date(text: str) -> int:
    """An ISO date as milliseconds.

    Raises:
        Refused: 400 for anything else.
    """
    try:
        return from_iso(text)
    except ValueError as error:
        raise bad_request(f'"{text}" must be an ISO 8601 date') from error


def _joined() -> str:
    return ", ".join(f'"{name}"' for name in BY_UPDATE)
