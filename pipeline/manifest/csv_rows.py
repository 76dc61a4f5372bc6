"""CSV → Rows: separated by commas, semicolons or tabs, with a header; cells are text.

Cells may be quoted, and then contain separators, quotes and line ends. Empty rows, and
empty columns at the end, which spreadsheets leave behind, are skipped. The encodings:
record_lines.py.
"""

import csv
from collections.abc import Callable, Iterator
from itertools import chain
from typing import BinaryIO

from pipeline.manifest.csv_text import SEPARATORS, CsvText, find_separator
from pipeline.manifest.quoting import shortened
from pipeline.manifest.record_lines import RecordLines
from pipeline.manifest.row import MAX_RECORD_BYTES, BadRows, Row, header_of

_NOTHING = f'{"".join(SEPARATORS)}" \r\n\u00a0'  # all that an empty row consists of
_EXCEL = "sep="  # a first line that tells Excel the separator


def read_csv(
    file: BinaryIO, on_note: Callable[[str], None] = lambda _note: None
) -> Iterator[Row]:
    """Yield the rows of a file.

    Args:
        file: Open for reading, and seekable.
        on_note: Called at the end with what was assumed about the encoding, if anything
            was; worded to follow the name of the file.

    Raises:
        BadRows: Something is wrong; the rows before it have been yielded.
    """
    # The limit is that of the record; the csv module's own is lower.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_RECORD_BYTES))
    lines = RecordLines(file, any_encoding=True)
    first, text = _begin(lines)
    header: list[str] = []
    source = chain([first], lines)
    reader = csv.reader(source, delimiter=text.separator, strict=True)
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            raise _csv_fault(lines, text, str(exc), len(header)) from exc
        if cells is None:
            break
        line, raw = lines.start_line, "".join(lines.raw)
        lines.next_record()
        if not any(cell and not cell.isspace() for cell in cells):
            continue
        if text.has_blank_before_quote(raw):
            _check_quotes(text, raw, line, len(header))
        if not header:
            header = header_of(cells, lambda index: text.place(raw, line, index))  # noqa: B023 - called at once
            continue
        if len(cells) != len(header):
            cells = _fitted(cells, header, text, raw, line)
        yield Row(line, dict(zip(header, cells, strict=True)), raw, text.separator)
    if lines.assumption:
        on_note(lines.assumption)


def _begin(lines: RecordLines) -> tuple[str, CsvText]:
    """The line that names the columns, and how the file is written."""
    told = ""
    for line in lines:
        if not line.strip(_NOTHING):
            lines.next_record()
            continue
        if not told and line.lower().startswith(_EXCEL):
            told = _told_separator(line, lines.line)
            lines.next_record()
            continue
        separator = told or find_separator(line)
        if not told and line.count("|") > line.count(separator):
            text = "the columns are separated by '|'"
            hint = "save the file with commas, semicolons or tabs"
            raise BadRows(lines.line, 1, text, hint)
        return line, CsvText(separator)
    raise BadRows(1, 1, "the file is empty", "the first line names the columns")


def _told_separator(line: str, number: int) -> str:
    separator = line.rstrip("\r\n")[len(_EXCEL) :].strip('" ')
    if separator in SEPARATORS:
        return separator
    text = "this line does not name a separator that can be read"
    hint = "remove it, and separate the columns by commas, semicolons or tabs"
    raise BadRows(number, 1, text, hint)


def _fitted(
    cells: list[str], header: list[str], text: CsvText, raw: str, line: int
) -> list[str]:
    """The cells without empty ones behind the last column."""
    count = len(header)
    surplus = [n for n in range(count, len(cells)) if cells[n].strip()]
    if len(cells) > count and not surplus:
        return cells[:count]
    wrong = f"this row has {len(cells)} cells, the header has {count}"
    if len(cells) > count:
        one = SEPARATORS[text.separator].removesuffix("s")
        hint = f"quote a cell that contains a {one}"
        if fixed := _with_joined_cells(text, raw, cells, count):
            hint = f"{hint}; write: {fixed}"
        raise BadRows(*text.place(raw, line, surplus[0]), wrong, hint)
    empty = text.separator * (count - len(cells))
    hint = f"for empty cells at its end, write: {shortened(raw.strip())}{empty}"
    raise BadRows(*text.place(raw, line, len(cells) - 1), wrong, hint)


def _with_joined_cells(text: CsvText, raw: str, cells: list[str], count: int) -> str:
    """The row with quotes around what may be one cell: a blank follows its commas."""
    if '"' in raw:
        return ""
    joined: list[str] = []
    for cell in cells:
        if joined and cell.startswith(" "):
            joined[-1] += f"{text.separator}{cell}"
        else:
            joined.append(cell)
    return text.written(joined) if len(joined) == count else ""


def _check_quotes(text: CsvText, raw: str, line: int, count: int) -> None:
    """Refuse a quote behind a blank: CSV takes it for a part of the text."""
    for index, cell in enumerate(text.cells(raw)):
        if cell.startswith('"') or not cell.lstrip(text.blanks).startswith('"'):
            continue
        hint = "remove the blank, or put the whole cell in quotes and double its own"
        fixed = text.without_blanks_before_quotes(raw)
        if text.count_cells(fixed) == (count or text.count_cells(fixed)):
            hint = f"write: {shortened(fixed)}"
        wrong = "a blank before a quote makes the quotes a part of the text"
        raise BadRows(*text.place(raw, line, index), wrong, hint)


def _csv_fault(lines: RecordLines, text: CsvText, reason: str, count: int) -> BadRows:
    if "unexpected end of data" in reason:
        wrong = "a quote in this row is never closed"
        hint = 'close it, or write "" for a quote inside quotes'
        return BadRows(lines.start_line, 1, wrong, hint)
    if "expected after" in reason:
        raw = "".join(lines.raw).rstrip("\r\n")
        hint = 'write "" for a quote inside quotes'
        fixed = text.written([_unquoted(cell, text) for cell in text.cells(raw)])
        if count in {0, text.count_cells(fixed)}:
            hint += f"; write: {fixed}"
        return BadRows(lines.line, 1, "text after a closing quote", hint)
    if "new-line" in reason:
        wrong = "an old-style line end (CR)"
        return BadRows(lines.line, 1, wrong, "save the file with LF or CRLF line ends")
    return BadRows(lines.line, 1, "this row is not valid CSV")


def _unquoted(written: str, text: CsvText) -> str:
    """The text of a cell whose quotes are wrong."""
    cell = written.strip(text.blanks)
    if len(cell) > 1 and cell.startswith('"') and cell.endswith('"'):
        return cell[1:-1].replace('""', '"')
    return cell
