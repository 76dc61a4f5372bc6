"""Items with takes and steps: every command counts them as items, and as jobs."""

import pytest
from knobs.world import HEAD

TAKES = f"""{HEAD}items:
  - {{id: hero, prompt: a fox, takes: 2}}
  - id: pose
    prompt: an owl
    steps: [{{name: cut, model: model_birefnet-background-removal, input: image}}]
  - {{id: oak, prompt: an oak}}
"""
OTHER = "version: 1\nmodel: model_wan-2-7-image\nitems: [{id: elm, prompt: elm}]\n"
COUNTED = "3 items, 5 jobs"


@pytest.fixture
async def made(place):
    """An item with two takes, one with a step, and one with neither; all are made."""
    (place.folder / "knobs.yaml").write_text(TAKES)
    assert (await place.type("run", "--yes")).code == 0
    return place


async def test_validate_and_doctor_count_as_plan_does(place):
    (place.folder / "knobs.yaml").write_text(TAKES)

    plan = await place.type("plan")
    valid = await place.command("validate", "knobs.yaml")
    told = await place.command("validate", "knobs.yaml", "--json")
    doctor = await place.command("doctor", "knobs.yaml", "-o", "out")

    assert COUNTED in plan.out
    assert valid.out == f"knobs.yaml: {COUNTED}, no faults\n"
    assert told.events[-1]["counts"] == {"items": 3, "jobs": 5}
    assert f"knobs.yaml: {COUNTED}" in doctor.out


async def test_doctor_says_that_a_ledger_has_jobs(made):
    doctor = await made.command("doctor", "knobs.yaml", "-o", "out")

    assert "ledger       5 jobs: 4 saved, 1 succeeded" in doctor.out


async def test_merge_counts_items_and_jobs(made):
    done = await made.command("merge", "out", "-o", "all", "--json")
    text = await made.command("merge", "out", "-o", "all")

    assert (done.events[-1]["items"], done.events[-1]["jobs"]) == (3, 5)
    assert f"1 folder → all: {COUNTED}, 0 files copied" in text.out


async def test_a_shard_of_takes_is_counted_in_jobs(place):
    (place.folder / "knobs.yaml").write_text(TAKES)

    done = await place.type("run", "--yes", "--shard", "1/1")

    assert "knobs, shard 1/1: 5 of 5 jobs →" in done.err


async def test_takes_that_move_are_no_files_of_the_new_one(made):
    done = await made.type("redo", "hero", "--yes")

    assert "1 saved in" in done.err


async def test_an_old_take_is_not_said_to_be_gone_from_the_manifest(made):
    await made.type("redo", "hero", "--yes")

    plan = await made.type("plan")
    status = await made.command("status", "knobs.yaml", "-o", "out")
    told = await made.command("status", "knobs.yaml", "-o", "out", "--json")

    assert "1 no longer wanted" in plan.out
    assert "no longer in the manifest" not in status.out
    assert told.events[-1]["orphans"] == 0


async def test_an_item_is_not_said_to_be_made_again_with_itself(made):
    (made.folder / "knobs.yaml").write_text(TAKES.replace("an owl", "a barn owl"))

    plan = await made.type("plan")

    assert "~ pose: prompt changed" in plan.out
    assert "\nmade again if pose" not in plan.out


async def test_manifests_that_are_done_cost_no_zero_files(made):
    (made.folder / "trees.yaml").write_text(OTHER)
    assert (await made.command("run", "knobs.yaml", "trees.yaml", "--yes")).code == 0

    plan = await made.command("plan", "knobs.yaml", "trees.yaml")

    assert "2 manifests, 4 items, 6 jobs: 6 done\n" in plan.out


async def test_manifests_with_stores_say_where_their_files_are(place):
    store = (place.folder / "files").as_uri()
    (place.folder / "knobs.yaml").write_text(f"store: {store}\n{TAKES}")
    (place.folder / "trees.yaml").write_text(OTHER)

    done = await place.command("run", "knobs.yaml", "trees.yaml", "--yes")
    plan = await place.command("plan", "knobs.yaml", "trees.yaml")

    assert done.code == 0
    assert f"2 manifests → {store}, output/trees" in done.err
    assert f"knobs: 4 saved, 1 made for later steps → {store}" in done.err
    assert f"knobs.yaml → {store}" in plan.out
    assert "the ledger was rebuilt" not in done.err


async def test_a_second_machine_that_finds_no_more_jobs_is_not_warned(place):
    store = (place.folder / "files").as_uri()
    shared = "--store", store, "--yes"
    (place.folder / "trees.yaml").write_text(OTHER)
    first = await place.command("run", "trees.yaml", "-o", "one", *shared)
    (place.folder / "trees.yaml").write_text(OTHER.replace("elm", "fir"))

    second = await place.command("run", "trees.yaml", "-o", "two", *shared)

    assert (first.code, second.code) == (0, 0)
    assert "the ledger was rebuilt" not in second.err


async def test_items_to_review_are_items_whatever_their_takes(place):
    checked = TAKES.replace("items:", "checks: {alpha: true}\nitems:")
    (place.folder / "knobs.yaml").write_text(checked)

    first = await place.type("run", "--yes")
    again = await place.type("run", "--json")

    assert "checks: 2 items to review" in first.err  # pose is cut out
    assert again.events[-1]["needs_review"] == 2
