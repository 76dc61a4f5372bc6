"""``prune``: what the manifest no longer has goes, nothing else does."""

import json
import os
import pty

import pytest
from doubles.pictures import png_of
from doubles.place import items
from doubles.shell import TREES
from filelock import FileLock

from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output.names import LOCK_NAME

TWO = ("an oak", "an elm")


@pytest.fixture
async def made(place):
    """Items ``a`` and ``b`` are made; the manifest has ``a`` alone now."""
    await place.play(items(*TWO))
    rewrite(place, items(*TWO[:1]))
    return place


def rewrite(place, text):
    (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")


def names(place):
    return sorted(
        path.relative_to(place.output).as_posix()
        for path in place.output.rglob("*.*g*")
    )


A, B = ["a.png", "a.png.json"], ["b.png", "b.png.json"]


async def test_without_a_terminal_it_lists_and_asks_for_yes(made):
    said = await made.type("prune")

    assert said.code == 2
    assert "- b: b.png" in said.err
    typed = f"pipeline prune {made.folder / 'knobs.yaml'} --output {made.output} --yes"
    assert typed in said.err
    assert names(made) == A + B


async def test_with_yes_the_files_of_what_is_gone_are_removed(made):
    said = await made.type("prune", "--yes")

    assert said.code == 0, said.err
    assert "- b: b.png" in said.out
    assert "1 file removed" in said.out
    assert names(made) == A


async def test_json_says_of_each_file_what_became_of_it(made):
    size = sum((made.output / name).stat().st_size for name in B)

    said = await made.type("prune", "--yes", "--json")

    file, done = said.events
    assert file == {
        "event": "file",
        "item_id": "b",
        "path": "b.png",
        "size_bytes": size,
        "removed": True,
        "detail": "",
    }
    assert done["counts"] == {"removed": 1, "kept": 0}
    assert (done["event"], done["exit_code"], done["size_bytes"]) == ("done", 0, size)


async def test_when_nothing_is_gone_it_asks_nothing(made):
    rewrite(made, items(*TWO))

    said = await made.type("prune")

    assert said.code == 0
    assert "nothing to remove" in said.out
    assert names(made) == A + B


async def test_an_item_that_comes_back_is_fetched_and_not_paid_again(made):
    await made.type("prune", "--yes")

    played = await made.play(items(*TWO))

    assert played.result.counts == {"done": 1, "saved": 1}
    assert made.paid == 2
    await made.check_files()


async def test_what_was_pruned_is_not_listed_again(made):
    await made.type("prune", "--yes")

    said = await made.type("prune", "--json")

    assert [event["event"] for event in said.events] == ["done"]


async def test_a_file_that_was_edited_by_hand_is_kept_and_said(made):
    (made.output / "b.png").write_bytes(b"an artist's work")

    said = await made.type("prune", "--yes")

    assert said.code == 0
    assert "b.png (kept, edited by hand)" in said.out
    assert names(made) == A + B


async def test_what_the_ledger_does_not_know_is_not_touched(made):
    theirs = made.output / "theirs.png"
    theirs.write_bytes(png_of("theirs"))
    (made.output / "theirs.png.json").write_text("{}")

    await made.type("prune", "--yes")

    assert theirs.exists()
    assert (made.output / "theirs.png.json").exists()


async def test_a_json_file_that_is_no_sidecar_keeps_its_neighbour(made):
    (made.output / "b.png.json").write_text('{"mine": 1}')

    said = await made.type("prune", "--yes")

    assert "is not its sidecar" in said.out
    assert names(made) == A + B


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
async def test_a_link_is_not_followed(made, tmp_path):
    outside = tmp_path / "outside.png"
    (made.output / "b.png").rename(outside)
    (made.output / "b.png").symlink_to(outside)

    await made.type("prune", "--yes")

    assert outside.exists()
    assert (made.output / "b.png").is_symlink()


async def test_a_renamed_item_is_not_gone(made):
    renamed = items(*TWO).replace("id: b,", "id: z,")
    rewrite(made, renamed)

    said = await made.type("prune", "--yes", "--json")
    played = await made.play(renamed)

    assert len(said.events) == 1
    assert played.result.counts == {"done": 1, "renamed": 1}
    assert made.paid == 2


async def test_kept_old_files_of_items_that_are_there_stay(made):
    changed = items("oaks")
    rewrite(made, changed)
    said = await made.type("run", "--yes", "--keep-old")
    assert said.code == 0, said.err

    await made.type("prune", "--yes")

    assert names(made) == ["a.old-1.png", "a.old-1.png.json", *A]


async def test_folders_that_are_emptied_go_and_others_stay(place):
    text = items(*TWO).replace("id: b,", "id: deep/down/b,")
    await place.play(text)
    (place.output / "empty").mkdir()
    rewrite(place, items(*TWO[:1]))

    await place.type("prune", "--yes")

    assert not (place.output / "deep").exists()
    assert (place.output / "empty").is_dir()


async def test_while_a_run_is_at_work_it_is_refused(made):
    with FileLock(made.output / LOCK_NAME):
        said = await made.type("prune", "--yes")

    assert said.code == 7
    assert names(made) == A + B


async def test_without_an_output_folder_nothing_is_made(place):
    rewrite(place, items(*TWO))

    said = await place.type("prune")

    assert said.code == 0
    assert not place.output.exists()


async def test_it_works_from_the_sidecars_when_the_ledger_is_lost(made):
    made.lose_ledger()

    said = await made.type("prune", "--yes")

    assert said.code == 0, said.err
    assert names(made) == A


async def test_a_faulty_manifest_removes_nothing(made):
    rewrite(made, items(*TWO[:1]).replace("prompt", "promt"))

    said = await made.type("prune", "--yes")

    assert said.code == 2
    assert names(made) == A + B


async def test_emulated_work_is_pruned_in_its_own_folder(shell):
    shell.write(TREES)
    await shell.run("run", "trees.yaml", "--emulate")
    shell.write(TREES.replace("oak, ", ""))

    done = await shell.run("prune", "trees.yaml", "--emulate", "--yes")

    folder = shell.folder / "output" / "trees.emulated"
    assert done.code == 0, done.err
    assert not list(folder.glob("oak.png*"))
    assert len(list(folder.glob("*.png"))) == 3
    assert (folder / LEDGER_NAME).exists()


@pytest.mark.skipif(os.name != "posix", reason="a terminal is played")
@pytest.mark.parametrize(("answer", "stays"), [("y", False), ("n", True)])
async def test_on_a_terminal_it_asks_once(made, monkeypatch, answer, stays):
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "w", buffering=1) as person, os.fdopen(theirs) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
        person.write(f"{answer}\n")

        said = await made.type("prune")

    assert said.err.count("Remove 1 file") == 1
    assert said.code == (130 if stays else 0)
    assert (made.output / "b.png").exists() is stays


# --- killed for real ------------------------------------------------------------------

FAULT_POINTS = ["rename-file-placed", "rename-recorded"]


@pytest.mark.parametrize("point", FAULT_POINTS)
async def test_a_rename_that_is_killed_is_finished_by_the_next_run(
    shell, point, tmp_path
):
    text = TREES + "  - {id: duo, prompt: two, params: {numOutputs: 2}}\n"
    shell.write(text)
    folder = shell.folder / "output" / "trees.emulated"
    first = await shell.run("run", "trees.yaml", "--emulate")
    before = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    shell.write(text.replace("id: duo", "id: new/pair"))

    killed = await shell.run(
        "run", "trees.yaml", "--emulate", PIPELINE_FAULT_POINT=point
    )
    again = await shell.run("run", "trees.yaml", "--emulate", "--json")

    assert (first.code, killed.code, again.code) == (0, -9, 0)
    assert again.of("done")[0]["cost"]["charged"] == 0
    assert sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.png*")
    ) == sorted(
        f"{stem}.png{end}"
        for stem in ("ash", "elm", "oak", "yew", "new/pair-1", "new/pair-2")
        for end in ("", ".json")
    )
    assert (folder / "new/pair-1.png").read_bytes() == before["duo-1.png"]
    sidecar = json.loads((folder / "new/pair-1.png.json").read_bytes())
    assert sidecar["item_id"] == "new/pair"


async def test_the_name_of_a_pruned_file_is_free_for_others(made):
    await made.type("prune", "--yes")

    with Ledger(made.output / LEDGER_NAME) as ledger:
        assert ledger.find_path_owner("b.png") is None
        assert ledger.find_path_owner("a.png") == "a"


async def test_of_a_folder_of_several_manifests_only_certain_files_are_pruned(made):
    with Ledger(made.output / LEDGER_NAME) as ledger:
        ledger.record_manifest("another")
    sidecar = made.output / "b.png.json"
    said = sidecar.read_text()
    sidecar.write_text(said.replace("knobs.yaml", "another.yaml"))

    of_another = await made.type("prune", "--yes")
    left = names(made)
    sidecar.write_text(said)
    of_this = await made.type("prune", "--yes")

    assert (of_another.code, of_this.code) == (0, 0)
    assert left == A + B
    assert names(made) == A
