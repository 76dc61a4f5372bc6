"""The answer to a request that was not refused."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A 2xx answer.

    Attributes:
        status: The HTTP status.
        body: The JSON object.
    """

    status: int
    body: dict[str, object]
