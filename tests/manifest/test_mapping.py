"""A manifest as a mapping: it means what the same YAML means."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline import ManifestError, load_manifest
from pipeline.manifest import expand
from pipeline.manifest.faults import Faults
from pipeline.manifest.mapping import render_mapping
from pipeline.manifest.node import Node
from pipeline.manifest.source import parse_source

ICONS = {
    "version": 1,
    "name": "icons",
    "model": "model_wan-2-7-image",
    "params": {"size": "1K"},
    "items": [
        {"id": "oak", "prompt": "an oak: # 1'\" \t\U0001f333"},
        {"id": "tree-${n}", "prompt": "tree ${n}", "matrix": {"n": ["a", "b"]}},
    ],
}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.from_regex("[a-z]{1,5}"), inner),
    max_leaves=8,
)


def plain(node):
    if isinstance(node.value, dict):
        return {name: plain(one) for name, one in node.value.items()}
    if isinstance(node.value, list):
        return [plain(one) for one in node.value]
    return node.value


@given(VALUES)
def test_what_is_rendered_is_read_as_it_was(value):
    data, keys = render_mapping({"key": value}, "<x>")
    faults = Faults("<x>")

    root, _ = parse_source(data, faults)

    assert isinstance(root, Node), faults.all()
    assert plain(root) == {"key": value}
    assert len(keys) == len(data.decode().split("\n")) - 1


def test_a_mapping_makes_the_items_of_the_same_yaml(tmp_path):
    (tmp_path / "icons.yaml").write_text(yaml.safe_dump(ICONS), "utf-8")
    of_file = load_manifest(tmp_path / "icons.yaml")
    of_mapping = load_manifest(ICONS, folder=tmp_path / "elsewhere")

    made = [list(expand(one)) for one in (of_file, of_mapping)]

    assert [one.params for one in made[0]] == [one.params for one in made[1]]
    assert [one.item_id for one in made[1]] == ["oak", "tree-a", "tree-b"]
    assert [one.place for one in made[1]] == [
        "<icons> items[0]",
        "<icons> items[1]",
        "<icons> items[1]",
    ]
    assert of_mapping.name == "icons"
    assert of_mapping.path == tmp_path / "elsewhere/icons.yaml"


def test_numbers_and_paths_of_python_are_taken(tmp_path):
    data, _ = render_mapping({"a": Decimal("1.50"), "b": Path("x/y.png")}, "<x>")

    assert json.loads(data) == {"a": 1.5, "b": "x/y.png"}


def test_references_are_relative_to_the_folder(tmp_path):
    asked = ICONS | {"references": {"hero": "refs/hero.png"}}

    with pytest.raises(ManifestError) as caught:
        load_manifest(asked, folder=tmp_path)

    assert caught.value.faults[0].key == "references.hero"
    assert str(tmp_path) not in str(caught.value) or "refs/hero.png" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        ({"name": ""}, "name", "needs a 'name'"),
        ({"itemz": []}, "itemz", "items"),
        ({"items": [{"id": "a", "prompt": 3.5j}]}, "items[0].prompt", "complex"),
        ({"items": [{"id": "a", "promt": "x"}]}, "items[0].promt", "prompt"),
        ({"params": {"size": float("nan")}}, "params.size", "not a number"),
        ({"params": {"seed": {1: 2}}}, "params.seed", "not a text"),
        ({"vars": {"a b": set()}}, "vars['a b']", "set"),
    ],
)
def test_a_fault_names_the_key(change, key, says):
    with pytest.raises(ManifestError) as caught:
        load_manifest(ICONS | change)

    assert caught.value.faults[0].key == key
    assert says in str(caught.value)
    assert key in str(caught.value)
    assert ":1:1" not in str(caught.value)


def test_a_mapping_does_not_take_the_place_of_a_file(tmp_path):
    (tmp_path / "icons.yaml").write_text(yaml.safe_dump(ICONS), "utf-8")

    with pytest.raises(ManifestError, match="load the file instead"):
        load_manifest(ICONS, folder=tmp_path)


def test_a_mapping_that_contains_itself_is_a_fault():
    endless: dict[str, object] = {"name": "x"}
    endless["vars"] = endless

    with pytest.raises(ManifestError, match="nested deeper"):
        load_manifest(endless)


@pytest.mark.parametrize(
    "name", ["../elsewhere", "/elsewhere", "a\0b", "a\nb", "a\u202eb", "x" * 300]
)
def test_a_name_that_is_none_leads_nowhere_and_is_shown_safely(name):
    looked_at = []
    mapping = {"version": 1, "name": name, "items": [{"id": "a", "prompt": "x"}]}

    with pytest.raises(ManifestError) as raised:
        load_manifest(mapping, models=lambda _model: None, on_name=looked_at.append)

    for text in (*looked_at, *(fault.file for fault in raised.value.faults)):
        assert re.fullmatch("<?[a-z-]{1,64}>?", text)
