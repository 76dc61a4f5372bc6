"""Hostile things in the output folder: nothing outside is touched, nothing is lost."""

import json
import os
import sys

import pytest
from doubles.place import everything_in, items

from pipeline import ExitCode
from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.storage.atomic_file import PARTIAL_FOLDER

LINKS = pytest.mark.skipif(sys.platform == "win32", reason="makes links")
AN_OAK = items("an oak")
IN_FOLDER = AN_OAK.replace("id: a,", "id: sub/oak,")


@pytest.fixture
def outside(tmp_path):
    """A folder that is none of our business."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious.txt").write_text("precious")
    (folder / "oak.png").write_bytes(b"precious")
    return folder


def state_of(folder):
    return folder.stat().st_mtime_ns, everything_in(folder)


# --- links


@LINKS
async def test_a_linked_sub_folder_is_refused_and_nothing_leaves_the_output(
    place, outside
):
    place.output.mkdir()
    (place.output / "sub").symlink_to(outside, target_is_directory=True)
    before = state_of(outside)

    refused = await place.play(IN_FOLDER)
    harm = state_of(outside) != before
    (place.output / "sub").unlink()
    mended = await place.play(IN_FOLDER)

    assert not harm
    assert refused.code is ExitCode.STORAGE
    assert "leads outside of the output folder" in refused.error.message
    assert mended.code is ExitCode.OK
    assert place.paid == 1
    await place.check_files()


@LINKS
async def test_a_folder_that_is_not_there_is_not_made_beyond_a_link(place, outside):
    place.output.mkdir()
    (place.output / "sub").symlink_to(outside, target_is_directory=True)
    before = state_of(outside)

    refused = await place.play(AN_OAK.replace("id: a,", "id: sub/deep/oak,"))

    assert refused.code is ExitCode.STORAGE
    assert state_of(outside) == before


@LINKS
@pytest.mark.parametrize("name", ["a.png", "a.png.json"])
async def test_a_link_in_place_of_a_file_is_replaced_and_its_target_kept(
    name, place, outside
):
    place.output.mkdir()
    (place.output / name).symlink_to(outside / "precious.txt")
    before = state_of(outside)

    played = await place.play(AN_OAK)

    assert played.code is ExitCode.OK
    assert not (place.output / name).is_symlink()
    assert state_of(outside) == before
    await place.check_files()


@LINKS
async def test_a_superseded_asset_that_became_a_link_is_not_followed(place, outside):
    await place.play(AN_OAK)
    copy = outside / "copy.png"
    (place.output / "a.png").rename(copy)
    (place.output / "a.png").symlink_to(copy)

    await place.play(items("an old oak [jpeg]"))

    assert copy.is_file()
    await place.check_files()


@LINKS
async def test_a_linked_partial_folder_is_not_written_through(place, outside):
    place.output.mkdir()
    (place.output / PARTIAL_FOLDER).symlink_to(outside, target_is_directory=True)
    before = state_of(outside)

    played = await place.play(AN_OAK)

    assert state_of(outside) == before
    assert played.code is ExitCode.OK
    await place.check_files()


@LINKS
async def test_an_output_folder_that_is_a_link_itself_is_the_users_wish(place, outside):
    place.output.symlink_to(outside, target_is_directory=True)

    played = await place.play(AN_OAK)

    assert played.code is ExitCode.OK
    assert (outside / "a.png").is_file()
    assert (outside / "precious.txt").read_text() == "precious"


# --- names


async def test_names_that_differ_only_in_case_are_refused_before_anything_is_priced(
    place,
):
    text = items("an oak", "an elm").replace("id: a,", "id: Tree,")
    played = await place.play(text.replace("id: b,", "id: tree,"))

    assert played.code is ExitCode.USAGE
    assert "tree" in str(played.error).lower()
    assert place.counters["requests"] == {"model": 1}


async def test_an_id_that_is_anothers_folder_in_another_case_is_refused(place):
    text = items("an oak", "an elm").replace("id: a,", "id: Sub/tree,")
    played = await place.play(text.replace("id: b,", "id: sub/tree,"))

    assert played.code is ExitCode.USAGE
    assert place.counters["requests"] == {"model": 1}


async def test_a_file_in_place_of_a_folder_is_one_message_and_loses_nothing(place):
    place.output.mkdir()
    (place.output / "sub").write_text("a file of the user's")

    refused = await place.play(IN_FOLDER)
    kept = (place.output / "sub").read_text()
    (place.output / "sub").unlink()
    mended = await place.play(IN_FOLDER)

    assert refused.code is ExitCode.STORAGE
    assert kept == "a file of the user's"
    assert mended.code is ExitCode.OK
    assert place.paid == 1


async def test_a_folder_in_place_of_an_asset_is_one_message_and_loses_nothing(place):
    (place.output / "a.png").mkdir(parents=True)
    (place.output / "a.png" / "mine").write_text("mine")

    refused = await place.play(AN_OAK)
    kept = (place.output / "a.png" / "mine").read_text()
    (place.output / "a.png" / "mine").unlink()
    (place.output / "a.png").rmdir()
    mended = await place.play(AN_OAK)

    assert refused.code is ExitCode.STORAGE
    assert kept == "mine"
    assert mended.code is ExitCode.OK
    assert place.paid == 1


# --- sidecars that are none, or lie


def a_lie(**changes):
    """A sidecar with the right keys and these values."""

    def change(sidecar):
        return json.dumps({**sidecar, **changes}).encode()

    return change


HOSTILE = {
    "no-json": lambda _car: b"{",
    "a-list": lambda _car: b"[]",
    "a-number": lambda _car: b"1e999",
    "empty": lambda _car: b"",
    "no-text": lambda _car: b"\xff\xfe\x00{",
    "no-text-inside": lambda car: json.dumps(car).encode().replace(b"oak", b"\xff\xff"),
    "deep": lambda _car: b"[" * 200_000,
    "deep-inside": lambda car: (
        json.dumps(car)
        .encode()
        .replace(b'"echo": {}', b'"echo": {"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}")
    ),
    "large": lambda _car: b'{"schema": "' + b"x" * 3_000_000 + b'"}',
    "another-schema": a_lie(schema="scenario-pipeline/sidecar/99"),
    "wrong-types": a_lie(attempts="one"),
    "huge-size": a_lie(size_bytes=10**30),
    "huge-attempts": a_lie(attempts=10**30),
    "huge-seed": a_lie(seed=10**30),
    "huge-index": a_lie(output_index=10**30),
    "huge-width": a_lie(width_px=2**64),
    "negative-index": a_lie(output_index=-1),
    "infinite-cost": lambda car: (
        json.dumps({**car, "cost": {"charged": "CUT"}})
        .encode()
        .replace(b'"CUT"', b"1e999")
    ),
    "surrogate": a_lie(author_id="\ud800"),
    "nul": a_lie(author_id="\x00"),
    "escaping-id": a_lie(item_id="../../evil"),
    "absolute-id": a_lie(item_id="/tmp/evil"),
    "no-dates": a_lie(submitted_at=None, finished_at=None, saved_at=None),
    "no-zone": a_lie(submitted_at="2026-01-01T00:00:00"),
    "far-future": a_lie(submitted_at="9999-12-31T23:59:59.999Z"),
    "first-year": a_lie(submitted_at="0001-01-01T00:00:00.000Z"),
}

BAD_NUMBERS = {
    "wrong-types",
    "huge-size",
    "huge-attempts",
    "huge-seed",
    "huge-index",
    "huge-width",
    "negative-index",
    "infinite-cost",
    "far-future",
    "first-year",
    "no-zone",
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_hostile_sidecar_harms_neither_rebuilding_nor_verifying(kind, place):
    text = items("an oak", "an elm")
    await place.play(text)
    sidecar = place.sidecars()["a.png"]
    hostile = HOSTILE[kind]({**sidecar, "job_id": "job_evil", "item_id": "x"})
    if kind.endswith("-id"):
        hostile = HOSTILE[kind]({**sidecar, "job_id": "job_evil"})
    (place.output / "x.png.json").write_bytes(hostile)
    (place.output / "x.png").write_bytes((place.output / "a.png").read_bytes())
    place.lose_ledger()

    said = await place.type("status")
    played = await place.play(text)
    verified = await place.command("verify", place.output, "--json")

    if kind in BAD_NUMBERS:  # nobody knows what to count for it
        assert said.code == played.code == ExitCode.USAGE
        assert "x.png.json has an impossible value" in played.error.message
    else:
        assert said.code == 0, said.err
        assert played.code is ExitCode.OK
        assert played.result.counts["done"] == 2
    assert place.paid == 2
    assert verified.code in {0, 3}
    found = {
        line["path"]: line["finding"]
        for line in verified.events
        if line["event"] == "file"
    }
    assert (found["a.png"], found["b.png"]) == ("ok", "ok")
    assert not (place.folder.parent / "evil.png").exists()


@LINKS
@pytest.mark.parametrize("name", [b"\xff\xfe.png", b"a\x1b[31m.png", b"a\n.png"])
async def test_a_file_name_that_is_no_text_is_shown_and_steers_nothing(name, place):
    await place.play(AN_OAK)
    for source in ("a.png", "a.png.json"):
        suffix = source.removeprefix("a.png")
        target = place.output / (os.fsdecode(name) + suffix)
        target.write_bytes((place.output / source).read_bytes())
    place.lose_ledger()

    played = await place.play(AN_OAK)
    verified = await place.command("verify", place.output)
    lines = await place.command("verify", place.output, "--json")

    assert (played.code, place.paid) == (ExitCode.OK, 1)
    assert verified.code == 0
    assert lines.events[-1]["counts"]["ok"] == 2
    assert not {"\x1b", "\udcff"} & set(verified.out + lines.out)


@LINKS
async def test_a_pipe_among_the_sidecars_does_not_hang_a_rebuild(place):
    await place.play(AN_OAK)
    os.mkfifo(place.output / "x.png.json")
    (place.output / "y.png.json").symlink_to("/dev/zero")
    place.lose_ledger()

    played = await place.play(AN_OAK)

    assert (played.code, place.paid) == (ExitCode.OK, 1)


async def test_a_stray_ledger_of_another_program_is_not_used(place):
    """An SQLite file that is none of ours is put aside as damaged, or refused."""
    import sqlite3

    place.output.mkdir()
    connection = sqlite3.connect(place.output / LEDGER_NAME)
    connection.execute("CREATE TABLE jobs (id, text)")
    connection.commit()
    connection.close()

    played = await place.play(AN_OAK)

    assert played.code in {ExitCode.OK, ExitCode.STORAGE}
    assert place.paid == (1 if played.code is ExitCode.OK else 0)
