"""``status``: every item of the manifest counts once, whatever is known of it."""

import hashlib
import shutil

import pytest
from doubles.place import items
from filelock import FileLock

from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output.names import LOCK_NAME
from pipeline.record import replace


@pytest.fixture
async def made(place):
    """A place with two finished items."""
    await place.play(items("an oak", "an elm"))
    return place


@pytest.fixture
def status(place):
    """The last JSON line, and the text."""

    async def run():
        said = await place.type("status", "--json")
        text = await place.type("status")
        assert (said.code, text.code, said.err, text.err) == (0, 0, "", "")
        told = said.events[-1]
        assert sum(told["counts"].values()) == told["items"]
        told["counts"] = {word: n for word, n in told["counts"].items() if n}
        return told, text.out

    return run


def rewrite(place, old, new):
    path = place.folder / "knobs.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new), encoding="utf-8")


def to_pointer(path):
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\n"
    path.write_text(f"{text}size {len(content)}\n", encoding="ascii")


async def test_a_finished_manifest_has_nothing_but_saved_items(made, status):
    told, text = await status()

    assert told["counts"] == {"saved": 2}
    assert (told["changed"], told["to_fetch"], told["orphans"]) == (0, 0, 0)
    assert told["cost"]["charged"] == 12
    assert "2  saved" in text
    assert "of them" not in text


async def test_what_a_run_in_progress_submits_is_in_flight_and_unsure_without_it(
    made, status
):
    with Ledger(made.output / LEDGER_NAME) as ledger:
        [job] = ledger.find_jobs_of("a")
        again = replace(job, row_id=0, attempt=2, remote_id=None, assets=())
        ledger.record_submitting(again)

    told, text = await status()
    assert told["counts"] == {"unknown": 1, "saved": 1}
    assert told["submitting"] == 0

    with FileLock(made.output / LOCK_NAME):
        told, text = await status()
    assert told["counts"] == {"in_flight": 1, "saved": 1}
    assert told["submitting"] == 1
    assert "1  in flight\n" in text
    assert "1  of them being submitted by a run in progress" in text


async def test_a_fresh_clone_is_told_by_its_lock_file(made, status):
    await made.type("run", "--yes")  # writes the lock file
    shutil.rmtree(made.output)

    told, text = await status()

    assert (told["counts"], told["to_fetch"]) == ({"not_fetched": 2}, 2)
    assert told["cost"]["charged"] == 12
    assert "such as a: paid for, not downloaded yet" in text
    assert not made.output.exists()


async def test_a_fresh_clone_is_told_by_its_sidecars(made, status):
    made.lose_ledger()

    told, _ = await status()

    assert told["counts"] == {"saved": 2}
    assert told["cost"]["charged"] == 12
    assert not (made.output / LEDGER_NAME).exists()


@pytest.mark.parametrize("source", ["ledger", "sidecars", "lock file"])
async def test_a_renamed_item_counts_once_before_and_after_it_is_moved(
    made, status, source
):
    await made.type("run", "--yes")
    if source == "sidecars":
        made.lose_ledger()
    if source == "lock file":
        shutil.rmtree(made.output)
    rewrite(made, "id: a,", "id: fir,")

    before, _ = await status()
    await made.type("fetch" if source == "lock file" else "run")
    after, _ = await status()

    word = "not_fetched" if source == "lock file" else "saved"
    assert (before["counts"], before["orphans"]) == ({word: 2}, 0)
    assert (after["counts"], after["orphans"]) == ({"saved": 2}, 0)
    assert (before["changed"], after["changed"]) == (0, 0)
    assert made.paid == 2


async def test_an_item_that_is_new_changed_or_gone_is_said(made, status):
    rewrite(made, "an oak", "a birch")
    rewrite(made, "id: b,", "id: c,")
    rewrite(made, "an elm", "a yew")

    told, text = await status()

    assert told["counts"] == {"not_submitted": 2}
    assert (told["changed"], told["orphans"]) == (1, 1)
    assert "1  of them to be made again" in text
    assert "1  other is no longer in the manifest" in text


async def test_a_file_that_is_a_pointer_or_missing_is_said(made, status):
    to_pointer(made.output / "a.png")
    (made.output / "b.png").unlink()

    told, text = await status()

    assert (told["counts"], told["to_fetch"]) == ({"not_fetched": 2}, 2)
    assert "2  of them to be fetched, free, such as a: a.png is a Git LFS" in text


async def test_a_sidecar_that_is_a_pointer_is_said(made, command):
    made.lose_ledger()
    to_pointer(made.output / "a.png.json")

    said = await made.type("status")

    assert said.code == 11
    assert "a.png.json is a Git LFS pointer" in said.err
    assert "git lfs pull" in said.err


async def test_before_the_first_run_it_says_so(place, status):
    (place.folder / "knobs.yaml").write_text(items("an oak"), encoding="utf-8")

    told, text = await status()

    assert told["counts"] == {"not_submitted": 1}
    assert "nothing has been submitted yet" in text
