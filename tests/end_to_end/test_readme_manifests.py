"""The shipped manifests under ``--emulate``: what the README promises of them."""

import time
from pathlib import Path

import pytest
from doubles.shell import sidecars_in
from PIL import Image

import pipeline
from pipeline.manifest import load_manifest

MANIFESTS = Path(pipeline.__file__).parents[1] / "manifests"
PROMISED_S = 60.0  # the README: done within a minute
QUICKSTART = {
    "title-screen.png": (1024, 1024),
    "campfire-1.png": (1024, 1024),
    "campfire-2.png": (1024, 1024),
    "campfire-3.png": (1024, 1024),
    "trees/forest-dawn.png": (1024, 1024),
    "trees/forest-dusk.png": (1024, 1024),
    "trees/desert-dawn.png": (1024, 1024),
    "trees/desert-dusk.png": (1024, 1024),
    "trees/tundra-dawn.png": (1024, 1024),
    "hero-in-the-woods.png": (1024, 1024),
    "banner.png": (1280, 720),
}


def jobs_in(output: Path) -> int:
    """Jobs the emulator has ever made, by its own journal."""
    journal = (output / "emulator.jsonl").read_text(encoding="utf-8").splitlines()
    return sum('"job_type":"custom"' in line for line in journal)


@pytest.mark.parametrize(
    ("name", "items", "files", "uploads"),
    [("quickstart", 9, 11, 2), ("game-icons", 24, 24, 1), ("edit", 7, 8, 2)],
)
async def test_manifest_runs_under_the_emulator_and_only_once(
    name, items, files, uploads, shell
):
    path = MANIFESTS / f"{name}.yaml"
    output = shell.folder / "output" / f"{name}.emulated"

    begun_s = time.monotonic()
    first = await shell.run("run", str(path), "--emulate", "--json")
    took_s = time.monotonic() - begun_s
    made = jobs_in(output)
    second = await shell.run("run", str(path), "--emulate", "--json")

    assert first.code == 0, first.err
    assert took_s < PROMISED_S
    assert first.events[-1]["counts"] == {"saved": items}
    sidecars = sidecars_in(output)
    assert len(sidecars) == files
    for asset, sidecar in sidecars.items():
        with Image.open(output / asset) as picture:
            picture.load()
            assert picture.size == (sidecar["width_px"], sidecar["height_px"])
        assert sidecar["emulated"] is True
        assert sidecar["manifest"]["name"] == name
    journal = (output / "emulator.jsonl").read_text(encoding="utf-8")
    assert journal.count('{"kind":"asset"') == uploads
    assert made == items
    assert second.events[0]["to_submit"] == 0
    assert second.events[-1]["counts"] == {"done": items, "skipped": 0}
    assert jobs_in(output) == made
    if name == "quickstart":
        sizes = {
            asset: (car["width_px"], car["height_px"])
            for asset, car in sidecars.items()
        }
        assert sizes == QUICKSTART


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.yaml")), ids=lambda p: p.stem)
async def test_manifest_validates_and_plans_without_faults(path, shell):
    validated = await shell.run("validate", str(path))
    planned = await shell.run("plan", str(path), "--json")

    count = load_manifest(path).item_count
    notes = validated.err.splitlines()
    assert validated.code == 0
    assert [line for line in notes if not line.startswith("note: model_wan-")] == []
    assert all("used the table shipped with this version" in line for line in notes)
    assert f"{count} items, no faults" in validated.out
    assert planned.events[-1]["counts"]["submit"] == count


def test_every_shipped_manifest_is_run_above():
    assert {path.stem for path in MANIFESTS.glob("*.yaml")} == {
        "quickstart",
        "game-icons",
        "edit",
    }
