"""What people do to an output folder: old ledgers, edits and files of their own."""

import shutil

from doubles.place import items

from pipeline import ExitCode, Selection
from pipeline.ledger.ledger import LEDGER_NAME


async def test_an_old_ledger_that_is_put_back_learns_from_the_sidecars(place):
    await place.play(items("an oak"))
    old = place.folder / "old.sqlite3"
    shutil.copy2(place.output / LEDGER_NAME, old)
    text = items("an oak", "an elm", "a fir")
    await place.play(text)
    place.lose_ledger()
    shutil.copy2(old, place.output / LEDGER_NAME)

    planned = await place.type("plan", "--json")
    played = await place.play(text)

    assert planned.events[-1]["counts"]["submit"] == 0
    assert played.code is ExitCode.OK
    assert place.paid == 3


async def test_an_edited_file_stays_when_its_neighbour_is_fetched_again(place):
    await place.play(items("two oaks", params="{numOutputs: 2}"))
    edited, lost = sorted(place.output.glob("*.png"))
    edited.write_bytes(b"an artist's work")
    lost.unlink()

    said = await place.type("fetch")

    assert said.code == 0, said.err
    assert edited.read_bytes() == b"an artist's work"
    assert lost.stat().st_size > 0
    assert place.submits == 1


async def test_an_edited_file_is_kept_apart_from_a_new_one_with_the_bytes_of_the_old(
    place,
):
    """The same seed gives the same picture: it is new all the same."""
    text = items("an oak")
    await place.play(text)
    path = place.output / "a.png"
    made = path.read_bytes()
    path.write_bytes(b"an artist's work")

    await place.play(text, selection=Selection(force=True))

    assert path.read_bytes() == made
    assert (place.output / "a.old-1.png").read_bytes() == b"an artist's work"


async def test_a_file_that_was_never_ours_is_not_replaced(place):
    place.output.mkdir(exist_ok=True)
    theirs = place.output / "a.png"
    theirs.write_bytes(b"somebody's painting")

    played = await place.play(items("an oak"))
    theirs.unlink()
    again = await place.play(items("an oak"))

    assert played.code is ExitCode.ITEMS_FAILED
    assert again.code is ExitCode.OK
    assert place.paid == 1


async def test_the_outputs_of_another_folder_inside_are_not_taken_for_ours(place):
    await place.play(items("an oak"))
    inner = place.output / "other"
    inner.mkdir()
    for path in place.output.iterdir():
        if path.is_file():
            shutil.copy2(path, inner / path.name)
    for path in place.output.glob("a.png*"):
        path.unlink()
    place.lose_ledger()

    planned = await place.type("plan", "--json")

    assert planned.events[-1]["counts"]["submit"] == 1
