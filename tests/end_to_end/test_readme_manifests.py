"""The shipped manifests under ``--emulate``: what the README promises of them."""

import json
import time
from pathlib import Path

import pytest
import trimesh
from doubles.shell import sidecars_in
from PIL import Image

import pipeline
from pipeline.counting import items_and_jobs
from pipeline.manifest import expand, load_manifest

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


# A note about each of them, where no service can be asked.
UNKNOWN_WITHOUT_A_SERVICE = {"prop": ("model_rodin-hyper3d-v2-5",)}


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


async def test_the_poses_are_those_of_the_take_that_was_chosen(shell):
    path = str(MANIFESTS / "character-sheet.yaml")
    output = shell.folder / "output" / "character-sheet.emulated"

    async def ran(name, *rest):
        done = await shell.run(name, path, *rest, "--emulate")
        assert done.code == 0, done
        return done

    await ran("run", "--select", "hero")
    third = (output / "hero@3.png").read_bytes()
    await ran("pick", "hero", "3")
    assert (output / "hero.png").read_bytes() == third
    await ran("run")

    files = {one.name: one for one in output.glob("poses/*.webp")}
    assert files.keys() == {"running.webp", "aiming.webp", "resting.webp"}
    for file in files.values():
        with Image.open(file) as picture:
            assert (picture.format, picture.size) == ("WEBP", (2048, 2048))
            assert picture.getchannel("A").getextrema() == (0, 254)
    chosen = sidecars_in(output)["hero.png"]["asset_id"]
    journal = (output / "emulator.jsonl").read_text(encoding="utf-8")
    inputs = [
        json.dumps(json.loads(line)["record"].get("inputs", {}))
        for line in journal.splitlines()
    ]
    assert sum(chosen in one for one in inputs) == 3
    assert jobs_in(output) == 13

    # Another choice: the plan knows the whole price of the poses again.
    await ran("pick", "hero", "1")
    planned = (await ran("plan", "--json")).of("plan")[0]
    assert planned["cost"]["bound"] == 30
    assert planned["problems"] == []


async def test_a_prop_is_a_3d_model_with_its_preview(shell):
    path = str(MANIFESTS / "prop.yaml")
    output = shell.folder / "output" / "prop.emulated"

    done = await shell.run("run", path, "--emulate")
    again = await shell.run("run", path, "--emulate", "--json")

    assert done.code == 0, done
    assert jobs_in(output) == 4
    assert again.events[0]["to_submit"] == 0
    for prop in ("lantern", "chest"):
        mesh = trimesh.load_mesh(output / "props" / f"{prop}.glb")
        assert mesh.area > 0
        for picture in (f"props/{prop}.preview.webp", f"concepts/{prop}.png"):
            with Image.open(output / picture) as opened:
                opened.load()
        assert sidecars_in(output)[f"props/{prop}.preview.webp"]["role"] == "preview"


@pytest.mark.parametrize("path", sorted(MANIFESTS.glob("*.yaml")), ids=lambda p: p.stem)
async def test_manifest_validates_and_plans_without_faults(path, shell):
    validated = await shell.run("validate", str(path))
    planned = await shell.run("plan", str(path), "--json")

    jobs = [item.base for item in expand(load_manifest(path))]
    counted = items_and_jobs(len(set(jobs)), len(jobs))
    notes = validated.err.splitlines()
    assert validated.code == 0
    unknown = [line for line in notes if not line.startswith("note: model_wan-")]
    wanted = UNKNOWN_WITHOUT_A_SERVICE.get(path.stem, ())
    assert [one.split()[4] for one in unknown] == [*wanted]
    assert all("so they are not checked" in line for line in unknown)
    shipped = [line for line in notes if line.startswith("note: model_wan-")]
    assert all("used the table shipped with this version" in line for line in shipped)
    assert f": {counted}, no faults\n" in validated.out
    counts = planned.events[-1]["counts"]
    assert counts["submit"] + counts["wait"] == len(jobs)


def test_every_shipped_manifest_is_run_above():
    assert {path.stem for path in MANIFESTS.glob("*.yaml")} == {
        "quickstart",
        "game-icons",
        "edit",
        "character-sheet",
        "prop",
    }
