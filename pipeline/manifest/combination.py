"""The variables of each item, and where in which file a value came from."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from pipeline.job import JsonValue
from pipeline.manifest.faults import Faults
from pipeline.manifest.manifest import ItemTemplate, Manifest
from pipeline.manifest.node import Broken, Node, unpack_mark
from pipeline.manifest.row import BadRows, Row
from pipeline.manifest.substitution import (
    BadTemplate,
    Scope,
    Unbound,
    parse_template,
    render_text,
    template_names,
)
from pipeline.record import Struct, replace

_NO_CELLS: Mapping[str, JsonValue] = {}


class Combination(Struct):
    """What makes one item from a template: its variables and their row.

    Attributes:
        row: None if the template has no rows.
    """

    template: ItemTemplate
    scope: Scope
    row: Row | None

    @property
    def variables(self) -> dict[str, JsonValue]:
        """The values of its matrix and of its row, without those of ``vars``."""
        matrix = self.template.matrix
        names = frozenset[str]() if matrix is None else matrix.names
        found: dict[str, JsonValue] = {
            name: node.value
            for name, node in self.scope.nodes.items()
            if name in names and not isinstance(node.value, Broken | list | dict)
        }
        return {**found, **self.scope.cells}


def combinations(template: ItemTemplate, faults: Faults) -> Iterator[Combination]:
    """One per item: rows in the outer loop, matrix in the inner; a bad row ends it."""
    if template.rows is None:
        for nodes in _nodes(template):
            scope = _with_output(template, Scope(nodes, _NO_CELLS))
            yield Combination(template, scope, None)
        return
    rows = template.rows
    try:
        for row in rows.read():
            for nodes in _nodes(template):
                scope = Scope(nodes, row.values, rows.is_typed)
                yield Combination(template, _with_output(template, scope), row)
    except BadRows as exc:
        faults.add_at(exc.line, exc.column, exc.message, exc.hint, file=rows.shown)


def _with_output(template: ItemTemplate, scope: Scope) -> Scope:
    """The scope with the output that this item of a ``foreach`` is made for."""
    if template.foreach is None:
        return scope
    text, node = template.foreach
    with suppress(Unbound):  # then the output has no value where it is used
        name = f"item:{render_text(text, scope)}/{scope.text('index')}"
        return replace(scope, nodes={**scope.nodes, "output": Node(name, node.mark)})
    return scope


def _nodes(template: ItemTemplate) -> Iterator[Mapping[str, Node]]:
    if template.matrix is None:
        yield template.variables
        return
    for combination in template.matrix.combinations():
        yield {**template.variables, **combination}


class Reporter:
    """Adds faults at the position a value came from.

    Args:
        manifest: The manifest whose items are made.
        faults: Collects the faults.
    """

    def __init__(self, manifest: Manifest, faults: Faults) -> None:
        self._manifest = manifest
        self._faults = faults

    def place(
        self,
        path: tuple[str | int, ...],
        combination: Combination,
        *,
        at_key: bool = False,
    ) -> tuple[str, int, int]:
        """File, line and column of a value, or of the item if it has none."""
        name, template = str(path[0]), combination.template
        node = template.param_nodes.get(name)
        if node is None and not template.is_step:
            node = self._manifest.param_nodes.get(name)
        if node is None:
            return (self._manifest.file, *unpack_mark(combination.template.node.mark))
        if at_key:
            return (self._manifest.file, *unpack_mark(node.key_mark))
        for step in path[1:]:
            inner = _step(node, step)
            if inner is None:
                break
            node = inner
        names = _names_in(node)
        return self.origin(node, names, combination)

    def origin(
        self,
        node: Node,
        names: tuple[str, ...],
        combination: Combination,
    ) -> tuple[str, int, int]:
        """Where a value came from: a cell, the one variable in it, or its node."""
        rows, row = combination.template.rows, combination.row
        if rows is not None and row is not None:
            for name in names:
                if name in row.values:
                    return (rows.shown, *rows.place(row, name))
        source = combination.scope.nodes.get(names[0]) if len(names) == 1 else None
        return (self._manifest.file, *unpack_mark((source or node).mark))

    def add_unbound(
        self,
        exc: Unbound,
        node: Node,
        combination: Combination,
    ) -> None:
        """Report a variable without a value, at the row that lacks it or at its use."""
        rows, row = combination.template.rows, combination.row
        if rows is not None and row is not None and rows.is_typed:
            line, column = rows.place(row, exc.name)
            text = f"this row has no usable value for '{exc.name}'"
            self.add((rows.shown, line, column), text)
            return
        hint = "give it a default under vars"
        self.add((self._manifest.file, *unpack_mark(node.mark)), exc.message, hint)

    def add(self, place: tuple[str, int, int], message: str, hint: str = "") -> None:
        """Add a fault at a file, line and column."""
        file, line, column = place
        self._faults.add_at(line, column, message, hint, file=file)


def _step(node: Node, step: str | int) -> Node | None:
    value = node.value
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    if isinstance(value, dict) and isinstance(step, str):
        return value.get(step)
    return None


def _names_in(node: Node) -> tuple[str, ...]:
    if isinstance(node.value, str):
        try:
            return tuple(template_names(parse_template(node.value, node)))
        except BadTemplate:
            return ()
    if isinstance(node.value, list):
        return tuple(name for element in node.value for name in _names_in(element))
    return ()
