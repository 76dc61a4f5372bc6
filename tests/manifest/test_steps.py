"""``steps`` and ``foreach``: what they make, and what is wrong with them."""

import pytest

from pipeline.errors import ManifestError
from pipeline.job import ItemOutput
from pipeline.manifest import expand, load_manifest
from pipeline.models.record import load_shipped_model, parse_model

HEAD = "version: 1\nmodel: model_wan-2-7-image\n"
STEP = "{model: model_wan-2-7-image, prompt: y}"


def find_model(model_id):
    if model_id == "model_blind":
        return parse_model({"id": model_id, "inputs": []}, source="live")
    return load_shipped_model(model_id)


def items_of(tmp_path, text):
    path = tmp_path / "m.yaml"
    path.write_text(HEAD + text)
    (tmp_path / "r.jsonl").write_text(
        '{"slug": "a", "count": 2, "from": "x"}\n{"slug": "b"}\n'
    )
    manifest = load_manifest(path, models=find_model)
    items = list(expand(manifest))
    assert len(items) == manifest.item_count
    return {item.item_id: item for item in items}


def faults_of(tmp_path, text):
    with pytest.raises(ManifestError) as caught:
        items_of(tmp_path, text)
    return [str(fault).removeprefix(f"{tmp_path}/") for fault in caught.value.faults]


def test_each_step_is_fed_the_output_before_it(tmp_path):
    items = items_of(
        tmp_path, f"items:\n  - {{id: hero, prompt: x, steps: [{STEP}, {STEP}]}}\n"
    )

    assert list(items) == ["hero", "hero+1", "hero+2"]
    assert items["hero+1"].params["images"] == [ItemOutput(item_id="hero")]
    assert items["hero+2"].params["images"] == [ItemOutput(item_id="hero+1")]


def test_the_last_step_has_the_name_of_the_item_and_is_saved_alone(tmp_path):
    items = items_of(
        tmp_path,
        f"items:\n  - {{id: hero, prompt: x, steps: [{STEP}, {STEP}, {STEP}]}}\n",
    )

    assert {
        name: (item.is_last_step, item.is_saved) for name, item in items.items()
    } == {
        "hero": (False, False),
        "hero+1": (False, False),
        "hero+2": (False, False),
        "hero+3": (True, True),
    }


def test_keep_saves_an_output_before_the_last(tmp_path):
    kept = STEP.replace("}", ", keep: true, name: mid}")
    items = items_of(
        tmp_path,
        f"items:\n  - {{id: hero, prompt: x, keep: true, steps: [{kept}, {STEP}]}}\n",
    )

    assert [item.is_saved for item in items.values()] == [True, True, True]


def test_steps_at_the_top_are_for_items_without_their_own(tmp_path):
    items = items_of(
        tmp_path,
        f"steps: [{STEP}]\nitems:\n  - {{id: a, prompt: x}}\n"
        "  - {id: b, prompt: x, steps: []}\n",
    )

    assert list(items) == ["a", "a+1", "b"]


def test_params_of_the_top_level_are_not_for_steps(tmp_path):
    items = items_of(
        tmp_path,
        f"params: {{size: 1K}}\nitems:\n  - {{id: a, prompt: x, steps: [{STEP}]}}\n",
    )

    assert items["a"].params["size"] == "1K"
    assert "size" not in items["a+1"].params


def test_a_step_has_the_variables_of_its_item(tmp_path):
    step = "{model: model_wan-2-7-image, prompt: 'a ${mood} one'}"
    items = items_of(
        tmp_path,
        f"items:\n  - {{id: 'a-${{mood}}', prompt: x, matrix: {{mood: [calm, wild]}}, steps: [{step}]}}\n",
    )

    assert items["a-wild+1"].params["prompt"] == "a wild one"


def test_the_input_of_a_model_without_a_table_is_called_image(tmp_path):
    items = items_of(
        tmp_path, "items:\n  - {id: a, prompt: x, steps: [{model: model_new}]}\n"
    )

    assert items["a+1"].params == {"image": ItemOutput(item_id="a")}


def test_foreach_makes_an_item_for_each_output(tmp_path):
    items = items_of(
        tmp_path,
        "items:\n"
        "  - {id: 'cut-${index}', foreach: 'item:sheet', prompt: x, params: {images: ['${output}']}}\n"
        "  - {id: sheet, prompt: x, params: {numOutputs: 3}}\n",
    )

    assert list(items) == ["cut-1", "cut-2", "cut-3", "sheet"]
    assert items["cut-3"].params["images"] == [ItemOutput(item_id="sheet", index=3)]
    assert items["cut-3"].may_be_missing


def test_foreach_counts_the_outputs_of_the_last_step(tmp_path):
    many = STEP.replace("}", ", params: {numOutputs: 2}}")
    items = items_of(
        tmp_path,
        f"items:\n  - {{id: sheet, prompt: x, steps: [{many}]}}\n"
        "  - {id: 'cut-${index}', foreach: 'item:sheet', prompt: x, params: {images: ['${output}']}}\n",
    )

    assert {"cut-1", "cut-2"} < items.keys()
    assert "cut-3" not in items


# fmt: off
FAULTS = {
    "a step without a model": (
        "items:\n  - id: a\n    prompt: x\n    steps:\n      - prompt: y\n",
        ["m.yaml:7:9: the step has no 'model'; write model: MODEL_ID"]),
    "an unknown key": (
        "items:\n  - id: a\n    prompt: x\n    steps:\n      - {model: model_wan-2-7-image, prompt: y, kep: true}\n",
        ["m.yaml:7:49: unknown key 'kep'; did you mean 'keep'?"]),
    "a name that is no name": (
        "items:\n  - id: a\n    prompt: x\n    steps:\n      - {name: 'a b', model: model_wan-2-7-image, prompt: y}\n",
        ["m.yaml:7:16: 'a b' is not a step name; use at most 40 letters, digits, '_' and '-'"]),
    "two of one name": (
        "items:\n  - id: a\n    prompt: x\n    steps:\n      - {name: b, model: model_wan-2-7-image, prompt: y}\n      - {name: b, model: model_wan-2-7-image, prompt: y}\n",
        ["m.yaml:8:9: two steps are called 'b'; give one another name"]),
    "an input that is fed already": (
        "items:\n  - id: a\n    prompt: x\n    steps:\n      - {model: model_wan-2-7-image, prompt: y, params: {images: [asset_1]}}\n",
        ["m.yaml:7:66: 'images' is filled with the output before this step; remove it, or name another input with input:"]),
    "an input that does not exist": (
        "items:\n  - id: a\n    prompt: x\n    steps:\n      - {model: model_wan-2-7-image, prompt: y, input: picture}\n",
        ["m.yaml:7:9: unknown input 'picture' of model_wan-2-7-image"]),
    "foreach without item": (
        "items:\n  - {id: 'a-${index}', prompt: x, foreach: sheet}\n",
        ["m.yaml:4:44: 'foreach' must name an item; write foreach: item:ID, with the ID of another entry as it stands"]),
    "foreach of nobody": (
        "items:\n  - {id: 'a-${index}', prompt: x, foreach: 'item:sheet'}\n",
        ["m.yaml:4:44: foreach: no entry has the id 'sheet'; write the id exactly as in the other entry, variables included"]),
    "foreach of a number that varies": (
        "items:\n  - {id: 's-${n}', prompt: x, matrix: {n: [1, 2]}, params: {numOutputs: '${n}'}}\n  - {id: 'a-${index}', prompt: x, foreach: 'item:s-${n}'}\n",
        ["m.yaml:5:44: foreach: it is not known how many outputs there will be; write numOutputs of 's-${n}' as a plain number"]),
    "foreach and an id without the number": (
        "items:\n  - {id: s, prompt: x, params: {numOutputs: 2}}\n  - {id: a, prompt: x, foreach: 'item:s'}\n",
        ["m.yaml:5:10: the id lacks the axis 'index': items would share an id; write id: a-${index}"]),
    "outputs of the last step": (
        "items:\n  - {id: s, prompt: x, params: {numOutputs: 2}, steps: [{model: model_wan-2-7-image, prompt: y}]}\n  - {id: a, prompt: x, params: {images: ['item:s/2']}}\n",
        ["m.yaml:5:42: item 's' makes 1 output, not 2; use a smaller number"]),
    "more steps than there may be": (
        f"items:\n  - {{id: a, prompt: x, steps: [{', '.join([STEP] * 21)}]}}\n",
        ["m.yaml:4:31: an item has at most 20 steps"]),
    "a step that is no mapping": (
        "items:\n  - {id: a, prompt: x, steps: [cut]}\n",
        ["m.yaml:4:32: a step must be a mapping (key: value), not text"]),
    "a step whose model is no text": (
        "items:\n  - {id: a, prompt: x, steps: [{model: [b], prompt: y}]}\n",
        ['m.yaml:4:40: model must be text, not a list; if it is text, write: model: "[b]"']),
    "a step whose model is a variable without a value": (
        "items:\n  - {id: a, prompt: x, steps: [{model: '${gone}', prompt: y}]}\n",
        ["m.yaml:4:41: unknown variable 'gone'; define it under vars, matrix or rows"]),
    "a step that takes no file": (
        "items:\n  - {id: a, prompt: x, steps: [{model: model_blind}]}\n",
        ["m.yaml:4:32: model_blind takes no file; a step works on the output before it"]),
    "keep that is no flag": (
        "items:\n  - {id: a, prompt: x, steps: [{model: model_wan-2-7-image, prompt: y, keep: 3}]}\n",
        ["m.yaml:4:78: 'keep' must be true or false"]),
    "an output of the last step whose name is taken": (
        "items:\n  - {id: a-1, prompt: x}\n  - {id: a, prompt: x, steps: [{model: model_wan-2-7-image, prompt: y, params: {numOutputs: 2}}]}\n",
        ["m.yaml:5:10: id 'a' has several outputs; 'a-1' is taken at line 4; rename one of the two"]),
    "foreach that is a list": (
        "items:\n  - {id: 'a-${index}', prompt: x, foreach: [item:b]}\n",
        ["m.yaml:4:44: foreach must be text, not a list"]),
    "foreach beside an axis of its name": (
        "items:\n  - {id: s, prompt: x}\n  - {id: 'a-${index}', prompt: x, foreach: 'item:s', matrix: {index: [1]}}\n",
        ["m.yaml:5:44: 'index' is the number of the output, and an axis; rename the axis"]),
    "an id without a value beside a link": (
        "items:\n  - {id: 'a-${gone}', prompt: x}\n  - {id: b, prompt: x, params: {images: ['item:c']}}\n",
        ["m.yaml:4:13: unknown variable 'gone'; define it under vars, matrix or rows",
         "m.yaml:5:42: there is no item 'c'"]),
    "takes of a variable that is no number": (
        "items:\n  - {id: 'a${n}', prompt: x, takes: '${n}', matrix: {n: [two]}}\n",
        ["m.yaml:4:58: 'takes' must be a whole number from 1 to 100; write `takes: 4`, or `takes: ${column}` for one variable"]),
    "takes of a cell that is missing": (
        "items:\n  - {id: '${slug}', prompt: x, takes: '${count}', was: 'old-${from}', rows: r.jsonl}\n",
        ["r.jsonl:2:1: this row has no usable value for 'count'",
         "r.jsonl:2:1: this row has no usable value for 'from'"]),
}
# fmt: on


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_at_its_place(tmp_path, name):
    text, faults = FAULTS[name]

    found = faults_of(tmp_path, text)

    assert [one.split("; known:")[0] for one in found] == faults
