"""A spreadsheet → which of its columns is the id, the prompt, an input of the model."""

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from pathlib import Path

from pipeline.counting import plural
from pipeline.errors import Fault, ManifestError, UsageError
from pipeline.manifest.quoting import quoted
from pipeline.manifest.references import BadPath, locate_file
from pipeline.manifest.row import BadRows, Row
from pipeline.manifest.row_ids import IdParts, find_ids
from pipeline.manifest.rows import ROWS_SUFFIXES, RowsFile
from pipeline.manifest.substitution import Variable, value_of_cell
from pipeline.manifest.xlsx_rows import INSTALL, is_installed
from pipeline.models.checks import check_inputs
from pipeline.models.schema import InputSchema, ModelSchema
from pipeline.naming import MAX_TAKES
from pipeline.operations.init_text import (
    Draft,
    Entry,
    literal,
    scalar,
    scalar_in_brackets,
)
from pipeline.record import Struct

# Names of columns, as ``_plain`` makes them, in the order of preference.
_ID_NAMES = (
    *("id", "slug", "key", "sku", "assetid", "itemid"),
    *("name", "assetname", "itemname", "filename", "title", "asset", "item"),
)
_PROMPT_NAMES = ("prompt", "positiveprompt", "description", "text", "caption", "brief")
_PROMPT_PARTS = ("prompt", "descri", "beschreib")
_MOST_VALUES = 1000  # different values of a column that are checked
_MOST_PAIRED = 6  # columns of which pairs are tried
_NUMBER = re.compile(r"[-+]?[0-9]*[.,]?[0-9]+")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_MOST_DIGITS = 5
_COLUMNS_NAMED = 12  # in a comment


class Column(Struct):
    """What is in a column.

    Attributes:
        name: As in the first row.
        filled: In how many rows it has a text.
        words: Of all rows together.
        has_numbers_alone: Whether every text in it is a number.
        values: The first different texts → the number of the row, from 1.
    """

    name: str
    filled: int = 0
    words: int = 0
    has_numbers_alone: bool = True
    values: dict[str, int] = {}  # noqa: RUF012 - msgspec copies it


class Sheet(Struct, frozen=True, kw_only=True):
    """A spreadsheet that has been read once.

    Attributes:
        rows: The file.
        file: Its path, relative to the manifest.
        count: How many rows it has, at least 1.
        columns: By name, in their order.
        prompts: The columns, the one that is most likely the prompt first.
        ids: What can be the id, the best first; at least one.
    """

    rows: RowsFile
    file: str
    count: int
    columns: Mapping[str, Column]
    prompts: Sequence[str]
    ids: Sequence[IdParts]


def is_sheet(path: Path) -> bool:
    """Whether a file has the ending of one that has rows."""
    return path.suffix.lower() in ROWS_SUFFIXES


def read_sheet(path: Path, folder: Path) -> Sheet:
    """Look at every row once.

    Args:
        path: Inside of the folder.
        folder: That of the manifest, absolute.

    Raises:
        ManifestError: It cannot be read, or nothing in it tells the rows apart.
        UsageError: It is not a file that may be read, or needs the extra ``xlsx``.
    """
    file = Path(os.path.relpath(path, folder)).as_posix()
    try:
        real = locate_file(folder, file, allow_outside=False)
    except BadPath as exc:
        raise UsageError(f"{path}: {exc.message}", hint=exc.hint) from exc
    rows = RowsFile(real, str(path), ROWS_SUFFIXES[path.suffix.lower()])
    if rows.is_sheet and not is_installed():
        raise UsageError(
            f"{path} is an Excel file, which needs the extra 'xlsx'",
            hint=f"install it with: {INSTALL}",
        )
    columns: dict[str, Column] = {}
    try:
        count = sum(_look_at(row, columns) for row in rows.read())
        prompts = sorted(columns, key=lambda name: _prompt_rank(columns[name], count))
        ids = _find_ids(rows, columns, count, prompts)
    except BadRows as exc:
        fault = Fault(
            file=rows.shown,
            line=exc.line,
            column=exc.column,
            message=exc.message,
            hint=exc.hint,
        )
        raise ManifestError([fault]) from exc
    return Sheet(
        rows=rows,
        file=file,
        count=count,
        columns=columns,
        prompts=prompts,
        ids=ids,
    )


def draft_of_sheet(
    sheet: Sheet,
    *,
    model_id: str,
    model: ModelSchema | None,
    params: Mapping[str, str],
    look: str,
    item_id: IdParts,
    prompt: str,
) -> Draft:
    """The manifest whose items are the rows.

    Args:
        sheet: Where they are, and stay.
        model_id: The model's id.
        model: Its inputs, if they are known; columns of these names become inputs.
        params: Inputs for every item, as YAML.
        look: The value of ``${look}``; "" for none.
        item_id: One of ``sheet.ids``.
        prompt: The name of a column.
    """
    inputs, notes = _inputs_of(sheet, model, but=prompt)
    about_rows = (
        f"One item for each row of {sheet.file}, which stays the source: add rows"
        f" there. Every column is a variable: {_variables(sheet)}"
    )
    keys = {"rows": scalar_in_brackets(literal(sheet.file))}
    takes = sheet.columns.get("takes")
    is_whole = takes is not None and takes.filled == sheet.count
    if takes is not None and is_whole and all(map(_is_takes, takes.values)):
        keys["takes"] = "${takes}"
    return Draft(
        about=f"{plural(sheet.count, 'item')}, one for each row of {sheet.file}.",
        model=model_id,
        params={name: value for name, value in params.items() if name not in inputs},
        look=look,
        entries=[
            Entry(
                item_id="/".join(one.written for one in item_id),
                prompt=f"${{{prompt}}}, ${{look}}" if look else f"${{{prompt}}}",
                comments=(about_rows,),
                params=inputs,
                keys=keys,
                notes=tuple(notes),
            )
        ],
        notes=tuple(notes),
        lesson=(
            "A column can go into the prompt, or become an input:",
            "",
            f"  prompt: ${{{prompt}}}, {_other_variable(sheet, prompt)}",
            "  params:",
            "    seed: ${seed}    # an empty cell leaves the input out",
        ),
    )


# --- looking ----------------------------------------------------------------------


def _look_at(row: Row, columns: dict[str, Column]) -> int:
    """Note what is in a row, and count it."""
    for name, value in row.values.items():
        column = columns.setdefault(name, Column(name))
        text = "" if value is None else str(value).strip()
        if not text:
            continue
        column.filled += 1
        column.words += len(text.split())
        column.has_numbers_alone &= _NUMBER.fullmatch(text) is not None
        if len(column.values) < _MOST_VALUES:
            column.values.setdefault(text, row.line)
    return 1


def _prompt_rank(column: Column, count: int) -> tuple[bool, int, int]:
    """Usual names first, then long texts; last what is empty somewhere, or a number."""
    plain = _plain(column.name)
    rank = len(_PROMPT_NAMES) + 1
    if plain in _PROMPT_NAMES:
        rank = _PROMPT_NAMES.index(plain)
    elif any(part in plain for part in _PROMPT_PARTS):
        rank = len(_PROMPT_NAMES)
    is_whole = column.filled == count and not column.has_numbers_alone
    return not is_whole and plain != _PROMPT_NAMES[0], rank, -column.words


def _find_ids(
    rows: RowsFile,
    columns: Mapping[str, Column],
    count: int,
    prompts: Sequence[str],
) -> list[IdParts]:
    """What can be the id, the best first: a column, or a pair of columns.

    The prompt comes last: it is long for the name of a file.

    Raises:
        BadRows: Nothing can.
    """
    if not count:
        place = (0, 0) if rows.is_sheet else (1, 1)
        raise BadRows(*place, "there are no rows")
    prompt = prompts[0]
    singles = sorted(find_ids(rows.read()), key=lambda one: _id_rank(one, columns))
    if any(one.name != prompt for (one,) in singles):
        return sorted(singles, key=lambda parts: parts[0].name == prompt)
    pairs = _find_pairs(rows, columns, count, prompt)
    without = [pair for pair in pairs if prompt not in {one.name for one in pair}]
    if best := without or singles or pairs:
        return best
    raise _no_id(rows, min(columns, key=_name_rank))


def _find_pairs(
    rows: RowsFile, columns: Mapping[str, Column], count: int, prompt: str
) -> list[IdParts]:
    """Two columns that tell the rows apart: few groups, many names in each."""
    whole = [one for one in columns.values() if one.filled == count]
    short = sorted(whole, key=lambda one: (one.name == prompt, one.words))
    pairs = [
        (Variable(left.name, is_slug=True), Variable(right.name, is_slug=True))
        for left, right in permutations(short[:_MOST_PAIRED], 2)
    ]
    found = find_ids(rows.read(), pairs) if pairs else []
    return sorted(found, key=lambda pair: _pair_rank(pair, columns, prompt))


def _no_id(rows: RowsFile, name: str) -> BadRows:
    """What is wrong, with two rows that have the same text in a column."""
    message = "no column has a different value in each row"
    hint = "give each row its own, or add a column `id`"
    seen: dict[str, int] = {}
    for row in rows.read():
        text = str(row.values.get(name) or "")
        if text in seen:
            message += f": '{name}' is '{text[:40]}' here and in row {seen[text]}"
            return BadRows(*rows.place(row, name), message, hint)
        seen[text] = row.line
    return BadRows(1, 1, message, hint)  # all differ, and none can name a file


def _id_rank(
    parts: IdParts, columns: Mapping[str, Column]
) -> tuple[int, bool, int, bool]:
    """Usual names first, then short texts, then numbers; a slug after its column."""
    column = columns[parts[0].name]
    rank = _name_rank(column.name)
    return rank, column.has_numbers_alone, column.words, parts[0].is_slug


def _pair_rank(
    pair: IdParts, columns: Mapping[str, Column], prompt: str
) -> tuple[bool, int, int]:
    group, name = pair
    return name.name == prompt, _name_rank(name.name), len(columns[group.name].values)


def _name_rank(name: str) -> int:
    plain = _plain(name)
    return _ID_NAMES.index(plain) if plain in _ID_NAMES else len(_ID_NAMES)


def _plain(name: str) -> str:
    """A name without case, blanks, signs and accents: ``Num Outputs`` → numoutputs."""
    parts = unicodedata.normalize("NFKD", name.casefold())
    return "".join(char for char in parts if char.isalnum())


# --- inputs -----------------------------------------------------------------------


def _inputs_of(
    sheet: Sheet, model: ModelSchema | None, *, but: str
) -> tuple[dict[str, str], list[str]]:
    """The inputs that columns give, as YAML, and which columns do not fit, and why."""
    inputs: dict[str, str] = {}
    notes: list[str] = []
    for name, schema in (model.inputs if model is not None else {}).items():
        if name == "prompt" or schema.element_type in {"inputs_array", "model"}:
            continue
        column = _column_named(sheet, name, but=but)
        if column is None and schema.is_file and schema.kind == "image":
            column = _column_of_pictures(sheet)
        if column is None:
            continue
        if schema.is_file:
            value, why = _files_of(sheet, column, schema)
        else:
            value, why = _variable(column), _unfit(model, schema, column)
        if why:
            notes.append(f"the column '{column.name}' is no input here: {why}")
        else:
            inputs[name] = value
    return inputs, notes


def _column_of_pictures(sheet: Sheet) -> Column | None:
    """A column in which every text looks like the name of a picture."""
    for column in sheet.columns.values():
        texts = column.values
        if texts and all(text.lower().endswith(_PICTURES) for text in texts):
            return column
    return None


def _column_named(sheet: Sheet, name: str, *, but: str) -> Column | None:
    for column in sheet.columns.values():
        if _plain(column.name) == _plain(name) and column.name != but and column.filled:
            return column
    return None


def _unfit(model: ModelSchema | None, schema: InputSchema, column: Column) -> str:
    """Why the values of a column are no values of an input; "" if they are."""
    for text, line in column.values.items():
        value = value_of_cell(text, schema.element_type)
        problems = check_inputs(model, {schema.name: value})  # type: ignore[dict-item]
        for problem in problems:
            if problem.path[:1] == (schema.name,) and not problem.missing:
                return f"in row {line}, {problem.message}"
    return ""


def _files_of(sheet: Sheet, column: Column, schema: InputSchema) -> tuple[str, str]:
    """The value of a file input, and why a column cannot be it, or ""."""
    folder = sheet.rows.path.parent
    if all(re.match("(file|ref|item):|asset_", text) for text in column.values):
        prefix = ""
    elif column.filled < sheet.count:
        return "", "not every row has a file; write `file:` before each of them"
    else:
        prefix = "file:"
        for text, line in column.values.items():
            try:
                locate_file(folder, text, allow_outside=False)
            except BadPath as exc:
                return "", f"in row {line}, {exc.message}"
        if above := Path(sheet.file).parent.as_posix().removeprefix("."):
            prefix += literal(f"{above}/")
    written = quoted(f"{prefix}${{{column.name}}}")
    return f"[{written}]" if schema.is_array else written, ""


def _variable(column: Column) -> str:
    return scalar(f"${{{column.name}}}")


def _is_takes(text: str) -> bool:
    is_number = text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS
    return is_number and 1 <= int(text) <= MAX_TAKES


def _variables(sheet: Sheet) -> str:
    names = [f"${{{name}}}" for name in sheet.columns]
    more = len(names) - _COLUMNS_NAMED
    shown = ", ".join(names[:_COLUMNS_NAMED])
    return f"{shown} and {more} more." if more > 0 else f"{shown}."


def _other_variable(sheet: Sheet, prompt: str) -> str:
    others: Iterator[str] = (name for name in sheet.columns if name != prompt)
    return f"${{{next(others, prompt)}}}"
