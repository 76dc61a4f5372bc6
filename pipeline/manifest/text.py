"""Bytes a person wrote → text, or the line and column of what is not text."""

import re
from bisect import bisect_right

from pipeline.job import JsonValue
from pipeline.manifest.faults import Faults
from pipeline.redaction import SECRETS

# Characters that no editor shows: control characters except tab and line ends; the
# separators U+0085, U+2028 and U+2029 (YAML breaks lines there but editors do not, so
# line numbers would differ); surrogates and non-characters.
_UNPRINTABLE = re.compile(
    "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff\\ufeff"
    "\\ufffe\\uffff]"
)
WITH_SECRET = "this line contains your API key or secret"  # noqa: S105 - a message
WITHOUT_SECRETS = "remove it: this text is sent to the service and written to files"
_LINE_END = re.compile(r"\r\n|\r|\n")


def decode_utf8(data: bytes, faults: Faults) -> str | None:
    """The text without its byte order mark, or None and a fault."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        faults.add_at(1, 1, "the file is UTF-16", "save it as UTF-8")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = data[: exc.start].decode("utf-8-sig", errors="replace")
        byte = data[exc.start]
        line, column = place_of(before, len(before))
        faults.add_at(
            line, column, f"byte 0x{byte:02x} is not UTF-8", "save the file as UTF-8"
        )
        return None


def check_characters(text: str, faults: Faults) -> bool:
    """Whether all characters are printable; the first that is not becomes a fault."""
    match = _UNPRINTABLE.search(text)
    if match is None:
        return True
    line, column = place_of(text, match.start())
    code = ord(match.group())
    faults.add_at(
        line, column, f"the character U+{code:04X} is not allowed", "remove it"
    )
    return False


def check_secrets(text: str, faults: Faults) -> bool:
    """Whether the text is free of known secrets; the first one becomes a fault.

    After this check, what a person wrote can be stored and shown unaltered.
    """
    if not SECRETS.holds(text):
        return True
    for number, line in enumerate(_LINE_END.split(text), start=1):
        if SECRETS.holds(line):
            faults.add_at(number, 1, WITH_SECRET, WITHOUT_SECRETS)
            return False
    return True


def with_line_feeds(value: JsonValue) -> JsonValue:
    """The value with a line feed for every line end in a text, inner ones too.

    A checkout on Windows may write other line ends into every file; that must not make
    another request of one.
    """
    if isinstance(value, str):
        return _LINE_END.sub("\n", value) if "\r" in value else value
    if isinstance(value, list):
        return [with_line_feeds(element) for element in value]
    if isinstance(value, dict):
        return {key: with_line_feeds(entry) for key, entry in value.items()}
    return value


def with_carriage_returns(value: JsonValue) -> JsonValue:
    """A text with Windows' line ends; any other value as it is."""
    return _LINE_END.sub("\r\n", value) if isinstance(value, str) else value


def find_unprintable(text: str) -> str:
    """The first character that is not allowed in text, as U+XXXX, or ""."""
    match = _UNPRINTABLE.search(text)
    return f"U+{ord(match.group()):04X}" if match else ""


def place_of(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset into the text."""
    line, start = 1, 0
    for match in _LINE_END.finditer(text, 0, offset):
        line, start = line + 1, match.end()
    return line, offset - start + 1


class Places:
    """Finds lines and columns inside one text.

    Args:
        text: With any kind of line ending.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] = []

    def find(
        self, line: int, column: int, needle: str, limit: int
    ) -> tuple[int, int] | None:
        """Find ``needle`` within ``limit`` characters after a line and column."""
        start = self._line_starts()[line - 1] + column - 1
        found = self._text.find(needle, start, start + limit)
        if found < 0:
            return None
        line = bisect_right(self._starts, found)
        return line, found - self._starts[line - 1] + 1

    def line(self, number: int) -> str:
        """A line without its end, by its number from 1."""
        starts = self._line_starts()
        end = starts[number] if number < len(starts) else None
        return self._text[starts[number - 1] : end].rstrip("\r\n")

    def _line_starts(self) -> list[int]:
        if not self._starts:
            ends = (match.end() for match in _LINE_END.finditer(self._text))
            self._starts = [0, *ends]
        return self._starts
