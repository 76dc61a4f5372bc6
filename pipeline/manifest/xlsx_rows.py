"""The first sheet of an Excel file → Rows, whose cells are the texts of the same CSV.

Read by openpyxl, which the extra ``xlsx`` installs. What a CSV would not say as it is
shown (dates, errors, merged cells, formulas that were never calculated) is refused.
"""

import math
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from importlib.util import find_spec
from typing import IO, Any, BinaryIO
from xml.etree import ElementTree as ET

from pipeline.manifest.row import MAX_RECORD_BYTES, BadRows, Row, header_of
from pipeline.manifest.text import WITH_SECRET, WITHOUT_SECRETS
from pipeline.redaction import SECRETS

INSTALL = 'pip install "scenario-pipeline[xlsx]"'
# Unpacked. A small file may hold any number of zeros.
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ROW, _FORMULA, _VALUE = f"{_MAIN}row", f"{_MAIN}f", f"{_MAIN}v"
_MERGED = f"{_MAIN}mergeCell"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL = re.compile(r"([A-Z]+)([0-9]+)")
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_AS_TEXT = "format the cell as text, and write it as it is meant"


def read_xlsx(file: BinaryIO) -> Iterator[Row]:
    """Yield the rows of the first sheet, without those that are empty.

    Raises:
        BadRows: Something is wrong; ``line`` and ``column`` number rows and columns.
    """
    # Late: it is in an extra, and most manifests do without.
    import openpyxl  # noqa: PLC0415

    unusable = _find_unusable_cells(file)
    file.seek(0)
    try:
        with warnings.catch_warnings():
            # Of features of a sheet that do not concern its values.
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
    except Exception as exc:  # the library raises whatever a broken part makes it
        raise _unreadable() from exc
    try:
        sheet = book.worksheets[0]
        # The size that a sheet claims may be wrong.
        sheet.reset_dimensions()
        yield from _read_rows(sheet.iter_rows(), unusable)
    finally:
        book.close()


def is_installed() -> bool:
    """Whether Excel files can be read here."""
    return find_spec("openpyxl") is not None


def _unreadable() -> BadRows:
    hint = "save it as .xlsx without a password, or as CSV UTF-8"
    return BadRows(0, 0, "this is not an Excel file that can be read", hint)


def _read_rows(
    rows: Iterator[Sequence[Any]], unusable: Mapping[tuple[int, int], tuple[str, str]]
) -> Iterator[Row]:
    header: list[str] = []
    number = 0
    while True:
        try:
            cells = next(rows, None)
        except Exception as exc:  # as above
            raise _unreadable() from exc
        if cells is None:
            break
        number += 1
        texts = _texts_of(cells, number, unusable)
        if not any(text and not text.isspace() for text in texts):
            continue
        if not header:
            header = header_of(texts, lambda index: (number, index + 1))  # noqa: B023 - called at once
            continue
        count = len(header)
        for index in range(count, len(texts)):
            if texts[index].strip():
                message = "this cell is in a column that has no name"
                raise BadRows(number, index + 1, message, "name the column in row 1")
        texts += [""] * (count - len(texts))
        yield Row(number, dict(zip(header, texts, strict=False)), "")
    if not header:
        raise BadRows(0, 0, "the sheet is empty", "the first row names the columns")


def _texts_of(
    cells: Sequence[Any],
    number: int,
    unusable: Mapping[tuple[int, int], tuple[str, str]],
) -> list[str]:
    """The texts of a row's cells."""
    texts: list[str] = []
    for column, cell in enumerate(cells, start=1):
        if (number, column) in unusable:
            raise BadRows(number, column, *unusable[number, column])
        texts.append(_text_of(cell, number, column))
    if sum(len(text.encode()) for text in texts) > MAX_RECORD_BYTES:
        text = f"a row is longer than {MAX_RECORD_BYTES:,} bytes"
        raise BadRows(number, 1, text)
    if SECRETS.holds("\n".join(texts)):
        raise BadRows(number, 1, WITH_SECRET, WITHOUT_SECRETS)
    return texts


def _text_of(cell: Any, row: int, column: int) -> str:
    """A cell's text, as Excel writes it into a CSV."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "e":
        hint = "fix the formula, or write the value"
        raise BadRows(row, column, f"the cell holds the error {value}", hint)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if not isinstance(value, int | float):
        raise BadRows(row, column, "the cell holds a date or a time", _AS_TEXT)
    if wrong := _shown_otherwise(str(cell.number_format)):
        raise BadRows(row, column, f"the cell shows its number {wrong}", _AS_TEXT)
    return _number(value, row, column)


def _number(value: float, row: int, column: int) -> str:
    if not math.isfinite(value):
        raise BadRows(row, column, "the cell holds no number that can be sent")
    if value == int(value):
        return str(int(value))
    # Excel keeps 15 digits; 0.1 + 0.2 is 0.3 there.
    return f"{Decimal(f'{value:.15g}'):f}"


def _shown_otherwise(number_format: str) -> str:
    """How a format shows a number with other characters than its digits, or ""."""
    shape = _QUOTED.sub("", number_format)
    if "%" in shape:
        return "as a percentage"
    if re.match(r"0{2,}(?![.0])|0{2,}\.", shape):
        return "with zeros before it"
    return ""


def _find_unusable_cells(
    file: BinaryIO,
) -> dict[tuple[int, int], tuple[str, str]]:
    """Cells whose value openpyxl does not tell: (row, column) → message and hint."""
    try:
        with zipfile.ZipFile(file) as archive:
            size_bytes = sum(entry.file_size for entry in archive.infolist())
            if size_bytes > MAX_UNPACKED_BYTES:
                limit = MAX_UNPACKED_BYTES // 1024 // 1024
                text = f"the file is larger than {limit} MiB when it is unpacked"
                raise BadRows(0, 0, text, "save the sheet as CSV UTF-8")
            with archive.open(_first_sheet(archive)) as sheet:
                return _scan(sheet)
    except (zipfile.BadZipFile, ET.ParseError, KeyError, StopIteration) as exc:
        raise _unreadable() from exc
    except (ValueError, NotImplementedError, RuntimeError, EOFError) as exc:
        raise _unreadable() from exc


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """The name in the archive of the first worksheet."""
    relations = ET.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314 - expat refuses bombs
    targets = {
        one.attrib["Id"]: one.attrib["Target"]
        for one in relations
        if one.attrib.get("Type", "").endswith("/worksheet")
    }
    book = ET.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 - likewise
    sheets = (one.attrib.get(_RELATION, "") for one in book.iter(f"{_MAIN}sheet"))
    target = next(targets[one] for one in sheets if one in targets)
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _scan(sheet: IO[bytes]) -> dict[tuple[int, int], tuple[str, str]]:
    found: dict[tuple[int, int], tuple[str, str]] = {}
    row = 0
    for _, element in ET.iterparse(sheet):  # noqa: S314 - as above
        if element.tag == _ROW:
            row = int(element.get("r", row + 1))
            for column, cell in enumerate(element, start=1):
                formula = cell.find(_FORMULA)
                # Of a formula that gives an empty text, the type says so.
                if formula is None or cell.findtext(_VALUE) or cell.get("t") == "str":
                    continue
                text = "the cell's formula has never been calculated"
                hint = "open the file in a spreadsheet program and save it there"
                place = _place(cell.get("r", ""), (row, column))
                found[place] = (text, hint)
            element.clear()
        elif element.tag == _MERGED:
            area = element.get("ref", "")
            hint = "undo the merge, and write a value in each cell"
            place = _place(area.partition(":")[0], (1, 1))
            found[place] = (f"cells {area} are merged", hint)
    return found


def _place(name: str, otherwise: tuple[int, int]) -> tuple[int, int]:
    """Row and column of a cell's name."""
    match = _CELL.fullmatch(name)
    if match is None:
        return otherwise
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return int(match[2]), column
