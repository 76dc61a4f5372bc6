"""``fetch``: what is paid for and missing comes back byte for byte; nothing is paid."""

import pytest
from doubles.place import items

from pipeline import ExitCode

TREES = ("an oak", "an elm")


@pytest.fixture
async def made(place):
    played = await place.play(items(*TREES))
    assert played.code is ExitCode.OK
    return place


def files_of(place):
    return {path.name: path.read_bytes() for path in place.output.glob("*.png*")}


async def test_a_deleted_file_comes_back_byte_for_byte_and_nothing_is_paid(made):
    before = files_of(made)
    (made.output / "a.png").unlink()

    said = await made.type("fetch")

    assert said.code == 0, said.err
    assert {n: d for n, d in files_of(made).items() if n.endswith(".png")} == {
        n: d for n, d in before.items() if n.endswith(".png")
    }
    assert made.submits == 2
    await made.check_files()


async def test_a_deleted_sidecar_comes_back_with_the_same_facts(made):
    before = made.sidecars()["a.png"]
    (made.output / "a.png.json").unlink()

    said = await made.type("fetch")

    after = made.sidecars()["a.png"]
    assert said.code == 0
    assert {key for key in before if after[key] != before[key]} <= {"saved_at"}
    assert made.submits == 2


async def test_new_and_changed_items_of_the_manifest_are_not_submitted(made):
    (made.output / "a.png").unlink()
    manifest = made.folder / "knobs.yaml"
    manifest.write_text(items("an oak", "another elm", "a fir"), encoding="utf-8")

    said = await made.type("fetch", "--json")

    assert said.code == 0
    assert said.events[-1]["counts"].get("not_submitted", 0) == 0
    assert (made.output / "a.png").is_file()
    assert not (made.output / "c.png").exists()
    assert made.submits == 2


async def test_failed_items_are_not_submitted(made):
    manifest = made.folder / "knobs.yaml"
    text = items(*TREES, "a fir [fail]")
    await made.play(text)
    manifest.write_text(text, encoding="utf-8")

    await made.type("fetch")

    assert made.submits == 3


async def test_with_nothing_missing_the_service_is_asked_for_its_table_alone(made):
    before = {**made.counters["requests"], "model": 0}

    said = await made.type("fetch")

    assert said.code == 0
    assert {**made.counters["requests"], "model": 0} == before


@pytest.mark.parametrize("lost", [["a.png"], ["a.png", "b.png"]], ids=len)
async def test_sidecars_alone_are_enough_without_a_ledger(made, lost):
    before = files_of(made)
    made.lose_ledger()
    for name in lost:
        (made.output / name).unlink()

    said = await made.type("fetch")

    assert said.code == 0, said.err
    assert all((made.output / name).read_bytes() == before[name] for name in lost)
    assert made.submits == 2


async def test_the_ledger_alone_is_enough_without_files_and_sidecars(made):
    before = files_of(made)
    for path in made.output.glob("*.png*"):
        path.unlink()

    said = await made.type("fetch")

    assert said.code == 0
    assert files_of(made).keys() == before.keys()
    assert made.submits == 2
    await made.check_files()


async def test_with_everything_gone_nothing_is_known_and_nothing_is_paid(made):
    made.lose_ledger()
    for path in made.output.glob("*.png*"):
        path.unlink()

    said = await made.type("fetch")

    assert said.code == 0
    assert files_of(made) == {}
    assert made.submits == 2


async def test_an_empty_file_counts_as_missing(made):
    before = files_of(made)["a.png"]
    (made.output / "a.png").write_bytes(b"")

    await made.type("fetch")

    assert (made.output / "a.png").read_bytes() == before


async def test_an_asset_that_the_service_has_deleted_fails_alone(place_of):
    async with place_of({"asset_retention_s": 30.0}) as place:
        await place.play(items("an oak"))
        (place.output / "a.png").unlink()
        place.clock._origin_s -= 10_000 / place.clock._speed
        played = await place.play(items("an oak"))

        assert played.code is ExitCode.ITEMS_FAILED
        assert played.result.counts == {"failed": 1}
        assert place.submits == 1
