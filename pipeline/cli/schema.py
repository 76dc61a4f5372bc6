"""``schema``: a model's inputs as a table, as JSON lines, or as a JSON Schema."""

import asyncio
import json
import os
from collections.abc import Iterator, Sequence
from textwrap import wrap

from pipeline.cli.console.printing import find_width, print_json, print_note, say
from pipeline.cli.console.text import one_line
from pipeline.counting import plural
from pipeline.errors import ExitCode, UsageError
from pipeline.manifest.json_schema import manifest_schema
from pipeline.models.catalog import describe_source
from pipeline.models.record import load_shipped_model, shipped_model_ids
from pipeline.models.schema import InputSchema, ModelSchema, RequiredRules
from pipeline.models.wording import plain, shown, suggestion
from pipeline.operations.connection import service_of
from pipeline.operations.validate import find_model
from pipeline.settings import KEY_VARIABLE, SECRET_VARIABLE, MissingCredentials
from pipeline.version import __version__

WIDTH = 80
_WIDE = 60  # columns from which the inputs of a model fit a table
_GAP = "  "
_NARROWEST = 5
_CELL_CHARS = 2_000
_HEADING = ("input", "type", "required", "default", "allowed", "price")
_ANY = {
    "string": "any text",
    "number": "any number",
    "model": "any model id",
    "inputs_array": "groups of inputs",
    "file": "any file",
}
_PRICE = {True: "yes", False: "no", None: "-"}


def schema_command(
    model_id: str | None, *, as_json_schema: bool, offline: bool, as_json: bool
) -> ExitCode:
    """Print the inputs of one model, or the models whose inputs are known."""
    if as_json_schema and as_json:
        raise UsageError(
            "--json-schema and --json cannot be combined",
            hint="choose one of the two",
        )
    models = [*_known_models()]
    if model_id is not None:
        models = [_model(model_id, offline=offline)]
    if as_json_schema:
        say(json.dumps(manifest_schema(models), indent=2))
    elif as_json:
        _print_events(models, one=model_id is not None)
    elif model_id is None:
        for line in lay_out([(m.model_id, one_line(m.name)) for m in models], WIDTH):
            say(line)
    else:
        _print_table(models[0])
    return ExitCode.OK


def _known_models() -> Iterator[ModelSchema]:
    """Every model whose table is shipped, by id."""
    for model_id in shipped_model_ids():
        if (model := load_shipped_model(model_id)) is not None:
            yield model


def _origin_of(model: ModelSchema) -> str:
    """Where a table of inputs comes from, and how old it is, in words."""
    if model.read_at is None:
        return f"shipped with version {__version__}"
    return describe_source(model)


def _model(model_id: str, *, offline: bool) -> ModelSchema:
    """The inputs of a model, from the service, the cache or the package."""
    model, notes = asyncio.run(find_model(model_id, offline=offline))
    for note in notes:
        print_note(note)
    if model is None:
        raise UsageError(
            f"the inputs of {one_line(model_id)} are unknown",
            hint=_hint_unknown(model_id, offline=offline),
        )
    return model


def _hint_unknown(model_id: str, *, offline: bool) -> str:
    hint = suggestion(model_id, [known.model_id for known in _known_models()])
    if offline:
        return f"leave out --offline to ask the service; {hint}"
    try:
        service_of(os.environ, emulate=False)
    except MissingCredentials:
        return f"set {KEY_VARIABLE} and {SECRET_VARIABLE} to ask the service; {hint}"
    return hint


# --- JSON lines ---------------------------------------------------------------


def _print_events(models: Sequence[ModelSchema], *, one: bool) -> None:
    if not one:
        for model in models:
            print_json(
                event="model",
                model_id=model.model_id,
                name=model.name,
                source=model.source,
            )
        print_json(event="schema", models=len(models))
        return
    for model in models:
        for schema in model.inputs.values():
            _print_input(schema)
        print_json(
            event="schema",
            model_id=model.model_id,
            name=model.name,
            source=model.source,
            origin=_origin_of(model),
            inputs=len(model.inputs),
        )


def _print_input(schema: InputSchema) -> None:
    print_json(
        event="input",
        name=schema.name,
        type=schema.type,
        required=schema.required,
        required_if=[*_rules(schema.required_rules)],
        default=schema.default if schema.has_default else None,
        allowed=[*schema.allowed_values],
        min=schema.minimum,
        max=schema.maximum,
        step=schema.step,
        min_length=schema.min_length,
        max_length=schema.max_length,
        kind=schema.kind,
        max_size_bytes=schema.max_size_bytes,
        cost_impact=schema.cost_impact,
    )


# --- the table ----------------------------------------------------------------


def _print_table(model: ModelSchema) -> None:
    words = f"{model.model_id}: {model.name}, {plural(len(model.inputs), 'input')}"
    say(f"{one_line(words)}; {_origin_of(model)}")
    say()
    rows = [_HEADING, *(_row(schema) for schema in model.inputs.values())]
    if (find_width() or WIDTH) < _WIDE:
        for name, *cells in rows[1:]:
            say(name)
            for heading, cell in zip(_HEADING[1:], cells, strict=True):
                say(f"  {heading}: {cell}")
        return
    for line in lay_out(rows, WIDTH):
        say(line)


def _row(schema: InputSchema) -> tuple[str, ...]:
    cells = (
        schema.name,
        schema.type,
        required_words(schema),
        shown(schema.default).strip("'") if schema.has_default else "-",
        allowed_words(schema),
        _PRICE[schema.cost_impact],
    )
    return tuple(one_line(cell, _CELL_CHARS) for cell in cells)


def required_words(schema: InputSchema) -> str:
    """``always``, ``no``, or a condition: ``if 'images' is given``."""
    if schema.required:
        return "always"
    return "; ".join(_rules(schema.required_rules)) or "no"


def _rules(rules: RequiredRules) -> list[str]:
    """The conditions that make it required; each is sufficient."""
    found = [f"if '{name}' is given" for name in rules.if_defined]
    if rules.if_not_defined:
        names = " nor ".join(f"'{name}'" for name in rules.if_not_defined)
        neither = "neither " if len(rules.if_not_defined) > 1 else ""
        found.append(f"if {neither}{names} is {'' if neither else 'not '}given")
    parts = [
        f"'{name}' is {' or '.join(map(shown, values))}"
        for name, values in rules.conditional
    ]
    if rules.match_all and parts:
        return [*found, f"if {' and '.join(parts)}"]
    return [*found, *(f"if {part}" for part in parts)]


def allowed_words(schema: InputSchema) -> str:
    """The values an input accepts: all of them, or their limits."""
    words: list[str] = []
    if schema.kind:
        words.append(f"{schema.kind} files")
    if schema.max_size_bytes is not None:
        words.append(f"each at most {_size(schema.max_size_bytes)}")
    if schema.allowed_values:
        words += map(plain, schema.allowed_values)
    elif schema.element_type == "boolean":
        words += ["true", "false"]
    words += _range(schema)
    if limits := _between(schema.min_length, schema.max_length):
        noun = " character" if schema.type == "string" else " value"
        noun += "" if limits.endswith(" 1") else "s"
        words.append(limits + ("" if schema.is_file else noun))
    return ", ".join(words) or _ANY.get(schema.element_type, "not checked")


def _range(schema: InputSchema) -> list[str]:
    words: list[str] = []
    if limits := _between(schema.minimum, schema.maximum):
        words.append(limits)
    if schema.step == 1:
        words.append("whole")
    elif schema.step:
        words.append(f"in steps of {schema.step:.15g}")
    return words


def _between(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:.15g} to {high:.15g}"
    if high is not None:
        return f"at most {high:.15g}"
    return "" if low is None else f"at least {low:.15g}"


def _size(size_bytes: int) -> str:
    """The size in the largest unit that divides it exactly."""
    units = {"MiB": 1 << 20, "MB": 10**6, "KiB": 1 << 10, "kB": 10**3}
    for unit, unit_bytes in units.items():
        if size_bytes and not size_bytes % unit_bytes:
            return f"{size_bytes // unit_bytes:,} {unit}"
    return plural(size_bytes, "byte")


def lay_out(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Rows of cells → lines; cells are wrapped so that each line fits.

    Args:
        rows: At least one, all of the same length.
        width: In characters; enough for every column at its narrowest.

    Returns:
        At least one line per row; none ends with a space.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room = width - len(_GAP) * (len(widths) - 1)
    while sum(widths) > room and max(widths) > _NARROWEST:
        # Shrink the widest column, one character at a time.
        widths[widths.index(max(widths))] -= 1
    return [line for row in rows for line in _lines(row, widths)]


def _lines(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    cells = [
        wrap(cell, width, break_on_hyphens=False) or [""]
        for cell, width in zip(row, widths, strict=True)
    ]
    return [
        _GAP.join(
            (cell[index] if index < len(cell) else "").ljust(width)
            for cell, width in zip(cells, widths, strict=True)
        ).rstrip()
        for index in range(max(map(len, cells)))
    ]
