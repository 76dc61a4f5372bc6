"""How every item of a manifest stands, for reports and for the result of a run."""

from pathlib import Path

from doubles.place import items

from pipeline.cli.loading import load_opened
from pipeline.operations.items import read_items

MANIFEST = Path(__file__).parents[2] / "manifests/character-sheet.yaml"


def read(manifest, output, *, emulate=False):
    loaded, store = load_opened(
        manifest, output=output, emulate=emulate, allow_outside=False, profile=""
    )
    found = []
    read_items(loaded, store, emulate=emulate, on_item=found.append)
    return {one.item_id: one for one in found}


async def test_a_new_item_is_not_submitted(place):
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")

    (one,) = read(place.folder / "knobs.yaml", place.output).values()

    assert (one.status, one.worst.reason, one.cost) == ("not_submitted", "new", 0)
    assert one.files == ()


async def test_a_saved_item_has_its_files_and_costs(place):
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")
    await place.type("run", "--yes")

    (one,) = read(place.folder / "knobs.yaml", place.output).values()

    assert (one.status, one.worst.reason) == ("saved", "")
    assert [file.path.is_file() for file in one.files] == [True]
    assert [file.sidecar.is_file() for file in one.files] == [True]
    assert one.cost > 0


async def test_an_item_has_a_short_repr(place):
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")
    await place.type("run", "--yes")

    (one,) = read(place.folder / "knobs.yaml", place.output).values()

    assert repr(one) == "<a: saved, 1 file, 6 units>"
    assert repr(one.takes) == "(<a: saved, 6 units>,)"


async def test_takes_and_steps_belong_to_their_item(place, tmp_path):
    manifest = tmp_path / "sheet.yaml"
    manifest.write_bytes(MANIFEST.read_bytes())
    found = read(manifest, tmp_path / "none", emulate=True)

    hero, pose = found["hero"], found["poses/running"]

    assert [take.number for take in hero.takes] == [1, 2, 3, 4]
    assert [take.is_chosen for take in hero.takes] == [True, False, False, False]
    assert [step.job_id for step in pose.steps] == [
        "poses/running+cutout",
        "poses/running+large",
    ]
    assert list(found) == ["hero", "poses/running", "poses/aiming", "poses/resting"]
