"""Exchanges ↔ lines of JSON, without anything secret or personal.

Credentials, signatures of URLs, ids and names of people, and the prompts of other jobs
are removed. The rest is enough to repeat an inquiry with the file instead of the
service: see ``Replay``.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pipeline.api.exchange import Exchange
from pipeline.errors import UsageError
from pipeline.redaction import SECRETS

SIGNED = "removed"  # too short to be mistaken for a signature
PRIVATE = "[private]"
# The probes' own texts; any other prompt is somebody's work.
OWN_TEXTS = frozenset({"an oak tree icon", " an oak  tree, cafe\u0301 style "})
_SIGNATURE = re.compile(
    r"((?:Policy|Signature|Key-Pair-Id|X-Amz-[A-Za-z-]+)(?:=|%3D))[^&\s\"'\\]+"
)
_PERSON = re.compile(r"\b((?:apiu|api|user|usr)_[A-Za-z0-9]{4})[A-Za-z0-9]{8,}")
# Starts at a word and is limited to the length of an address, so that a text of a
# million letters is scanned only once.
_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,190}")
_PERSONAL_KEYS = frozenset(
    {
        "email",
        "userEmail",
        "userName",
        "firstName",
        "lastName",
        "displayName",
        "members",
    }
)
_TEXT_KEYS = frozenset(
    {"image", "prompt", "negativePrompt", "text", "name", "description"}
)
_ASSET_ID = re.compile(r"asset_[A-Za-z0-9]+")


def clean(text: str) -> str:
    """A text without secrets, signatures, addresses and full ids of people."""
    # Signatures first: the replay needs the names around them.
    text = _SIGNATURE.sub(rf"\1{SIGNED}", text)
    text = SECRETS.clean(text)
    if "@" in text:
        text = _ADDRESS.sub(PRIVATE, text)
    return _PERSON.sub(r"\1...", text)


def line_of(exchange: Exchange) -> str:
    """One exchange as a line of JSON."""
    path = urlsplit(exchange.target).path
    record: dict[str, object] = {
        "method": exchange.method,
        "target": exchange.target,
        "sent": _without_people(exchange.sent, path),
        "sent_at_s": round(exchange.sent_at_s, 3),
        "at_s": round(exchange.at_s, 3),
        "status": exchange.status,
        "headers": dict(exchange.headers),
        **_kept_body(exchange, path),
    }
    if exchange.error:
        record["error"] = exchange.error
    return clean(json.dumps(record))


class Replay:
    """``Exchanges`` from a file: the recorded answers of a service, in order.

    Args:
        lines: As written by :func:`line_of`.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._left = [json.loads(line) for line in lines]

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,  # noqa: ARG002 - as recorded
        body: object = None,  # noqa: ARG002
        is_hasty: bool = False,  # noqa: ARG002
    ) -> Exchange:
        """The next recorded exchange."""
        return self._next(method, path)

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> Exchange:
        """The next recorded exchange."""
        return self._next(method, urlsplit(url).path)

    async def sleep(self, duration_s: float) -> None:
        """Do nothing: the times are recorded too."""

    def _next(self, method: str, path: str) -> Exchange:
        if not self._left:
            raise UsageError("the recorded exchanges end before the questions do")
        record = self._left.pop(0)
        recorded = urlsplit(record["target"]).path
        if (record["method"], recorded) != (method, path):
            raise UsageError(
                f"recorded: {record['method']} {recorded}, but asked: {method} {path}"
            )
        body = record.get("body")
        raw = b"" if body is None else json.dumps(body).encode()
        if "text" in record:
            raw = record["text"].encode()
        return Exchange(
            method=method,
            target=record["target"],
            sent=record["sent"],
            sent_at_s=record["sent_at_s"],
            at_s=record["at_s"],
            status=record["status"],
            headers=record["headers"],
            body=raw or bytes(record.get("size_bytes", 0)),
            error=record.get("error", ""),
        )


def _kept_body(exchange: Exchange, path: str) -> dict[str, object]:
    if not exchange.body:
        return {}
    if exchange.json:
        return {"body": _without_people(exchange.json, path)}
    kind = exchange.headers.get("content-type", "")
    if kind.startswith("text/"):
        return {"text": exchange.body[:500].decode("utf-8", "replace")}
    return {"size_bytes": len(exchange.body)}


def _without_people(value: Any, path: str) -> Any:
    """The value without the names of people and the texts of others.

    Args:
        value: JSON.
        path: Where it comes from: models are public, teams are not.
    """
    if path.startswith("/models"):
        return value
    if isinstance(value, list):
        return [_without_people(entry, path) for entry in value]
    if not isinstance(value, dict):
        return value
    kept: dict[str, object] = {}
    for key, entry in value.items():
        if key in _PERSONAL_KEYS:
            kept[key] = PRIVATE
        elif key == "input" and isinstance(entry, dict):
            kept[key] = {name: _masked(text) for name, text in entry.items()}
        elif isinstance(entry, str) and _is_private(key, entry):
            kept[key] = f"({len(entry)} characters)"
        else:
            kept[key] = _without_people(entry, path)
    return kept


def _masked(value: object) -> object:
    """An input of somebody's job, masked if it reads like a text of theirs."""
    if isinstance(value, str) and " " in value and value not in OWN_TEXTS:
        return f"({len(value)} characters)"
    return value


def _is_private(key: str, text: str) -> bool:
    """Whether a text is neither our own, nor an id, nor the name of an error type."""
    if key not in _TEXT_KEYS or text in OWN_TEXTS or _ASSET_ID.fullmatch(text):
        return False
    return not (text.endswith("Error") and text.isalpha())
