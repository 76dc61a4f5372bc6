"""JSON Lines → Rows: one object a line; values keep their types; null is no value."""

import json
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.job import JsonValue
from pipeline.manifest.record_lines import RecordLines
from pipeline.manifest.row import SHOWN_CHARS, BadRows, Row

_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 40
# A part of the parser's message → ours.
_SYNTAX = (
    ("Expecting value", "a value is missing here, or a text has no double quotes"),
    ("Expecting property name", "a key in double quotes is missing here"),
    ("Illegal trailing comma", "a comma before the end"),
    ("Expecting ',' delimiter", "a comma is missing here"),
    ("Expecting ':' delimiter", "a colon is missing here"),
    ("Unterminated string", "the text that begins here is never closed"),
    (
        "Invalid control character",
        'a tab or line end inside a text; write "\\t" or "\\n"',
    ),
    ("escape", "a backslash begins an escape sequence, and this is none; double it"),
    ("Extra data", "more text follows the object"),
)


def read_jsonl(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of a file.

    Raises:
        BadRows: Something is wrong; the rows before it have been yielded.
    """
    lines = RecordLines(file)
    for text in lines:
        line = lines.start_line
        lines.next_record()
        if not text.strip():
            continue
        yield Row(line, _parse_object(text, line), text)


class _JsonLine:
    """Hooks that check the objects and numbers of one line."""

    def __init__(self, text: str, line: int) -> None:
        self._text = text
        self._line = line

    def _bad(self, found: str, message: str) -> BadRows:
        return BadRows(self._line, max(self._text.rfind(found), 0) + 1, message)

    def constant(self, name: str) -> None:
        raise self._bad(name, f"{name} is not a JSON value")

    def pairs(self, pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {}
        for key, value in pairs:
            if key in found:
                shown = json.dumps(key, ensure_ascii=False)
                raise self._bad(shown, f"the key '{key[:SHOWN_CHARS]}' appears twice")
            found[key] = value
        return found

    def integer(self, digits: str) -> int:
        # Python refuses to convert thousands of digits; nobody needs them.
        value = int(digits) if len(digits) <= _MAX_DIGITS else _MAX_INTEGER + 1
        if abs(value) > _MAX_INTEGER:
            raise self._bad(digits, f"{digits[:_MAX_DIGITS]} is too large a number")
        return value

    def fraction(self, digits: str) -> float:
        value = float(digits)
        if abs(value) == float("inf"):
            raise self._bad(digits, f"{digits[:_MAX_DIGITS]} is too large a number")
        return value


def _parse_object(text: str, line: int) -> dict[str, JsonValue]:
    hooks = _JsonLine(text, line)
    try:
        value = json.loads(
            text,
            object_pairs_hook=hooks.pairs,
            parse_constant=hooks.constant,
            parse_int=hooks.integer,
            parse_float=hooks.fraction,
        )
    except json.JSONDecodeError as exc:
        # exc.colno restarts after a line separator inside the line; pos does not.
        message = next((ours for theirs, ours in _SYNTAX if theirs in exc.msg), "")
        text = f"not valid JSON{': ' if message else ''}{message}"
        raise BadRows(line, exc.pos + 1, text) from exc
    except RecursionError:
        raise BadRows(line, 1, "the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        hint = 'write one line such as {"slug": "oak"} for each item'
        raise BadRows(line, 1, "a line must be one JSON object", hint)
    return value
