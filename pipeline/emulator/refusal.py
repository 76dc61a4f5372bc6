"""The error answers of the service, as exceptions.

They carry the status and the body of the service contract. The routes add the trace id
and send them.
"""

from collections.abc import Mapping


class Refused(Exception):
    """The request is answered with an error.

    Args:
        status: The HTTP status.
        reason: The text for people.
        headers: Further headers of the answer.
        **body: Further keys of the JSON object, besides ``reason``.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        headers: Mapping[str, str] | None = None,
        **body: object,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, object] = {"reason": reason, **body}


def not_found(kind: str, wanted: str) -> Refused:
    """A 404 such as ``Job job_x not found``."""
    return Refused(404, f"{kind} {wanted} not found")


def bad_request(reason: str) -> Refused:
    """A 400 with this text."""
    return Refused(400, reason)
