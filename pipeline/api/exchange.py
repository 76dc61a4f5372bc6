"""Exchange: one request and its answer, for code that examines a service."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.record import Struct, field


class Exchange(Struct, frozen=True, kw_only=True):
    """One request and its answer, or why there was none.

    Attributes:
        method: The request's method.
        target: Path and query of a request to the API, or the whole signed URL.
        sent: The JSON body, or None.
        sent_at_s: When it was sent, on the monotonic clock.
        at_s: When it was answered or given up.
        status: The HTTP status; 0 if there was no answer.
        headers: The answer's relevant headers, names in lower case.
        body: The answer's body.
        error: Why there was no answer, or "".
    """

    method: str
    target: str
    sent: object = None
    sent_at_s: float = 0.0
    at_s: float = 0.0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the status is a success."""
        return 200 <= self.status < 300

    @property
    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object; empty if it is not one."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Exchanges(Protocol):
    """Makes exchanges. Nothing is retried, and no status is an error."""

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        is_hasty: bool = False,
    ) -> Exchange:
        """Make one with the API; a hasty one does not wait for its turn."""

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """Make one with a signed URL: without credentials or following redirects."""

    async def sleep(self, duration_s: float) -> None:
        """Suspend for a time."""
