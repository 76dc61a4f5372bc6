"""Expand: which items come out, in which order, with which inputs."""

import hashlib
from typing import Any

import pytest

from pipeline.errors import ManifestError
from pipeline.job import ItemOutput, ReferenceAsset
from pipeline.manifest import (
    expand,
    load_manifest,
    output_stems,
    validate_manifest,
)
from pipeline.manifest.faults import MAX_FAULTS
from pipeline.models.record import load_shipped_model, parse_model

WAN = "model_wan-2-7-image"
WAN_TABLE = load_shipped_model(WAN)
PNG = b"\x89PNG\r\n\x1a\n and more"


def test_the_smallest_manifest(write_manifest, tmp_path):
    manifest = write_manifest("items: [{id: oak, prompt: an oak}]")

    assert manifest.name == "icons"
    assert manifest.path == tmp_path / "icons.yaml"
    assert manifest.file == str(tmp_path / "icons.yaml")
    data = (tmp_path / "icons.yaml").read_bytes()
    assert manifest.sha256 == hashlib.sha256(data).hexdigest()
    assert manifest.model_id == "model_wan-2-7-image"
    assert (manifest.item_count, manifest.warnings) == (1, ())
    [item] = expand(manifest)
    assert (item.item_id, item.template_id, item.line) == ("oak", "oak", 3)
    assert item.params == {"prompt": "an oak"}
    assert item.parents == ()


def test_an_items_own_inputs_win_over_the_common_ones(expand_text):
    items = expand_text(
        "params: {size: 1K, seed: 1}\n"
        "items:\n"
        "  - {id: a, prompt: x}\n"
        "  - {id: b, prompt: y, params: {seed: 2}}\n"
    )

    assert items[0].params == {"size": "1K", "seed": 1, "prompt": "x"}
    assert items[1].params == {"size": "1K", "seed": 2, "prompt": "y"}


def test_null_leaves_out_a_common_input(tmp_path):
    tool = parse_model({"id": "model_tool", "inputs": []}, source="live")
    text = (
        f"version: 1\nmodel: {WAN}\nparams: {{size: 1K}}\nitems:\n"
        "  - {id: oak, prompt: an oak, params: {size: null}}\n"
        "  - {id: tool, model: model_tool, params: PARAMS}\n"
    )

    def read(params):
        path = tmp_path / "m.yaml"
        path.write_text(text.replace("PARAMS", params))
        find = {WAN: WAN_TABLE, "model_tool": tool}.get
        return list(expand(load_manifest(path, models=find)))

    assert [item.params for item in read("{size: null}")] == [{"prompt": "an oak"}, {}]
    with pytest.raises(ManifestError) as caught:
        read("{}")
    [fault] = caught.value.faults
    assert str(fault) == (
        f"{tmp_path}/m.yaml:3:10: unknown input 'size' of model_tool; leave it out of"
        " the item at line 6: params: {size: null}"
    )


def test_a_matrix_makes_an_item_of_each_combination(expand_text):
    items = expand_text(
        "items:\n"
        "  - id: tree-${biome}-${n}\n"
        "    prompt: a ${biome} tree\n"
        "    params: {seed: '${n}'}\n"
        "    matrix: {biome: [forest, desert], n: [1, 2]}\n"
    )

    assert [item.item_id for item in items] == [
        "tree-forest-1",
        "tree-forest-2",
        "tree-desert-1",
        "tree-desert-2",
    ]
    assert items[3].params == {"prompt": "a desert tree", "seed": 2}
    assert {item.template_id for item in items} == {"tree-${biome}-${n}"}


def test_an_item_keeps_the_values_of_its_matrix_and_its_row(expand_text):
    items = expand_text(
        "vars: {mood: calm, size: 1K}\n"
        "items:\n"
        "  - id: ${slug}-${time}\n"
        "    prompt: ${slug} ${mood}\n"
        "    rows: a.csv\n"
        "    matrix:\n"
        "      time: [1, 2]\n"
        "      include: [{time: 2, wet: true}]\n"
        "  - {id: plain, prompt: x}\n",
        {"a.csv": b"slug,kind\noak,tree\n"},
    )

    assert [item.variables for item in items] == [
        {"time": 1, "slug": "oak", "kind": "tree"},
        {"time": 2, "wet": True, "slug": "oak", "kind": "tree"},
        {},
    ]


def test_rows_are_the_outer_and_combinations_the_inner_loop(expand_text):
    items = expand_text(
        "items:\n"
        "  - id: ${slug}-${time}\n"
        "    prompt: ${what} at ${time}\n"
        "    rows: data/a.csv\n"
        "    matrix: {time: [dawn, dusk]}\n",
        {"data/a.csv": b"slug,what\noak,an oak\nelm,an elm\n"},
    )

    assert [item.item_id for item in items] == [
        "oak-dawn",
        "oak-dusk",
        "elm-dawn",
        "elm-dusk",
    ]


def test_cells_take_the_models_types_and_empty_ones_leave_the_default(expand_text):
    items = expand_text(
        "params: {seed: 9}\n"
        "items:\n"
        "  - id: ${slug}\n"
        "    prompt: ${slug}\n"
        "    params:\n"
        "      seed: ${seed}\n"
        "      thinkingMode: ${think}\n"
        "      images: ['${one}', '${two}']\n"
        "    rows: a.csv\n",
        {
            "a.csv": b"slug,seed,think,one,two\n1,5,FALSE,asset_1,asset_2\n2,,,asset_3,\n"
        },
    )

    assert items[0].params == {
        "prompt": "1",
        "seed": 5,
        "thinkingMode": False,
        "images": ["asset_1", "asset_2"],
    }
    assert items[1].params == {"prompt": "2", "seed": 9, "images": ["asset_3"]}


def test_a_list_of_empty_cells_is_left_out(expand_text):
    [item] = expand_text(
        "items:\n"
        "  - {id: '${slug}', prompt: x, rows: a.csv, params: {images: ['${one}']}}\n",
        {"a.csv": b"slug,one\noak,\n"},
    )

    assert item.params == {"prompt": "x"}


def test_empty_mappings_count_as_left_out(expand_text):
    [item] = expand_text("params:\nvars:\nreferences:\nitems: [{id: a, prompt: x}]\n")

    assert item.params == {"prompt": "x"}


def test_a_manifest_full_of_faults_ends_at_the_limit(write_manifest):
    items = "".join(f"  - {{id: i{n}, prompt: '${{x}}'}}\n" for n in range(20_000))

    with pytest.raises(ManifestError) as caught:
        write_manifest(f"items:\n{items}")

    assert len(caught.value.faults) == MAX_FAULTS


def test_a_matrix_beyond_counting_is_an_error_message(write_manifest):
    axes = "".join(f"      a{n}: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n" for n in range(5_000))

    with pytest.raises(ManifestError) as caught:
        write_manifest(f"items:\n  - id: x\n    prompt: x\n    matrix:\n{axes}")

    assert "a matrix has at most 50 axes" in str(caught.value)


def test_json_lines_may_give_whole_lists(expand_text):
    [item] = expand_text(
        "items:\n"
        "  - id: ${slug}\n"
        "    prompt: x\n"
        "    params: {images: '${images}', seed: '${seed}'}\n"
        "    rows: a.jsonl\n",
        {"a.jsonl": b'{"slug": "oak", "images": ["asset_1"], "seed": 4}\n'},
    )

    assert item.params["images"] == ["asset_1"]
    assert item.params["seed"] == 4


def test_variables_are_replaced_from_the_inside_out(expand_text):
    items = expand_text(
        "vars: {look: flat, tall: low}\n"
        "items:\n"
        "  - {id: a, prompt: '${look} ${tall}'}\n"
        "  - {id: b, prompt: '${look} ${tall}', vars: {look: round}}\n"
        "  - {id: 'c-${tall}', prompt: '${look} ${tall}', matrix: {tall: [high]}}\n"
    )

    assert [item.params["prompt"] for item in items] == [
        "flat low",
        "round low",
        "flat high",
    ]


def test_the_path_of_rows_may_use_variables(expand_text):
    items = expand_text(
        "vars: {set: small}\n"
        "items: [{id: '${slug}', prompt: x, rows: 'data/${set}.csv'}]\n",
        {"data/small.csv": b"slug\noak\n"},
    )

    assert [item.item_id for item in items] == ["oak"]


def test_references_become_assets_and_bare_values_lists(expand_text):
    items = expand_text(
        "references:\n"
        "  style: refs/style.png\n"
        "  logo: asset_GTrL3mq4SXWyMxkOHRxlpw\n"
        "items:\n"
        "  - {id: a, prompt: 'ref:style', params: {images: ref:style}}\n"
        "  - {id: b, prompt: y, params: {images: [ref:logo, 'file:refs/style.png']}}\n",
        {"refs/style.png": PNG},
    )

    [style] = items[0].params["images"]
    assert isinstance(style, ReferenceAsset)
    assert (style.name, style.media_type) == ("style", "image/png")
    assert items[0].params["prompt"] == "ref:style"
    logo, same = items[1].params["images"]
    assert logo == "asset_GTrL3mq4SXWyMxkOHRxlpw"
    assert (same.name, same.sha256) == ("refs/style.png", style.sha256)


def test_an_item_may_have_a_model_of_its_own(expand_text):
    items = expand_text(
        "version: 1\n"
        "items:\n"
        "  - {id: a, prompt: x, model: model_wan-2-7-image}\n"
        "  - {id: 'b-${m}', prompt: x, model: 'model_${m}', matrix: {m: [x, y]}}\n"
    )

    assert [item.model_id for item in items] == [
        "model_wan-2-7-image",
        "model_x",
        "model_y",
    ]


def test_an_unknown_model_is_a_warning_and_its_inputs_pass(write_manifest):
    manifest = write_manifest(
        "version: 1\n"
        "model: model_wan-2-9-img\n"
        "items: [{id: a, params: {anything: [1, {deep: ref:logo}]}}]\n"
        "references: {logo: asset_1}\n"
    )

    [item] = expand(manifest)
    assert item.params == {"anything": [1, {"deep": "asset_1"}]}
    [warning] = manifest.warnings
    assert "model_wan-2-9-img are unknown" in warning
    assert "did you mean 'model_wan-2-7-image'?" in warning


def test_a_given_schema_is_the_one_that_counts(expand_text):
    schema = parse_model(
        {"id": "m", "inputs": [{"name": "tags", "type": "string_array"}]}, source="live"
    )

    [item] = expand_text(
        "version: 1\nmodel: m\nitems: [{id: a, params: {tags: x}}]\n",
        models={"m": schema}.get,
    )

    assert item.params == {"tags": ["x"]}


def test_outputs_have_numbers_where_there_are_several(expand_text):
    one, three = expand_text(
        "items:\n"
        "  - {id: oak, prompt: x}\n"
        "  - {id: elm, prompt: x, params: {numOutputs: 3}}\n"
    )
    schema = load_shipped_model("model_wan-2-7-image")

    assert output_stems(one, schema) == ("oak",)
    assert output_stems(three, schema) == ("elm-1", "elm-2", "elm-3")
    assert output_stems(three, None) == ("elm",)


def test_faults_come_at_the_end_and_sound_items_before(write_manifest):
    manifest = write_manifest(
        "items:\n"
        "  - {id: a, prompt: x, params: {seed: -1}}\n"
        "  - {id: b, prompt: x}\n"
        "  - {id: c, prompt: x, params: {size: 9K}}\n"
    )
    given = []

    with pytest.raises(ManifestError) as caught:
        given.extend(item.item_id for item in expand(manifest))

    assert given == ["b"] or not given
    assert [fault.line for fault in caught.value.faults] == [4, 6]


def test_after_a_hundred_faults_it_stops_looking(write_manifest):
    rows = b"slug\n" + b"".join(b"a b %d\n" % number for number in range(10_000))
    manifest = write_manifest(
        "items: [{id: '${slug}', prompt: x, rows: a.csv}]", {"a.csv": rows}
    )

    with pytest.raises(ManifestError) as caught:
        list(expand(manifest))

    assert len(caught.value.faults) == MAX_FAULTS


def test_one_wrong_value_of_an_axis_is_one_fault(write_manifest):
    manifest = write_manifest(
        "items:\n"
        "  - id: x-${size}-${n}\n"
        "    prompt: x\n"
        "    params: {size: '${size}'}\n"
        "    matrix:\n"
        "      size: [1K, 1024x1024]\n"
        f"      n: [{', '.join(map(str, range(50)))}]\n"
    )

    with pytest.raises(ManifestError) as caught:
        list(expand(manifest))

    [fault] = caught.value.faults
    assert (fault.line, fault.column) == (8, 18)


def test_rows_that_change_after_loading_are_told(write_manifest, tmp_path):
    manifest = write_manifest(
        "items: [{id: '${slug}', prompt: x, rows: a.csv}]", {"a.csv": b"slug\noak\n"}
    )
    (tmp_path / "a.csv").write_bytes(b"slug\noak\n,,,\nelm,2\n")

    with pytest.raises(ManifestError, match=r"a\.csv:4:5: this row has 2 cells"):
        list(expand(manifest))


@pytest.mark.parametrize("name", ["none.yaml", ".", "a\0b", "x" * 5000])
def test_a_manifest_that_cannot_be_read_is_a_fault(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ManifestError, match="cannot be read") as caught:
        load_manifest(name)

    assert caught.value.faults[0].file == name


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("icons", "icons"),
        ("my icons (2)", "my-icons-2"),
        ("ünïcode", "n-code"),
        ("con", "manifest"),
        ("...", "manifest"),
        ("a.emulated", "manifest"),
    ],
)
def test_the_name_comes_from_the_file(tmp_path, stem, name):
    path = tmp_path / f"{stem}.yaml"
    path.write_text("version: 1\nmodel: m\nitems: [{id: a}]\n", encoding="utf-8")

    assert load_manifest(path).name == name


def test_files_outside_are_allowed_on_demand(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.csv").write_bytes(b"slug\noak\n")
    folder = tmp_path / "m"
    folder.mkdir()
    path = folder / "m.yaml"
    path.write_text(
        "version: 1\nmodel: model_wan-2-7-image\n"
        "items: [{id: '${slug}', prompt: x, rows: ../a.csv,"
        " params: {images: ['file:../a.png']}}]\n",
        encoding="utf-8",
    )

    with pytest.raises(ManifestError):
        load_manifest(path)
    [item] = expand(load_manifest(path, allow_outside=True))
    assert item.item_id == "oak"


# --- models that cannot be run ------------------------------------------------------------

LORA = parse_model(
    {"id": "model_ink", "type": "flux.2-dev-lora", "parentModelId": "model_base"},
    source="live",
)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("model: model_ink\nitems: [{id: a, prompt: x}]", "icons.yaml:2:8"),
        (
            "model: model_wan-2-7-image\nitems: [{id: a, prompt: x, model: model_ink}]",
            "icons.yaml:3:35",
        ),
    ],
)
def test_a_lora_as_the_model_is_a_fault_that_names_the_way_out(tmp_path, text, place):
    path = tmp_path / "icons.yaml"
    path.write_text(f"version: 1\n{text}\n")

    with pytest.raises(ManifestError) as raised:
        validate_manifest(path, models={"model_ink": LORA, WAN: WAN_TABLE}.get)

    [fault] = raised.value.faults
    assert f"{fault}".endswith(
        f"{place}: 'model_ink' is a LoRA, which cannot be run by itself; use its base"
        " model (model_base), with params: {loras: [model_ink], lorasScale: [1]}"
    )


def test_files_are_found_in_inputs_of_an_unknown_type_and_in_objects(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    path = tmp_path / "icons.yaml"
    path.write_text(
        "version: 1\nmodel: model_x\nreferences: {a: a.png}\nitems:\n"
        "  - {id: a, params: {cover: ref:a, shots: [{image: file:a.png, text: 'ref:z'}]}}\n"
    )
    shots: dict[str, Any] = {"name": "shots", "type": "inputs_array"}
    shots["inputs"] = [
        {"name": "image", "type": "file"},
        {"name": "text", "type": "string"},
    ]
    inputs = [{"name": "cover", "type": "picture"}, shots]
    model = parse_model({"id": "model_x", "inputs": inputs}, source="live")

    manifest, count = validate_manifest(path, models=lambda _model_id: model)

    [item] = expand(manifest)
    assert count == 1
    assert isinstance(item.params["cover"], ReferenceAsset)
    shot: Any = item.params["shots"]
    shot = shot[0]
    assert isinstance(shot["image"], ReferenceAsset)
    assert shot["text"] == "ref:z"


def test_the_name_of_a_preview_is_taken_where_the_model_may_make_one(tmp_path):
    path = tmp_path / "icons.yaml"
    path.write_text(
        "version: 1\nmodel: model_x\nitems:\n"
        "  - {id: chest.preview, params: {}}\n"
        "  - {id: chest, params: {}}\n"
    )

    def check(capability):
        record = {"id": "model_x", "capabilities": [capability], "inputs": []}
        model = parse_model(record, source="live")
        validate_manifest(path, models=lambda _model_id: model)

    check("txt2img")
    with pytest.raises(ManifestError) as raised:
        check("txt23d")

    [fault] = raised.value.faults
    assert f"{fault}".endswith(
        "icons.yaml:5:10: id 'chest' may come with a preview; 'chest.preview' is taken"
        " at line 4; rename one of the two"
    )


# --- variables and outputs inside mappings, which models of one's own may take

OURS = "version: 1\nmodel: model_of-our-own\n"


def test_variables_are_filled_in_inside_a_mapping(expand_text):
    [item] = expand_text(
        f"{OURS}vars: {{age: 7, word: oak}}\n"
        "items:\n"
        "  - id: oak\n    prompt: x\n"
        "    params: {look: {age: '${age}', names: ['${word}', 'a ${word}']}}\n"
    )

    assert item.params["look"] == {"age": 7, "names": ["oak", "a oak"]}


def test_an_output_inside_a_mapping_makes_its_item_a_parent(expand_text):
    _, item = expand_text(
        f"{OURS}items:\n  - {{id: oak, prompt: x}}\n"
        "  - {id: leaf, prompt: y, params: {look: {picture: 'item:oak'}}}\n"
    )

    assert item.parents == ("oak",)
    assert item.params["look"] == {"picture": ItemOutput(item_id="oak")}


def faults_in(write_manifest, text, files=None):
    with pytest.raises(ManifestError) as caught:
        list(expand(write_manifest(text, files)))
    return [f"{one.line}:{one.column}: {one.message}" for one in caught.value.faults]


def test_an_unknown_variable_inside_a_mapping_or_list_is_a_fault(write_manifest):
    text = f"{OURS}items:\n  - {{id: a, prompt: x, params: {{look: {{age: ['${{none}}']}}}}}}\n"

    assert faults_in(write_manifest, text) == ["4:47: unknown variable 'none'"]


# --- rows that lack a variable, which JSON Lines may

UNEVEN = b'{"name": "oak", "kind": "a"}\n{"name": "elm"}\n'


@pytest.mark.parametrize(
    "keys",
    [
        "id: '${name}-${kind}', prompt: x",
        "id: '${name}', prompt: x, model: 'model_${kind}'",
        "id: '${name}', prompt: x, save: {format: '${kind}'}",
    ],
)
def test_a_row_without_a_value_that_is_needed_is_a_fault(write_manifest, keys):
    text = f"items: [{{rows: trees.jsonl, {keys}}}]\n"

    found = faults_in(write_manifest, text, {"trees.jsonl": UNEVEN})

    assert any("'kind'" in one and one.startswith("2:") for one in found), found


def test_a_model_whose_cell_is_empty_is_a_fault_at_the_cell(write_manifest):
    text = "items: [{rows: trees.csv, id: '${name}', prompt: x, model: '${kind}'}]\n"
    rows = b"name,kind\noak,model_wan-2-7-image\nelm,\n"

    found = faults_in(write_manifest, text, {"trees.csv": rows})

    assert found == ["3:5: the model id is empty"]


def test_more_rows_than_items_are_allowed_are_a_fault(write_manifest, monkeypatch):
    monkeypatch.setattr("pipeline.manifest.item_schema.MAX_ITEMS", 2)
    text = "items: [{rows: trees.csv, id: '${name}', prompt: x}]\n"

    found = faults_in(write_manifest, text, {"trees.csv": b"name\na\nb\nc\n"})

    assert found == ["4:1: there are more than 2 rows"]


def test_only_one_output_can_be_chosen(write_manifest):
    text = "items: [{id: oak, prompt: x, choose: two}]\n"

    assert faults_in(write_manifest, text) == ["3:38: 'choose' can only be 'one'"]


def test_a_name_cannot_look_like_emulated_output(write_manifest):
    text = "name: icons.emulated\nitems: [{id: oak, prompt: x}]\n"

    assert faults_in(write_manifest, text) == [
        (
            "3:7: name 'icons.emulated' cannot end with '.emulated', which marks emulated"
            " output"
        )
    ]


def test_an_item_of_which_one_output_is_chosen_has_one_name(expand_text):
    [item] = expand_text(
        "items: [{id: oak, prompt: x, choose: one, params: {numOutputs: 4}}]\n"
    )

    assert output_stems(item, WAN_TABLE) == ("oak",)
