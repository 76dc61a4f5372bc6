"""The manifest's shape → a JSON Schema (draft 2020-12) for editors. Pure.

Everything that ``validate`` accepts fits the schema, but not the reverse: what depends
on other files, on variables or on the resulting ids is left to ``validate``.
"""

import re
from collections.abc import Sequence
from urllib.parse import quote

from pipeline.job import JsonValue
from pipeline.manifest.json_schema_saving import (
    HAS_DOLLAR,
    IS_VARIABLE,
    VARIABLE,
    Schema,
    saving_keys,
)
from pipeline.manifest.keys import PROFILE_KEYS
from pipeline.manifest.matrix_reader import MAX_AXES, MAX_MATRIX_ENTRIES
from pipeline.manifest.node_reader import VARIABLE_NAME
from pipeline.manifest.profiles import PROFILE_NAME
from pipeline.manifest.steps import MAX_STEPS
from pipeline.models.schema import InputSchema, ModelSchema
from pipeline.naming import MAX_TAKES

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ANY: list[JsonValue] = ["string", "number", "boolean", "array", "object"]

_NAME = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?$"
_MODEL_ID = rf"^(?:[^\s/?#%]|{VARIABLE})+$"
# No part between slashes is empty or begins or ends with a dot.
_ID_PART = rf"(?:[A-Za-z0-9_-]|{VARIABLE})(?:\.*(?:[A-Za-z0-9_-]|{VARIABLE}))*"
_ID = rf"^{_ID_PART}(?:/{_ID_PART})*$"
_ROWS = (
    r"\.(?:[cCtT][sS][vV]|[xX][lL][sS][xX]|[jJ][sS][oO][nN][lL]"
    r"|[nN][dD][jJ][sS][oO][nN])$|\$"
)
_REFERENCE_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_FILE = (
    rf"^(?:asset_[^\s/?#%]+|ref:{_REFERENCE_NAME}"
    r"|(?:file|item):[\s\S]+)$|\$"
)
_AMOUNT = r"^\s*\+?(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*$"
_NO_VARIABLE = r"^(?![\s\S]*\$\{)"
_NO_DRY_RUN = r"^(?![dD][rR][yY][rR][uU][nN]$)"


def manifest_schema(models: Sequence[ModelSchema]) -> Schema:
    """The JSON Schema of a manifest.

    Args:
        models: Their inputs are completed and checked wherever the manifest or an item
            names one of them; the inputs of any other model are left open.
    """
    defs: Schema = {"scalar": _scalar(), "vars": _variables(), "item": _item(models)}
    for model in models:
        defs[f"{model.model_id}.params"] = _params_of(model)
        defs[f"{model.model_id}.item"] = _item_of(model)
        defs[f"{model.model_id}.own-item"] = _own_item_of(model)
    rules: list[JsonValue] = [_items_need_models(), _items_need_values()]
    rules += [_rule_of(model) for model in models]
    return {
        "$schema": DIALECT,
        "title": "Manifest of scenario-pipeline",
        "description": "Which assets to make, and how.",
        "type": "object",
        "properties": _top_keys(models),
        "required": ["version", "items"],
        "additionalProperties": False,
        "allOf": rules,
        "$defs": defs,
    }


# --- the keys -----------------------------------------------------------------


def _top_keys(models: Sequence[ModelSchema]) -> Schema:
    keys = _plain_top_keys(models)
    return {**keys, "profiles": _profiles(keys)}


def _profiles(keys: Schema) -> Schema:
    return {
        "description": "Named sets of keys that override those of the top level and of "
        "the items: `--profile NAME` uses one, with an output folder of its own.",
        "type": ["object", "null"],
        "propertyNames": {
            "pattern": f"^(?![eE][mM][uU][lL][aA][tT][eE][dD]$){PROFILE_NAME.pattern}$",
            "patternErrorMessage": "at most 32 letters, digits, '_' or '-'",
        },
        "additionalProperties": {
            "type": ["object", "null"],
            "properties": {key: keys[key] for key in PROFILE_KEYS},
            "additionalProperties": False,
        },
    }


def _plain_top_keys(models: Sequence[ModelSchema]) -> Schema:
    return {
        "version": {"description": "The version of this format: 1.", "const": 1},
        "name": {
            "description": "Names the output folder. Default: the file's own name.",
            "type": "string",
            "pattern": _NAME,
            "patternErrorMessage": "1 to 64 letters, digits, '.', '_' or '-'",
        },
        "model": _model_id(
            "The model of every item that does not name its own.", models
        ),
        "params": _open_params(
            "Inputs of the model for every item; its own override them."
        ),
        "references": {
            "description": "Names for files (relative to the manifest) and for assets "
            "on the service. Use them as `ref:NAME` under params.",
            "type": ["object", "null"],
            "propertyNames": {"pattern": f"^{_REFERENCE_NAME}$"},
            "additionalProperties": {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {
                        "type": "object",
                        "properties": {
                            "file": {
                                "description": "A file, relative to the manifest.",
                                "type": "string",
                                "minLength": 1,
                            },
                            "upright": {
                                "description": "Turn the picture as its EXIF data says"
                                " before it is sent.",
                                "type": "boolean",
                            },
                        },
                        "required": ["file"],
                        "additionalProperties": False,
                    },
                ]
            },
        },
        "vars": {"description": "Variables of every item.", "$ref": "#/$defs/vars"},
        "steps": _steps("The steps of every item that has none of its own.", models),
        "takes": {
            "description": "How many takes of each item; its own value counts first.",
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_TAKES,
        },
        "max_cost": {
            "description": "The most compute units this manifest may cost in total.",
            "anyOf": [
                {"type": "number", "minimum": 0},
                {"type": "string", "pattern": _AMOUNT},
            ],
        },
        "store": {
            "description": "Where the files go, instead of the output folder.",
            "type": "string",
            "pattern": "^(s3|gs|az|file)://",
        },
        **saving_keys("every item"),
        "report": {
            "description": "Write the gallery after every run.",
            "type": "boolean",
        },
        "items": {
            "description": "What to make. Each entry makes one item, or one for each "
            "combination of its matrix and rows.",
            "type": "array",
            "minItems": 1,
            "items": {"$ref": "#/$defs/item"},
        },
    }


def _item(models: Sequence[ModelSchema]) -> Schema:
    own_model: list[JsonValue] = [
        {
            "if": _has_model(model),
            "then": {"$ref": _pointer("$defs", f"{model.model_id}.own-item")},
        }
        for model in models
    ]
    return {
        "type": "object",
        "properties": _item_keys(models),
        "required": ["id"],
        "additionalProperties": False,
        "allOf": [_one_prompt(), *own_model],
    }


def _item_keys(models: Sequence[ModelSchema]) -> Schema:
    return {
        "id": {
            "description": "Names the files; a slash makes a folder. Must be unique, "
            "ignoring case. With a matrix or rows it contains their variables.",
            "type": "string",
            "pattern": _ID,
            "patternErrorMessage": "letters, digits, '.', '_', '-', and '/' for "
            "folders; no part begins or ends with '.'",
        },
        "prompt": {
            "description": "What the asset shows: the input `prompt` of the model.",
            "type": _ANY,
            "pattern": r"\S",
        },
        "params": _open_params(
            "Inputs of the model, by the service's own names; null leaves out what the "
            "top level gives."
        ),
        "matrix": _matrix(),
        "rows": {
            "description": "A .csv, .tsv, .xlsx, .jsonl or .ndjson file, relative to "
            "the manifest: one item for each row, every column a variable.",
            "type": "string",
            "pattern": _ROWS,
            "patternErrorMessage": "a .csv, .tsv, .xlsx, .jsonl or .ndjson file",
        },
        "vars": {
            "description": "Variables of this item; they override the top level's.",
            "$ref": "#/$defs/vars",
        },
        "model": _model_id("Another model for this item.", models),
        "foreach": {
            "description": "Makes the item once for each output of another item: "
            "`item:` and the id of that entry as it stands. `${index}` is the number "
            "of the output, `${output}` names it.",
            "type": "string",
            "pattern": r"^item:",
        },
        "steps": _steps("What is done with the item's output, in order.", models),
        "keep": _keep("the item's own output although steps follow"),
        "choose": {
            "description": "Several outputs of a job are takes, of which one is "
            "chosen; without it, all of them are wanted.",
            "enum": ["one"],
        },
        "was": {
            "description": "The id under which the item was made before it was "
            "renamed; hero@2 for its second take.",
            "type": "string",
            "minLength": 1,
        },
        "takes": {
            "description": "How many takes of the item: jobs with seeds of their own, "
            "of which one is chosen.",
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_TAKES},
                IS_VARIABLE,
            ],
        },
        **saving_keys("this item; they override the top level's"),
    }


def _steps(description: str, models: Sequence[ModelSchema]) -> Schema:
    return {
        "description": f"{description} Each step is a job of its own; only the output "
        "of the last one is saved, unless a step says `keep: true`.",
        "type": "array",
        "maxItems": MAX_STEPS,
        "items": {
            "type": "object",
            "properties": {
                "name": {
                    "description": "Names the step; by default its number, from 1.",
                    "type": ["string", "integer"],
                    "pattern": "^[A-Za-z0-9_-]{1,40}$",
                },
                "model": _model_id("The model of the step.", models),
                "prompt": {"description": "The input `prompt`.", "type": _ANY},
                "params": _open_params("Inputs of the model."),
                "input": {
                    "description": "The input that takes the output before. Default: "
                    "the first file that the model requires, or else takes.",
                    "type": "string",
                },
                "keep": _keep("the output of this step although another follows"),
            },
            "required": ["model"],
            "additionalProperties": False,
        },
    }


def _keep(what: str) -> Schema:
    return {"description": f"Whether to save {what}.", "type": "boolean"}


def _model_id(description: str, models: Sequence[ModelSchema]) -> Schema:
    known: list[JsonValue] = [model.model_id for model in models]
    free: Schema = {"type": "string", "pattern": _MODEL_ID}
    # The known ids are listed for completion; any other is left to the service.
    return {"description": description, "anyOf": [{"enum": known}, free]}


def _open_params(description: str) -> Schema:
    return {
        "description": description,
        "type": ["object", "null"],
        "propertyNames": {
            "pattern": _NO_DRY_RUN,
            "patternErrorMessage": "not an input: the service ignores it and starts a "
            "paid job; `pipeline plan` shows prices",
        },
    }


def _scalar() -> Schema:
    return {
        "type": ["string", "number", "boolean"],
        "pattern": _NO_VARIABLE,
        "patternErrorMessage": "taken literally: no ${...} here",
    }


def _variables() -> Schema:
    return {
        "type": ["object", "null"],
        "propertyNames": {"pattern": f"^{VARIABLE_NAME.pattern}$"},
        "additionalProperties": {"$ref": "#/$defs/scalar"},
    }


def _matrix() -> Schema:
    scalar: Schema = {"$ref": "#/$defs/scalar"}
    return {
        "description": "One item for each combination of the axes' values.",
        "type": "object",
        "minProperties": 1,
        "maxProperties": MAX_AXES + 2,
        "properties": {
            "exclude": _entries(
                "Combinations that have all of these values are removed."
            ),
            "include": _entries(
                "Adds values to the combinations it agrees with. If there are none, "
                "adds a combination."
            ),
        },
        "propertyNames": {"pattern": f"^{VARIABLE_NAME.pattern}$"},
        "additionalProperties": {
            "description": "An axis: its values, without duplicates; or a mapping, in "
            "which each value names the variables that come with it.",
            "type": ["array", "object"],
            "minItems": 1,
            "minProperties": 1,
            "uniqueItems": True,
            "items": scalar,
            "propertyNames": {"pattern": _NO_VARIABLE},
            "additionalProperties": {"$ref": "#/$defs/vars"},
        },
    }


def _entries(description: str) -> Schema:
    entry: Schema = {"$ref": "#/$defs/vars", "minProperties": 1}
    return {
        "description": description,
        "type": "array",
        "maxItems": MAX_MATRIX_ENTRIES,
        "items": entry,
    }


# --- rules between keys -------------------------------------------------------


def _lacks(key: str) -> Schema:
    """Matches if the key is not given."""
    return {"properties": {key: False}}


def _items_need_models() -> Schema:
    # A profile may name the model.
    return {
        "if": {"properties": {"model": False, "profiles": False}},
        "then": {"properties": {"items": {"items": {"required": ["model"]}}}},
    }


def _one_prompt() -> Schema:
    return {
        "if": _lacks("prompt"),
        "else": {"properties": {"params": _lacks("prompt")}},
    }


def _has_model(model: ModelSchema) -> Schema:
    # Not "const": during completion the YAML language server accepts a prefix of one,
    # and would offer the inputs of model_x-pro for model_x.
    exact = re.sub(r"([.*+?^${}()|[\]\\/])", r"\\\1", model.model_id)
    return {
        "properties": {"model": {"type": "string", "pattern": f"^{exact}$"}},
        "required": ["model"],
    }


def _gives(name: str) -> Schema:
    """Matches an item that gives an input itself."""
    under_params: Schema = {
        "properties": {"params": {"type": "object", "required": [name]}},
        "required": ["params"],
    }
    if name != "prompt":
        return under_params
    return {"anyOf": [{"required": ["prompt"]}, under_params]}


def _takes_from_top(name: str) -> Schema:
    """Matches an item that uses the top level's model and its value of an input."""
    absent: Schema = {"model": False, "params": _lacks(name)}
    if name == "prompt":
        absent["prompt"] = False
    return {"properties": absent}


def _rule_of(model: ModelSchema) -> Schema:
    """What applies if the manifest names the model: to items without their own."""
    item = _pointer("$defs", f"{model.model_id}.item")
    rules: list[JsonValue] = [
        {
            "if": _some_item(_lacks("model")),
            "then": {"properties": {"params": _only_inputs_of(model)}},
        }
    ]
    rules += [_top_value_rule(model, name) for name in model.inputs]
    rules += [_missing_rule(s.name) for s in model.inputs.values() if s.required]
    return {
        "if": _has_model(model),
        "then": {
            "properties": {"items": {"items": _unless_own_model({"$ref": item})}},
            "allOf": rules,
        },
    }


def _unless_own_model(then: Schema) -> Schema:
    return {"if": _lacks("model"), "then": then}


def _items_need_values() -> Schema:
    """Null leaves out what the top level gives: without that, it is a mistake."""
    message = "leave the input out to use the model's default"
    value: Schema = {
        "if": {"type": "null"},
        "then": {"type": "string", "errorMessage": message},
    }
    item: Schema = {"properties": {"params": {"additionalProperties": value}}}
    return {"if": _lacks("params"), "then": {"properties": {"items": {"items": item}}}}


def _some_item(such: Schema) -> Schema:
    """Matches if there is such an item, or no item yet."""
    return {"properties": {"items": {"contains": such}}}


def _only_inputs_of(model: ModelSchema) -> Schema:
    names: Schema = dict.fromkeys(model.inputs, True)
    return {"properties": names, "additionalProperties": False}


def _top_value_rule(model: ModelSchema, name: str) -> Schema:
    """A value for every item must fit, unless each item gives its own."""
    fits = _input_of(model, name)
    return {
        "if": _some_item(_takes_from_top(name)),
        "then": {"properties": {"params": {"properties": {name: fits}}}},
    }


def _missing_rule(name: str) -> Schema:
    wanted = _unless_own_model(_gives(name))
    return {
        "if": {"properties": {"params": _lacks(name)}},
        "then": {"properties": {"items": {"items": wanted}}},
    }


# --- the inputs of a model ----------------------------------------------------


def _item_of(model: ModelSchema) -> Schema:
    params: Schema = {"$ref": _pointer("$defs", f"{model.model_id}.params")}
    return {"properties": {"params": params, "prompt": _prompt_of(model)}}


def _own_item_of(model: ModelSchema) -> Schema:
    """As :func:`_item_of`, for an item that names the model itself.

    With null, it leaves out what the top level gives to the items of another model.
    """
    message = f"no input of {model.name}; null leaves out what the top level gives"
    params: Schema = {
        "type": ["object", "null"],
        "properties": {name: _input_of(model, name) for name in model.inputs},
        "additionalProperties": {"type": "null", "errorMessage": message},
    }
    return {"properties": {"params": params, "prompt": _prompt_of(model)}}


def _prompt_of(model: ModelSchema) -> JsonValue:
    return "prompt" in model.inputs and _input_of(model, "prompt")


def _input_of(model: ModelSchema, name: str) -> Schema:
    """A reference to what an input of a model may be."""
    params = f"{model.model_id}.params"
    return {"$ref": _pointer("$defs", params, "properties", name)}


def _params_of(model: ModelSchema) -> Schema:
    """``params`` of an item: the model's inputs and no others."""
    inputs: Schema = {
        name: _input(schema, model) for name, schema in model.inputs.items()
    }
    return {
        "type": ["object", "null"],
        "properties": inputs,
        "additionalProperties": False,
    }


def _input(schema: InputSchema, model: ModelSchema) -> Schema:
    words = [f"{schema.type} of {model.name}"]
    words += ["required"] if schema.required else []
    words += [f"{schema.kind} files"] if schema.kind else []
    words += ["changes the price"] if schema.cost_impact else []
    values: list[JsonValue] = [*_values(schema), {"type": "null"}]
    found: Schema = {"description": ", ".join(words), "anyOf": values}
    if schema.has_default:
        found["default"] = schema.default
    if schema.name == "prompt":
        found["pattern"] = r"\S"
    return found


def _values(schema: InputSchema) -> list[Schema]:
    """The shapes an input's value may have; a list may be given as a bare value."""
    if not schema.is_known:
        return [{}]
    one = _one_value(schema)
    if not schema.is_array:
        return one
    many: Schema = {"type": "array", "items": {"anyOf": [*one]}}
    if schema.min_length is not None:
        many["minItems"] = schema.min_length
    if schema.max_length is not None:
        # A variable without a value removes its element from the list.
        many["if"] = {"not": {"contains": IS_VARIABLE}}
        many["then"] = {"maxItems": schema.max_length}
    return [*one, many]


def _one_value(schema: InputSchema) -> list[Schema]:
    """The shapes one value may have; a variable is always among them."""
    wanted = schema.element_type
    if wanted == "file":
        words = "ref:NAME, file:PATH, item:ID or an asset id"
        return [{"type": "string", "pattern": _FILE, "patternErrorMessage": words}]
    if schema.allowed_values:
        rest = HAS_DOLLAR if wanted in {"string", "model"} else IS_VARIABLE
        return [{"enum": [*schema.allowed_values]}, rest]
    if wanted == "number":
        return [_number(schema), IS_VARIABLE]
    if wanted == "boolean":
        return [{"type": "boolean"}, IS_VARIABLE]
    if wanted == "inputs_array":
        return [{"type": "object"}, IS_VARIABLE]
    text: Schema = {"type": "string"}
    if not schema.is_array and wanted == "string":
        limits = {"minLength": schema.min_length, "maxLength": schema.max_length}
        text |= {key: limit for key, limit in limits.items() if limit is not None}
    return [text, HAS_DOLLAR] if len(text) > 1 else [text]


def _number(schema: InputSchema) -> Schema:
    low, high, step = schema.minimum, schema.maximum, schema.step
    found: Schema = {"type": "integer" if step == 1 else "number"}
    if low is not None:
        found["minimum"] = low
    if high is not None:
        found["maximum"] = high
    # Editors divide in binary, where 0.3 is not a multiple of 0.1, and count from 0.
    if step and step != 1 and step == int(step) and not (low or 0) % step:
        found["multipleOf"] = int(step)
    return found


def _pointer(*parts: str) -> str:
    """A reference to a part of this schema."""
    steps = (part.replace("~", "~0").replace("/", "~1") for part in parts)
    return "#/" + "/".join(quote(step, safe="~$") for step in steps)
