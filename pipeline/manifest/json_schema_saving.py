"""The keys ``save``, ``embed`` and ``checks`` → their part of the JSON Schema. Pure."""

from collections.abc import Mapping

from pipeline.job import JsonValue
from pipeline.manifest.saving import FORMAT_WORDS
from pipeline.save_spec import MAX_EDGE_PX, Fit

Schema = dict[str, JsonValue]

VARIABLE = r"\$\{[^{}$\n]+\}"
# A value that is a single variable has the variable's type.
IS_VARIABLE: Schema = {"type": "string", "pattern": f"^{VARIABLE}$"}
# A text with a dollar in it may become any other text.
HAS_DOLLAR: Schema = {"type": "string", "pattern": r"\$"}
_SIZE = r"^\s*[0-9]+(\.[0-9]+)?\s*([kKMG]i?)?[bB]?\s*$"


def saving_keys(whose: str) -> Schema:
    """``save``, ``embed`` and ``checks``; each value may be a variable."""
    edge: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_EDGE_PX}
    box: Schema = {"type": "string", "pattern": r"^\s*[0-9]+\s*([x*]\s*[0-9]+\s*)?$"}
    sizes: Schema = {"type": "string", "pattern": _SIZE}
    two: Schema = {
        "type": "array",
        "minItems": 2,
        "maxItems": 2,
        "items": {"anyOf": [edge, IS_VARIABLE]},
    }
    save = {
        "format": _one_of("The format.", {"enum": [*FORMAT_WORDS]}, HAS_DOLLAR),
        "quality": _one_of("Of a lossy format.", _integer(1, 100)),
        "resize": _one_of(
            "The box that it has to fit, in pixels.", edge, box, two, HAS_DOLLAR
        ),
        "fit": _one_of(
            "How it is made to fit the box.", {"enum": [*map(str, Fit)]}, HAS_DOLLAR
        ),
        "trim": _one_of("Cut away empty borders.", {"type": "boolean"}),
        "max_bytes": _one_of(
            "The most bytes: 200kB.", _integer(1, 2**40), sizes, HAS_DOLLAR
        ),
    }
    similar: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    checks = {
        "alpha": _one_of("Transparency is used.", {"type": "boolean"}),
        "not_blank": _one_of("It shows something.", {"type": "boolean"}),
        "min_px": _one_of("The least of its shorter edge.", _integer(1, 10**6)),
        "similar_to_another": _one_of("Too like another item's picture.", similar),
    }
    return {
        "save": _group(f"How the pictures are saved, of {whose}.", save),
        "embed": _one_of(
            f"Write into the files how they were made, of {whose}.",
            {"type": "boolean"},
        ),
        "checks": _group(f"What the pictures are checked for, of {whose}.", checks),
    }


def _integer(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


def _one_of(description: str, *values: Schema) -> Schema:
    return {"description": description, "anyOf": [*values, IS_VARIABLE]}


def _group(description: str, keys: Mapping[str, Schema]) -> Schema:
    group: Schema = {
        "type": ["object", "null"],
        "properties": {**keys},
        "additionalProperties": False,
    }
    return {"description": description, "anyOf": [group, {"const": False}]}
