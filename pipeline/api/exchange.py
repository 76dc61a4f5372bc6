"""Exchange: one request and what came back, for whoever studies a service."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from pipeline.record import Struct, field


class Exchange(Struct, frozen=True, kw_only=True):
    """One request and its answer, or the lack of one.

    Attributes:
        method: Of the request.
        target: Path and query of a request to the API; of a signed one, its whole URL.
        sent: The JSON body, or None.
        sent_at_s: When it left, on the monotonic clock.
        at_s: When it was answered, or given up.
        status: The HTTP status; 0 where there was no answer.
        headers: Of the answer, names in lower case; those that say something.
        body: Of the answer.
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
        """Whether the status is one of success."""
        return 200 <= self.status < 300

    @property
    def json(self) -> Mapping[str, Any]:
        """The body as a JSON object; empty where it is none."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Exchanges(Protocol):
    """Makes exchanges. None of them is ever made twice, and no status is an error."""

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        is_hasty: bool = False,
    ) -> Exchange:
        """One with the API; a hasty one does not wait for its turn."""

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None
    ) -> Exchange:
        """One with a signed URL: without credentials, no redirect followed."""

    async def sleep(self, duration_s: float) -> None:
        """Let time pass."""
