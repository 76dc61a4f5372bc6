"""The manifests that ship: sound, as small and as many as the README says."""

from pathlib import Path

import pytest

from pipeline.manifest import expand, output_stems, validate_manifest
from pipeline.models.record import load_shipped_model

FOLDER = Path(__file__).parents[2] / "manifests"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.name)
def test_a_shipped_manifest_is_sound(path):
    manifest, count = validate_manifest(path)

    assert count == manifest.item_count
    assert manifest.warnings == ()


@pytest.mark.parametrize(
    ("name", "items", "assets"),
    [("quickstart", 9, 11), ("game-icons", 24, 24), ("edit", 7, 8)],
)
def test_a_shipped_manifest_makes(name, items, assets):
    manifest, count = validate_manifest(FOLDER / f"{name}.yaml")
    stems = [
        stem
        for item in expand(manifest)
        for stem in output_stems(item, load_shipped_model(item.model_id))
    ]

    assert (count, len(stems), len(set(stems))) == (items, assets, assets)


def test_reference_images_are_small():
    images = list((FOLDER / "refs").glob("*.png"))

    assert images
    assert all(image.stat().st_size < 100_000 for image in images)
