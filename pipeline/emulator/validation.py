"""Checks a request body against the descriptors of its model.

Whether an asset exists is left to the caller. The texts follow the few that are known:
``Input prompt is required``, ``Input width must be at least 672``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pipeline.emulator.model_records import FILE_TYPES, InputRecord, ModelRecord
from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.refusal import Refused, bad_request

ITEM_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "file_array": str,
    "string_array": str,
    "model_array": str,
    "number_array": (int, float),
    "inputs_array": dict,
}
SCALAR_WORDS: Mapping[str, str] = {
    "boolean": "a boolean",
    "number": "a number",
    "string": "a string",
    "file": "a string",
    "model": "a string",
}
STEP_TOLERANCE = 1e-9
LARGE_SIDE_PX = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedInputs:
    """The inputs of a request that has passed the checks.

    Attributes:
        accepted: The inputs that the job runs with, as sent, without defaults.
        dropped: Bare values where an array is expected, perhaps arrays where a bare
            value is, and inputs that the model does not have. The job runs without
            them.
        asset_ids: Every asset that the file inputs name, in order.
    """

    accepted: Mapping[str, object]
    dropped: Mapping[str, object]
    asset_ids: tuple[str, ...]


def validate_inputs(
    model: ModelRecord,
    body: Mapping[str, object],
    jobs: JobsProfile,
    asset_exists: Callable[[str], bool],
) -> CheckedInputs:
    """Check a body against the descriptors of its model.

    Args:
        model: The model.
        body: The request body.
        jobs: How unknown inputs, bare values and unknown assets are answered.
        asset_exists: Whether a file input may name this asset.

    Raises:
        Refused: 400 with the first input that breaks a rule, or the profile's status
            for an asset that does not exist.
    """
    accepted, dropped = _sort_inputs(model, body, jobs)
    for item in model.inputs:
        _demand_required(item, body)
    asset_ids = tuple(_named_assets(model, accepted))
    for asset_id in asset_ids:
        if jobs.unknown_asset_status and not asset_exists(asset_id):
            raise Refused(jobs.unknown_asset_status, f"Asset {asset_id} not found")
    if jobs.large_with_images_refused and is_large_with_images(model, accepted):
        raise bad_request(
            f"Input size {accepted['size']} is not available together with images"
        )
    return CheckedInputs(accepted=accepted, dropped=dropped, asset_ids=asset_ids)


def _sort_inputs(
    model: ModelRecord, body: Mapping[str, object], jobs: JobsProfile
) -> tuple[dict[str, object], dict[str, object]]:
    known = {item.name: item for item in model.inputs}
    accepted: dict[str, object] = {}
    dropped: dict[str, object] = {}
    for name, value in body.items():
        if name == "dryRun" or value is None:
            continue  # dryRun has an effect in the query only
        if name not in known:
            if jobs.unknown_field_status:
                status = jobs.unknown_field_status
                raise Refused(status, f"Input {name} is not allowed")
            dropped[name] = value
            continue
        if known[name].type in ITEM_TYPES and not isinstance(value, list):
            if jobs.strict_arrays:
                raise bad_request(f"Input {name} must be an array")
            dropped[name] = value
            continue
        if known[name].type not in ITEM_TYPES and isinstance(value, list):
            if jobs.strict_scalars:
                word = SCALAR_WORDS.get(known[name].type, known[name].type)
                raise bad_request(f"Input {name} must be {word}")
            dropped[name] = value
            continue
        _demand_value(known[name], value)
        accepted[name] = value
    return accepted, dropped


def is_large_with_images(model: ModelRecord, inputs: Mapping[str, object]) -> bool:
    """Whether the inputs ask for a 4K size together with reference images."""
    if not any(inputs.get(item.name) for item in model.inputs if is_file(item)):
        return False
    size = str(inputs.get("size", ""))
    sides = [int(side) for side in size.split("*") if side.isdigit()]
    return size == "4K" or any(side > LARGE_SIDE_PX for side in sides)


def is_file(item: InputRecord) -> bool:
    """Whether this input names assets."""
    return item.type in FILE_TYPES


def _named_assets(model: ModelRecord, inputs: Mapping[str, object]) -> list[str]:
    named: list[str] = []
    for item in filter(is_file, model.inputs):
        value = inputs.get(item.name)
        values = value if isinstance(value, list) else [value]
        named += [entry for entry in values if isinstance(entry, str)]
    return [name for name in named if not name.startswith("data:")]


def _demand_value(item: InputRecord, value: object) -> None:
    if isinstance(value, list):
        _demand_array(item, value)
    elif item.type == "boolean":
        if not isinstance(value, bool):
            raise bad_request(f"Input {item.name} must be a boolean")
    elif item.type == "number":
        _demand_number(item, value)
    else:
        _demand_text(item, value)


def _demand_array(item: InputRecord, values: list[object]) -> None:
    wanted = ITEM_TYPES[item.type]
    if not all(
        isinstance(entry, wanted) and not isinstance(entry, bool) for entry in values
    ):
        raise bad_request(f"Input {item.name} must be an array of the right type")
    least, most = item.rules.get("minLength"), item.rules.get("maxLength")
    if isinstance(least, int) and len(values) < least:
        raise bad_request(f"Input {item.name} must contain at least {least} items")
    if isinstance(most, int) and len(values) > most:
        raise bad_request(f"Input {item.name} must contain at most {most} items")
    _demand_allowed(item, values)


def _demand_number(item: InputRecord, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad_request(f"Input {item.name} must be a number")
    least, most, step = (item.rules.get(key) for key in ("min", "max", "step"))
    if isinstance(least, int | float) and value < least:
        raise bad_request(f"Input {item.name} must be at least {least}")
    if isinstance(most, int | float) and value > most:
        raise bad_request(f"Input {item.name} must be at most {most}")
    if isinstance(step, int | float) and step > 0:
        start = least if isinstance(least, int | float) else 0
        steps = (value - start) / step
        if abs(steps - round(steps)) > STEP_TOLERANCE:
            raise bad_request(f"Input {item.name} must be a multiple of {step}")
    _demand_allowed(item, [value])


def _demand_text(item: InputRecord, value: object) -> None:
    if not isinstance(value, str):
        raise bad_request(f"Input {item.name} must be a string")
    least, most = item.rules.get("minLength"), item.rules.get("maxLength")
    if isinstance(least, int) and len(value) < least:
        raise bad_request(f"Input {item.name} must be at least {least} characters")
    if isinstance(most, int) and len(value) > most:
        raise bad_request(f"Input {item.name} must be at most {most} characters")
    _demand_allowed(item, [value])


def _demand_allowed(item: InputRecord, values: list[object]) -> None:
    allowed = item.rules.get("allowedValues")
    if not isinstance(allowed, list) or not allowed:
        return
    for value in values:
        if value not in allowed:
            choices = ", ".join(str(choice) for choice in allowed)
            raise bad_request(f"Input {item.name} must be one of: {choices}")


def _demand_required(item: InputRecord, body: Mapping[str, object]) -> None:
    rule = item.rules.get("required")
    if not _is_absent(body.get(item.name)):
        return
    if rule is True:
        raise bad_request(f"Input {item.name} is required")
    if not isinstance(rule, Mapping):
        return
    if rule.get("always") is True:
        raise bad_request(f"Input {item.name} is required")
    for key, wanted in (("ifDefined", False), ("ifNotDefined", True)):
        others = rule.get(key)
        for other, message in others.items() if isinstance(others, Mapping) else ():
            if _is_absent(body.get(other)) is wanted:
                raise bad_request(_message_text(message, item.name))
    conditional = rule.get("conditional")
    if isinstance(conditional, Mapping) and _holds(conditional, body):
        raise bad_request(f"Input {item.name} is required")


def _is_absent(value: object) -> bool:
    return value is None or value in ("", [])


def _message_text(message: object, name: str) -> str:
    if isinstance(message, Mapping):
        message = message.get("message")
    return str(message) if message else f"Input {name} is required"


def _holds(conditional: Mapping[str, object], body: Mapping[str, object]) -> bool:
    values = conditional.get("values")
    if not isinstance(values, Mapping) or not values:
        return False
    hits = [
        body.get(name) in (wanted if isinstance(wanted, list) else [wanted])
        for name, wanted in values.items()
    ]
    operator = str(conditional.get("operator", "and")).lower()
    return any(hits) if operator == "or" else all(hits)
