"""The query parameters of ``GET /jobs``, and the opaque tokens of its pages.

Has the rules about which filters may be combined.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.emulator.identity import PROJECT_ID
from pipeline.emulator.job_index import JobIndex
from pipeline.emulator.refusal import bad_request
from pipeline.emulator.timeline import MS_PER_S, from_iso, iso

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
    """What a request for a list asks for.

    Attributes:
        by_update: The order is by update. Otherwise it is by creation.
        after_ms: Only jobs updated, or created, after this moment.
        page_size: 1 to 100.
        position: Where to continue; None for the first page.
        status: Only jobs with this status, or "".
        types: Only jobs of these types. Empty is every type.
        author_id: Only jobs of this author, or "".
        workflow_id: Only jobs of this workflow, or "". No job here belongs to one.
    """

    by_update: bool
    after_ms: int
    page_size: int
    position: int | None
    status: str
    types: frozenset[str]
    author_id: str
    workflow_id: str


def parse_job_query(
    query: Mapping[str, str], now_ms: int, numbers: Mapping[str, int]
) -> JobQuery:
    """Read the parameters of a list.

    Args:
        query: The parameters, as received.
        now_ms: The present moment.
        numbers: The number of each job by its id, for reading tokens.

    Raises:
        Refused: 400 for values and combinations that are not allowed.
    """
    by_update = any(query.get(name) for name in BY_UPDATE)
    if by_update and query.get("createdAfter"):
        raise bad_request(f'"createdAfter" is not allowed with {_names_of_filters()}')
    if not by_update and query.get("updatedAfter"):
        raise bad_request(f'"updatedAfter" is only allowed with {_names_of_filters()}')
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
        position=_parse_token(
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
    """The position at which the page of this query begins."""
    if query.position is not None:
        return query.position
    return FAR_END if newest_first else -1


def end_position(*, newest_first: bool) -> int:
    """A position after which there are no jobs."""
    return -1 if newest_first else FAR_END


class Tokens:
    """Makes opaque tokens for positions in one of the orders.

    In the order of creation, a token is base64 JSON of ``createdAt``, ``jobId`` and
    ``ownerId``, as captured from the service. The form of the other tokens is not
    known.

    Args:
        index: Knows which job is at a position.
        by_update: The order is by update.
    """

    def __init__(self, index: JobIndex, *, by_update: bool) -> None:
        self._index = index
        self._by_update = by_update

    def make(self, position: int, nonce: int = 0) -> str:
        """A token for a position.

        The ``nonce`` makes two tokens for one position differ, so that an empty page
        does not mislead a client that watches for repeated tokens.
        """
        place: dict[str, object] = {"ownerId": PROJECT_ID}
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
    """An ISO 8601 date as milliseconds since 1970.

    Raises:
        Refused: 400 for anything else.
    """
    try:
        return from_iso(text)
    except ValueError as error:
        raise bad_request(f'"{text}" must be an ISO 8601 date') from error


def _names_of_filters() -> str:
    return ", ".join(f'"{name}"' for name in BY_UPDATE)
