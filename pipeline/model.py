"""What a model takes: the JSON of ``GET /models/{id}`` → ModelSchema → problems.

``parse_model`` reads the record, ``check_inputs`` finds everything that the
service would refuse (or, worse, drop and still charge for), ``sendable`` brings
values into the shape the service wants. Where a value stands in a file is the
manifest's business: a problem only carries the path into the params.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import Literal, cast, get_args

from pipeline.job import JsonValue, ParamValue, ReferenceAsset

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

# The service's ids are opaque; these rules only keep them safe in a URL.
ASSET_ID_LENGTH = 256
_ASSET_ID = re.compile(r"asset_[^\s/?#%]+")

# 4K-class sizes of the Wan models are for text-to-image alone.
_WAN_PREFIX = "model_wan-2-7-image"
_EDGE_4K_PX = 4096

_TYPE_WORDS: Mapping[str, str] = {
    "boolean": "true or false",
    "file": "a file",
    "inputs_array": "a group of inputs",
    "model": "a model id",
    "number": "a number",
    "string": "text",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiredRules:
    """When an input that is not always required becomes so.

    Attributes:
        if_defined: Required as soon as one of these inputs is given.
        if_not_defined: Required when none of these inputs is given.
        conditional: Inputs with the values that count; required when they match.
        match_all: Whether every entry of ``conditional`` has to match, or one.
    """

    if_defined: tuple[str, ...] = ()
    if_not_defined: tuple[str, ...] = ()
    conditional: tuple[tuple[str, tuple[JsonValue, ...]], ...] = ()
    match_all: bool = True

    def reason(self, given: Mapping[str, object]) -> str:
        """Why the input is required beside ``given``, or "" when it is not."""
        for name in self.if_defined:
            if name in given:
                return f"'{name}' is given"
        if self.if_not_defined and not any(n in given for n in self.if_not_defined):
            return f"'{self.if_not_defined[0]}' is not given"
        hits = [
            name
            for name, values in self.conditional
            if any(same_value(given.get(name), value) for value in values)
        ]
        wanted = len(self.conditional) if self.match_all else 1
        if self.conditional and len(hits) >= wanted:
            return f"'{hits[0]}' is {_shown(given[hits[0]])}"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSchema:
    """One input of a model.

    Attributes:
        type: The service's word for it.
        required: Always required.
        has_default: Whether ``default`` counts; None alone cannot say so.
        minimum: Smallest number, inclusive; maximum likewise.
        step: Distance of allowed numbers, from ``minimum`` or 0.
        min_length: Characters of a text, items of an array; max_length likewise.
        kind: What a file has to be: image, video, audio, 3d, …; "" for no file.
        max_size_bytes: Of a file, or None.
        cost_impact: Whether it changes the price; None where the service is silent.
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
        """Whether the service wants a list; it drops a bare value and charges."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSchema:
    """The inputs of one model.

    Attributes:
        inputs: By name, in the service's order.
        source: ``shipped`` with the package, ``live`` or ``cached``.
        makes: ``image`` when all it can do ends in images, else "".
    """

    model_id: str
    name: str
    inputs: Mapping[str, InputSchema]
    source: str
    makes: str = ""

    def find_input(self, name: str) -> InputSchema | None:
        """The input of that name, or None."""
        return self.inputs.get(name)

    @property
    def has_seed(self) -> bool:
        """Whether a seed can be given: the fingerprint of a lost submit."""
        return "seed" in self.inputs

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

        A default written out or left out is the same request, so job keys are
        taken of this.
        """
        kept: dict[str, ParamValue] = {}
        for name, value in self.sendable(params).items():
            schema = self.inputs.get(name)
            if schema is not None and schema.has_default:
                default = self.sendable({name: schema.default})[name]
                if same_value(value, default):
                    continue
            kept[name] = value
        return kept

    def output_count(self, params: Mapping[str, ParamValue]) -> int:
        """How many assets one job is asked for; at least 1."""
        schema = self.inputs.get("numOutputs")
        default = schema.default if schema is not None else 1
        count = params.get("numOutputs", default)
        if isinstance(count, bool) or not isinstance(count, int | float):
            return 1
        return max(1, int(count))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputProblem:
    """One thing that the model does not take.

    Attributes:
        path: Into the params: the input's name, then list indexes and keys.
        at_key: The name is the mistake, not the value.
        missing: The input is not there, so it has no place of its own.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    at_key: bool = False
    missing: bool = False


def same_value(left: object, right: object) -> bool:
    """Whether two JSON values are the same; True is not 1, but 1.0 is."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_value, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same_value(value, right[key]) for key, value in left.items()
        )
    return left == right


def suggestion(word: str, known: Sequence[str]) -> str:
    """A hint that names the nearest known word, or lists a few; "" without any."""
    lowered = {name.lower(): name for name in reversed(known)}
    matches = get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    if matches:
        return f"did you mean '{lowered[matches[0]]}'?"
    if not known:
        return ""
    shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")  # noqa: PLR2004 - a line's worth
    return f"known: {shown}"


# --- reading a record -----------------------------------------------------------


def parse_model(record: object, *, source: str) -> ModelSchema:
    """Read the ``model`` object of ``GET /models/{id}``; unknown keys are ignored.

    Raises:
        ValueError: The record is no model, or an input has no usable name or type.
    """
    if not isinstance(record, Mapping):
        raise ValueError("a model record has to be a JSON object")  # noqa: TRY004 - it is data
    model_id = record.get("id")
    if not isinstance(model_id, str) or not model_id:
        raise ValueError("a model record has to have an 'id'")
    inputs = record.get("inputs")
    if not isinstance(inputs, list):
        raise ValueError(f"model {model_id}: 'inputs' has to be a list")  # noqa: TRY004 - it is data
    parsed = [_parse_input(model_id, entry) for entry in inputs]
    name = record.get("name")
    return ModelSchema(
        model_id=model_id,
        name=name if isinstance(name, str) and name else model_id,
        inputs={schema.name: schema for schema in parsed},
        source=source,
        makes=_output_kind(record.get("capabilities")),
    )


def _output_kind(capabilities: object) -> str:
    words = capabilities if isinstance(capabilities, list) else []
    makes_images = bool(words) and all(str(word).endswith("2img") for word in words)
    return "image" if makes_images else ""


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
    return value if math.isfinite(value) else None


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
    """The shipped table of a model, or None when there is none."""
    if model_id not in shipped_model_ids():
        return None
    tables = resources.files("pipeline").joinpath("model_tables")
    text = tables.joinpath(f"{model_id}.json").read_text(encoding="utf-8")
    return parse_model(json.loads(text), source="shipped")


# --- checking inputs ------------------------------------------------------------


def check_inputs(
    schema: ModelSchema | None, params: Mapping[str, ParamValue]
) -> list[InputProblem]:
    """Everything about the params that the service would refuse or drop.

    Args:
        schema: None for a model whose inputs are not known: then only what no
            model takes is found.
        params: With ReferenceAssets for files, and bare values still bare.

    Returns:
        All problems, in the order of the params; empty when there are none.
    """
    problems: list[InputProblem] = []
    suspects: set[str] = set()
    for name, value in params.items():
        known = None if schema is None else schema.inputs.get(name)
        if name.lower() == "dryrun":
            problems.append(
                InputProblem(
                    path=(name,),
                    message=f"'{name}' is not an input: the service ignores it and "
                    "starts a paid job",
                    hint="use `pipeline plan` to see prices",
                    at_key=True,
                )
            )
        elif schema is not None and known is None:
            hint = suggestion(name, list(schema.inputs))
            suspects.update(other for other in schema.inputs if f"'{other}'" in hint)
            message = f"unknown input '{name}' of {schema.model_id}"
            problems.append(
                InputProblem(path=(name,), message=message, hint=hint, at_key=True)
            )
        elif value is None:
            problems.append(
                InputProblem(
                    path=(name,),
                    message=f"'{name}' has no value",
                    hint="leave the input out to get the model's default",
                )
            )
        elif known is not None:
            problems += _check_value(known, value)
    if schema is not None:
        # A misspelt input is one mistake, not also a missing one.
        problems += [p for p in _missing(schema, params) if p.path[0] not in suspects]
        problems += _check_4k(schema, params)
    return problems


def _check_value(schema: InputSchema, value: ParamValue) -> list[InputProblem]:
    name = schema.name
    if not schema.is_array:
        return _check_element(schema, value, (name,))
    if not isinstance(value, list):
        return _check_element(schema, value, (name,))
    problems = [
        problem
        for index, element in enumerate(value)
        for problem in _check_element(schema, element, (name, index))
    ]
    count, low, high = len(value), schema.min_length, schema.max_length
    if high is not None and count > high:
        message = f"'{name}' takes at most {high} values, this has {count}"
        problems.append(InputProblem(path=(name,), message=message))
    if low is not None and count < low:
        message = f"'{name}' takes at least {low} values, this has {count}"
        problems.append(InputProblem(path=(name,), message=message))
    return problems


def _check_element(
    schema: InputSchema, value: ParamValue, path: tuple[str | int, ...]
) -> list[InputProblem]:
    def problem(message: str, hint: str = "") -> list[InputProblem]:
        return [InputProblem(path=path, message=message, hint=hint)]

    name, wanted = schema.name, schema.element_type
    if wanted == "file":
        return _check_file(schema, value, path)
    fits = {
        "boolean": isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "string": isinstance(value, str),
        "model": isinstance(value, str),
        "inputs_array": isinstance(value, dict),
    }[wanted]
    if not fits:
        return problem(
            f"'{name}' takes {_TYPE_WORDS[wanted]}, not {_described(value)}",
            _type_hint(wanted, value),
        )
    if schema.allowed_values and not any(
        same_value(value, allowed) for allowed in schema.allowed_values
    ):
        words = [_shown(allowed).strip("'") for allowed in schema.allowed_values]
        message = f"'{name}' does not take {_shown(value)}"
        return problem(message, _allowed_hint(str(value), words))
    if isinstance(value, str) and wanted == "string" and not schema.is_array:
        return _check_length(schema, value, path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _check_number(schema, value, path)
    return []


def _check_length(
    schema: InputSchema, value: str, path: tuple[str | int, ...]
) -> list[InputProblem]:
    count, low, high = len(value), schema.min_length, schema.max_length
    if high is not None and count > high:
        text = f"'{schema.name}' takes at most {high} characters, this has {count}"
    elif low is not None and count < low:
        text = f"'{schema.name}' takes at least {low} characters, this has {count}"
    else:
        return []
    return [InputProblem(path=path, message=text)]


def _check_number(
    schema: InputSchema, value: float, path: tuple[str | int, ...]
) -> list[InputProblem]:
    name, low, high = schema.name, schema.minimum, schema.maximum
    if low is not None and value < low:
        message = f"'{name}' is at least {low:.15g}, not {_shown(value)}"
    elif high is not None and value > high:
        message = f"'{name}' is at most {high:.15g}, not {_shown(value)}"
    elif schema.step == 1 and value != int(value):
        message = f"'{name}' takes a whole number, not {_shown(value)}"
    elif schema.step and _is_off_step(value, schema.step, low or 0):
        message = f"'{name}' goes in steps of {schema.step:.15g}, not {_shown(value)}"
    else:
        return []
    return [InputProblem(path=path, message=message)]


def _is_off_step(value: float, step: float, start: float) -> bool:
    if isinstance(value, int) and isinstance(step, int) and isinstance(start, int):
        return (value - start) % step != 0
    # By decimal text: 0.3 is three steps of 0.1, though not in binary.
    distance = Fraction(str(value)) - Fraction(str(start))
    return (distance / Fraction(str(step))).denominator != 1


def _check_file(
    schema: InputSchema, value: ParamValue, path: tuple[str | int, ...]
) -> list[InputProblem]:
    name, message, hint = schema.name, "", ""
    if isinstance(value, ReferenceAsset):
        limit = schema.max_size_bytes
        if not _suits_kind(value.media_type, schema.kind):
            message = f"'{name}' takes {schema.kind} files; {value.path.name} is "
            message += value.media_type
        elif limit is not None and value.size_bytes > limit:
            message = f"'{name}' takes files of at most {limit} bytes; "
            message += f"{value.path.name} has {value.size_bytes}"
    elif not isinstance(value, str):
        message = f"'{name}' takes a file, not {_described(value)}"
        hint = "write ref:NAME, file:PATH or an asset id"
    elif len(value) > ASSET_ID_LENGTH or not _ASSET_ID.fullmatch(value):
        message = f"'{name}' takes a file; {_shown(value)} is no asset id"
        hint = _file_hint(value)
    return [InputProblem(path=path, message=message, hint=hint)] if message else []


def _file_hint(value: str) -> str:
    if value.startswith(("http://", "https://", "data:")):
        return "save the file beside the manifest and write file:PATH"
    if "." in value or "/" in value:
        return f"write file:{value[:80]}"
    return "write ref:NAME, file:PATH or an asset id (asset_…)"


def _suits_kind(media_type: str, kind: str) -> bool:
    if kind in {"image", "video", "audio"}:
        return media_type.startswith(f"{kind}/")
    # Other kinds (3d, text, json, document, …) have no type that content proves.
    return True


def _missing(
    schema: ModelSchema, params: Mapping[str, ParamValue]
) -> list[InputProblem]:
    problems: list[InputProblem] = []
    for name, wanted in schema.inputs.items():
        if name in params:
            continue
        if wanted.required:
            message = f"'{name}' is missing: {schema.model_id} requires it"
        elif why := wanted.required_rules.reason(params):
            message = f"'{name}' is missing: it is required because {why}"
        else:
            continue
        problems.append(InputProblem(path=(name,), message=message, missing=True))
    return problems


def _check_4k(
    schema: ModelSchema, params: Mapping[str, ParamValue]
) -> list[InputProblem]:
    size = params.get("size")
    if not schema.model_id.startswith(_WAN_PREFIX) or not params.get("images"):
        return []
    if not isinstance(size, str) or size not in _known_sizes(schema):
        return []
    edges = [int(edge) for edge in size.split("*") if edge.isdecimal()]
    if size != "4K" and max(edges, default=0) < _EDGE_4K_PX:
        return []
    return [
        InputProblem(
            path=("size",),
            message=f"size {size} does not go together with images",
            hint="4K sizes are for text-to-image; use 2K, or leave images out",
        )
    ]


def _known_sizes(schema: ModelSchema) -> tuple[JsonValue, ...]:
    size = schema.inputs.get("size")
    return size.allowed_values if size is not None else ()


def _allowed_hint(text: str, words: list[str]) -> str:
    starred = re.sub(r"(?<=\d)\s*[xX×]\s*(?=\d)", "*", text)  # noqa: RUF001 - people type it
    for word in words:
        if word.lower() == starred.lower():
            return f"did you mean '{word}'?"
    return suggestion(starred, words)


def _type_hint(wanted: str, value: ParamValue) -> str:
    if isinstance(value, list):
        return "write one value, not a list"
    if wanted == "boolean":
        return "write true or false"
    if wanted == "string" and not isinstance(value, dict | ReferenceAsset):
        return f'put it in quotes: "{_plain(value)}"'
    if wanted == "number" and isinstance(value, str) and _is_number(value):
        return f"remove the quotes: {value}"
    return ""


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", text) is not None


def _whole_numbers(value: ParamValue) -> ParamValue:
    if isinstance(value, list):
        return [_whole_numbers(element) for element in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _described(value: ParamValue) -> str:
    if isinstance(value, ReferenceAsset):
        return "a file"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if value is None or isinstance(value, bool):
        return _plain(value)
    if isinstance(value, str):
        return f"the text {_shown(value)}"
    return f"the number {_plain(value)}"


def _plain(value: object) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def _shown(value: object) -> str:
    """A value as it may stand in a message: short, and quoted when it is text."""
    text = _plain(value)
    text = text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004 - a message is one line
    text = "".join(c if c.isprintable() else "·" for c in text)
    return f"'{text}'" if isinstance(value, str) else text
