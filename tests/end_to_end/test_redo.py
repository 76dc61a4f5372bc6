"""Rejecting, making again, bringing back and accepting, from the command line."""

import json
import shutil

import pytest
from doubles.shell import sidecars_in

from pipeline.errors import ExitCode
from pipeline.manifest.review_file import read_review

TWO = """\
version: 1
name: trees
model: model_wan-2-7-image
params: {size: 1K, thinkingMode: false}
items:
  - {id: elm, prompt: an elm}
  - {id: oak, prompt: an oak}
"""
REVIEW = "trees.review.yaml"


@pytest.fixture
async def studio(real, emulator):
    """A shell beside a service that counts, with two items that are made."""
    real.write(TWO)
    real.emulator = emulator
    await ran(real, "run", "trees.yaml", "--yes")
    return real


def counted(studio, name="jobs_made"):
    return int(studio.emulator.counters()[name])


def made_by(studio):
    return {
        path: sidecar["item_id"] for path, sidecar in sidecars_in(studio.output).items()
    }


def review(studio):
    return read_review(studio.folder / REVIEW)


async def ran(studio, *arguments, code=ExitCode.OK, **environment):
    done = await studio.run(*arguments, **environment)
    assert done.code == code, done
    return done


async def test_a_redo_of_two_items_submits_two_jobs_with_new_seeds(studio):
    old = {path: one["seed"] for path, one in sidecars_in(studio.output).items()}

    done = await ran(
        studio, "redo", "trees.yaml", "elm", "oak", "--yes", "--json", "--note", "dark"
    )

    assert counted(studio, "submits_received") == 4
    assert made_by(studio) == {
        "elm.png": "elm@2",
        "elm@1.png": "elm",
        "oak.png": "oak@2",
        "oak@1.png": "oak",
    }
    new = {path: one["seed"] for path, one in sidecars_in(studio.output).items()}
    assert new["elm@1.png"] == old["elm.png"] != new["elm.png"]
    assert len(set(new.values())) == 4
    item = review(studio).of("elm")
    assert (item.rejected[0].take, item.rejected[0].note) == (1, "dark")
    (added,) = item.added
    assert (added.take, added.replaces, added.seed) == (2, 1, new["elm.png"])
    assert [one["seed"] for one in done.of("take")] == [new["elm.png"], new["oak.png"]]

    again = await ran(studio, "run", "trees.yaml", "--json")
    assert again.events[-1]["counts"] == {"done": 2, "skipped": 0}


async def test_after_a_redo_a_fresh_checkout_pays_nothing(studio):
    await ran(studio, "redo", "trees.yaml", "elm", "--yes")
    for path in studio.output.glob("ledger.*"):
        path.unlink()
    (studio.folder / "trees.yaml.lock").unlink()

    await ran(studio, "run", "trees.yaml")

    assert counted(studio) == 3
    assert made_by(studio)["elm.png"] == "elm@2"


async def test_a_redo_that_nobody_agrees_to_records_nothing(studio):
    done = await ran(studio, "redo", "trees.yaml", "elm", code=ExitCode.USAGE)

    assert "add --yes" in done.err
    assert not (studio.folder / REVIEW).exists()
    assert (await ran(studio, "plan", "trees.yaml", "--detailed-exitcode")).code == 0


@pytest.mark.parametrize(
    ("point", "jobs"),
    [("review-written", 3), ("intent-recorded", 3), ("answer-received", 3)],
)
async def test_a_redo_that_is_killed_and_repeated_makes_one_take(studio, point, jobs):
    killed = await studio.run(
        "redo", "trees.yaml", "elm", "--yes", PIPELINE_FAULT_POINT=point
    )
    assert killed.code < 0
    if point == "review-written":
        await ran(studio, "redo", "trees.yaml", "elm", "--yes")
    else:
        await ran(studio, "run", "trees.yaml", "--yes", "--settle", "1")

    assert counted(studio) == jobs
    assert [one.take for one in review(studio).of("elm").added] == [2]
    assert made_by(studio)["elm.png"] == "elm@2"


async def test_a_seed_that_was_used_is_refused_with_the_name_of_its_take(studio):
    seed = sidecars_in(studio.output)["elm.png"]["seed"]

    done = await ran(
        studio,
        *("redo", "trees.yaml", "elm", "--yes", "--seed", str(seed)),
        code=ExitCode.USAGE,
    )

    assert f"--seed {seed} was used for elm:" in done.err
    assert counted(studio) == 2
    await ran(studio, "redo", "trees.yaml", "elm", "--yes", "--seed", "7")
    assert sidecars_in(studio.output)["elm.png"]["seed"] == 7


async def test_an_item_with_a_seed_of_its_own_can_be_made_again(studio):
    studio.write(TWO.replace("prompt: an elm", "prompt: an elm, params: {seed: 5}"))
    await ran(studio, "run", "trees.yaml", "--yes")

    await ran(studio, "redo", "trees.yaml", "elm", "--yes", "--seed", "6")
    assert sidecars_in(studio.output)["elm.png"]["seed"] == 6
    assert counted(studio) == 4
    again = await ran(studio, "run", "trees.yaml", "--json")
    assert again.events[-1]["counts"]["done"] == 2

    studio.write(TWO.replace("prompt: an elm", "prompt: an elm, params: {seed: 9}"))
    await ran(studio, "run", "trees.yaml", "--yes")
    assert sidecars_in(studio.output)["elm.png"]["seed"] == 9


async def test_pinning_the_seed_that_was_used_pays_nothing(studio):
    seed = sidecars_in(studio.output)["elm.png"]["seed"]
    pinned = f"prompt: an elm, params: {{seed: {seed}}}"
    studio.write(TWO.replace("prompt: an elm", pinned))

    done = await ran(studio, "run", "trees.yaml", "--json")
    assert done.events[-1]["counts"]["done"] == 2

    await ran(studio, "redo", "trees.yaml", "oak", "--yes", "--seed", "77")
    studio.write(TWO.replace("prompt: an oak", "prompt: an oak, params: {seed: 77}"))
    done = await ran(studio, "run", "trees.yaml", "--json")
    assert done.events[-1]["counts"]["done"] == 2
    assert counted(studio) == 3


async def test_a_take_that_was_replaced_is_brought_back_free(studio):
    before = (studio.output / "elm.png").read_bytes()
    await ran(studio, "redo", "trees.yaml", "elm", "--yes")
    (studio.output / "elm@1.png").unlink()

    await ran(studio, "restore", "trees.yaml", "elm", "--take", "1")

    assert (studio.output / "elm.png").read_bytes() == before
    assert made_by(studio)["elm@2.png"] == "elm@2"
    assert counted(studio) == 3
    (await ran(studio, "run", "trees.yaml", "--json"))
    assert (studio.output / "elm.png").read_bytes() == before
    picked = review(studio).of("elm").picked
    assert picked.sha256 == (sidecars_in(studio.output)["elm.png"]["sha256"],)


async def test_a_take_whose_files_were_pruned_is_brought_back_free(studio):
    before = (studio.output / "elm.png").read_bytes()
    await ran(studio, "redo", "trees.yaml", "elm", "--yes")
    await ran(studio, "prune", "trees.yaml", "--yes")
    assert "elm@1.png" not in made_by(studio)

    await ran(studio, "restore", "trees.yaml", "elm", "--take", "1")

    assert (studio.output / "elm.png").read_bytes() == before
    assert counted(studio) == 3


async def test_why_lists_the_takes_with_seed_price_and_decision(studio):
    seed = sidecars_in(studio.output)["elm.png"]["seed"]
    await ran(studio, "redo", "trees.yaml", "elm", "--yes", "--note", "too dark")

    done = await ran(studio, "why", "trees.yaml", "elm", "--json")

    first, second = done.of("history")
    assert (first["take"], first["wanted"], first["chosen"]) == (1, False, False)
    assert (first["seed"], first["charged"]) == (seed, second["charged"])
    assert first["decisions"][0].endswith(": too dark")
    assert first["decisions"][1] == "replaced by take 2"
    assert (second["wanted"], second["chosen"]) == (True, True)
    assert len(first["asset_ids"]) == 1
    text = (await ran(studio, "why", "trees.yaml", "elm")).out
    assert f"not wanted any more, seed {seed}" in text
    assert done.events[-1]["item_id"] == "elm@2"


async def test_a_take_that_was_never_made_cannot_be_brought_back(studio):
    done = await ran(
        studio, *("restore", "trees.yaml", "elm", "--take", "4"), code=ExitCode.USAGE
    )
    assert "take 4 of elm was never made" in done.err


@pytest.mark.parametrize("keeps_ledger", [True, False])
async def test_an_accepted_file_is_not_made_again(studio, keeps_ledger):
    studio.write(TWO.replace("an elm", "a fine elm"))
    plan = await ran(studio, "plan", "trees.yaml", "--json")
    assert [one["action"] for one in plan.of("item")] == ["submit", "done"]

    await ran(studio, "accept", "trees.yaml", "elm")
    if not keeps_ledger:
        for path in studio.output.glob("ledger.*"):
            path.unlink()
        (studio.folder / "trees.yaml.lock").unlink()

    done = await ran(studio, "run", "trees.yaml", "--json")
    assert done.events[-1]["counts"]["done"] == 2
    assert counted(studio) == 2
    studio.write(TWO.replace("an elm", "a very fine elm"))
    await ran(studio, "run", "trees.yaml", "--yes")
    assert counted(studio) == 3


async def test_only_what_was_rejected_is_made_again(studio):
    await ran(studio, "reject", "trees.yaml", "elm", "--note", "too small")
    done = await ran(studio, "run", "trees.yaml", "--yes", "--only", "rejected")
    assert "  next: edit the rejected items, then make them again: " in done.err
    studio.write(TWO.replace("an ", "a big "))

    await ran(studio, "run", "trees.yaml", "--yes", "--only", "rejected")

    prompts = {
        path: one["request"]["prompt"]
        for path, one in sidecars_in(studio.output).items()
    }
    assert prompts == {"elm.png": "a big elm", "oak.png": "an oak"}
    assert counted(studio) == 3
    done = await ran(studio, "plan", "trees.yaml", "--only", "approved", "--json")
    assert done.of("item") == []


async def test_the_gate_opens_once_every_item_is_approved(studio):
    check = ("check", "trees.yaml", "--approved", "--json")
    done = await ran(studio, *check, code=ExitCode.ITEMS_FAILED)
    assert [one["reason"] for one in done.of("approval")] == ["not approved yet"] * 2

    await ran(studio, "approve", "trees.yaml", "elm")
    await ran(studio, *check, code=ExitCode.ITEMS_FAILED)
    await ran(studio, "approve", "trees.yaml", "*")
    assert (await ran(studio, *check)).events[-1]["counts"] == {
        "approved": 2,
        "not_approved": 0,
    }

    with (studio.output / "oak.png").open("ab") as file:
        file.write(b"edited")
    done = await ran(studio, *check, code=ExitCode.ITEMS_FAILED)
    reasons = [one["reason"] for one in done.of("approval")]
    assert reasons == ["", "approved, but its file was edited since"]


async def test_the_gate_needs_no_ledger(studio):
    await ran(studio, "approve", "trees.yaml", "*")
    checkout = studio.folder / "checkout"
    shutil.copytree(studio.output, checkout)
    for path in checkout.glob("ledger.*"):
        path.unlink()
    arguments = ("check", "trees.yaml", "--approved", "--output", str(checkout))
    await ran(studio, *arguments)


async def test_what_is_not_made_cannot_be_judged(studio):
    studio.write(TWO + "  - {id: yew, prompt: a yew}\n")
    done = await ran(studio, "approve", "trees.yaml", "*", code=ExitCode.USAGE)
    assert "take 1 of yew is not there to be judged: new" in done.err
    done = await ran(studio, "pick", "trees.yaml", "elm", "3", code=ExitCode.USAGE)
    assert "elm has no take 3; it has 1" in done.err
    done = await ran(studio, "reject", "trees.yaml", "elk", code=ExitCode.USAGE)
    assert "did you mean 'elm'?" in done.err
    assert not (studio.folder / REVIEW).exists()


async def test_the_same_decision_gives_the_same_bytes(studio):
    await ran(studio, "approve", "trees.yaml", "oak", "elm")
    text = (studio.folder / REVIEW).read_text()
    assert text.index("  elm:") < text.index("  oak:")
    assert json.dumps(text)  # plain text
    assert text.startswith("# Decisions about the takes of trees.yaml.")
