"""What a model takes: the JSON of ``GET /models/{id}`` → ModelSchema. Pure.

``sendable`` converts values to the shape the service wants. checks.py says what is
wrong with values.
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Literal, cast, get_args

from pipeline.job import JsonValue, ParamValue
from pipeline.models.wording import shown
from pipeline.record import Struct

InputType = Literal[
    "boolean",
    "file",
    "file_array",
    "inputs_array",
    "model",
    "model_array",
    "number",
    "number_array",
    "string",
    "string_array",
]


MOST_OUTPUTS = 1000  # of one job; a table that allows more is broken


class RequiredRules(Struct, frozen=True, kw_only=True):
    """When an input that is not always required becomes required.

    Attributes:
        if_defined: Required if any of these inputs is given.
        if_not_defined: Required if none of these inputs is given.
        conditional: Inputs with the values that count; required when they match.
        match_all: Whether every entry of ``conditional`` must match, or just one.
    """

    if_defined: tuple[str, ...] = ()
    if_not_defined: tuple[str, ...] = ()
    conditional: tuple[tuple[str, tuple[JsonValue, ...]], ...] = ()
    match_all: bool = True

    def reason(self, given: Mapping[str, object]) -> str:
        """Why the input is required next to those given, or "" if it is not."""
        for name in self.if_defined:
            if name in given:
                return f"'{name}' is given"
        if self.if_not_defined and not any(n in given for n in self.if_not_defined):
            return f"'{self.if_not_defined[0]}' is not given"
        hits = [
            name
            for name, values in self.conditional
            if any(json_equal(given.get(name), value) for value in values)
        ]
        wanted = len(self.conditional) if self.match_all else 1
        if self.conditional and len(hits) >= wanted:
            return f"'{hits[0]}' is {shown(given[hits[0]])}"
        return ""


class InputSchema(Struct, frozen=True, kw_only=True):
    """One input of a model.

    Attributes:
        type: As the service names it.
        required: Always required.
        has_default: Whether ``default`` is set.
        minimum: The smallest allowed number; ``maximum`` is the largest.
        step: The distance between allowed numbers, starting from ``minimum`` or 0.
        min_length: The fewest characters of a text, or items of an array;
            ``max_length`` is the most.
        kind: The kind of file: image, video, audio, 3d, …; "" if it takes no file.
        max_size_bytes: The size limit of a file, or None.
        cost_impact: Whether it changes the price; None if the service does not say.
    """

    name: str
    type: InputType
    required: bool = False
    required_rules: RequiredRules = RequiredRules()
    default: JsonValue = None
    has_default: bool = False
    allowed_values: tuple[JsonValue, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    kind: str = ""
    max_size_bytes: int | None = None
    cost_impact: bool | None = None

    @property
    def is_array(self) -> bool:
        """Whether the service wants a list; it drops a bare value but still charges."""
        return self.type.endswith("_array")

    @property
    def is_file(self) -> bool:
        """Whether it takes asset ids."""
        return self.type in {"file", "file_array"}

    @property
    def element_type(self) -> str:
        """The type of one value: ``number`` for ``number_array``."""
        if self.type == "inputs_array":
            return self.type
        return self.type.removesuffix("_array")


class ModelSchema(Struct, frozen=True, kw_only=True):
    """The inputs of one model.

    Attributes:
        inputs: By name, in the service's order.
        source: ``shipped`` with the package, ``live`` or ``cached``.
        makes: ``image`` if everything it can do produces images, else "".
        makes_pictures: False if nothing that it can do produces images.
        refunds: False if the service does not refund failed jobs.
        read_at: When it was read from the service; None for a shipped table.
    """

    model_id: str
    name: str
    inputs: Mapping[str, InputSchema]
    source: str
    makes: str = ""
    makes_pictures: bool = True
    refunds: bool = True
    read_at: datetime | None = None

    def find_input(self, name: str) -> InputSchema | None:
        """The input of that name, or None."""
        return self.inputs.get(name)

    @property
    def has_seed(self) -> bool:
        """Whether it takes a seed, by which the job of a lost submit is recognised."""
        seed = self.inputs.get("seed")
        return seed is not None and seed.type == "number"

    def sendable(self, params: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
        """The params in the shape the service wants.

        Bare values become lists where the model wants arrays, numbers such as
        ``2.0`` become ``2``. Unknown inputs pass through.
        """
        sent: dict[str, ParamValue] = {}
        for name, value in params.items():
            schema = self.inputs.get(name)
            if schema is None:
                sent[name] = value
                continue
            whole = _whole_numbers(value) if "number" in schema.type else value
            wrap = schema.is_array and not isinstance(whole, list)
            sent[name] = cast("ParamValue", [whole] if wrap else whole)
        return sent

    def normalised(self, params: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
        """``sendable`` without the values that equal the model's default.

        Writing a default out or leaving it out makes the same request, so job keys are
        computed from this.
        """
        kept: dict[str, ParamValue] = {}
        for name, value in self.sendable(params).items():
            schema = self.inputs.get(name)
            if schema is not None and schema.has_default:
                default = self.sendable({name: schema.default})[name]
                if json_equal(value, default):
                    continue
            kept[name] = value
        return kept

    def priced(self, params: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
        """The normalised inputs that the price depends on.

        If the model marks any input with ``costImpact: true``, only those count. If
        not, all count except those with ``costImpact: false``. Unknown inputs always
        count.
        """
        flags = {name: schema.cost_impact for name, schema in self.inputs.items()}
        if True in flags.values():
            counted = {name for name, flag in flags.items() if flag}
        else:
            counted = {name for name, flag in flags.items() if flag is None}
        return {
            name: value
            for name, value in self.normalised(params).items()
            if name in counted or name not in flags
        }

    def output_count(self, params: Mapping[str, ParamValue]) -> int:
        """How many assets one job asks for; at least 1."""
        schema = self.inputs.get("numOutputs")
        default = schema.default if schema is not None else 1
        count = params.get("numOutputs", default)
        if isinstance(count, bool) or not isinstance(count, int | float):
            return 1
        return min(max(1, int(count)), MOST_OUTPUTS)


def json_equal(left: object, right: object) -> bool:
    """Whether two JSON values are equal: 1.0 equals 1, but True does not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(json_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            json_equal(value, right[key]) for key, value in left.items()
        )
    return left == right


def parse_model(record: object, *, source: str) -> ModelSchema:
    """Read the ``model`` object of ``GET /models/{id}``; unknown keys are ignored.

    Raises:
        ValueError: The record is not a model, or an input has no usable name or type.
    """
    if not isinstance(record, Mapping):
        raise ValueError("a model record must be a JSON object")  # noqa: TRY004 - it is data
    model_id = record.get("id")
    if not isinstance(model_id, str) or not model_id:
        raise ValueError("a model record must have an 'id'")
    inputs = record.get("inputs")
    if not isinstance(inputs, list):
        raise ValueError(f"model {model_id}: 'inputs' must be a list")  # noqa: TRY004 - it is data
    parsed = [_parse_input(model_id, entry) for entry in inputs]
    name = record.get("name")
    return ModelSchema(
        model_id=model_id,
        name=name if isinstance(name, str) and name else model_id,
        inputs={schema.name: schema for schema in parsed},
        source=source,
        makes=_output_kind(record.get("capabilities")),
        makes_pictures=_may_make_pictures(record.get("capabilities")),
        refunds=record.get("disableRefund") is not True,
    )


def _output_kind(capabilities: object) -> str:
    words = capabilities if isinstance(capabilities, list) else []
    makes_images = bool(words) and all(str(word).endswith("2img") for word in words)
    return "image" if makes_images else ""


def _may_make_pictures(capabilities: object) -> bool:
    words = capabilities if isinstance(capabilities, list) else []
    return not words or any(str(word).endswith("2img") for word in words)


def _parse_input(model_id: str, entry: object) -> InputSchema:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise ValueError(f"model {model_id}: an input without a name")  # noqa: TRY004 - it is data
    name, kind = entry["name"], entry.get("kind")
    input_type = entry.get("type")
    if input_type not in get_args(InputType):
        raise ValueError(f"model {model_id}: input '{name}' has type {input_type!r}")
    required = entry.get("required")
    allowed = entry.get("allowedValues")
    is_file = input_type in {"file", "file_array"}
    cost_impact = entry.get("costImpact")
    return InputSchema(
        name=name,
        type=cast("InputType", input_type),
        # Only a true "always" counts: records also carry {"always": false}.
        required=required is True
        or (isinstance(required, Mapping) and required.get("always") is True),
        required_rules=_parse_rules(required),
        default=entry.get("default"),
        has_default=entry.get("default") is not None,
        allowed_values=tuple(allowed) if isinstance(allowed, list) else (),
        minimum=_number(entry.get("min")),
        maximum=_number(entry.get("max")),
        step=_number(entry.get("step")),
        min_length=_length(entry.get("minLength")),
        max_length=_length(entry.get("maxLength")),
        kind=(kind if isinstance(kind, str) and kind else "image") if is_file else "",
        max_size_bytes=_length(entry.get("maxSize")),
        cost_impact=cost_impact if isinstance(cost_impact, bool) else None,
    )


def _parse_rules(required: object) -> RequiredRules:
    if not isinstance(required, Mapping):
        return RequiredRules()
    conditional = required.get("conditional")
    values = conditional.get("values") if isinstance(conditional, Mapping) else None
    match_all = not (
        isinstance(conditional, Mapping) and conditional.get("operator") == "or"
    )
    return RequiredRules(
        if_defined=_names(required.get("ifDefined")),
        if_not_defined=_names(required.get("ifNotDefined")),
        conditional=tuple(
            (str(name), tuple(wanted) if isinstance(wanted, list) else (wanted,))
            for name, wanted in (values.items() if isinstance(values, Mapping) else ())
        ),
        match_all=match_all,
    )


def _names(messages: object) -> tuple[str, ...]:
    return tuple(map(str, messages)) if isinstance(messages, Mapping) else ()


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # an integer too large for a float
        return None


def _length(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def shipped_model_ids() -> tuple[str, ...]:
    """The models whose input tables come with the package, sorted."""
    tables = resources.files("pipeline").joinpath("model_tables")
    names = (table.name for table in tables.iterdir())
    return tuple(sorted(n.removesuffix(".json") for n in names if n.endswith(".json")))


@cache
def load_shipped_model(model_id: str) -> ModelSchema | None:
    """The shipped table of a model, or None if there is none."""
    if model_id not in shipped_model_ids():
        return None
    tables = resources.files("pipeline").joinpath("model_tables")
    text = tables.joinpath(f"{model_id}.json").read_text(encoding="utf-8")
    return parse_model(json.loads(text), source="shipped")


def _whole_numbers(value: ParamValue) -> ParamValue:
    if isinstance(value, list):
        return [_whole_numbers(element) for element in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
