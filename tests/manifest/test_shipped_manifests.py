"""The manifests that ship: sound, as small and as many as the README says."""

import json
from importlib import resources
from pathlib import Path

import pytest

from pipeline.manifest import expand, output_stems, validate_manifest
from pipeline.models.record import load_shipped_model, parse_model

FOLDER = Path(__file__).parents[2] / "manifests"
PATHS = sorted(FOLDER.glob("*.yaml"))
TABLES = resources.files("pipeline.emulator").joinpath("models")


def find_emulated(model_id):
    """The inputs of a model that ships, or that the emulator has."""
    table = TABLES.joinpath(f"{model_id}.json")
    if not table.is_file():
        return load_shipped_model(model_id)
    record = json.loads(table.read_text(encoding="utf-8"))["model"]
    return parse_model(record, source="live")


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.name)
def test_a_shipped_manifest_is_sound(path):
    manifest, _ = validate_manifest(path, models=find_emulated)

    assert manifest.warnings == ()


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.name)
def test_a_shipped_manifest_has_no_fault_where_only_shipped_tables_are_known(path):
    manifest, _ = validate_manifest(path)

    assert all("inputs of" in one for one in manifest.warnings)


@pytest.mark.parametrize(
    ("name", "items", "assets"),
    [
        *(("quickstart", 9, 11), ("game-icons", 24, 24), ("edit", 7, 8)),
        *(("character-sheet", 13, 13), ("prop", 4, 6)),
    ],
)
def test_a_shipped_manifest_makes(name, items, assets):
    manifest, count = validate_manifest(FOLDER / f"{name}.yaml", models=find_emulated)
    stems = [
        stem
        for item in expand(manifest)
        for stem in output_stems(item, find_emulated(item.model_id))
    ]

    assert (count, len(stems), len(set(stems))) == (items, assets, assets)


def test_reference_images_are_small():
    images = list((FOLDER / "refs").glob("*.png"))

    assert images
    assert all(image.stat().st_size < 100_000 for image in images)
