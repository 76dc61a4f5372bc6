"""Sidecars and ledgers that say what cannot be: one message, nothing paid.

Each case: no hang, no traceback, the exit code as documented, nothing read or written
outside of the folders, and no secret in what is said.
"""

import json
import sqlite3
import sys

import pytest
from doubles.hostile_files import AN_OAK, write
from doubles.place import items

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")


# --- sidecars -----------------------------------------------------------------------


def changed(**values):
    return lambda record: json.dumps({**record, **values})


def charged(**values):
    def change(record):
        return json.dumps({**record, "cost": {**record["cost"], **values}})

    return change


def written(name, text):
    """A number as no encoder of ours would write it."""

    def change(record):
        spelled = json.dumps({**record, name: "CUT"})
        return spelled.replace('"CUT"', text)

    return change


SIDECARS = {
    "a negative charge": charged(charged=-1000),
    "a small negative charge": charged(charged=-0.5),
    "a charge of all there is": charged(charged=10**15),
    "an endless charge": lambda record: json.dumps(
        {**record, "cost": {"charged": "CUT"}}
    ).replace('"CUT"', "1e999"),
    "a charge that is no number": lambda record: json.dumps(
        {**record, "cost": {"charged": "CUT"}}
    ).replace('"CUT"', "NaN"),
    "a charge in words": charged(charged="six"),
    "a negative quote": charged(quoted=-1),
    "a negative add-on": charged(addons={"gate": -7}),
    "add-ons that are a list": charged(addons=[1]),
    "a negative size": changed(size_bytes=-1),
    "a huge size": changed(size_bytes=10**30),
    "an endless size": written("size_bytes", "9" * 6000),
    "output 0": changed(output_index=0),
    "a huge output": changed(output_index=10**30),
    "attempt 0": changed(attempts=0),
    "attempts in words": changed(attempts="one"),
    "attempts by half": changed(attempts=1.5),
    "attempts that are true": changed(attempts=True),
    "a huge seed": changed(seed=10**30),
    "a negative width": changed(width_px=-5),
    "the year 9999": changed(submitted_at="9999-12-31T23:59:59.999Z"),
    "the year 2090": changed(saved_at="2090-01-01T00:00:00.000Z"),
    "the year 1": changed(submitted_at="0001-01-01T00:00:00.000Z"),
    "no zone": changed(finished_at="2026-01-01T00:00:00"),
    "a time that is a number": changed(submitted_at=7),
}


@pytest.mark.parametrize("kind", SIDECARS)
async def test_a_sidecar_that_says_what_cannot_be_stops_before_anything_is_paid(
    kind, place, outside
):
    await place.play(AN_OAK)
    path = place.output / "a.png.json"
    sound = path.read_bytes()
    path.write_text(SIDECARS[kind](json.loads(sound)))
    place.lose_ledger()

    said = [await place.type(name) for name in ("plan", "status")]
    said += [await place.type("run", "--yes", "--max-cost", "6")]
    verified = await place.command("verify", place.output)
    path.write_bytes(sound)
    mended = await place.play(AN_OAK)

    assert {one.code for one in said} == {2}
    assert all("a.png.json has an impossible value" in one.err for one in said)
    assert not any("Traceback" in one.err for one in said)
    if kind != "the year 2090":  # it will come
        assert verified.code == 3
        assert "a.png.json" in verified.out
    assert mended.result.counts["done"] == 1
    assert place.paid == 1


async def test_of_two_sidecars_of_one_job_the_dearer_one_counts(place):
    await place.play(AN_OAK)
    record = place.sidecars()["a.png"]
    write(place.output, "copy/a.png.json", charged(charged=0)(record))
    write(place.output, "0/a.png.json", charged(charged=0)(record))
    place.lose_ledger()

    assert (await place.type("run", "--yes")).code == 0
    assert place.job("a").charged == record["cost"]["charged"]


async def test_a_sidecar_of_a_damaged_number_that_the_ledger_knows_is_not_needed(place):
    await place.play(AN_OAK)
    path = place.output / "a.png.json"
    path.write_text(charged(charged=-1000)(json.loads(path.read_bytes())))

    played = await place.play(AN_OAK)

    assert played.result.counts["done"] == 1


async def test_a_linked_sidecar_is_not_read_and_its_asset_not_paid_again(
    place, outside
):
    await place.play(AN_OAK)
    path = place.output / "a.png.json"
    path.rename(outside / "a.png.json")
    path.symlink_to(outside / "a.png.json")
    place.lose_ledger()

    refused = await place.type("run", "--yes")

    assert refused.code == 11
    assert "a.png.json is a link that leads outside" in refused.err
    assert "next: " in refused.err
    assert place.paid == 1


# --- the ledger ---------------------------------------------------------------------


@pytest.mark.parametrize("column", ["charged", "quoted", "refunded"])
async def test_a_ledger_with_negative_units_stops_before_anything_is_paid(
    column, place
):
    await place.play(AN_OAK)
    connection = sqlite3.connect(place.output / "ledger.sqlite3")
    connection.execute(f"UPDATE jobs SET {column} = '-1000'")
    connection.commit()
    connection.close()
    write(place.folder, "knobs.yaml", items("an oak", "an elm"))

    said = [
        await place.type("run", "--yes", "--max-cost", "6"),
        await place.type("run", "--yes", "--max-cost", "6"),
    ]

    assert [one.code for one in said] == [11, 11]
    assert all("has an impossible amount for job 1" in one.err for one in said)
    assert place.paid == 1
