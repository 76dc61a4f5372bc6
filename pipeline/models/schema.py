"""What a model takes: the JSON of ``GET /models/{id}`` → ModelSchema. Pure.

``sendable`` converts values to the shape the service wants. record.py reads the JSON,
checks.py says what is wrong with values.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from pipeline.fingerprint import SEED_MAX
from pipeline.job import JsonValue, ParamValue
from pipeline.models.wording import shown
from pipeline.record import Struct, field

KNOWN_TYPES = frozenset(
    {
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
    }
)

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
            return f"'{hits[0]}' is {shown(given.get(hits[0]))}"
        return ""


class InputSchema(Struct, frozen=True, kw_only=True):
    """One input of a model.

    Attributes:
        type: As the service names it; values of a type that is not in
            ``KNOWN_TYPES`` are sent as they are written, unchecked.
        required: Always required.
        has_default: Whether ``default`` is set.
        minimum: The smallest allowed number; ``maximum`` is the largest.
        step: The distance between allowed numbers, starting from ``minimum`` or 0.
        min_length: The fewest characters of a text, or items of an array;
            ``max_length`` is the most.
        kind: The kind of file: image, video, audio, 3d, …; "" if it takes no file, or
            files of several kinds.
        max_size_bytes: The size limit of a file, or None.
        cost_impact: Whether it changes the price; None if the service does not say.
        fields: Of an ``inputs_array``: what each of its objects holds, by name; empty
            if the service does not say.
    """

    name: str
    type: str
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
    fields: Mapping[str, "InputSchema"] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether values can be checked; the service may add types at any time."""
        return self.type in KNOWN_TYPES

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
        makes: ``image``, ``video``, ``audio``, ``3d`` or ``text`` if everything it can
            do produces this kind, else "".
        lora_of: If it is a LoRA, which cannot be run by itself: the ids of the base
            models that take it, "" if the service names none. None for other models.
        refunds: False if the service does not refund failed jobs.
        read_at: When it was read from the service; None for a shipped table.
    """

    model_id: str
    name: str
    inputs: Mapping[str, InputSchema]
    source: str
    makes: str = ""
    lora_of: str | None = None
    refunds: bool = True
    read_at: datetime | None = None

    @property
    def unchecked(self) -> tuple[str, ...]:
        """The inputs whose type is not known here: ``tint (colour)``."""
        return tuple(
            f"{one.name} ({one.type or 'no type'})"
            for one in self.inputs.values()
            if not one.is_known
        )

    def find_input(self, name: str) -> InputSchema | None:
        """The input of that name, or None."""
        return self.inputs.get(name)

    @property
    def has_seed(self) -> bool:
        """Whether it takes a seed, by which the job of a lost submit is recognised."""
        seed = self.inputs.get("seed")
        return seed is not None and seed.type == "number"

    @property
    def seed_range(self) -> tuple[int, int] | None:
        """The lowest and the highest seed that it takes; None if it takes none."""
        seed = self.inputs.get("seed")
        if seed is None or not self.has_seed:
            return None
        low, high = 0, SEED_MAX
        if seed.minimum is not None:
            low = math.ceil(min(seed.minimum, SEED_MAX))
        if seed.maximum is not None:
            high = math.floor(min(seed.maximum, SEED_MAX))
        return (low, high) if low <= high else None

    def sendable(self, params: Mapping[str, ParamValue]) -> dict[str, ParamValue]:
        """The params in the shape the service wants.

        Bare values become lists where the model wants arrays, numbers such as
        ``2.0`` become ``2``. Unknown inputs pass through.
        """
        return _sendable(self.inputs, params)

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
        return int(min(max(1, count), MOST_OUTPUTS)) if math.isfinite(count) else 1


def _sendable(
    inputs: Mapping[str, InputSchema], params: Mapping[str, ParamValue]
) -> dict[str, ParamValue]:
    sent: dict[str, ParamValue] = {}
    for name, value in params.items():
        schema = inputs.get(name)
        if schema is None:
            sent[name] = value
            continue
        shaped = _whole_numbers(value) if "number" in schema.type else value
        if schema.is_array and not isinstance(shaped, list):
            shaped = cast("ParamValue", [shaped])
        if schema.fields and isinstance(shaped, list):
            shaped = [
                cast("ParamValue", _sendable(schema.fields, one))
                if isinstance(one, dict)
                else one
                for one in shaped
            ]
        sent[name] = shaped
    return sent


def _whole_numbers(value: ParamValue) -> ParamValue:
    if isinstance(value, list):
        return [_whole_numbers(element) for element in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


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
