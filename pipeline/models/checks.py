"""Inputs of an item → everything that the service would reject. Pure.

Or, worse, would drop and still charge for. A problem has only the path into the params;
the manifest finds the position in the file.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction

from pipeline.counting import plural
from pipeline.job import ItemOutput, JsonValue, ParamValue, ReferenceAsset
from pipeline.models.schema import InputSchema, ModelSchema, json_equal
from pipeline.models.wording import described, plain, shown, suggestion
from pipeline.record import Struct, replace

# The service's ids are opaque; these rules only keep them safe in a URL.
ASSET_ID_LENGTH = 256
_ASSET_ID = re.compile(r"asset_[^\s/?#%]+")

# The Wan models take 4K-class sizes only for text-to-image.
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


class InputProblem(Struct, frozen=True, kw_only=True):
    """One thing that the model does not accept.

    Attributes:
        path: Into the params: the input's name, then list indexes and keys.
        at_key: Whether the mistake is the name, not the value.
        missing: Whether the input is absent, and so has no position of its own.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    at_key: bool = False
    missing: bool = False


def check_inputs(
    schema: ModelSchema | None, params: Mapping[str, ParamValue]
) -> list[InputProblem]:
    """Everything about the params that the service would reject or drop.

    Args:
        schema: None for a model whose inputs are unknown; then only what no model
            accepts is found.
        params: Files are ReferenceAssets or ItemOutputs; bare values are not yet lists.

    Returns:
        All problems, in the order of the params; empty if there are none.
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
                    hint="leave the input out to use the model's default",
                )
            )
        elif known is not None:
            problems += _check_value(known, value)
    if schema is not None:
        # A misspelt input is one mistake, not also a missing one.
        missing = _missing(schema.inputs, params, f"{schema.model_id} requires it")
        problems += [p for p in missing if p.path[0] not in suspects]
        problems += _check_4k(schema, params)
        problems += _check_scales(schema, params)
    return problems


def _check_value(schema: InputSchema, value: ParamValue) -> list[InputProblem]:
    name = schema.name
    if not schema.is_array or not isinstance(value, list):
        return _check_element(schema, value, (name,))
    problems = [
        problem
        for index, element in enumerate(value)
        for problem in _check_element(schema, element, (name, index))
    ]
    count, low, high = len(value), schema.min_length, schema.max_length
    if high is not None and count > high:
        message = f"'{name}' takes at most {plural(high, 'value')}, this has {count}"
        problems.append(InputProblem(path=(name,), message=message))
    if low is not None and count < low:
        message = f"'{name}' takes at least {plural(low, 'value')}, this has {count}"
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
    fits = not schema.is_known or {
        "boolean": isinstance(value, bool),
        "number": isinstance(value, int | float) and not isinstance(value, bool),
        "string": isinstance(value, str),
        "model": isinstance(value, str),
        "inputs_array": isinstance(value, dict),
    }.get(wanted, True)
    if not fits:
        return problem(
            f"'{name}' takes {_TYPE_WORDS[wanted]}, not {described(value)}",
            _type_hint(wanted, value),
        )
    if schema.allowed_values and not any(
        json_equal(value, allowed) for allowed in schema.allowed_values
    ):
        words = [shown(allowed).strip("'") for allowed in schema.allowed_values]
        message = f"'{name}' does not take {shown(value)}"
        return problem(message, _allowed_hint(str(value), words))
    return _check_limits(schema, value, path) if schema.is_known else []


def _check_limits(
    schema: InputSchema, value: ParamValue, path: tuple[str | int, ...]
) -> list[InputProblem]:
    if isinstance(value, dict):
        return _check_fields(schema, value, path)
    if isinstance(value, str) and schema.type == "string":
        return _check_length(schema, value, path)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _check_number(schema, value, path)
    return []


def _check_fields(
    schema: InputSchema, group: Mapping[str, ParamValue], path: tuple[str | int, ...]
) -> list[InputProblem]:
    """The values of one object of an ``inputs_array``, if the service describes it."""
    problems: list[InputProblem] = []
    if not schema.fields:
        return problems
    for name, value in group.items():
        known = schema.fields.get(name)
        if known is None:
            message = f"unknown input '{name}' in '{schema.name}'"
            hint = suggestion(name, list(schema.fields))
            found = [
                InputProblem(path=(name,), message=message, hint=hint, at_key=True)
            ]
        elif value is None:
            found = [InputProblem(path=(name,), message=f"'{name}' has no value")]
        else:
            found = _check_value(known, value)
        problems += found
    problems += [
        # Its place is that of the object: the input itself has none.
        replace(problem, path=(), missing=False)
        for problem in _missing(schema.fields, group, f"'{schema.name}' requires it")
    ]
    return [replace(problem, path=(*path, *problem.path)) for problem in problems]


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
        message = f"'{name}' must be at least {low:.15g}, not {shown(value)}"
    elif high is not None and value > high:
        message = f"'{name}' must be at most {high:.15g}, not {shown(value)}"
    elif not math.isfinite(value):
        message = f"'{name}' must be a number, not {shown(value)}"
    elif schema.step == 1 and value != int(value):
        message = f"'{name}' takes a whole number, not {shown(value)}"
    elif schema.step and _is_off_step(value, schema.step, low or 0):
        message = f"'{name}' goes in steps of {schema.step:.15g}, not {shown(value)}"
    else:
        return []
    return [InputProblem(path=path, message=message)]


def _is_off_step(value: float, step: float, start: float) -> bool:
    if isinstance(value, int) and isinstance(step, int) and isinstance(start, int):
        return (value - start) % step != 0
    # In decimal, 0.3 is exactly three steps of 0.1; in binary it is not.
    distance = Fraction(str(value)) - Fraction(str(start))
    return (distance / Fraction(str(step))).denominator != 1


def _check_file(
    schema: InputSchema, value: ParamValue, path: tuple[str | int, ...]
) -> list[InputProblem]:
    name, message, hint = schema.name, "", ""
    if isinstance(value, ItemOutput):
        return []
    if isinstance(value, ReferenceAsset):
        limit = schema.max_size_bytes
        if not _suits_kind(value.media_type, schema.kind):
            message = f"'{name}' takes {schema.kind} files; {value.path.name} is "
            message += value.media_type
        elif limit is not None and value.size_bytes > limit:
            message = f"'{name}' takes files of at most {plural(limit, 'byte')}; "
            message += f"{value.path.name} has {value.size_bytes}"
    elif not isinstance(value, str):
        message = f"'{name}' takes a file, not {described(value)}"
        hint = "write ref:NAME, file:PATH, item:ID or an asset id"
    elif len(value) > ASSET_ID_LENGTH or not _ASSET_ID.fullmatch(value):
        message = f"'{name}' takes a file; {shown(value)} is not an asset id"
        hint = _file_hint(value)
    return [InputProblem(path=path, message=message, hint=hint)] if message else []


def _file_hint(value: str) -> str:
    if value.startswith(("http://", "https://", "data:")):
        return "save the file beside the manifest and write file:PATH"
    if "." in value or "/" in value:
        return f"write file:{value[:80]}"
    return "write ref:NAME, file:PATH, item:ID or an asset id (asset_…)"


def _suits_kind(media_type: str, kind: str) -> bool:
    if kind in {"image", "video", "audio"}:
        return media_type.startswith(f"{kind}/")
    # Other kinds (3d, text, json, document, …) cannot be recognised by content.
    return True


def _missing(
    inputs: Mapping[str, InputSchema], params: Mapping[str, ParamValue], why: str
) -> list[InputProblem]:
    problems: list[InputProblem] = []
    for name, wanted in inputs.items():
        if name in params:
            continue
        if wanted.required:
            message = f"'{name}' is missing: {why}"
        elif reason := wanted.required_rules.reason(params):
            message = f"'{name}' is missing: it is required because {reason}"
        else:
            continue
        problems.append(InputProblem(path=(name,), message=message, missing=True))
    return problems


def _check_scales(
    schema: ModelSchema, params: Mapping[str, ParamValue]
) -> list[InputProblem]:
    """``lorasScale`` has a number for each of ``loras``.

    The service's dry run does not notice another count. Source: Scenario API sheet,
    section 17.1.
    """
    problems: list[InputProblem] = []
    for name, known in schema.inputs.items():
        scales = schema.inputs.get(f"{name}Scale")
        if known.type != "model_array" or scales is None or not scales.is_array:
            continue
        given, scaled = (_count(params.get(one.name)) for one in (known, scales))
        if scaled is not None and given != scaled:
            message = f"'{scales.name}' has {scaled} values, but '{name}' {given or 0}"
            hint = f"give one number for each entry of {name}, in the same order"
            problem = InputProblem(path=(scales.name,), message=message, hint=hint)
            problems.append(problem)
    return problems


def _count(value: ParamValue) -> int | None:
    """How many values are sent for an array; a bare one becomes a list."""
    if value is None:
        return None
    return len(value) if isinstance(value, list) else 1


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
            message=f"size {size} cannot be combined with images",
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
    if wanted == "string" and not isinstance(value, dict | ReferenceAsset | ItemOutput):
        return f'put it in quotes: "{plain(value)}"'
    if wanted == "number" and isinstance(value, str) and _is_number(value):
        return f"remove the quotes: {value}"
    return ""


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", text) is not None
