"""One row of a file, and what makes a file of rows unreadable."""

from collections.abc import Callable

from pipeline.job import JsonValue
from pipeline.manifest.substitution import SLUG
from pipeline.manifest.text import find_unprintable
from pipeline.record import Struct

# Of one record. Anything longer is not a table, and is never read whole into memory.
MAX_RECORD_BYTES = 1024 * 1024
SHOWN_CHARS = 40  # of a file's content, which may be anything


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
        separator: Of a CSV: what separates its cells.
    """

    line: int
    values: dict[str, JsonValue]
    raw: str
    separator: str = ","


def header_of(cells: list[str], place: Callable[[int], tuple[int, int]]) -> list[str]:
    """The names of the columns; empty cells at the end are no columns.

    Args:
        cells: The first row that is not empty.
        place: Line and column of a cell, by its index.

    Raises:
        BadRows: A column has no name, an unusable name, or the name of another.
    """
    header = without_empty_end(cells)
    for index, name in enumerate(header):
        if not name:
            raise BadRows(*place(index), "a column has no name")
        if find_unprintable(name) or any(c in name for c in "${}\r\n"):
            text = "a column's name has characters that ${…} cannot contain"
            raise BadRows(*place(index), text)
        if name.startswith(SLUG):
            raise BadRows(*place(index), f"a column's name cannot begin with '{SLUG}'")
        if name in header[:index]:
            text = f"the column '{name[:SHOWN_CHARS]}' appears twice"
            raise BadRows(*place(index), text)
    return header


def without_empty_end(cells: list[str]) -> list[str]:
    """The names without blanks around them, and without empty ones at the end."""
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    return names
