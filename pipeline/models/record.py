"""The record of a model, as ``GET /models/{id}`` answers it → ModelSchema. Pure.

The service may add types and rules at any time. What cannot be read stops nothing: an
input of an unknown type is not checked, and a rule of an unknown form does not count.
"""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import cast

from pipeline.job import JsonValue
from pipeline.models.schema import KNOWN_TYPES, InputSchema, ModelSchema, RequiredRules

KINDS = ("image", "video", "audio", "3d", "text")
# The output of a capability such as ``img23d`` or ``txt2img_texture``.
_CAPABILITY = re.compile(r"2(img|video|audio|3d|txt)(?:_|$)")
_KIND_WORDS = {"img": "image", "txt": "text"}
# Image models that are older than this naming.
_IMAGE_WORDS = re.compile(r"controlnet|inpaint|outpaint|reference")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_FILE_TYPES = frozenset({"file", "file_array"})


def parse_model(record: object, *, source: str) -> ModelSchema:
    """Read the ``model`` object of ``GET /models/{id}``; unknown keys are ignored.

    Raises:
        ValueError: The record is not a model, or none of its inputs can be read.
    """
    if not isinstance(record, Mapping):
        raise ValueError("a model record must be a JSON object")  # noqa: TRY004 - it is data
    model_id = record.get("id")
    if not isinstance(model_id, str) or not model_id:
        raise ValueError("a model record must have an 'id'")
    lora_of = _lora_of(record)
    inputs = record.get("inputs")
    if lora_of is not None and inputs is None:
        inputs = []
    if not isinstance(inputs, list):
        raise ValueError(f"model {model_id}: 'inputs' must be a list")  # noqa: TRY004 - it is data
    parsed = _parse_inputs(inputs)
    if inputs and not parsed:
        raise ValueError(f"model {model_id}: no input has a name")
    name = record.get("name")
    kinds = output_kinds(record)
    return ModelSchema(
        model_id=model_id,
        name=name if isinstance(name, str) and name else model_id,
        inputs=parsed,
        source=source,
        makes=kinds[0] if len(kinds) == 1 else "",
        lora_of=lora_of,
        refunds=record.get("disableRefund") is not True,
    )


def output_kinds(record: Mapping[str, object]) -> tuple[str, ...]:
    """Which of ``KINDS`` a model can make, by its capabilities; may be empty.

    Works for records of a list too, which have no inputs.
    """
    words = record.get("capabilities")
    found: set[str] = set()
    for word in words if isinstance(words, list) else ():
        match = _CAPABILITY.search(word) if isinstance(word, str) else None
        if match is not None:
            found.add(_KIND_WORDS.get(match[1], match[1]))
        elif isinstance(word, str) and _IMAGE_WORDS.search(word):
            found.add("image")
        else:
            return ()  # it can do something that is not known here
    return tuple(kind for kind in KINDS if kind in found)


def is_lora(record: Mapping[str, object]) -> bool:
    """Whether a record is that of a LoRA, or of a composition of several."""
    kind = record.get("type")
    return isinstance(kind, str) and kind.endswith(("-lora", "-composition"))


def _lora_of(record: Mapping[str, object]) -> str | None:
    if not is_lora(record) or record.get("custom") is True:
        return None
    listed = record.get("compliantModelIds")
    named = [record.get("parentModelId"), *(listed if isinstance(listed, list) else ())]
    return ", ".join(
        dict.fromkeys(one for one in named if one and isinstance(one, str))
    )


def _parse_inputs(entries: list[object]) -> dict[str, InputSchema]:
    """The inputs by name; what has no name cannot be given and is passed over."""
    parsed = [
        _parse_input(entry["name"], entry)
        for entry in entries
        if isinstance(entry, Mapping)
        and isinstance(entry.get("name"), str)
        and entry["name"]
    ]
    return {schema.name: schema for schema in parsed}


def _parse_input(name: str, entry: Mapping[str, object]) -> InputSchema:
    kind, required = entry.get("kind"), entry.get("required")
    input_type = entry.get("type")
    if not isinstance(input_type, str):
        input_type = ""
    fields = entry.get("inputs")
    cost_impact = entry.get("costImpact")
    return InputSchema(
        name=name,
        type=input_type,
        # Only a true "always" counts: records also carry {"always": false}.
        required=required is True
        or (isinstance(required, Mapping) and required.get("always") is True),
        required_rules=_parse_rules(required),
        default=cast("JsonValue", entry.get("default")),
        has_default=entry.get("default") is not None,
        allowed_values=_allowed_values(input_type, entry.get("allowedValues")),
        minimum=_number(entry.get("min")),
        maximum=_number(entry.get("max")),
        step=_number(entry.get("step")) or None,
        min_length=_length(entry.get("minLength")),
        max_length=_length(entry.get("maxLength")),
        kind=_file_kind(kind) if input_type in _FILE_TYPES else "",
        max_size_bytes=_length(entry.get("maxSize")),
        cost_impact=cost_impact if isinstance(cost_impact, bool) else None,
        fields=_parse_inputs(fields)
        if input_type == "inputs_array" and isinstance(fields, list)
        else {},
    )


def _file_kind(kind: object) -> str:
    """The kind of file; ``image`` is the service's default, "" stands for several."""
    if kind is None or kind == "":
        return "image"
    return kind if isinstance(kind, str) else ""


def _allowed_values(input_type: str, listed: object) -> tuple[JsonValue, ...]:
    """The closed list, in the type of the input; empty if it cannot be read whole.

    Entries may be objects with a ``value``. A list that holds anything else would
    refuse what the service takes.
    """
    if not isinstance(listed, list) or input_type not in KNOWN_TYPES:
        return ()
    wanted = input_type.removesuffix("_array")
    found: list[JsonValue] = []
    for entry in listed:
        value = entry.get("value") if isinstance(entry, Mapping) else entry
        if wanted == "number" and isinstance(value, str):
            value = _number(value)
        elif wanted == "string" and _is_number(value):
            value = str(value)
        if not isinstance(value, str | int | float):
            return ()
        found.append(value)
    return tuple(found)


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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: object) -> int | float | None:
    """A finite number, also one written as text; None for anything else."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None
    except OverflowError:  # an integer too large for a float
        return None


def _length(value: object) -> int | None:
    """A number of characters, items or bytes; None for a negative one, too."""
    number = _number(value)
    return None if number is None or number < 0 else int(number)


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
