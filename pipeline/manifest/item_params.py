"""The inputs of one item: values, files, and everything that is wrong with them."""

from collections.abc import Iterable, Mapping
from typing import cast

from pipeline.job import ItemOutput, JsonValue, ParamValue, ReferenceAsset
from pipeline.manifest.chain import parse_output
from pipeline.manifest.combination import Combination, Reporter
from pipeline.manifest.manifest import Manifest
from pipeline.manifest.node import unpack_mark
from pipeline.manifest.references import BadPath
from pipeline.manifest.substitution import LeftOut, Scope, Unbound, render_value
from pipeline.manifest.text import (
    Places,
    find_unprintable,
    with_carriage_returns,
    with_line_feeds,
)
from pipeline.manifest.written import after_key, as_text
from pipeline.models.checks import InputProblem, check_inputs
from pipeline.models.schema import InputSchema, ModelSchema
from pipeline.models.wording import suggestion
from pipeline.record import Struct, replace


class ItemParams(Struct, frozen=True, kw_only=True):
    """The inputs of one item.

    Attributes:
        values: By name, those that are valid.
        are_sound: Whether all of them are valid.
        former: The same with other line ends, as earlier versions sent them.
    """

    values: dict[str, ParamValue]
    are_sound: bool
    former: tuple[dict[str, ParamValue], ...]


class ParamsReader:
    """Makes and checks the inputs of items.

    Args:
        manifest: The manifest whose items are made.
        reporter: Collects what is wrong.
    """

    def __init__(self, manifest: Manifest, reporter: Reporter) -> None:
        self._manifest = manifest
        self._reporter = reporter
        self._places = Places(manifest.text)

    def read(
        self,
        combination: Combination,
        schema: ModelSchema | None,
        *,
        fed: Mapping[str, ParamValue] | None = None,
    ) -> ItemParams:
        """The inputs with their files and variables, checked.

        Args:
            combination: What makes the item.
            schema: The inputs of its model; None if they are unknown.
            fed: Inputs of a step that come from the job before it.
        """
        written, unbound = self._values(combination, schema)
        values = {name: with_line_feeds(value) for name, value in written.items()}
        params: dict[str, ParamValue] = dict(fed or {})
        problems: list[InputProblem] = []
        for name, value in values.items():
            if name in params:
                text = f"'{name}' is filled with the output before this step"
                hint = "remove it, or name another input with input:"
                problems.append(InputProblem(path=(name,), message=text, hint=hint))
                continue
            if (
                name in combination.template.doubtful
                and name in combination.template.param_nodes
            ):
                continue
            count = len(problems)
            problems += _check_prompt(name, value) or _check_text(name, value)
            known = schema.inputs.get(name) if schema is not None else None
            resolved: ParamValue = value
            if known is None and (schema is not None or name == "prompt"):
                pass  # a fault already, or a text
            elif known is None or _may_hold_files(known):
                fields = known.fields if known is not None else {}
                resolved = self._resolve(value, (name,), problems, fields)
            if len(problems) > count:
                unbound.add(name)
            else:
                params[name] = resolved
        excused = unbound | combination.template.doubtful
        if not combination.template.is_step:
            excused |= self._manifest.doubtful
        problems += [
            problem
            for problem in check_inputs(schema, params)
            if not problem.missing or problem.path[0] not in excused
        ]
        for problem in problems:
            if problem.message:
                place = self._reporter.place(
                    problem.path, combination, at_key=problem.at_key
                )
                known = schema.inputs.get(str(problem.path[0])) if schema else None
                hint = self._hint(problem, combination, known)
                self._reporter.add(place, problem.message, hint)
        return ItemParams(
            values=params,
            are_sound=not excused and not problems,
            former=self._find_former(combination, schema, written, params),
        )

    def _hint(
        self,
        problem: InputProblem,
        combination: Combination,
        known: InputSchema | None,
    ) -> str:
        """The problem's hint, or one that shows the text that may have been meant."""
        name = str(problem.path[0])
        template = combination.template
        if known is None and template.model and name not in template.params:
            line = unpack_mark(template.node.mark)[0]
            way_out = (
                f"leave it out of the item at line {line}: params: {{{name}: null}}"
            )
            return f"{problem.hint}; or {way_out}" if problem.hint else way_out
        node = combination.template.param_nodes.get(
            name
        ) or self._manifest.param_nodes.get(name)
        takes_text = name == "prompt" or (known and known.element_type == "string")
        if node is None or len(problem.path) > 1 or not takes_text:
            return problem.hint
        if node.value is None and name == "prompt":
            return after_key(self._places, node, name)
        if known is not None and known.type != known.element_type:
            return problem.hint
        return as_text(self._places, node, name) or problem.hint

    def _find_former(
        self,
        combination: Combination,
        schema: ModelSchema | None,
        written: Mapping[str, JsonValue],
        params: Mapping[str, ParamValue],
    ) -> tuple[dict[str, ParamValue], ...]:
        """The inputs as written, and as a checkout with other line ends has them."""
        candidates = [written]
        scope, row = combination.scope, combination.row
        if row is not None and not scope.are_cells_typed and _has_line_end(scope.cells):
            cells = {n: with_carriage_returns(cell) for n, cell in scope.cells.items()}
            other = Scope(scope.nodes, cells, are_cells_typed=False)
            elsewhere = Combination(combination.template, other, row)
            candidates.append(self._values(elsewhere, schema)[0])
        found: list[dict[str, ParamValue]] = []
        for candidate in candidates:
            changed = {
                name: value
                for name, value in candidate.items()
                if name in params
                and value != params[name]
                and with_line_feeds(value) == params[name]
            }
            former = {**params, **changed}
            if changed and former not in found:
                found.append(former)
        return tuple(found)

    def _values(
        self,
        combination: Combination,
        schema: ModelSchema | None,
    ) -> tuple[dict[str, JsonValue], set[str]]:
        """The inputs with variables replaced, and the names of those without any."""
        is_step = combination.template.is_step
        values = {} if is_step else dict(self._manifest.params)
        unbound: set[str] = set()
        for name, compiled in combination.template.params.items():
            known = schema.inputs.get(name) if schema is not None else None
            wanted = known.element_type if known is not None else ""
            try:
                value = render_value(compiled, combination.scope, wanted)
            except Unbound as exc:
                node = combination.template.param_nodes[name]
                self._reporter.add_unbound(exc, node, combination)
                unbound.add(name)
                values.pop(name, None)
                continue
            if value is None and name in values:
                del values[name]  # the item leaves out what the top level says
            elif not isinstance(value, LeftOut):
                values[name] = value
            elif name == "prompt":
                values[name] = ""
        return values, unbound

    def _resolve(
        self,
        value: JsonValue,
        path: tuple[str | int, ...],
        problems: list[InputProblem],
        fields: Mapping[str, InputSchema],
    ) -> ParamValue:
        """The value with its references loaded; those that fail become problems.

        ``fields`` tells which entries of an object are files, if that is known.
        """
        if isinstance(value, list):
            return [
                self._resolve(element, (*path, index), problems, fields)
                for index, element in enumerate(value)
            ]
        if isinstance(value, dict):
            entries = {
                key: self._resolve(
                    entry,
                    (*path, key),
                    problems,
                    fields[key].fields if key in fields else {},
                )
                if key not in fields or _may_hold_files(fields[key])
                else entry
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

    def _find_file(self, kind: str, rest: str) -> ReferenceAsset | ItemOutput | str:
        if kind == "item":
            return parse_output(rest)
        if kind == "file":
            return self._manifest.files.load(rest)
        references = self._manifest.references
        if rest not in references:
            hint = suggestion(rest, list(references))
            hint = hint or "name the file under references, or write file:PATH"
            raise BadPath(f"there is no reference '{rest[:80]}'", hint)
        if not references[rest]:
            # A fault at its definition already says what is wrong with it.
            raise BadPath("")
        return references[rest]


def _has_line_end(cells: Mapping[str, JsonValue]) -> bool:
    return any(isinstance(cell, str) and "\n" in cell for cell in cells.values())


def _may_hold_files(known: InputSchema) -> bool:
    return known.is_file or known.type == "inputs_array" or not known.is_known


def _check_prompt(name: str, value: JsonValue) -> list[InputProblem]:
    is_empty = value is None or (isinstance(value, str) and not value.strip())
    if name != "prompt" or not is_empty:
        return []
    return [InputProblem(path=(name,), message="the prompt is empty")]


def _check_text(name: str, value: JsonValue) -> list[InputProblem]:
    """Problems: control characters in any text."""
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
