"""CSV → Rows: separated by commas, UTF-8, with a header; every cell is text.

Cells may be quoted, and then contain commas, quotes and line ends. Empty rows, and
empty columns at the end, which spreadsheets leave behind, are skipped.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.manifest.quoting import shortened
from pipeline.manifest.record_lines import RecordLines
from pipeline.manifest.row import (
    MAX_RECORD_BYTES,
    BadRows,
    Row,
    header_of,
    without_empty_end,
)

_BLANKS = " \t\u00a0"
_BLANKS_BEFORE_QUOTE = re.compile(rf"(?<![^,])[{_BLANKS}]+(?=\")")
_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}


def read_csv(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of a file.

    Raises:
        BadRows: Something is wrong; the rows before it have been yielded.
    """
    # The limit is that of the record; the csv module's own is lower.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))
    lines = RecordLines(file)
    header: list[str] = []
    reader = csv.reader(lines, strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            raise _csv_fault(lines, str(exc), len(header)) from exc
        if cells is None:
            break
        line, raw = lines.start_line, "".join(lines.raw)
        lines.next_record()
        if not any(cell and not cell.isspace() for cell in cells):
            continue
        if _BLANKS_BEFORE_QUOTE.search(raw):
            _check_quotes(raw, line, len(header))
        if not header:
            _check_separator(raw, line)
            header = header_of(cells, lambda index: cell_place(raw, line, index))  # noqa: B023 - called at once
            continue
        if len(cells) != len(header):
            cells = _fitted(cells, header, raw, line)
        yield Row(line, dict(zip(header, cells, strict=True)), raw)
    if not header:
        raise BadRows(1, 1, "the file is empty", "the first line names the columns")


def _fitted(cells: list[str], header: list[str], raw: str, line: int) -> list[str]:
    """The cells without empty ones behind the last column."""
    count = len(header)
    surplus = [n for n in range(count, len(cells)) if cells[n].strip()]
    if len(cells) > count and not surplus:
        return cells[:count]
    text = f"this row has {len(cells)} cells, the header has {count}"
    if len(cells) > count:
        hint = "quote a cell that contains a comma"
        if fixed := _with_joined_cells(raw, cells, count):
            hint = f"{hint}; write: {fixed}"
        raise BadRows(*cell_place(raw, line, surplus[0]), text, hint)
    empty = "," * (count - len(cells))
    hint = f"for empty cells at its end, write: {shortened(raw.strip())}{empty}"
    raise BadRows(*cell_place(raw, line, len(cells) - 1), text, hint)


def _with_joined_cells(raw: str, cells: list[str], count: int) -> str:
    """The row with quotes around what may be one cell: a blank follows its commas."""
    if '"' in raw:
        return ""
    joined: list[str] = []
    for cell in cells:
        if joined and cell.startswith(" "):
            joined[-1] += f",{cell}"
        else:
            joined.append(cell)
    return _written(joined) if len(joined) == count else ""


def _written(cells: list[str]) -> str:
    target = io.StringIO()
    csv.writer(target, lineterminator="").writerow(cells)
    return shortened(target.getvalue())


def _check_separator(raw: str, line: int) -> None:
    if raw.lower().startswith("sep="):
        text = "this line is for Excel alone"
        raise BadRows(line, 1, text, "remove it; the first line names the columns")
    for separator, shown in _SEPARATORS.items():
        if raw.count(separator) > raw.count(","):
            text = f"the columns are separated by {shown}, not by commas"
            raise BadRows(line, 1, text, "save the file as comma-separated CSV")


def _check_quotes(raw: str, line: int, count: int) -> None:
    """Refuse a quote behind a blank: CSV takes it for a part of the text."""
    for index, cell in enumerate(_raw_cells(raw)):
        if cell.startswith('"') or not cell.lstrip(_BLANKS).startswith('"'):
            continue
        hint = "remove the blank, or put the whole cell in quotes and double its own"
        fixed = _BLANKS_BEFORE_QUOTE.sub("", raw.rstrip("\r\n"))
        if _count_cells(fixed) == (count or _count_cells(fixed)):
            hint = f"write: {shortened(fixed)}"
        text = "a blank before a quote makes the quotes a part of the text"
        raise BadRows(*cell_place(raw, line, index), text, hint)


def _count_cells(raw: str) -> int:
    """How many cells a record has; 0 if it cannot be read."""
    try:
        rows = list(csv.reader(io.StringIO(raw, newline=""), strict=True))
    except csv.Error:
        return 0
    return len(without_empty_end(rows[0])) if len(rows) == 1 else 0


def _csv_fault(lines: RecordLines, reason: str, count: int) -> BadRows:
    if "unexpected end of data" in reason:
        text = "a quote in this row is never closed"
        hint = 'close it, or write "" for a quote inside quotes'
        return BadRows(lines.start_line, 1, text, hint)
    if "expected after" in reason:
        raw = "".join(lines.raw).rstrip("\r\n")
        hint = 'write "" for a quote inside quotes'
        fixed = _written([_unquoted(cell) for cell in _raw_cells(raw)])
        if count in {0, _count_cells(fixed)}:
            hint += f"; write: {fixed}"
        return BadRows(lines.line, 1, "text after a closing quote", hint)
    if "new-line" in reason:
        text = "an old-style line end (CR)"
        return BadRows(lines.line, 1, text, "save the file with LF or CRLF line ends")
    return BadRows(lines.line, 1, "this row is not valid CSV")


def _unquoted(cell: str) -> str:
    """The text of a cell whose quotes are wrong."""
    text = cell.strip(_BLANKS)
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return text[1:-1].replace('""', '"')
    return text


def _raw_cells(raw: str) -> list[str]:
    """The cells of a record as they are written."""
    ends = [*_ends_of_cells(raw), len(raw)]
    starts = [0, *(end + 1 for end in ends[:-1])]
    return [raw[start:end] for start, end in zip(starts, ends, strict=True)]


def _ends_of_cells(raw: str) -> Iterator[int]:
    """The offsets of the commas between cells. A quote counts at a cell's beginning."""
    is_quoted, start = False, 0
    for at, char in enumerate(raw):
        if char == '"' and (is_quoted or at == start):
            is_quoted = not is_quoted
        elif char == '"' and raw[at - 1] == '"' and raw[start] == '"':
            is_quoted = True  # the second of two that stand for one
        elif char == "," and not is_quoted:
            yield at
            start = at + 1


def cell_place(raw: str, line: int, index: int) -> tuple[int, int]:
    """Line and column, from 1, of the cell at ``index`` of a record's raw text."""
    ends = list(_ends_of_cells(raw))
    start = ends[index - 1] + 1 if 0 < index <= len(ends) else 0
    if index > len(ends):
        start = len(raw)
    before = raw[:start]
    return line + before.count("\n"), start - before.rfind("\n")
