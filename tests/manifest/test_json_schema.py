"""The JSON Schema of a manifest: it is kept, takes what we take, refuses what is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from doubles.tables import shipped_model
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from manifest.conftest import HEAD, PNG

from pipeline.errors import ManifestError
from pipeline.job import JsonValue
from pipeline.manifest import validate_manifest
from pipeline.manifest.faults import Faults
from pipeline.manifest.json_schema import manifest_schema
from pipeline.manifest.keys import ITEM_KEYS, MANIFEST_KEYS
from pipeline.manifest.node import Node
from pipeline.manifest.source import parse_source
from pipeline.models.checks import check_inputs
from pipeline.models.record import parse_model, shipped_model_ids
from pipeline.models.schema import InputSchema, ModelSchema

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "manifest.schema.json"
MANIFESTS = sorted((ROOT / "manifests").glob("*.yaml"))
FIRST_LINE = "# yaml-language-server: $schema=../docs/manifest.schema.json"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, text in enumerate(
        re.findall(
            r"^```yaml\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
        )
    )
]
SHIPPED = [shipped_model(model_id) for model_id in shipped_model_ids()]
SCHEMA: Any = manifest_schema(SHIPPED)
VALIDATOR = Draft202012Validator(SCHEMA)

# A model with an input of every type, and names that a pointer has to escape.
MANY = parse_model(
    {
        "id": "model_many~types",
        "inputs": [
            {"name": "prompt", "type": "string", "minLength": 3, "maxLength": 6},
            {"name": "a/b %~x", "type": "number", "min": 1, "max": 9, "step": 4},
            {"name": "scale", "type": "number", "min": 0, "max": 1, "step": 0.1},
            {"name": "steps", "type": "number", "min": 8, "max": 64, "step": 8},
            {"name": "level", "type": "number", "allowedValues": [1, 2.5]},
            {"name": "flag", "type": "boolean", "required": True, "default": False},
            {"name": "mask", "type": "file", "kind": "image", "costImpact": True},
            {"name": "images", "type": "file_array", "minLength": 1, "maxLength": 2},
            {"name": "base", "type": "model", "allowedValues": ["model_x", "a$b"]},
            {"name": "loras", "type": "model_array", "maxLength": 2},
            {"name": "weights", "type": "number_array", "min": 0, "maxLength": 2},
            {"name": "words", "type": "string_array", "allowedValues": ["a", "b"]},
            {"name": "parts", "type": "inputs_array", "maxLength": 1},
        ],
    },
    source="live",
)


def plain(node: Node) -> Any:
    """A node as an editor sees it."""
    if isinstance(node.value, list):
        return [plain(element) for element in node.value]
    if isinstance(node.value, dict):
        return {key: plain(entry) for key, entry in node.value.items()}
    return node.value


def read(text: str) -> Any:
    """YAML by our own reading of it, which is that of YAML 1.2."""
    faults = Faults("m.yaml")
    root, _ = parse_source(text.encode(), faults)
    assert root is not None
    assert not len(faults)
    return plain(root)


def places(text: str, validator: Draft202012Validator = VALIDATOR) -> set[str]:
    """Where an editor would complain; empty when all is well."""
    return {error.json_path for error in validator.iter_errors(read(text))}


# --- what is committed --------------------------------------------------------


def test_the_committed_schema_is_the_one_that_is_made():
    assert COMMITTED.read_text("utf-8") == json.dumps(SCHEMA, indent=2) + "\n"


@pytest.mark.parametrize("models", [[], SHIPPED, [MANY], [*SHIPPED, MANY]])
def test_it_is_a_schema_and_all_its_references_lead_somewhere(models):
    schema = manifest_schema(models)

    Draft202012Validator.check_schema(schema)
    for pointer in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(schema)):
        place: Any = schema
        for step in pointer.split("/"):
            name = re.sub("%[0-9A-F]{2}", lambda m: chr(int(m[0][1:], 16)), step)
            place = place[name.replace("~1", "/").replace("~0", "~")]


def test_every_key_is_in_it_with_a_description():
    top, item = SCHEMA["properties"], SCHEMA["$defs"]["item"]["properties"]

    assert set(top) == set(MANIFEST_KEYS)
    assert set(item) == set(ITEM_KEYS)
    assert all(key["description"] for key in (*top.values(), *item.values()))


def test_the_inputs_of_every_shipped_model_are_in_it():
    for model in SHIPPED:
        inputs = SCHEMA["$defs"][f"{model.model_id}.params"]["properties"]
        assert list(inputs) == list(model.inputs)
        assert inputs["size"]["default"] == "2K"
        allowed = list(model.inputs["size"].allowed_values)
        assert inputs["size"]["anyOf"][0] == {"enum": allowed}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_shipped_manifest_names_the_schema_and_fits_it(path):
    text = path.read_text("utf-8")

    assert text.splitlines()[0] == FIRST_LINE
    named = FIRST_LINE.partition("$schema=")[2]
    assert (path.parent / named).resolve() == COMMITTED
    assert places(text) == set()


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_of_the_documents_fits(text):
    assert places(text) == set()


# --- what it refuses, and where -----------------------------------------------

ITEMS = HEAD + "items:\n"
OAK = ITEMS + "  - id: oak\n    prompt: an oak\n"
MATRIX = ITEMS + "  - id: x-${a}\n    prompt: x\n    matrix: "

# fmt: off
WRONG = [
    ("a key that a profile cannot have", OAK + "profiles: {draft: {items: []}}\n", {"$.profiles.draft"}),
    ("a profile's number of takes", OAK + "profiles: {draft: {takes: 0}}\n", {"$.profiles.draft.takes"}),
    ("a profile's name", OAK + "profiles: {emulated: {takes: 1}}\n", {"$.profiles"}),
    ("a value of an axis without names", MATRIX + "{a: {small: 1}}\n", {"$.items[0].matrix.a.small"}),
    ("an axis without values, as a mapping", MATRIX + "{a: {}}\n", {"$.items[0].matrix.a"}),
    ("no version", "model: m\nitems: [{id: a, prompt: x}]\n", {"$"}),
    ("version 2", "version: 2\nmodel: m\nitems: [{id: a, prompt: x}]\n", {"$.version"}),
    ("version as text", "version: '1'\nmodel: m\nitems: [{id: a, prompt: x}]\n", {"$.version"}),
    ("version true", "version: true\nmodel: m\nitems: [{id: a, prompt: x}]\n", {"$.version"}),
    ("no model", "version: 1\nitems: [{id: a, prompt: x}, {id: b, prompt: x, model: m}]\n", {"$.items[0]"}),
    ("no items", HEAD, {"$"}),
    ("items empty", HEAD + "items: []\n", {"$.items"}),
    ("items without a value", HEAD + "items:\n", {"$.items"}),
    ("an unknown key", OAK + "sead: 3\n", {"$"}),
    ("an unknown key of an item", OAK + "    parms: {seed: 1}\n", {"$.items[0]"}),
    ("an input beside the id", OAK + "    seed: 1\n", {"$.items[0]"}),
    ("name with a blank", OAK + "name: my icons\n", {"$.name"}),
    ("name ends with a dot", OAK + "name: icons.\n", {"$.name"}),
    ("name too long", OAK + f"name: {'x' * 65}\n", {"$.name"}),
    ("model with a slash", OAK.replace("model_wan", "models/wan"), {"$.model"}),
    ("model as a number", "version: 1\nmodel: 7\nitems: [{id: a, prompt: x}]\n", {"$.model"}),
    ("params as a list", OAK + "params: [a]\n", {"$.params"}),
    ("a reference's name", OAK + "references: {a b: x.png}\n", {"$.references"}),
    ("a reference as a list", OAK + "references: {a: [x.png]}\n", {"$.references.a"}),
    ("a variable's name", OAK + "vars: {1a: x}\n", {"$.vars"}),
    ("a variable that is a list", OAK + "vars: {a: [x]}\n", {"$.vars.a"}),
    ("a variable with a variable", OAK + "vars: {a: 'x ${b}'}\n", {"$.vars.a"}),
    ("a variable without a value", OAK + "vars: {a: }\n", {"$.vars.a"}),
    ("an item's variable", OAK + "    vars: {a: {b: c}}\n", {"$.items[0].vars.a"}),
    ("an item that is text", ITEMS + "  - oak\n", {"$.items[0]"}),
    ("no id", ITEMS + "  - prompt: x\n", {"$.items[0]"}),
    *(
        (f"id {wrong!r}", ITEMS + f"  - id: {wrong}\n    prompt: x\n", {"$.items[0].id"})
        for wrong in ("12", "''", "an oak", "/a", "a/", "a//b", "..", "a/../b", ".a", "a.", "a/.b", "bäume", "'a\\b'", "'${a b'", "'a ${b}'")
    ),
    ("prompt twice", OAK + "    params: {prompt: x}\n", {"$.items[0].params"}),
    ("no prompt", ITEMS + "  - id: oak\n", {"$.items[0]"}),
    ("prompt without words", ITEMS + "  - id: oak\n    prompt: ' '\n", {"$.items[0].prompt"}),
    ("prompt as a number", ITEMS + "  - id: oak\n    prompt: 12\n", {"$.items[0].prompt"}),
    ("prompt without a value", ITEMS + "  - id: oak\n    prompt:\n", {"$.items[0].prompt"}),
    ("an unknown input", OAK + "    params: {sead: 5}\n", {"$.items[0].params"}),
    ("an unknown input for all", OAK + "params: {sead: 5}\n", {"$.params"}),
    ("dryRun", OAK + "    params: {DryRun: true}\n", {"$.items[0].params"}),
    ("dryRun of any model", "version: 1\nmodel: m\nparams: {dryrun: 1}\nitems: [{id: a}]\n", {"$.params"}),
    ("no value for any model", "version: 1\nmodel: m\nitems: [{id: a, params: {x: }}]\n", {"$.items[0].params.x"}),
    ("size with x", OAK + "    params: {size: 2048x1152}\n", {"$.items[0].params.size"}),
    ("size of the other model", OAK + "    params: {size: 4K}\n", {"$.items[0].params.size"}),
    ("size of an item's model", OAK + "    params: {size: 8K}\n    model: model_wan-2-7-image-pro\n", {"$.items[0].params.size"}),
    ("size for all", OAK + "params: {size: 2k9}\n", {"$.params.size"}),
    ("no in place of false", OAK + "    params: {thinkingMode: no}\n", {"$.items[0].params.thinkingMode"}),
    *(
        (f"seed {wrong}", OAK + f"    params: {{seed: {wrong}}}\n", {"$.items[0].params.seed"})
        for wrong in ("-1", "2147483648", "1.5", "'12'", "", "true", "'1${a}'", "[1]")
    ),
    *(
        (f"images {wrong}", OAK + f"    params: {{images: {wrong}}}\n", {"$.items[0].params.images"})
        for wrong in ("[refs/a.png]", "['https://x.y/z']", "[asset_1, 5]", "'ref:'", "'ref:a b'", "{a: b}", "[[asset_1]]", f"[{'asset_1,' * 10}]")
    ),
    ("rows of an old workbook", OAK + "    rows: a.xls\n", {"$.items[0].rows"}),
    ("an axis that is text", MATRIX + "{a: forest}\n", {"$.items[0].matrix.a"}),
    ("an axis without values", MATRIX + "{a: []}\n", {"$.items[0].matrix.a"}),
    ("a value twice", MATRIX + "{a: [1, 2, 1.0]}\n", {"$.items[0].matrix.a"}),
    ("a value that is nothing", MATRIX + "{a: [x, null]}\n", {"$.items[0].matrix.a[1]"}),
    ("a value that is a list", MATRIX + "{a: [x, [y]]}\n", {"$.items[0].matrix.a[1]"}),
    ("no axis", MATRIX + "{}\n", {"$.items[0].matrix"}),
    ("an axis with a blank", MATRIX + "{a b: [x]}\n", {"$.items[0].matrix"}),
    ("exclude as a mapping", MATRIX + "{a: [x, y], exclude: {a: x}}\n", {"$.items[0].matrix.exclude"}),
    ("include with nothing", MATRIX + "{a: [x, y], include: [{}]}\n", {"$.items[0].matrix.include[0]"}),
    ("include with a list", MATRIX + "{a: [x, y], include: [{b: [z]}]}\n", {"$.items[0].matrix.include[0].b"}),
]
# fmt: on


@pytest.mark.parametrize(
    ("text", "wanted"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_what_is_wrong_is_marked_at_its_place(text, wanted, tmp_path):
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")

    marked = places(text)

    assert marked == wanted
    # What an editor marks, the command refuses too.
    with pytest.raises(ManifestError):
        validate_manifest(tmp_path / "m.yaml")


@pytest.mark.parametrize("value", ["0", "12.5", "'12.5'", "1e3", "'0.1'"])
def test_max_cost_is_an_amount(value):
    assert places(OAK + f"max_cost: {value}\n") == set()


@pytest.mark.parametrize("value", ["-1", "much", "'-1'", "true", "", "[1]", "'1 CU'"])
def test_max_cost_is_nothing_but_an_amount(value):
    assert places(OAK + f"max_cost: {value}\n") == {"$.max_cost"}


# --- what it takes ------------------------------------------------------------

# fmt: off
RIGHT = {
    "profiles": OAK + "profiles: {draft: {model: model_wan-2-7-image, params: {size: 1K}, vars: {a: b}, takes: 2, max_cost: 3}, final: }\n",
    "an axis whose values bring variables": MATRIX + "{a: {small: {px: 1}, large: }}\n",
    "keys without a value": HEAD + "params:\nreferences:\nvars:\nitems: [{id: a, prompt: x, params: , vars: }]\n",
    "models of items": "version: 1\nparams: {size: 4K, sead: 1}\nitems: [{id: a, prompt: x, model: m}]\n",
    "an item that leaves out an input of the top level": "version: 1\nmodel: model_x\nparams: {mood: calm}\nitems: [{id: a, prompt: x, model: model_wan-2-7-image, params: {mood: null}}]\n",
    "an item that leaves out a value of the top level": HEAD + "params: {size: 4K}\nitems: [{id: a, prompt: x, params: {size: null}}]\n",
    "a size for all that fits the items' own model": HEAD + "params: {size: 4K}\nitems: [{id: a, prompt: x, model: model_wan-2-7-image-pro}]\n",
    "a size for all that each item replaces": HEAD + "params: {size: 8K}\nitems: [{id: a, prompt: x, params: {size: 1K}}]\n",
    "a prompt for all that each item replaces": HEAD + "params: {prompt: ''}\nitems: [{id: a, prompt: x}]\n",
    "a prompt for all": HEAD + "params: {prompt: x}\nitems: [{id: a}]\n",
    "a prompt under params": HEAD + "items: [{id: a, params: {prompt: x}}]\n",
    "a prompt beside no params": HEAD + "items: [{id: a, prompt: x, params: }]\n",
    "a prompt that is no text": "version: 1\nmodel: m\nitems: [{id: a, prompt: 12}]\n",
    "a model that is a variable": "version: 1\nmodel: ${m}\nvars: {m: model_new}\nitems: [{id: a, prompt: x, params: {new: 1}}]\n",
    "models that are variables": HEAD + "items: [{id: 'a${m}', prompt: x, model: 'model_wan-2-7-image${m}', params: {size: 1K}, matrix: {m: ['', -pro]}}]\n",
    "variables for all kinds": HEAD + "vars: {s: 1K, n: 2, t: true}\nitems: [{id: a, prompt: '${s}', params: {size: '${s}', seed: '${n}', thinkingMode: '${t}'}}]\n",
    "a part of a size": HEAD + "vars: {k: '1'}\nparams: {size: '${k}K'}\nitems: [{id: a, prompt: x}]\n",
    "a bare image": HEAD + "items: [{id: a, prompt: x, params: {images: asset_1}}]\n",
    "an image by file": HEAD + "items: [{id: a, prompt: x, params: {images: ['file:a b.png']}}]\n",
    "an image by a variable": HEAD + "references: {a: a b.png}\nitems: [{id: 'x${r}', prompt: x, params: {images: ['ref:${r}']}, matrix: {r: [a]}}]\n",
    "ten images, one without a value": HEAD + "items: [{id: '${slug}', prompt: x, rows: a.csv, params: {images: [" + "asset_1, " * 9 + "'${empty}']}}]\n",
    "a list from JSON Lines": HEAD + "items: [{id: '${slug}', prompt: x, rows: a.jsonl, params: {images: '${list}'}}]\n",
    "columns with odd names": HEAD + "items: [{id: '${a./b}', prompt: x, model: 'model_${a b?}', rows: b.csv}]\n",
    "rows by a variable": HEAD + "vars: {t: a}\nitems: [{id: '${slug}', prompt: x, rows: '${t}.csv'}]\n",
    "a matrix of includes alone": HEAD + "items: [{id: 'x${a}', prompt: x, matrix: {include: [{a: 1}, {a: 2}]}}]\n",
    "empty lists in a matrix": HEAD + "items: [{id: 'x${a}', prompt: x, matrix: {a: [1, true], include: [], exclude: []}}]\n",
    "an entry of nothing": HEAD + "items: [{id: 'x${a}', prompt: x, matrix: {a: [1], include: [null]}}]\n",
    "ids with dots": HEAD + "items: [{id: a.b/c..d-e_f, prompt: x}, {id: '${v}.x', prompt: x, vars: {v: y}}]\n",
    "whole numbers with a point": HEAD + "items: [{id: a, prompt: x, params: {seed: 7.0, numOutputs: 2e0}}]\n",
}
# fmt: on
FILES: dict[str, str | bytes] = {
    "a.csv": "slug,empty\noak,\n",
    "a.jsonl": '{"slug": "oak", "list": ["asset_1", "asset_2"]}\n',
    "b.csv": "a./b,a b?\noak,x\n",
    "a b.png": PNG,
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_what_is_valid_fits(text, tmp_path):
    for name, content in FILES.items():
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")

    _, count = validate_manifest(tmp_path / "m.yaml")

    assert count >= 1
    assert places(text) == set()


SCALARS = st.sampled_from([True, 0, 1, 2.0, 1.5, "x", "1K", "no", None])
# By input: mostly what is right, the last of each wrong.
PARAMS = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "prompt": st.sampled_from(["x", "a ${t}", "$$", "${s}", " "]),
        "images": st.sampled_from(
            ["asset_1", "ref:r", ["ref:r", "asset_${n}"], [], "${a1}", ["x"]]
        ),
        "size": st.sampled_from(["1K", "2K", "4K", "${s}", "1${t}", "4${t}", "8K"]),
        "numOutputs": st.sampled_from([1, 2.0, 4, "${n}", "1"]),
        "thinkingMode": st.sampled_from([True, False, "${flag}", "no"]),
        "seed": st.sampled_from([0, 7, 2147483647, "${n}", 1.5]),
    },
)
MODELS = st.sampled_from([*shipped_model_ids(), "model_new", "${m}"])
MATRICES = st.fixed_dictionaries(
    {"a": st.lists(SCALARS, min_size=1, max_size=2, unique_by=str)},
    optional={
        "include": st.lists(st.dictionaries(st.sampled_from("ab"), SCALARS), max_size=2)
    },
)
IDS = st.sampled_from(["a", "b", "c", "x/y.${t}", "z..${n}", "a."])
PLAIN_ITEMS = st.fixed_dictionaries(
    {"id": IDS, "prompt": st.sampled_from(["x", "${t}", "$${x} $5", 12])},
    optional={"params": PARAMS, "model": MODELS},
)
MATRIX_ITEMS = st.fixed_dictionaries(
    {"id": st.just("m/${a}"), "prompt": st.just("x ${a}"), "matrix": MATRICES},
    optional={
        "params": PARAMS,
        "vars": st.none() | st.dictionaries(st.sampled_from("cd"), SCALARS),
    },
)
MADE = st.fixed_dictionaries(
    {
        "model": MODELS,  # type: ignore[dict-item]
        "items": st.lists(  # type: ignore[dict-item]
            PLAIN_ITEMS | MATRIX_ITEMS,
            min_size=1,
            max_size=3,
            unique_by=lambda item: item["id"],
        ),
    },
    optional={"params": PARAMS, "name": st.sampled_from(["icons", "a.b", "con", "a."])},
)
VARS = {
    "n": 2,
    "t": "K",
    "flag": True,
    "s": "1K",
    "m": "model_wan-2-7-image",
    "a1": "asset_1",
}


@given(MADE)
@settings(
    max_examples=400,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@example({"model": "${m}", "items": [{"id": "a", "prompt": "x"}]})
def test_whatever_validate_takes_fits(tmp_path, made):
    references = {"r": "asset_1"}
    manifest = {"version": 1, "vars": VARS, "references": references, **made}
    (tmp_path / "m.yaml").write_text(json.dumps(manifest), encoding="utf-8")

    try:
        validate_manifest(tmp_path / "m.yaml")
    except ManifestError:
        return

    assert [error.json_path for error in VALIDATOR.iter_errors(manifest)] == []


# --- the inputs of any model --------------------------------------------------


def accepts(model: ModelSchema, name: str, value: JsonValue) -> bool:
    """Whether an item of the model may give an input this value."""
    manifest = {
        "version": 1,
        "model": model.model_id,
        "items": [{"id": "a", "params": {"flag": True, name: value}}],
    }
    return Draft202012Validator(manifest_schema([model])).is_valid(manifest)


VALUES = st.one_of(
    st.booleans(),
    st.integers(-2, 70),
    st.sampled_from([0.1, 0.3, 0.7, 0.75, 2.0, 2.5, 5.0]),
    st.sampled_from(["", "abc", "abcdefg", "a", "b", "asset_1", "model_x", "a$b"]),
    st.just({"a": 1}),
)


@given(
    name=st.sampled_from(list(MANY.inputs)),
    value=VALUES | st.lists(VALUES, max_size=3),
)
@settings(max_examples=400)
def test_a_value_without_fault_fits_whatever_the_input(name, value):
    faults = check_inputs(MANY, {"flag": True, name: value})

    if not faults:
        assert accepts(MANY, name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", "ab"),
        ("prompt", "abcdefg"),
        ("a/b %~x", 0),
        ("a/b %~x", 10),
        ("scale", 1.1),
        ("steps", 12),
        ("level", 2),
        ("level", True),
        ("flag", 1),
        ("mask", "mask.png"),
        ("mask", ["asset_1"]),
        ("images", []),
        ("images", ["asset_1"] * 3),
        ("base", "model_y"),
        ("loras", ["a", "b", "c"]),
        ("weights", -1),
        ("weights", [1, "2"]),
        ("words", "c"),
        ("words", ["a", "c"]),
        ("parts", "a"),
        ("parts", [{}, {}]),
        ("other", 1),
    ],
)
def test_a_value_with_a_fault_does_not_fit(name, value):
    assert check_inputs(MANY, {"flag": True, name: value})

    assert not accepts(MANY, name, value)


@pytest.mark.parametrize("name", list(MANY.inputs))
def test_a_variable_fits_every_input(name):
    assert accepts(MANY, name, "${x}")


def test_a_required_input_may_come_from_the_top_or_from_the_item():
    validator = Draft202012Validator(manifest_schema([MANY]))
    head = f"version: 1\nmodel: {MANY.model_id}\n"

    assert places(head + "items: [{id: a}]\n", validator) == {"$.items[0]"}
    assert places(head + "items: [{id: a, params: {flag: true}}]\n", validator) == set()
    text = head + "params: {flag: true}\nitems: [{id: a}]\n"
    assert places(text, validator) == set()


@pytest.mark.parametrize("other", ["model_x.y-pro", "model_xzy", "model_x"])
def test_a_model_is_known_by_its_whole_id(other):
    flag = InputSchema(name="flag", type="boolean")
    model = ModelSchema(
        model_id="model_x.y", name="X", inputs={"flag": flag}, source="live"
    )
    validator = Draft202012Validator(manifest_schema([model]))
    text = "version: 1\nmodel: model_x.y\nitems: [{id: a, params: {flag: 7}}]\n"

    assert places(text, validator) == {"$.items[0].params.flag"}
    assert places(text.replace("model_x.y", other), validator) == set()


def test_an_input_tells_what_it_is():
    schema: Any = manifest_schema([MANY])
    inputs = schema["$defs"][f"{MANY.model_id}.params"]["properties"]

    assert inputs["mask"]["description"] == (
        "file of model_many~types, image files, changes the price"
    )
    assert inputs["flag"]["description"] == "boolean of model_many~types, required"
    assert inputs["flag"]["default"] is False
    assert "default" not in inputs["mask"]


def test_an_input_without_limits_takes_any_text():
    model = ModelSchema(
        model_id="model_y",
        name="Y",
        inputs={"style": InputSchema(name="style", type="string")},
        source="live",
    )
    validator = Draft202012Validator(manifest_schema([model]))
    text = "version: 1\nmodel: model_y\nitems: [{id: a, params: {style: ''}}]\n"

    assert places(text, validator) == set()
