"""Takes of an item from the command line: made, chosen, moved, killed, checked out."""

import hashlib
import json
import shutil

import pytest
from doubles.shell import sidecars_in

from pipeline.errors import ExitCode

HERO = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
items:
  - {id: hero, prompt: a hero, takes: 4}
"""


@pytest.fixture
def studio(real, emulator):
    """A shell beside a service that counts, with a manifest of one item."""
    real.write(HERO)
    real.emulator = emulator
    return real


def paid(studio):
    return int(studio.emulator.counters()["jobs_made"])


def files(studio):
    """The item that made each file, by its path, checked against its sidecar."""
    found = {}
    for path, sidecar in sidecars_in(studio.output).items():
        data = (studio.output / path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sidecar["sha256"]
        found[path] = sidecar["item_id"]
    return found


async def ran(studio, *arguments, code=ExitCode.OK, **environment):
    done = await studio.run(*arguments, **environment)
    assert done.code == code, done
    return done


FIRST = {
    "hero.png": "hero",
    "hero@2.png": "hero@2",
    "hero@3.png": "hero@3",
    "hero@4.png": "hero@4",
}
SECOND = {
    "hero.png": "hero@2",
    "hero@1.png": "hero",
    "hero@3.png": "hero@3",
    "hero@4.png": "hero@4",
}


async def test_more_takes_are_paid_for_alone(studio):
    studio.write(HERO.replace(", takes: 4", ""))
    await ran(studio, "run", "trees.yaml", "--yes")
    assert paid(studio) == 1
    before = (studio.output / "hero.png").read_bytes()

    studio.write(HERO)
    await ran(studio, "run", "trees.yaml", "--yes")

    assert paid(studio) == 4
    assert files(studio) == FIRST
    assert (studio.output / "hero.png").read_bytes() == before
    seeds = {one["seed"] for one in sidecars_in(studio.output).values()}
    assert len(seeds) == 4


async def test_the_chosen_take_has_the_name_of_the_item(studio):
    await ran(studio, "run", "trees.yaml", "--yes")
    bytes_before = {
        item: (studio.output / path).read_bytes()
        for path, item in files(studio).items()
    }

    done = await ran(studio, "pick", "trees.yaml", "hero", "2", "--json")

    assert done.of("take") == [
        {
            "event": "take",
            "item_id": "hero",
            "take": 2,
            "decision": "chosen",
            "chosen": True,
            "files": ["hero.png"],
        }
    ]
    assert files(studio) == SECOND
    for path, item in SECOND.items():
        assert (studio.output / path).read_bytes() == bytes_before[item]
    again = await ran(studio, "run", "trees.yaml", "--json")
    assert again.events[-1]["counts"] == {"done": 4, "skipped": 0}

    await ran(studio, "pick", "trees.yaml", "hero", "1")
    assert files(studio) == FIRST
    assert paid(studio) == 4


async def test_a_run_moves_the_files_that_somebody_else_has_chosen(studio):
    await ran(studio, "run", "trees.yaml", "--yes")
    shutil.copytree(studio.output, studio.folder / "before")
    await ran(studio, "pick", "trees.yaml", "hero", "2")
    shutil.rmtree(studio.output)
    (studio.folder / "before").rename(studio.output)
    assert files(studio) == FIRST

    plan = await ran(studio, "plan", "trees.yaml", "--json")
    reasons = {one["item_id"]: one["reason"] for one in plan.of("item")}
    assert reasons == {
        "hero": "not chosen: its files move to hero@1",
        "hero@2": "chosen: its files move to hero",
        "hero@3": "done",
        "hero@4": "done",
    }
    done = await ran(studio, "run", "trees.yaml", "--json")

    assert done.events[-1]["counts"] == {"renamed": 2, "done": 2}
    assert files(studio) == SECOND
    assert paid(studio) == 4


@pytest.mark.parametrize("keeps_ledger", [True, False])
async def test_a_fresh_checkout_pays_nothing(studio, keeps_ledger):
    await ran(studio, "run", "trees.yaml", "--yes")
    await ran(studio, "pick", "trees.yaml", "hero", "2")
    if not keeps_ledger:
        for path in studio.output.glob("ledger.*"):
            path.unlink()
        (studio.folder / "trees.yaml.lock").unlink()

    done = await ran(studio, "run", "trees.yaml", "--json")

    assert done.events[-1]["counts"]["done"] == 4
    assert files(studio) == SECOND
    assert paid(studio) == 4


async def test_without_the_review_file_take_1_is_the_chosen_one_again(studio):
    await ran(studio, "run", "trees.yaml", "--yes")
    await ran(studio, "pick", "trees.yaml", "hero", "2")
    (studio.folder / "trees.review.yaml").unlink()

    await ran(studio, "run", "trees.yaml")

    assert files(studio) == FIRST
    assert paid(studio) == 4


@pytest.mark.parametrize(
    "point",
    [
        "review-written",
        "rename-file-placed",
        "rename-file-placed:2",
        "move-recorded",
        "move-recorded:2",
    ],
)
async def test_a_pick_that_is_killed_anywhere_is_finished_by_the_next_run(
    studio, point
):
    await ran(studio, "run", "trees.yaml", "--yes")

    killed = await studio.run(
        "pick", "trees.yaml", "hero", "2", PIPELINE_FAULT_POINT=point
    )
    assert killed.code < 0
    await ran(studio, "run", "trees.yaml")

    assert files(studio) == SECOND
    assert paid(studio) == 4
    assert "4 ok" in (await ran(studio, "verify", "output/trees")).out


@pytest.mark.parametrize("point", ["rename-file-placed", "move-recorded"])
async def test_a_killed_pick_and_a_lost_ledger_cost_nothing(studio, point):
    await ran(studio, "run", "trees.yaml", "--yes")
    await studio.run("pick", "trees.yaml", "hero", "2", PIPELINE_FAULT_POINT=point)
    for path in studio.output.glob("ledger.*"):
        path.unlink()
    (studio.folder / "trees.yaml.lock").unlink()

    await ran(studio, "run", "trees.yaml")

    assert paid(studio) == 4
    assert {path: files(studio)[path] for path in SECOND} == SECOND


async def test_the_chosen_take_stays_when_no_takes_are_asked_for(studio):
    await ran(studio, "run", "trees.yaml", "--yes")
    await ran(studio, "pick", "trees.yaml", "hero", "2")
    chosen = (studio.output / "hero.png").read_bytes()
    studio.write(HERO.replace(", takes: 4", ""))

    done = await ran(studio, "run", "trees.yaml", "--json")

    assert done.events[-1]["counts"]["done"] == 1
    assert (studio.output / "hero.png").read_bytes() == chosen
    assert paid(studio) == 4


async def test_a_choice_about_other_bytes_counts_no_longer(studio):
    await ran(studio, "run", "trees.yaml", "--yes")
    await ran(studio, "pick", "trees.yaml", "hero", "2")
    studio.write(HERO.replace("a hero", "an old hero"))

    plan = await ran(studio, "plan", "trees.yaml")
    said = "the choice of take 2 of hero counts no longer: it is made again"
    assert said in plan.err
    await ran(studio, "run", "trees.yaml", "--yes")

    assert paid(studio) == 8
    assert files(studio) == FIRST
    status = await ran(studio, "status", "trees.yaml")
    assert "choice of take 2 of hero counts no longer" in status.out


SET = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
items:
  - {id: hero, prompt: a hero, params: {numOutputs: 3}, choose: one}
  - {id: hero-2, prompt: another}
"""


async def test_of_the_outputs_of_a_job_one_is_chosen(studio):
    studio.write(SET)
    await ran(studio, "run", "trees.yaml", "--yes")
    names = ["hero-2.png", "hero.png", "hero@1-2.png", "hero@1-3.png"]
    assert sorted(files(studio)) == names
    third = (studio.output / "hero@1-3.png").read_bytes()

    picked = await ran(studio, "pick", "trees.yaml", "hero", "3")

    assert picked.out == "hero: output 3 of take 1 is chosen (hero.png)\n"
    assert sorted(files(studio)) == ["hero-2.png", "hero.png", "hero@1-1.png", names[2]]
    assert (studio.output / "hero.png").read_bytes() == third
    await ran(studio, "reject", "trees.yaml", "hero")
    await ran(studio, "approve", "trees.yaml", "hero@1-2", "hero-2")
    await ran(studio, "check", "trees.yaml", "--approved", code=ExitCode.ITEMS_FAILED)
    picked = await ran(studio, "pick", "trees.yaml", "hero", "1-2", "--json")
    [event] = picked.events
    assert (event["take"], event["output"], event["files"]) == (1, 2, ["hero.png"])
    await ran(studio, "check", "trees.yaml", "--approved")
    done = await ran(studio, "run", "trees.yaml", "--json")
    assert done.events[-1]["counts"]["done"] == 2
    assert paid(studio) == 2


async def test_outputs_that_become_takes_are_moved_and_back(studio):
    plain = SET.replace(", choose: one", "").replace("id: hero-2", "id: elm")
    studio.write(plain)
    await ran(studio, "run", "trees.yaml", "--yes")
    before = {path: (studio.output / path).read_bytes() for path in files(studio)}
    assert sorted(before) == ["elm.png", "hero-1.png", "hero-2.png", "hero-3.png"]

    studio.write(SET.replace("id: hero-2", "id: elm"))
    await ran(studio, "run", "trees.yaml")
    assert sorted(files(studio))[1:] == ["hero.png", "hero@1-2.png", "hero@1-3.png"]
    assert (studio.output / "hero.png").read_bytes() == before["hero-1.png"]

    studio.write(plain)
    await ran(studio, "run", "trees.yaml")
    assert {path: (studio.output / path).read_bytes() for path in before} == before
    assert paid(studio) == 2


async def test_a_broken_review_file_is_refused_with_its_place(studio):
    (studio.folder / "trees.review.yaml").write_text(
        "version: 1\nitems:\n<<<<<<< HEAD\n  hero: {}\n=======\n>>>>>>> b\n"
    )

    done = await ran(studio, "run", "trees.yaml", "--yes", code=ExitCode.USAGE)

    assert "trees.review.yaml:3:1: a merge has left a conflict marker here" in done.err
    assert paid(studio) == 0


async def test_decisions_about_emulated_files_stay_with_them(studio):
    await ran(studio, "run", "trees.yaml", "--emulate")
    await ran(studio, "pick", "trees.yaml", "hero", "2", "--emulate")

    folder = studio.folder / "output" / "trees.emulated"
    assert json.loads((folder / "hero.png.json").read_text())["item_id"] == "hero@2"
    assert not (studio.folder / "trees.review.yaml").exists()
    done = await ran(studio, "run", "trees.yaml", "--emulate", "--json")
    assert done.events[-1]["counts"]["done"] == 4


@pytest.mark.parametrize("was", [", was: hero", ""])
@pytest.mark.parametrize("takes", [", takes: 4", ""])
async def test_the_chosen_take_stays_the_chosen_one_under_a_new_name(
    studio, was, takes
):
    await ran(studio, "run", "trees.yaml", "--yes")
    await ran(studio, "pick", "trees.yaml", "hero", "2")
    chosen = (studio.output / "hero.png").read_bytes()
    studio.write(
        HERO.replace("id: hero", f"id: knight{was}").replace(", takes: 4", takes)
    )

    await ran(studio, "run", "trees.yaml", "--yes")

    assert paid(studio) == 4
    assert (studio.output / "knight.png").read_bytes() == chosen
    assert files(studio) == {
        path.replace("hero", "knight"): item.replace("hero", "knight")
        for path, item in SECOND.items()
    }
    studio.write((studio.folder / "trees.yaml").read_text().replace(was, ""))
    done = await ran(studio, "run", "trees.yaml", "--json")
    assert done.events[-1]["counts"]["done"] == (4 if takes else 1)
    assert (studio.output / "knight.png").read_bytes() == chosen
    assert "hero" not in (studio.folder / "trees.review.yaml").read_text()


async def test_a_take_becomes_an_item_under_a_name_of_its_own(studio):
    await ran(studio, "run", "trees.yaml", "--yes")
    second = (studio.output / "hero@2.png").read_bytes()
    studio.write(
        HERO.replace("hero, prompt", "knight, was: hero@2, prompt", 1).replace(
            ", takes: 4", ""
        )
    )

    await ran(studio, "run", "trees.yaml")

    assert (studio.output / "knight.png").read_bytes() == second
    assert paid(studio) == 4


async def test_which_of_several_items_it_was_is_asked_before_anything_is_paid(studio):
    studio.write(
        HERO.replace("id: hero, ", "id: 'hero-take${n}', ").replace(
            "takes: 4", "matrix: {n: [1, 2, 3, 4]}"
        )
    )
    await ran(studio, "run", "trees.yaml", "--yes")
    second = (studio.output / "hero-take2.png").read_bytes()
    one = HERO.replace(", takes: 4", "")
    studio.write(one)

    done = await ran(studio, "run", "trees.yaml", "--yes", code=ExitCode.USAGE)
    assert "hero may be one of hero-take1, hero-take2, hero-take3" in done.err
    plan = await ran(studio, "plan", "trees.yaml", "--json")
    assert [item["action"] for item in plan.of("item")] == ["ask"]
    assert paid(studio) == 4
    assert "hero-take2.png" in files(studio)

    studio.write(one.replace("id: hero, ", "id: hero, was: hero-take2, "))
    await ran(studio, "run", "trees.yaml")
    assert (studio.output / "hero.png").read_bytes() == second
    assert paid(studio) == 4
