"""A file of rows → the column that can be part of an id: different in every row."""

from pipeline.manifest.item_id import TakenNames, check_id
from pipeline.manifest.row import BadRows
from pipeline.manifest.rows import RowsFile
from pipeline.manifest.slug import slug_of
from pipeline.manifest.substitution import Variable

_NO_COLUMN = (
    "no column has a different value in each row; add one and write it in the id"
)
_USUAL_NAMES = frozenset({"id", "slug", "key", "name", "sku"})
_EXPECTED_ROWS = 1000


def hint_for_rows(item_id: str, rows: RowsFile) -> str:
    """What to write for an id that is the same for several rows.

    Args:
        item_id: As written.
        rows: Readable to its end.
    """
    variable = _find_variable(rows)
    if variable is None:
        return _NO_COLUMN
    return f"write id: {item_id}-{variable.written}"


def _find_variable(rows: RowsFile) -> Variable | None:
    """A column as it is or as a slug; None if no column tells all rows apart."""
    # candidate → what it has been; a candidate that repeats itself is dropped
    taken: dict[Variable, TakenNames] | None = None
    try:
        for row in rows.read():
            if taken is None:
                both = [
                    Variable(n, is_slug)
                    for n in row.values
                    for is_slug in (False, True)
                ]
                taken = {one: TakenNames(_EXPECTED_ROWS) for one in both}
            for variable, names in list(taken.items()):
                value = row.values.get(variable.name)
                is_text = isinstance(value, str | int) and not isinstance(value, bool)
                text = str(value) if is_text else ""
                part = slug_of(text) if variable.is_slug else text
                is_valid = bool(part) and check_id(part) is None
                if not is_valid or names.take(part, 1, is_output=False) is not None:
                    del taken[variable]
            if not taken:
                return None
    except BadRows:
        return None
    order = sorted(taken or (), key=lambda one: one.is_slug)
    usual = [one for one in order if one.name.lower() in _USUAL_NAMES]
    return next(iter([*usual, *order]), None)
