"""A CSV, JSON Lines or Excel file → Rows, one at a time, each with its line.

The formats: csv_rows.py, jsonl_rows.py, xlsx_rows.py.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.manifest.csv_rows import read_csv
from pipeline.manifest.csv_text import CsvText
from pipeline.manifest.jsonl_rows import read_jsonl
from pipeline.manifest.row import BadRows, Row
from pipeline.manifest.xlsx_rows import read_xlsx
from pipeline.record import Struct
from pipeline.storage.regular_file import open_regular

XLSX = ".xlsx"
# The endings of files of rows → whether their values have types.
ROWS_SUFFIXES = {
    ".csv": False,
    ".tsv": False,
    ".xlsx": False,
    ".jsonl": True,
    ".ndjson": True,
}


class RowsFile(Struct, frozen=True):
    """A file of rows.

    Attributes:
        path: Absolute.
        shown: The path for messages, relative to what the manifest's path is relative
            to. Its ending says whether it is an Excel file.
        is_typed: True for JSON Lines, whose values have types; else every cell is text.
    """

    path: Path
    shown: str
    is_typed: bool

    @property
    def is_sheet(self) -> bool:
        """Whether it is an Excel file."""
        return self.shown.lower().endswith(XLSX)

    def read(
        self, on_note: Callable[[str], None] = lambda _note: None
    ) -> Iterator[Row]:
        """Yield the rows in file order.

        Args:
            on_note: Called at the end with what was assumed about the file, if anything
                was; a sentence for the user.

        Raises:
            BadRows: Something is wrong; the rows before it have been yielded.
        """
        try:
            with open_regular(self.path) as file:
                if self.is_sheet:
                    yield from read_xlsx(file)
                elif self.is_typed:
                    yield from read_jsonl(file)
                else:
                    yield from read_csv(file, lambda n: on_note(f"{self.shown} {n}"))
        except OSError as exc:
            raise BadRows(1, 1, f"cannot be read: {exc.strerror}") from exc

    def place(self, row: Row, name: str) -> tuple[int, int]:
        """Line and column, from 1 and in characters, of one value of a row.

        Of an Excel file: the numbers of the row and of the column.
        """
        if self.is_typed:
            at = row.raw.find(json.dumps(name, ensure_ascii=False))
            return row.line, max(at, 0) + 1
        names = list(row.values)
        index = names.index(name) if name in names else 0
        if self.is_sheet:
            return row.line, index + 1
        return CsvText(row.separator).place(row.raw, row.line, index)
