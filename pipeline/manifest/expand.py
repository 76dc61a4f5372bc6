"""Manifest → Items, lazily: matrix and rows, substitution, files, every check.

Rows are the outer loop and combinations the inner one, so that a file is read
once. Memory does not grow with the items but for a digest of each name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

from pipeline.job import Item, JsonValue, ParamValue, ReferenceAsset
from pipeline.manifest.faults import Faults
from pipeline.manifest.item_id import TakenNames, check_id
from pipeline.manifest.manifest import ItemTemplate, Manifest
from pipeline.manifest.references import BadPath
from pipeline.manifest.rows import BadRows, Row
from pipeline.manifest.schema import check_model_id
from pipeline.manifest.source import Node, unpack_mark
from pipeline.manifest.substitution import (
    BadTemplate,
    LeftOut,
    Scope,
    Template,
    Unbound,
    parse_template,
    render_text,
    render_value,
    template_names,
)
from pipeline.manifest.text import find_unprintable
from pipeline.model import (
    InputProblem,
    InputSchema,
    ModelSchema,
    check_inputs,
    suggestion,
)

_NO_CELLS: Mapping[str, JsonValue] = {}


def expand(manifest: Manifest) -> Iterator[Item]:
    """Give the items of a manifest in its order, ``item_count`` of them.

    A faulty item is not given and the rest goes on, so that all faults are found:
    whoever gets the error at the end discards every item given before.

    Raises:
        ManifestError: At the end: every fault found, or the first hundred.
    """
    faults = Faults(manifest.file)
    yield from expand_into(manifest, faults)
    faults.raise_any()


def expand_into(manifest: Manifest, faults: Faults) -> Iterator[Item]:
    """As ``expand``, but the faults are added instead of raised."""
    expansion = _Expansion(manifest, faults)
    for template in manifest.templates:
        for combination in expansion.combinations(template):
            item = expansion.build(template, combination)
            if item is not None:
                yield item
            elif faults.is_full:
                return


def output_stems(item: Item, schema: ModelSchema | None) -> tuple[str, ...]:
    """The names of an item's files without their endings: ``oak-1``, ``oak-2``.

    Args:
        item: From ``expand``.
        schema: Of its model; None where its inputs are not known.
    """
    return _stems(item.item_id, item.params, schema)


def _stems(
    item_id: str, params: Mapping[str, ParamValue], schema: ModelSchema | None
) -> tuple[str, ...]:
    count = schema.output_count(params) if schema is not None else 1
    if count == 1:
        return (item_id,)
    return tuple(f"{item_id}-{number}" for number in range(1, count + 1))


@dataclass(slots=True)
class _Combination:
    """The variables of one item and the row they came from."""

    scope: Scope
    row: Row | None


class _Expansion:
    """The state of one pass over the items."""

    def __init__(self, manifest: Manifest, faults: Faults) -> None:
        self._manifest = manifest
        self._faults = faults
        self._taken = TakenNames(manifest.item_count)
        self._models: dict[str, ModelSchema | None] = {}

    def combinations(self, template: ItemTemplate) -> Iterator[_Combination]:
        """The variables of each item; faults in the rows end them."""
        if template.rows is None:
            for nodes in self._nodes(template):
                yield _Combination(Scope(nodes, _NO_CELLS), None)
            return
        rows = template.rows
        try:
            for row in rows.read():
                for nodes in self._nodes(template):
                    yield _Combination(Scope(nodes, row.values, rows.is_typed), row)
        except BadRows as exc:
            self._faults.add_at(
                exc.line, exc.column, exc.message, exc.hint, file=rows.shown
            )

    def _nodes(self, template: ItemTemplate) -> Iterator[Mapping[str, Node]]:
        if template.matrix is None:
            yield template.variables
            return
        for combination in template.matrix.combinations():
            yield {**template.variables, **combination}

    # --- one item ---------------------------------------------------------------

    def build(self, template: ItemTemplate, combination: _Combination) -> Item | None:
        """The item of one combination, or None and faults."""
        line = unpack_mark(template.node.mark)[0]
        item_id = self._item_id(template, combination)
        model_id = self._model_id(template, combination)
        if model_id is None:
            if item_id is not None:
                self._take(item_id, (item_id,), template, combination)
            return None
        schema = self._schema(model_id)
        params, is_sound = self._params(template, combination, schema)
        if item_id is None:
            return None
        stems = _stems(item_id, params, schema)
        if not self._take(item_id, stems, template, combination) or not is_sound:
            return None
        assert template.item_id is not None
        return Item(
            item_id=item_id,
            model_id=model_id,
            params=params if schema is None else schema.sendable(params),
            template_id=str(template.item_id[1].value),
            file=self._manifest.file,
            line=line,
        )

    def _item_id(self, template: ItemTemplate, combination: _Combination) -> str | None:
        if template.item_id is None:
            return None
        text, node = template.item_id
        try:
            item_id = render_text(text, combination.scope)
        except Unbound as exc:
            self._add_unbound(exc, node, template, combination)
            return None
        wrong = check_id(item_id)
        if wrong is None:
            return item_id
        culprit = _culprit(text, combination.scope)
        self._add(self._origin(node, culprit, template, combination), *wrong)
        return None

    def _take(
        self,
        item_id: str,
        stems: tuple[str, ...],
        template: ItemTemplate,
        combination: _Combination,
    ) -> bool:
        assert template.item_id is not None
        line = unpack_mark(template.node.mark)[0]
        for name in dict.fromkeys((item_id, *stems)):
            taken = self._taken.take(name, line, is_output=name != item_id)
            if taken is None:
                continue
            text, node = template.item_id
            is_own = taken[0] == line and isinstance(text, Template)
            where = (
                "by another row or combination here"
                if is_own
                else f"at line {taken[0]}"
            )
            if name != item_id:
                message = f"id '{item_id}' has several outputs; '{name}' is taken "
                message, hint = message + where, "rename one of the two"
            elif taken[1]:
                message = f"id '{item_id}' is already an output's name, {where}"
                hint = "rename one of the two"
            else:
                message = f"id '{item_id}' is already taken {where}"
                hint = "ids are unique, even without regard to case"
                if is_own:
                    hint = "put a variable into the id that tells them apart"
            names = text.names if isinstance(text, Template) else ()
            place = self._origin(node, names, template, combination)
            self._add(place, message, hint)
            return False
        return True

    def _model_id(
        self, template: ItemTemplate, combination: _Combination
    ) -> str | None:
        if template.model is None:
            return self._manifest.model_id or None
        text, node = template.model
        try:
            model_id = render_text(text, combination.scope)
        except Unbound as exc:
            self._add_unbound(exc, node, template, combination)
            return None
        if wrong := check_model_id(model_id):
            names = text.names if isinstance(text, Template) else ()
            self._add(self._origin(node, names, template, combination), wrong)
            return None
        return model_id

    def _schema(self, model_id: str) -> ModelSchema | None:
        if model_id not in self._models:
            self._models[model_id] = self._manifest.models(model_id)
        return self._models[model_id]

    # --- params -----------------------------------------------------------------

    def _params(
        self,
        template: ItemTemplate,
        combination: _Combination,
        schema: ModelSchema | None,
    ) -> tuple[dict[str, ParamValue], bool]:
        """The inputs with their files, and whether all is well with them."""
        values, unbound = self._values(template, combination, schema)
        params: dict[str, ParamValue] = {}
        problems: list[InputProblem] = []
        for name, value in values.items():
            if name in template.doubtful and name in template.param_nodes:
                continue
            count = len(problems)
            problems += _check_text(name, value)
            known = schema.inputs.get(name) if schema is not None else None
            resolved: ParamValue = value
            if _may_hold_files(name, known, schema):
                resolved = self._resolve(value, (name,), problems)
            if len(problems) > count:
                unbound.add(name)
            else:
                params[name] = resolved
        excused = unbound | template.doubtful | self._manifest.doubtful
        problems += [
            problem
            for problem in check_inputs(schema, params)
            if not problem.missing or problem.path[0] not in excused
        ]
        for problem in problems:
            if problem.message:
                place = self._place(
                    problem.path, template, combination, at_key=problem.at_key
                )
                self._add(place, problem.message, problem.hint)
        return params, not excused and not problems

    def _values(
        self,
        template: ItemTemplate,
        combination: _Combination,
        schema: ModelSchema | None,
    ) -> tuple[dict[str, JsonValue], set[str]]:
        """The inputs without their variables, and the names of those that have none."""
        values: dict[str, JsonValue] = dict(self._manifest.params)
        unbound: set[str] = set()
        for name, compiled in template.params.items():
            known = schema.inputs.get(name) if schema is not None else None
            wanted = known.element_type if known is not None else ""
            try:
                value = render_value(compiled, combination.scope, wanted)
            except Unbound as exc:
                node = template.param_nodes[name]
                self._add_unbound(exc, node, template, combination)
                unbound.add(name)
                values.pop(name, None)
                continue
            if not isinstance(value, LeftOut):
                values[name] = value
            elif name == "prompt":
                values[name] = ""
        return values, unbound

    def _resolve(
        self,
        value: JsonValue,
        path: tuple[str | int, ...],
        problems: list[InputProblem],
    ) -> ParamValue:
        """The value with its references read; those that cannot be are problems."""
        if isinstance(value, list):
            return [
                self._resolve(element, (*path, index), problems)
                for index, element in enumerate(value)
            ]
        if isinstance(value, dict):
            entries = {
                key: self._resolve(entry, (*path, key), problems)
                for key, entry in value.items()
            }
            return cast("ParamValue", entries)
        if not isinstance(value, str):
            return value
        kind, colon, rest = value.partition(":")
        if not colon or kind not in {"ref", "file", "item"}:
            return value
        try:
            return self._find_file(kind, rest)
        except BadPath as exc:
            problems.append(InputProblem(path=path, message=exc.message, hint=exc.hint))
            return value

    def _find_file(self, kind: str, rest: str) -> ReferenceAsset | str:
        if kind == "item":
            raise BadPath(
                f"item:{rest[:80]}: using another item's output is not supported yet",
                "save the asset and name it with file:PATH",
            )
        if kind == "file":
            return self._manifest.files.load(rest)
        references = self._manifest.references
        if rest not in references:
            hint = suggestion(rest, list(references))
            hint = hint or "name the file under references, or write file:PATH"
            raise BadPath(f"there is no reference '{rest[:80]}'", hint)
        if not references[rest]:
            # Where it is defined, a fault says what is wrong with it.
            raise BadPath("")
        return references[rest]

    # --- places -----------------------------------------------------------------

    def _place(
        self,
        path: tuple[str | int, ...],
        template: ItemTemplate,
        combination: _Combination,
        *,
        at_key: bool = False,
    ) -> tuple[str, int, int]:
        """File, line and column of a value; of the item where it has no place."""
        name = str(path[0])
        node = template.param_nodes.get(name) or self._manifest.param_nodes.get(name)
        if node is None:
            return (self._manifest.file, *unpack_mark(template.node.mark))
        if at_key:
            return (self._manifest.file, *unpack_mark(node.key_mark))
        for step in path[1:]:
            inner = _step(node, step)
            if inner is None:
                break
            node = inner
        names = _names_in(node)
        return self._origin(node, names, template, combination)

    def _origin(
        self,
        node: Node,
        names: tuple[str, ...],
        template: ItemTemplate,
        combination: _Combination,
    ) -> tuple[str, int, int]:
        """Where a value came from: a cell, the one variable in it, or its node."""
        rows, row = template.rows, combination.row
        if rows is not None and row is not None:
            for name in names:
                if name in row.values:
                    return (rows.shown, *rows.place(row, name))
        source = combination.scope.nodes.get(names[0]) if len(names) == 1 else None
        return (self._manifest.file, *unpack_mark((source or node).mark))

    def _add_unbound(
        self,
        exc: Unbound,
        node: Node,
        template: ItemTemplate,
        combination: _Combination,
    ) -> None:
        rows, row = template.rows, combination.row
        if rows is not None and row is not None and rows.is_typed:
            line, column = rows.place(row, exc.name)
            text = f"this row has no usable value for '{exc.name}'"
            self._add((rows.shown, line, column), text)
            return
        hint = "give it a default under vars"
        self._add((self._manifest.file, *unpack_mark(node.mark)), exc.message, hint)

    def _add(self, place: tuple[str, int, int], message: str, hint: str = "") -> None:
        file, line, column = place
        self._faults.add_at(line, column, message, hint, file=file)


def _may_hold_files(
    name: str, known: InputSchema | None, schema: ModelSchema | None
) -> bool:
    if schema is not None:
        return known is not None and (known.is_file or known.type == "inputs_array")
    return name != "prompt"


def _check_text(name: str, value: JsonValue) -> list[InputProblem]:
    """An empty prompt, and control characters in any text."""
    if name == "prompt" and isinstance(value, str) and not value.strip():
        return [InputProblem(path=(name,), message="the prompt is empty")]
    inner: Iterable[tuple[str | int, JsonValue]] = ()
    if isinstance(value, list):
        inner = enumerate(value)
    elif isinstance(value, dict):
        inner = value.items()
    problems = [
        replace(problem, path=(name, step, *problem.path[1:]))
        for step, element in inner
        for problem in _check_text(name, element)
    ]
    if problems:
        return problems
    code = find_unprintable(value) if isinstance(value, str) else ""
    if not code:
        return []
    text = f"'{name}' contains the character {code}"
    return [InputProblem(path=(name,), message=text, hint="remove it")]


def _culprit(text: str | Template, scope: Scope) -> tuple[str, ...]:
    """The variables of an id that are wrong by themselves, or all."""
    if isinstance(text, str):
        return ()
    return tuple(n for n in text.names if check_id(scope.text(n))) or text.names


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
