"""Rows → the columns that can be an id, or a part of it: different in every row."""

from collections.abc import Iterable, Sequence
from itertools import chain

from pipeline.manifest.item_id import TakenNames, check_id
from pipeline.manifest.row import BadRows, Row
from pipeline.manifest.rows import RowsFile
from pipeline.manifest.slug import slug_of
from pipeline.manifest.substitution import Variable

_NO_COLUMN = (
    "no column has a different value in each row; add one and write it in the id"
)
_USUAL_NAMES = frozenset({"id", "slug", "key", "name", "sku"})
_EXPECTED_ROWS = 1000

# What an id consists of, with slashes between: a column, or several.
IdParts = tuple[Variable, ...]


def hint_for_rows(item_id: str, rows: RowsFile) -> str:
    """What to write for an id that is the same for several rows.

    Args:
        item_id: As written.
        rows: Readable to its end.
    """
    try:
        found = find_ids(rows.read())
    except BadRows:
        found = []
    if not found:
        return _NO_COLUMN
    return f"write id: {item_id}-{found[0][0].written}"


def find_ids(rows: Iterable[Row], candidates: Sequence[IdParts] = ()) -> list[IdParts]:
    """The candidates that are a valid id in every row, and another one in each.

    Args:
        rows: Read to the end, or until no candidate is left.
        candidates: By default every column, as it is and as a slug.

    Returns:
        In their order; of single columns, usual names first, and slugs last.

    Raises:
        BadRows: The rows cannot be read.
    """
    # candidate → what it has been; a candidate that repeats itself is dropped
    taken: dict[IdParts, TakenNames] | None = None
    for row in rows:
        if taken is None:
            asked = candidates or [*_each_column(row.values)]
            taken = {one: TakenNames(_EXPECTED_ROWS) for one in asked}
        for parts, names in list(taken.items()):
            item_id = _id_of(parts, row)
            is_valid = bool(item_id) and check_id(item_id) is None
            if not is_valid or names.take(item_id, 1, is_output=False) is not None:
                del taken[parts]
        if not taken:
            break
    return sorted(taken or (), key=_rank)


def _each_column(names: Iterable[str]) -> Iterable[IdParts]:
    return chain.from_iterable(
        [(Variable(name),), (Variable(name, is_slug=True),)] for name in names
    )


def _rank(parts: IdParts) -> tuple[bool, bool]:
    is_usual = parts[-1].name.lower() in _USUAL_NAMES
    return not is_usual, any(one.is_slug for one in parts)


def _id_of(parts: IdParts, row: Row) -> str:
    """The id of a row; "" if a value is missing or cannot be a part of an id."""
    found: list[str] = []
    for variable in parts:
        value = row.values.get(variable.name)
        is_text = isinstance(value, str | int) and not isinstance(value, bool)
        text = str(value) if is_text else ""
        part = slug_of(text) if variable.is_slug else text
        if not part:
            return ""
        found.append(part)
    return "/".join(found)
