"""Values of a lock file: text ↔ value, and which values each key allows. Pure.

The reader and the writer use the same functions, so that what is written can be read.
"""

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from pipeline.job import PREVIEW
from pipeline.manifest.item_id import check_id
from pipeline.naming import item_of
from pipeline.units import MOST_UNITS

LOCK_VERSION = 1
END = "..."  # YAML's own end of a document; without it the file is truncated
MAX_LINE_BYTES = 8192
MAX_TEXT_CHARS = 1000  # fits on a line even with every character escaped

Keys = Mapping[str, Callable[[object], object]]

# What YAML 1.1 or 1.2 reads as a word or number is quoted, and so is any odd start.
_PLAIN = re.compile(
    r"[A-Za-z][\w./-]*|[0-9](?![xXoObB])(?=.*[A-DF-Za-df-z])[\w./-]*", re.ASCII
)
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
UNITS = re.compile(r"[0-9]{1,30}(\.[0-9]{1,30})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Not part of normal text: YAML forbids them or breaks lines there, or they hide others.
UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_OUTPUT_NAME = re.compile(r"(?P<stem>(?P<item>.+?)(-[1-9][0-9]*)?)\.[a-z0-9]{1,8}")
_STEMS = ("stem", "item")  # with the number of an output, or without it
_UNSAFE_IN_IDS = frozenset(" /?#%\\")  # ids become parts of URLs
_MAX_REMOTE_ID_CHARS = 256
_INT64_MAX = 2**63 - 1  # what a ledger can hold
# Nothing that the service makes comes close to these; sidecars have the same limits.
_MOST_BYTES = 2**40
_MOST_PIXELS = 10**7
_MOST_OUTPUTS = 10_000


class Wrong(ValueError):
    """An impossible value; ``str()`` says what is wrong."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS


def render_scalar(value: object) -> str:
    """A value as text that YAML and JSON read the same way."""
    if isinstance(value, int):  # or a bool, which is one too
        return str(value).lower()
    text = str(value)
    if _is_plain(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return UNSAFE.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)


def parse_scalar(text: str) -> object:
    """The inverse of :func:`render_scalar`: a str, an int or a bool.

    Raises:
        Wrong: YAML would read something else, or could not read it.
    """
    if text.startswith('"'):
        try:
            value = json.loads(text)
        except ValueError:
            raise Wrong(f"{show(text)} is not quoted as in JSON") from None
        if _SURROGATE.search(value):
            raise Wrong(f"{show(text)} contains half a character")
        return value
    if text in {"true", "false"}:
        return text == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _is_plain(text):
        raise Wrong(f"{show(text)} must be quoted")
    return text


def read_value(keys: Keys, key: str, value: object) -> object:
    """The value, checked and converted for a key of ``keys``.

    Raises:
        Wrong: The key does not allow it.
    """
    try:
        return keys[key](value)
    except Wrong as wrong:
        raise Wrong(f"'{key}' {wrong}", wrong.hint) from None


def _read_any_text(value: object) -> str:
    if not isinstance(value, str):
        raise Wrong("must be text: quote it")
    if len(value) > MAX_TEXT_CHARS:
        raise Wrong(f"is longer than {MAX_TEXT_CHARS} characters")
    if _SURROGATE.search(value):
        raise Wrong("contains half a character")
    return value


def _read_text(value: object) -> str:
    if value == "":
        raise Wrong("is empty")
    return _read_any_text(value)


def _read_item_id(value: object) -> str:
    text = _read_text(value)
    if wrong := check_id(item_of(text)):
        reason = f": {wrong[0]}" if text.isascii() and text.isprintable() else ""
        raise Wrong(f"cannot be {show(text)}{reason}", wrong[1])
    return text


def read_remote_id(value: object) -> str:
    """An id from the service: opaque, but safe as part of a URL.

    Raises:
        Wrong: It is not.
    """
    text = _read_text(value)
    if (
        len(text) > _MAX_REMOTE_ID_CHARS
        or not text.isprintable()
        or text.strip(".") == ""
        or not _UNSAFE_IN_IDS.isdisjoint(text)  # the only printable space is in it
    ):
        raise Wrong(f"cannot be an id from the service: {show(text)}")
    return text


def _read_path(value: object) -> str:
    """A name in the output folder: an item's id, an optional number, an extension."""
    text = _read_text(value)
    match = _OUTPUT_NAME.fullmatch(text)
    # The number of a take is before the number of an output: hero@2-1.png.
    ids = () if match is None else {item_of(match[one]) for one in _STEMS}
    if all(check_id(one) for one in ids):
        raise Wrong(f"cannot be the name of an asset: {show(text)}")
    return text


def _read_role(value: object) -> str:
    if value != PREVIEW:
        raise Wrong(f"must be {PREVIEW}")
    return PREVIEW


def _read_sha256(value: object) -> str:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise Wrong("must be 64 hex digits")
    return value


def _read_units(value: object) -> Decimal:
    if not isinstance(value, str) or not UNITS.fullmatch(value):
        raise Wrong('must be a quoted number, such as "7.25"')
    units = Decimal(value)
    if units >= MOST_UNITS:
        raise Wrong(f"is {show(value)}, more than anything costs")
    return units


def _read_integer(value: object, *, least: int, most: int = _INT64_MAX) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong("must be a whole number")
    if not least <= value <= most:
        raise Wrong(f"is {value}, out of range")
    return value


def _read_seed(value: object) -> int:
    return _read_integer(value, least=-_INT64_MAX)


def _read_size(value: object) -> int:
    return _read_integer(value, least=0, most=_MOST_BYTES)


def _read_pixels(value: object) -> int:
    return _read_integer(value, least=0, most=_MOST_PIXELS)


def _read_index(value: object) -> int:
    return _read_integer(value, least=0, most=_MOST_OUTPUTS)


def _read_version(value: object) -> int:
    version = _read_integer(value, least=1)
    if version > LOCK_VERSION:
        raise Wrong(
            f"is {version}: a newer version of pipeline wrote this file, this one"
            f" reads {LOCK_VERSION}",
            "upgrade scenario-pipeline",
        )
    return version


def check_index(before: int, index: int) -> int:
    """``index``, if the outputs of a job are in order.

    Raises:
        Wrong: They are not.
    """
    if index <= before:
        raise Wrong(f"output {index} comes after output {before}")
    return index


def show(text: str) -> str:
    """Untrusted text for use in a message: quoted, in ASCII, and short."""
    shown = json.dumps(text)
    return shown if len(shown) <= 80 else f"{shown[:79]}…"  # noqa: PLR2004 - a line


HEADER_KEYS: Keys = {
    "lock": _read_version,
    "service": _read_text,
    "project": _read_any_text,
}
ITEM_KEYS: Keys = {
    "id": _read_item_id,
    "model": _read_text,
    "job_key": _read_text,
    "request_key": _read_text,
    "seed": _read_seed,
    "derived_seed": _read_seed,  # instead of "seed"
    "cost": _read_units,
    "job": read_remote_id,
}
ITEM_NEEDS = ("model", "job_key", "request_key", "job")
ASSET_KEYS: Keys = {
    "id": read_remote_id,
    "media_type": _read_any_text,
    "width_px": _read_pixels,
    "height_px": _read_pixels,
    "sha256": _read_sha256,
    "size_bytes": _read_size,
    "output_index": _read_index,  # if it is not the next one
    "path": _read_path,
    "role": _read_role,  # if it is no output
}
ASSET_NEEDS = ("media_type", "sha256", "size_bytes", "path")
