"""A record of a CSV as it is written → its cells, and where each of them is. Pure.

The csv module gives values without positions, and nothing of a record that it refuses.
"""

import csv
import io
import re
from collections.abc import Iterator

from pipeline.manifest.quoting import shortened
from pipeline.manifest.row import without_empty_end
from pipeline.record import Struct

# What can separate columns, and how messages call it.
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class CsvText(Struct, frozen=True):
    """How the records of a file are written.

    Attributes:
        separator: One of ``SEPARATORS``.
    """

    separator: str = ","

    @property
    def blanks(self) -> str:
        """The characters that only look like nothing around a cell."""
        return " \u00a0" if self.separator == "\t" else " \t\u00a0"

    def has_blank_before_quote(self, raw: str) -> bool:
        """Whether a cell may begin with a blank and then a quote."""
        return self._blanks_before_quote.search(raw) is not None

    def without_blanks_before_quotes(self, raw: str) -> str:
        """The record without its line end, and without such blanks."""
        return self._blanks_before_quote.sub("", raw.rstrip("\r\n"))

    def cells(self, raw: str) -> list[str]:
        """The cells of a record as they are written."""
        ends = [*self._ends_of_cells(raw), len(raw)]
        starts = [0, *(end + 1 for end in ends[:-1])]
        return [raw[start:end] for start, end in zip(starts, ends, strict=True)]

    def count_cells(self, raw: str) -> int:
        """How many cells a record has; 0 if it cannot be read."""
        source = io.StringIO(raw, newline="")
        try:
            rows = list(csv.reader(source, delimiter=self.separator, strict=True))
        except csv.Error:
            return 0
        return len(without_empty_end(rows[0])) if len(rows) == 1 else 0

    def written(self, cells: list[str]) -> str:
        """Cells as a record, shortened for a message."""
        target = io.StringIO()
        csv.writer(target, delimiter=self.separator, lineterminator="").writerow(cells)
        return shortened(target.getvalue())

    def place(self, raw: str, line: int, index: int) -> tuple[int, int]:
        """Line and column, from 1, of the cell at ``index``.

        Args:
            raw: The record as it is written.
            line: Where it starts, from 1.
            index: From 0; that of a missing cell leads to the end.
        """
        ends = list(self._ends_of_cells(raw))
        start = ends[index - 1] + 1 if 0 < index <= len(ends) else 0
        if index > len(ends):
            start = len(raw)
        before = raw[:start]
        return line + before.count("\n"), start - before.rfind("\n")

    @property
    def _blanks_before_quote(self) -> re.Pattern[str]:
        return re.compile(rf'(?<![^{self.separator}])[{self.blanks}]+(?=")')

    def _ends_of_cells(self, raw: str) -> Iterator[int]:
        """The offsets of the separators. A quote counts at a cell's beginning."""
        is_quoted, start = False, 0
        for at, char in enumerate(raw):
            if char == '"' and (is_quoted or at == start):
                is_quoted = not is_quoted
            elif char == '"' and raw[at - 1] == '"' and raw[start] == '"':
                is_quoted = True  # the second of two that stand for one
            elif char == self.separator and not is_quoted:
                yield at
                start = at + 1


def find_separator(header: str) -> str:
    """What separates the columns of a header; commas if nothing does.

    Whatever is most frequent outside of quotes: the name of a column may contain one of
    the others. Of as many, tabs, which are in no name, then commas.
    """
    outside = re.sub(r'"[^"]*"', "", header).strip()
    found = max("\t,;", key=outside.count)
    return found if found in outside else ","
