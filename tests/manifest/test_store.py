"""The manifest's ``store``: read, overridden by a profile, and what is wrong with it."""

import pytest

from pipeline.errors import ManifestError
from pipeline.manifest import load_manifest

ITEMS = "model: model_wan-2-7-image\nitems:\n  - {id: oak, prompt: an oak}\n"


@pytest.fixture
def write(tmp_path):
    def write(store):
        path = tmp_path / "trees.yaml"
        path.write_text(f"version: 1\nstore: {store}\n{ITEMS}", "utf-8")
        return path

    return write


def test_a_manifest_names_its_store(write):
    path = write("s3://art/trees\nprofiles: {final: {store: 's3://art/final'}}")

    assert load_manifest(path).store == "s3://art/trees"
    assert load_manifest(path, profile="final").store == "s3://art/final"


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ("[1]", "'store' must be the URL of a bucket or a folder"),
        ("art/trees", "is not the URL of a store"),
        ("s3://key:word@art/trees", "has only a bucket and a prefix"),
    ],
)
def test_anything_else_is_a_fault_with_its_place(write, store, said):
    with pytest.raises(ManifestError) as error:
        load_manifest(write(store))

    [fault] = error.value.faults
    assert fault.line == 2
    assert said in fault.message
    assert "key:word" not in str(fault)
    assert "s3://bucket/prefix" in fault.hint
