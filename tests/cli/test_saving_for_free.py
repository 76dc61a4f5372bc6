"""A change of how files are saved: no submit, and no request if the original is here."""

import shutil

import pytest
from doubles.place import items

from pipeline import ExitCode
from pipeline.assets.originals import ORIGINALS_FOLDER

TREES = ("an oak", "an elm")
JPEG = "save: {format: jpeg}\n"


@pytest.fixture
async def made(place):
    text = items(*TREES).replace("items:", "save: {format: webp}\nitems:")
    played = await place.play(text)
    assert played.code is ExitCode.OK
    return place


def wish(place, saving):
    text = items(*TREES).replace("items:", f"{saving}items:")
    (place.folder / "knobs.yaml").write_text(text)


def asked(place):
    """Every request but the one for the model's table."""
    return {**place.counters["requests"], "model": 0}


@pytest.mark.parametrize("verb", ["run", "fetch"])
async def test_with_the_originals_nothing_is_asked(verb, made):
    before = asked(made)
    wish(made, JPEG)

    said = await made.type(verb)

    assert said.code == 0, said.err
    assert asked(made) == before
    assert {path.name for path in made.output.glob("*.jpg")} == {"a.jpg", "b.jpg"}
    assert list(made.output.glob("*.webp*")) == []
    assert made.paid == 2


async def test_without_them_each_file_is_downloaded_once(made):
    before = asked(made)
    shutil.rmtree(made.output / ORIGINALS_FOLDER)
    wish(made, JPEG)

    said = await made.type("run")

    after = asked(made)
    grown = {
        name: after[name] - before.get(name, 0)
        for name in after
        if after[name] != before.get(name, 0)
    }
    assert said.code == 0, said.err
    assert made.paid == 2
    assert grown == {"bulk": 1, "cdn": 2}


async def test_frozen_saves_too_for_it_pays_for_nothing(made):
    wish(made, JPEG)

    said = await made.type("run", "--frozen")

    assert said.code == 0, said.err
    assert {path.name for path in made.output.glob("*.jpg")} == {"a.jpg", "b.jpg"}


async def test_a_checkout_without_a_ledger_saves_anew_for_free(made):
    made.lose_ledger()
    before = made.counters["submits_received"]
    wish(made, JPEG)

    said = await made.type("run", "--yes")

    assert said.code == 0, said.err
    assert made.counters["submits_received"] == before
    assert {path.name for path in made.output.glob("*.jpg")} == {"a.jpg", "b.jpg"}
    assert list(made.output.glob("*.webp*")) == []


async def test_the_lock_file_keeps_the_hash_of_the_original(made):
    lock = made.folder / "knobs.yaml.lock"
    before = lock.read_text()
    assert before.count("original_sha256: ") == 2
    assert 'save: "{\\"format\\": \\"webp\\"}"' in before
    wish(made, JPEG)

    said = await made.type("run")

    assert "differs from the locked file" not in said.err
    hashes = [line for line in before.splitlines() if "original_sha256" in line]
    assert [
        line for line in lock.read_text().splitlines() if "original_sha256" in line
    ] == hashes


async def test_a_checkout_with_the_lock_file_alone_saves_as_wanted(made):
    (made.folder / "knobs.yaml.lock").rename(made.folder / "kept")
    shutil.rmtree(made.output)
    (made.folder / "kept").rename(made.folder / "knobs.yaml.lock")
    before = made.counters["submits_received"]

    said = await made.type("run", "--yes")

    assert said.code == 0, said.err
    assert made.counters["submits_received"] == before
    assert {path.name for path in made.output.glob("*.webp")} == {"a.webp", "b.webp"}
