"""One entry under ``items`` → ItemTemplate: keys, types, variables, the count."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from pipeline.manifest import xlsx_rows
from pipeline.manifest.faults import Faults
from pipeline.manifest.item_id import ILLEGAL
from pipeline.manifest.keys import ITEM_KEYS
from pipeline.manifest.manifest import ItemTemplate, SavingDraft
from pipeline.manifest.matrix import Matrix, TooManyExcludes
from pipeline.manifest.matrix_reader import MatrixReader
from pipeline.manifest.node import Broken, Node
from pipeline.manifest.node_reader import NodeReader
from pipeline.manifest.references import BadPath, locate_file
from pipeline.manifest.row import BadRows
from pipeline.manifest.row_ids import hint_for_rows
from pipeline.manifest.rows import ROWS_SUFFIXES, RowsFile
from pipeline.manifest.saving import fix_draft, read_draft
from pipeline.manifest.slug import slug_of
from pipeline.manifest.steps import (
    FOREACH_OUTPUT,
    ForeachReader,
    StepReader,
    read_flag,
    read_params,
)
from pipeline.manifest.substitution import (
    Compiled,
    Scope,
    Template,
    Variable,
    render_text,
)
from pipeline.naming import MAX_TAKES
from pipeline.record import replace

MAX_ITEMS = 5_000_000

TAKES_HINT = "write `takes: 4`, or `takes: ${column}` for one variable"
_COUNTABLE = 10**15
_OTHER_SHEETS = frozenset({".xls", ".xlsm", ".xlsb", ".ods", ".numbers"})


def wrong_takes(value: object) -> str | None:
    """What is wrong with a number of takes, or None."""
    if type(value) is int and 1 <= value <= MAX_TAKES:
        return None
    return f"'takes' must be a whole number from 1 to {MAX_TAKES}"


class ItemReader:
    """Reads the entries of one manifest.

    Args:
        reader: Reads the manifest's nodes.
        file: The manifest's path as the user gave it.
        folder: The manifest's folder, absolute.
        allow_outside: Whether row files may be outside the folder.
        variables: From the top-level ``vars``.
        input_names: What the manifest's model takes, for hints.
        steps: Reads the steps.
        foreach: Reads ``foreach``.
        saving: What the top level says about saving.

    Attributes:
        notes: What was assumed about files of rows; sentences for the user.
    """

    def __init__(
        self,
        reader: NodeReader,
        *,
        file: str,
        folder: Path,
        allow_outside: bool,
        variables: Mapping[str, Node],
        input_names: Collection[str],
        steps: StepReader,
        foreach: ForeachReader,
        saving: SavingDraft,
    ) -> None:
        self._reader = reader
        self._faults: Faults = reader.faults
        self._file = file
        self._folder = folder
        self._allow_outside = allow_outside
        self._variables = variables
        self._input_names = input_names
        self._steps = steps
        self._foreach = foreach
        self._saving = saving
        self._hints = {
            "reference": "write `params: {images: [ref:NAME]}`",
            "count": "write `params: {numOutputs: N}`",
            "name": "did you mean 'id'?",
        }
        self._matrices = MatrixReader(reader)
        self.notes: list[str] = []
        # path → number of rows and the columns, or None if it is broken
        self._counted: dict[str, tuple[int, frozenset[str]] | None] = {}

    def read(self, node: Node) -> ItemTemplate | None:
        """One entry, or None if it is too broken to expand."""
        entries = self._reader.mapping(node, "an item")
        if entries is None:
            return None
        doubtful = self._reader.unknown_keys(
            entries, ITEM_KEYS, self._hints, self._input_names
        )
        own = self._reader.variables(entries.get("vars"), "vars")
        variables = {**self._variables, **own} if own else self._variables
        rows_node, matrix_node = entries.get("rows"), entries.get("matrix")
        rows = self._rows(rows_node, variables) if rows_node else None
        matrix = self._matrices.read(matrix_node) if matrix_node else None
        if (rows_node and not rows) or (matrix_node and not matrix):
            return None
        foreach_node = entries.get("foreach")
        if foreach_node is not None:
            matrix = self._foreach.add_axis(foreach_node, matrix)
            if matrix is None:
                return None
        row_count, columns = rows[1:] if rows else (1, frozenset[str]())
        axes = matrix.names if matrix else frozenset[str]()
        for name in sorted(columns & axes):
            assert rows_node is not None
            text = f"'{name}' is both a column and an axis"
            self._faults.add(rows_node.mark, text, "rename one of them")
        count = self._count(matrix, matrix_node or foreach_node, row_count)
        if count == 0 or columns & axes:
            return None
        names = columns | axes | variables.keys()
        foreach = None
        if foreach_node is not None:
            foreach = self._foreach.read(foreach_node, names)
            names |= {FOREACH_OUTPUT}
        params, param_nodes, broken = read_params(self._reader, entries, names)
        steps = self._steps.read(entries.get("steps"), variables, names)
        saving = read_draft(self._reader, entries, names, self._saving)
        model = self._text_of(entries.get("model"), "model", names)
        if "model" in entries and model is None:
            return None
        item_id = self._item_id(node, entries.get("id"), names)
        if item_id and not self._distinguishes_items(
            item_id, matrix, row_count, columns, rows[0] if rows else None
        ):
            item_id = None
        return ItemTemplate(
            node=node,
            item_id=item_id,
            model=model,
            params=params,
            param_nodes=param_nodes,
            variables=variables,
            matrix=matrix,
            rows=rows[0] if rows else None,
            doubtful=doubtful | broken,
            count=count * (1 + len(steps)),
            foreach=foreach,
            steps=steps,
            keep=read_flag(self._reader, entries.get("keep"), "keep"),
            takes=self._takes(entries.get("takes"), names),
            saving=fix_draft(saving, self._faults),
            was=self._text_of(entries.get("was"), "was", names),
            chooses=self._chooses(entries.get("choose")),
        )

    def _text_of(
        self, node: Node | None, what: str, names: Collection[str]
    ) -> tuple[str | Template, Node] | None:
        if node is None or self._reader.string(node, what) is None:
            return None
        template = self._reader.template(node, names)
        return None if template is None else (template, node)

    # --- id ---------------------------------------------------------------------

    def _item_id(
        self, item: Node, node: Node | None, names: Collection[str]
    ) -> tuple[str | Template, Node] | None:
        if node is None:
            self._faults.add(
                item.mark, "the item has no 'id'", "the id names the item's file"
            )
            return None
        found = self._text_of(node, "id", names)
        # A wrong character between the variables is one mistake, not one per item.
        if found and isinstance(found[0], Template):
            for part in found[0].parts:
                match = ILLEGAL.search(part) if isinstance(part, str) else None
                if match:
                    mark = self._reader.mark_of(node, match.group())
                    text = f"an id cannot contain {match.group()!r}"
                    hint = "use letters, digits, '.', '_', '-' and '/' for folders"
                    self._faults.add(mark, text, hint)
                    return None
        return found

    def _distinguishes_items(
        self,
        item_id: tuple[str | Template, Node],
        matrix: Matrix | None,
        row_count: int,
        columns: frozenset[str],
        rows: RowsFile | None,
    ) -> bool:
        """Whether the id can be different for every item; if not, a fault."""
        template, node = item_id
        used = set(template.names) if isinstance(template, Template) else set()
        missing: list[str] = []
        if matrix is not None and not used & (matrix.names - matrix.axes.keys()):
            sizes = {name: len(values) for name, values in matrix.axes.items()}
            missing = [n for n, size in sizes.items() if size > 1 and n not in used]
        shown = node.value
        if missing:
            wanted = "".join(f"-{_axis_in_id(name, matrix)}" for name in missing)
            text = f"the id lacks the axis '{missing[0]}': items would share an id"
            self._faults.add(node.mark, text, f"write id: {shown}{wanted}")
        elif rows and row_count > 1 and not used & columns:
            text = "the id uses no column of the rows: items would share an id"
            self._faults.add(node.mark, text, hint_for_rows(str(shown), rows))
        elif matrix is not None and isinstance(template, Template):
            return self._are_in_ids(template, node, matrix)
        else:
            return True
        return False

    def _are_in_ids(self, template: Template, node: Node, matrix: Matrix) -> bool:
        """Whether an id can have the axes' values; if not, one fault for each axis."""
        are_valid = True
        for variable in template.variables:
            if variable.is_slug or variable.name not in matrix.axes:
                continue
            values = matrix.axes[variable.name]
            texts = [str(value.text or value.value) for value in values]
            wrong = [n for n, text in enumerate(texts) if ILLEGAL.search(text)]
            if not wrong:
                continue
            shown = texts[wrong[0]]
            text = f"an id cannot contain '{shown}', a value of axis '{variable.name}'"
            hint = "use letters, digits, '.', '_', '-' and '/' for folders"
            slugs = {slug_of(one) for one in texts}
            if len(slugs) == len(texts) and "" not in slugs:
                fixed = str(node.value).replace(
                    variable.written, replace(variable, is_slug=True).written
                )
                hint = f"write id: {fixed}, which makes it '{slug_of(shown)}'"
            self._faults.add(values[wrong[0]].mark, text, hint)
            are_valid = False
        return are_valid

    # --- takes ------------------------------------------------------------------

    def _takes(
        self, node: Node | None, names: Collection[str]
    ) -> tuple[Compiled, Node] | None:
        """How many takes, as a number or one variable."""
        if node is None or isinstance(node.value, Broken):
            return None
        if isinstance(node.value, str):
            compiled = self._reader.template(node, names)
            if compiled is None or (isinstance(compiled, Template) and compiled.exact):
                return None if compiled is None else (compiled, node)
        elif wrong_takes(node.value) is None:
            return node.value, node  # type: ignore[return-value]
        self._faults.add(node.mark, wrong_takes(node.value) or "", TAKES_HINT)
        return None

    def _chooses(self, node: Node | None) -> bool:
        if node is None or isinstance(node.value, Broken):
            return False
        if node.value != "one":
            text = "'choose' can only be 'one'"
            hint = "leave it out to keep every output of a job"
            self._faults.add(node.mark, text, hint)
        return node.value == "one"

    # --- matrix -----------------------------------------------------------------

    def _count(self, matrix: Matrix | None, node: Node | None, row_count: int) -> int:
        """How many items; 0 and a fault if there are none or too many."""
        if matrix is None or node is None:
            return row_count
        size = matrix.product_size * row_count
        hint = "split it into several manifests"
        if size > MAX_ITEMS:
            shown = f"{size:,}" if size < _COUNTABLE else "countless"
            text = f"this makes {shown} items; at most {MAX_ITEMS:,} are allowed"
            self._faults.add(node.mark, text, hint)
            return 0
        try:
            count = matrix.count()
        except TooManyExcludes:
            text = "the excludes overlap in too many ways"
            self._faults.add(node.mark, text, "use `rows` for the items you want")
            return 0
        if count == 0:
            self._faults.add(node.mark, "the excludes leave no combination")
        return count * row_count

    # --- rows -------------------------------------------------------------------

    def _rows(
        self, node: Node, variables: Mapping[str, Node]
    ) -> tuple[RowsFile, int, frozenset[str]] | None:
        found = self._text_of(node, "rows", variables)
        if found is None:
            return None
        text = render_text(found[0], Scope(variables, {}))
        suffix = os.path.splitext(text)[1].lower()  # noqa: PTH122 - text, not yet a path
        if suffix not in ROWS_SUFFIXES:
            hint = "use a .csv, .tsv, .xlsx, .jsonl or .ndjson file"
            if suffix in _OTHER_SHEETS:
                hint = "save it as .xlsx, or as CSV UTF-8"
            self._faults.add(
                node.mark, f"rows: '{text[:200]}' is not a supported type of file", hint
            )
            return None
        try:
            path = locate_file(self._folder, text, allow_outside=self._allow_outside)
        except BadPath as exc:
            self._faults.add(node.mark, f"rows: {exc.message}", exc.hint)
            return None
        folder = os.path.dirname(self._file)  # noqa: PTH120 - keeps the user's spelling
        shown = os.path.join(folder, text)  # noqa: PTH118 - the same
        file = RowsFile(path, shown, ROWS_SUFFIXES[suffix])
        if file.is_sheet and not xlsx_rows.is_installed():
            hint = f"install it with: {xlsx_rows.INSTALL}"
            message = "rows: an Excel file needs the extra 'xlsx'"
            self._faults.add(node.mark, message, hint)
            return None
        if shown not in self._counted:
            self._counted[shown] = self._count_rows(file)
        counted = self._counted[shown]
        return (file, *counted) if counted else None

    def _count_rows(self, file: RowsFile) -> tuple[int, frozenset[str]] | None:
        count = 0
        names: dict[str, None] = {}
        try:
            for row in file.read(self.notes.append):
                count += 1
                if file.is_typed or count == 1:
                    names.update(dict.fromkeys(row.values))
                if count > MAX_ITEMS:
                    text = f"there are more than {MAX_ITEMS:,} rows"
                    self._faults.add_at(row.line, 1, text, file=file.shown)
                    return None
        except BadRows as exc:
            self._faults.add_at(
                exc.line, exc.column, exc.message, exc.hint, file=file.shown
            )
            return None
        if count == 0:
            place = (0, 0) if file.is_sheet else (1, 1)
            self._faults.add_at(*place, "there are no rows", file=file.shown)
            return None
        return count, frozenset(names)


def _axis_in_id(name: str, matrix: Matrix | None) -> str:
    """The variable by which an axis can be part of an id."""
    values = matrix.axes[name] if matrix is not None else ()
    is_slug = any(ILLEGAL.search(str(node.text or node.value)) for node in values)
    return Variable(name, is_slug).written
