"""A CSV or JSON Lines file → Rows, one at a time, each with its line.

CSV: comma-separated UTF-8 with a header; cells may be quoted and contain line ends;
every cell is text. Empty rows, which spreadsheets leave behind, are skipped.
JSON Lines: one object per line; values keep their types; null means no value.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.counting import plural
from pipeline.job import JsonValue
from pipeline.manifest.text import (
    WITH_SECRET,
    WITHOUT_SECRETS,
    find_unprintable,
)
from pipeline.record import Struct
from pipeline.redaction import SECRETS
from pipeline.storage.regular_file import open_regular

# Of one record. Anything longer is not a table, and is never read whole into memory.
MAX_RECORD_BYTES = 1024 * 1024
_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 40
_SHOWN_CHARS = 40  # of a file's content, which may be anything


class BadRows(Exception):
    """The file cannot be read further.

    Attributes:
        line: From 1.
        column: From 1, in characters.
        message: What is wrong.
        hint: What to do; may be empty.
    """

    def __init__(self, line: int, column: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint


class Row(Struct):
    """One record.

    Attributes:
        line: Where it starts, from 1.
        values: By column; a CSV cell is text.
        raw: Its text as in the file, for finding columns.
    """

    line: int
    values: dict[str, JsonValue]
    raw: str


class RowsFile(Struct, frozen=True):
    """A file of rows.

    Attributes:
        path: Absolute.
        shown: The path for messages, relative to what the manifest's path is relative
            to.
        is_typed: True for JSON Lines, whose values have types; False for CSV.
    """

    path: Path
    shown: str
    is_typed: bool

    def read(self) -> Iterator[Row]:
        """Yield the rows in file order.

        Raises:
            BadRows: Something is wrong; the rows before it have been yielded.
        """
        try:
            with open_regular(self.path) as file:
                yield from _read_jsonl(file) if self.is_typed else _read_csv(file)
        except OSError as exc:
            raise BadRows(1, 1, f"cannot be read: {exc.strerror}") from exc

    def place(self, row: Row, name: str) -> tuple[int, int]:
        """Line and column, from 1 and in characters, of one value of a row."""
        if self.is_typed:
            at = row.raw.find(json.dumps(name, ensure_ascii=False))
            return row.line, max(at, 0) + 1
        names = list(row.values)
        return _cell_place(row.raw, row.line, names.index(name) if name in names else 0)


class _Lines:
    """Lines of a file as text, with the raw text of the record being read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.line = 0
        self.start_line = 1
        self.raw: list[str] = []
        self._size_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        data = self._file.readline(MAX_RECORD_BYTES - self._size_bytes + 1)
        if not data:
            raise StopIteration
        self.line += 1
        self._size_bytes += len(data)
        if self._size_bytes > MAX_RECORD_BYTES:
            limit = f"{MAX_RECORD_BYTES:,}"
            hint = "is a closing quote missing?" if self.line > self.start_line else ""
            text = f"a row is longer than {limit} bytes"
            raise BadRows(self.start_line, 1, text, hint)
        if self.line == 1:
            if data.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise BadRows(1, 1, "the file is UTF-16", "save it as UTF-8")
            data = data.removeprefix(b"\xef\xbb\xbf")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as exc:
            column = len(data[: exc.start].decode("utf-8")) + 1
            message = f"byte 0x{data[exc.start]:02x} is not UTF-8"
            raise BadRows(
                self.line, column, message, "save the file as UTF-8"
            ) from None
        if SECRETS.holds(text):
            raise BadRows(self.line, 1, WITH_SECRET, WITHOUT_SECRETS)
        self.raw.append(text)
        return text

    def next_record(self) -> None:
        """Forget the record read so far."""
        self.raw.clear()
        self._size_bytes = 0
        self.start_line = self.line + 1


def _read_csv(file: BinaryIO) -> Iterator[Row]:
    lines = _Lines(file)
    header: list[str] = []
    reader = csv.reader(lines, strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            raise _csv_fault(lines, str(exc)) from exc
        if cells is None:
            break
        line, raw = lines.start_line, "".join(lines.raw)
        lines.next_record()
        if not any(cell and not cell.isspace() for cell in cells):
            continue
        if not header:
            header = _check_header(cells, raw, line)
            continue
        if len(cells) != len(header):
            surplus = len(cells) > len(header)
            place = _cell_place(raw, line, len(header) if surplus else len(cells) - 1)
            text = f"this row has {plural(len(cells), 'cell')}, the header has"
            text += f" {len(header)}"
            raise BadRows(*place, text, "quote a cell that contains a comma")
        yield Row(line, dict(zip(header, cells, strict=True)), raw)
    if not header:
        raise BadRows(1, 1, "the file is empty", "the first line names the columns")


def _check_header(cells: list[str], raw: str, line: int) -> list[str]:
    header = [cell.strip() for cell in cells]
    for index, name in enumerate(header):
        if not name:
            raise BadRows(*_cell_place(raw, line, index), "a column has no name")
        if len(header) == 1 and (";" in name or "\t" in name):
            text = "the columns are not separated by commas"
            raise BadRows(line, 1, text, "save the file as comma-separated CSV")
        if find_unprintable(name) or any(c in name for c in "${}\r\n"):
            text = "a column's name has characters that ${…} cannot contain"
            raise BadRows(*_cell_place(raw, line, index), text)
        if name in header[:index]:
            place = _cell_place(raw, line, index)
            raise BadRows(*place, f"the column '{name[:_SHOWN_CHARS]}' appears twice")
    return header


def _csv_fault(lines: _Lines, reason: str) -> BadRows:
    if "unexpected end of data" in reason:
        return BadRows(lines.start_line, 1, "a quote in this row is never closed")
    if "field larger" in reason:
        return BadRows(lines.start_line, 1, "a cell in this row is too long")
    if "expected after" in reason:
        text = "text after a closing quote"
        return BadRows(lines.line, 1, text, 'write "" for a quote inside quotes')
    if "new-line" in reason:
        text = "an old-style line end (CR)"
        return BadRows(lines.line, 1, text, "save the file with LF or CRLF line ends")
    return BadRows(lines.line, 1, f"the CSV is not valid: {reason}")


def _cell_place(raw: str, line: int, index: int) -> tuple[int, int]:
    """Line and column of the cell at ``index`` of a record's raw text."""
    column, is_quoted, at_start = 1, False, True
    for char in raw:
        if index == 0 and at_start:
            break
        at_start = False
        if char == '"':
            is_quoted = not is_quoted
        if char == "," and not is_quoted:
            index -= 1
            at_start = True
        line, column = (line + 1, 1) if char == "\n" else (line, column + 1)
    return line, column


def _read_jsonl(file: BinaryIO) -> Iterator[Row]:
    lines = _Lines(file)
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
                raise self._bad(shown, f"the key '{key[:_SHOWN_CHARS]}' appears twice")
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
        raise BadRows(line, exc.pos + 1, f"not valid JSON: {exc.msg}") from exc
    except RecursionError:
        raise BadRows(line, 1, "the JSON is nested too deeply") from None
    if not isinstance(value, dict):
        hint = 'write one line such as {"slug": "oak"} for each item'
        raise BadRows(line, 1, "a line must be one JSON object", hint)
    return value
