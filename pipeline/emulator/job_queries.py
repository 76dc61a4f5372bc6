"""Query parameters of ``GET /jobs`` in, one page of the index out.

Holds the rules about which filters go together, and the opaque tokens.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.emulator.job_index import IndexPage, JobIndex
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import bad_request
from pipeline.emulator.timeline import MS_PER_S, from_iso, iso, span_ms

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


def parse_job_query(
    query: Mapping[str, str], now_ms: int, numbers: Mapping[str, int]
) -> JobQuery:
    """Read the parameters of a listing.

    Args:
        query: As they came.
        now_ms: Now.
        numbers: The number of each job by its id, to read tokens by.

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
        token=_parse_token(
            query.get("paginationToken", ""), numbers, by_update=by_update
        ),
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


def start_position(query: JobQuery, *, newest_first: bool) -> int:
    """The position that this query already asks for."""
    if query.token is not None:
        return query.token
    return FAR_END if newest_first else -1


def end_position(*, newest_first: bool) -> int:
    """A position behind which there is nothing."""
    return -1 if newest_first else FAR_END


def read_page(
    index: JobIndex,
    query: JobQuery,
    moment_ms: int,
    profile: EmulatorProfile,
    may_see: Callable[[EmulatedJob], bool],
) -> IndexPage:
    """One page."""
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
            and may_see(job)
        )

    read = index.by_update if query.by_update else index.by_creation
    return read(
        after_ms=query.after_ms,
        position=query.token,
        limit=min(query.page_size, profile.page_cap),
        newest_first=profile.list_newest_first,
        accept=accept,
    )


class Tokens:
    """Opaque tokens for positions in one of the orders.

    In the order of creation a token is base64 JSON of ``createdAt``, ``jobId`` and
    ``ownerId``, as captured from the service; what the other has is not known.

    Args:
        index: Knows which job is at a position.
        owner_id: Of every job.
        by_update: Which order.
    """

    def __init__(self, index: JobIndex, owner_id: str, *, by_update: bool) -> None:
        self._index = index
        self._owner_id = owner_id
        self._by_update = by_update

    def make(self, position: int, nonce: int = 0) -> str:
        """A token for a position.

        Two for one position differ by their ``nonce``, so that a client which
        watches for repeated tokens is not misled by an empty page.
        """
        place: dict[str, object] = {"ownerId": self._owner_id}
        if not self._by_update and 0 <= position < len(self._index.jobs):
            job = self._index.jobs[position]
            place |= {"createdAt": iso(job.created_ms), "jobId": job.job_id}
        else:
            place |= {"by": _order(by_update=self._by_update), "position": position}
        if nonce:
            place["nonce"] = nonce
        return base64.b64encode(json.dumps(place).encode()).decode()


def _order(*, by_update: bool) -> str:
    return "updatedAt" if by_update else "createdAt"


def _parse_token(
    text: str, numbers: Mapping[str, int], *, by_update: bool
) -> int | None:
    if not text:
        return None
    try:
        place = json.loads(base64.b64decode(text.encode()))
    except (ValueError, binascii.Error) as error:
        raise bad_request("Invalid pagination token") from error
    position = None
    if isinstance(place, dict) and place.get("by") == _order(by_update=by_update):
        position = place.get("position")
    elif isinstance(place, dict) and not by_update and "by" not in place:
        position = numbers.get(str(place.get("jobId")))
    if not isinstance(position, int):
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
