"""``item:ID``: what it names, and what is wrong with it, each at its place."""

import pytest

from pipeline.errors import ManifestError
from pipeline.job import ItemOutput
from pipeline.manifest import expand, load_manifest
from pipeline.manifest.chain import parse_output
from pipeline.manifest.references import BadPath
from pipeline.models.record import load_shipped_model, parse_model

HEAD = "version: 1\nmodel: model_wan-2-7-image\nitems:\n"


def items_of(tmp_path, text, models=load_shipped_model):
    path = tmp_path / "m.yaml"
    path.write_text(HEAD + text)
    return list(expand(load_manifest(path, models=models)))


def faults_of(tmp_path, text, models=load_shipped_model):
    with pytest.raises(ManifestError) as caught:
        items_of(tmp_path, text, models)
    return [str(fault).removeprefix(f"{tmp_path}/") for fault in caught.value.faults]


def entry(item_id, *outputs, **params):
    images = f"images: [{', '.join(outputs)}]" if outputs else ""
    more = [f"{name}: {value}" for name, value in params.items()]
    inputs = ", ".join(filter(None, [images, *more]))
    return f"  - {{id: {item_id}, prompt: x, params: {{{inputs}}}}}\n"


@pytest.mark.parametrize(
    ("text", "item_id", "index"),
    [
        ("hero", "hero", 1),
        ("hero/2", "hero", 2),
        ("a/b/hero", "a/b/hero", 1),
        ("a/b/12", "a/b", 12),
        ("props/2/1", "props/2", 1),
    ],
)
def test_an_output_is_an_id_and_perhaps_a_number(text, item_id, index):
    assert parse_output(text) == ItemOutput(item_id=item_id, index=index)


@pytest.mark.parametrize("text", ["", "/", "hero/", "hero/0", "a b", "hero/1/", "../x"])
def test_what_names_no_output_is_refused(text):
    with pytest.raises(BadPath):
        parse_output(text)


def test_an_item_knows_its_parents_whatever_the_order(tmp_path):
    late, early = items_of(
        tmp_path,
        entry("late", "item:early", "item:early/2") + entry("early", numOutputs=2),
    )

    assert late.parents == ("early",)
    assert early.parents == ()
    assert [one.index for one in late.params["images"]] == [1, 2]


def test_a_parent_may_come_from_a_cell(tmp_path):
    (tmp_path / "poses.csv").write_text("slug,parent\nrun,item:hero\njump,item:hero\n")
    rows = "  - {id: 'p-${slug}', prompt: x, rows: poses.csv, params: {images: ['${parent}']}}\n"

    items = items_of(tmp_path, entry("hero") + rows)

    assert [item.parents for item in items] == [(), ("hero",), ("hero",)]


def test_an_unknown_item_is_a_fault_where_it_is_named(tmp_path):
    assert faults_of(tmp_path, entry("hero") + entry("pose", "item:hreo")) == [
        "m.yaml:5:45: there is no item 'hreo'; did you mean 'hero'?"
    ]


def test_an_unknown_item_in_a_cell_is_a_fault_in_the_file(tmp_path):
    (tmp_path / "poses.csv").write_text("slug,parent\nrun,item:nobody\n")
    rows = "  - {id: 'p-${slug}', prompt: x, rows: poses.csv, params: {images: ['${parent}']}}\n"

    faults = faults_of(tmp_path, entry("hero") + rows)

    assert faults == ["poses.csv:2:5: there is no item 'nobody'; known: hero, p-run"]


def test_more_outputs_than_the_parent_makes_are_a_fault(tmp_path):
    text = entry("hero", numOutputs=2) + entry("pose", "item:hero/3")

    assert faults_of(tmp_path, text) == [
        "m.yaml:5:45: item 'hero' makes 2 outputs, not 3; use a smaller number"
    ]


def find_tool(model_id):
    """A model such as ``model_image-to-3d``, or one of the package."""
    if "-to-" not in model_id:
        return load_shipped_model(model_id)
    taken, _, made = model_id.removeprefix("model_").partition("-to-")
    source = {"name": "source", "type": "file", "kind": taken}
    scene = {"name": "picture", "type": "file", "kind": "image"}
    record = {
        "id": model_id,
        "inputs": [
            source,
            {"name": "scene", "type": "inputs_array", "inputs": [scene]},
        ],
        "capabilities": [f"any2{made}"] if made != "unknown" else [],
    }
    return parse_model(record, source="live")


def tool(item_id, model, params):
    return f"  - {{id: {item_id}, model: model_{model}, params: {params}}}\n"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            tool("b", "audio-to-audio", "{source: item:a}"),
            (
                "m.yaml:5:59: 'source' takes audio files; item 'a' makes image; use an item"
                " that makes audio files"
            ),
        ),
        (
            tool("p", "image-to-3d", "{source: item:a}")
            + tool("c", "image-to-img", "{scene: [{picture: item:p}]}"),
            (
                "m.yaml:6:67: 'picture' takes image files; item 'p' makes 3d; use an item"
                " that makes image files"
            ),
        ),
        (
            (
                "  - {id: p, prompt: x, steps: [{model: model_image-to-3d},"
                " {model: model_image-to-img}]}\n"
            ),
            (
                "m.yaml:5:60: 'source' takes image files; item 'p+1' makes 3d; use"
                " an item that makes image files"
            ),
        ),
        (
            "  - {id: t, model: model_image-to-txt, params: {source: item:a}}\n"
            + entry("b", "item:t"),
            (
                "m.yaml:6:42: 'images' takes image files; item 't' makes text; use an item"
                " that makes image files"
            ),
        ),
    ],
    ids=["input", "field", "step", "text"],
)
def test_an_output_of_the_wrong_kind_is_a_fault(tmp_path, item, message):
    assert faults_of(tmp_path, entry("a") + item, find_tool) == [message]


@pytest.mark.parametrize(
    "item",
    [
        tool("b", "image-to-3d", "{source: item:a}"),
        # The first step works on the item's own picture, not on what the last one made.
        "  - {id: p, prompt: x, steps: [{model: model_image-to-3d}]}\n"
        + tool("b", "3d-to-3d", "{source: item:p}"),
        tool("u", "image-to-unknown", "{source: item:a}")
        + tool("b", "audio-to-audio", "{source: item:u}"),
        tool("b", "anything-to-audio", "{source: item:a}"),
    ],
    ids=["fits", "steps", "output-unknown", "input-unknown"],
)
def test_an_output_that_may_fit_is_no_fault(tmp_path, item):
    items = items_of(tmp_path, entry("a") + item, find_tool)

    assert items[-1].item_id == "b"


def test_an_id_that_ends_with_a_number_is_explained(tmp_path):
    text = entry("props/2") + entry("pose", "item:props/2")

    assert faults_of(tmp_path, text) == [
        "m.yaml:5:45: there is no item 'props'; for item 'props/2' write item:props/2/1"
    ]


def test_a_circle_is_reported_once(tmp_path):
    text = entry("a", "item:b") + entry("b", "item:c") + entry("c", "item:a")

    assert faults_of(tmp_path, text) == [
        "m.yaml:6:42: these items need one another: a → b → c; remove one of the links"
    ]


def test_an_item_that_needs_itself_is_a_fault(tmp_path):
    assert faults_of(tmp_path, entry("a", "item:a")) == [
        "m.yaml:4:42: an item cannot need its own output; remove one of the links"
    ]


def test_a_faulty_parent_is_not_reported_as_unknown(tmp_path):
    text = entry("hero", numOutputs=99) + entry("pose", "item:hero")

    assert len(faults_of(tmp_path, text)) == 1


def test_a_line_of_ten_thousand_items_is_checked(tmp_path):
    text = entry("i0") + "".join(
        entry(f"i{n}", f"item:i{n - 1}") for n in range(1, 10_000)
    )

    assert len(items_of(tmp_path, text)) == 10_000
