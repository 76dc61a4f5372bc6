"""Links and pipes in the output folder: none is followed or waited for.

Each case: no hang, no traceback, the exit code as documented, nothing read or written
outside of the folders, and no secret in what is said.
"""

import os
import sys

import pytest
from doubles.hostile_files import AN_OAK, CANARY, REFERENCE, link, open_socket, write
from doubles.place import everything_in, items

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links")

PLACES = [
    "ledger.sqlite3",
    "ledger.sqlite3-wal",
    "ledger.sqlite3-shm",
    "ledger.sqlite3-journal",
    "ledger.lock",
]


@pytest.mark.parametrize("target", ["precious.txt", "new.txt", "theirs.sqlite3"])
@pytest.mark.parametrize("name", PLACES)
async def test_a_file_of_ours_that_is_a_link_is_not_followed(
    name, target, place, hostile, outside
):
    place.output.mkdir()
    link(place.output, name, outside / target)
    commands = [("run", "--yes"), ("fetch",)]
    if name == "ledger.sqlite3":  # without one, who only reads opens none of them
        commands += [("plan",), ("status",)]

    await hostile(11, *commands, says=f"{name} is a link that leads outside")


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device"])
@pytest.mark.parametrize("name", ["ledger.sqlite3", "ledger.lock"])
async def test_a_file_of_ours_that_is_none_is_not_waited_for(
    name, kind, place, hostile
):
    path = place.output / name
    place.output.mkdir()
    make = {
        "pipe": lambda: os.mkfifo(path),
        "socket": lambda: open_socket(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/full"),
    }
    make[kind]()

    await hostile(11, ("run", "--yes"), says=name)


@pytest.mark.parametrize("name", ["emulator.jsonl", "emulator.jsonl.files"])
@pytest.mark.parametrize("kind", ["link", "pipe", "wrong", "words"])
async def test_the_emulator_s_state_is_not_followed(
    name, kind, place, hostile, outside
):
    path = place.output / name
    place.output.mkdir()
    if kind == "link":
        path.symlink_to(outside / ("deep" if "files" in name else "new.jsonl"))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.write_text('["list"]\n' if kind == "wrong" else "words\n")

    await hostile(11, ("run", "--emulate"), says=name)


async def test_what_is_linked_among_the_emulator_s_files_is_not_written_to(
    place, outside
):
    write(place.folder, "knobs.yaml", REFERENCE)
    assert (await place.type("validate")).code in {0, 2}
    from pipeline.emulator.journal import FileStore

    store = FileStore(place.output / "files")
    store.put("one", b"ours")
    link(place.output / "files", "two.part", outside / "precious.txt")
    link(place.output / "files", "three", outside / "precious.txt")

    store.put("two", b"more of ours")

    assert CANARY in (outside / "precious.txt").read_text()
    assert store.get("two") == b"more of ours"
    assert store.get("three") is None


async def test_a_linked_folder_of_items_is_refused_before_anything_is_paid(
    place, hostile, outside
):
    place.output.mkdir()
    link(place.output, "sub", outside / "deep")
    write(place.folder, "knobs.yaml", AN_OAK.replace("id: a,", "id: sub/deeper/oak,"))

    await hostile(11, says="leads outside of the output folder")


async def test_a_linked_partial_folder_beside_a_plan_is_not_written_through(
    place, outside
):
    write(place.folder, "knobs.yaml", AN_OAK)
    link(place.folder, ".partial", outside / "deep")
    before = everything_in(outside)

    said = await place.type("plan", "--out", str(place.folder / "agreed.plan"))

    assert said.code == 11
    assert "is a link" in said.err
    assert everything_in(outside) == before


async def test_assets_that_are_links_are_neither_read_nor_kept_as_copies(
    place, outside
):
    await place.play(AN_OAK)
    (place.output / "a.png").unlink()
    link(place.output, "a.png", outside / "precious.txt")
    write(place.folder, "knobs.yaml", items("an old oak"))

    verified = await place.command("verify", place.output)
    why = await place.type("why", "a")
    ran = await place.type("run", "--yes", "--keep-old")

    assert verified.code == 3
    assert "leads outside of the output folder" in verified.out
    assert "leads outside of the output folder" in why.out
    assert ran.code == 0, ran.err
    assert not (place.output / "a.png").is_symlink()
    assert list(place.output.glob("*.old-*")) == []
    assert CANARY in (outside / "precious.txt").read_text()
    await place.check_files()


@pytest.mark.parametrize("name", ["b.png", "b.png.json"])
async def test_a_pipe_where_a_renamed_file_shall_go_is_not_waited_for(name, place):
    await place.play(AN_OAK)
    os.mkfifo(place.output / name)
    write(place.folder, "knobs.yaml", AN_OAK.replace("id: a,", "id: b,"))

    said = await place.type("run", "--yes")
    why = await place.type("why", "b")
    pruned = await place.type("prune", "--yes")

    assert said.code in {3, 11}, said.err
    assert {why.code, pruned.code} <= {0, 2, 3, 11}
    assert "Traceback" not in said.err + why.err + pruned.err
    assert place.paid == 1
