"""``--keep-old``: a changed item replaces its file, or keeps it beside the new one."""

import pytest
from doubles.kills import run_killed_at
from doubles.outcome import Outcome
from doubles.trees import paid, sidecar, with_sidecars, write

from pipeline.errors import BudgetReached, ExitCode
from pipeline.job import JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output.rebuild import open_for_writing


async def test_a_changed_item_replaces_its_file(workshop):
    write(workshop, ("oak", "an oak"))
    await workshop.run()
    before = (workshop.output / "oak.png").read_bytes()
    write(workshop, ("oak", "an old oak"))

    await workshop.run()

    assert workshop.files() == with_sidecars("oak.png")
    assert (workshop.output / "oak.png").read_bytes() != before


async def test_the_old_file_stays_when_the_changed_item_fails(workshop):
    write(workshop, ("oak", "an oak"))
    await workshop.run()
    before = {name: (workshop.output / name).read_bytes() for name in workshop.files()}
    workshop.api.script("an old oak", Outcome(ends="failure", error="boom"))
    write(workshop, ("oak", "an old oak"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert before == {
        name: (workshop.output / name).read_bytes() for name in workshop.files()
    }


async def test_the_old_file_stays_beside_the_new_one_if_asked_for(workshop):
    write(workshop, ("oak", "an oak"))
    await workshop.run()
    before = (workshop.output / "oak.png").read_bytes()
    write(workshop, ("oak", "an old oak"))
    workshop.set(keep_old=True)

    await workshop.run()

    assert workshop.files() == with_sidecars("oak.png", "oak.old-1.png")
    assert (workshop.output / "oak.old-1.png").read_bytes() == before
    assert (workshop.output / "oak.png").read_bytes() != before
    assert sidecar(workshop, "oak.old-1.png")["request"]["prompt"] == "an oak"


async def test_kept_files_stay_in_runs_that_do_not_ask_for_it(workshop):
    workshop.set(keep_old=True)
    for prompt in ("one", "two"):
        write(workshop, ("oak", prompt))
        await workshop.run()
    workshop.set(keep_old=False)
    write(workshop, ("oak", "three"))

    await workshop.run()

    assert workshop.files() == with_sidecars("oak.png", "oak.old-1.png")


async def test_outputs_that_get_other_names_are_kept_as_well(workshop):
    write(workshop, ("oak", "an oak"), extra=", params: {numOutputs: 2}")
    await workshop.run()
    write(workshop, ("oak", "an oak"))
    workshop.set(keep_old=True)

    await workshop.run()

    assert workshop.files() == with_sidecars(
        "oak.png", "oak-1.old-1.png", "oak-2.old-1.png"
    )


async def test_a_kept_file_gets_no_name_of_another_item(workshop):
    write(workshop, ("oak", "an oak"), ("oak.old-1", "old"), ("oak.old-1_2", "older"))
    await workshop.run(globs=("oak",))
    write(workshop, ("oak", "oaks"), ("oak.old-1", "old"), ("oak.old-1_2", "older"))
    workshop.set(keep_old=True)

    await workshop.run(globs=("oak",))
    await workshop.run()

    assert workshop.files() == with_sidecars(
        "oak.png", "oak.old-1_3.png", "oak.old-1.png", "oak.old-1_2.png"
    )


async def test_a_kept_file_replaces_no_file_of_a_stranger(workshop):
    write(workshop, ("oak", "an oak"))
    await workshop.run()
    theirs = workshop.output / "oak.old-1.png"
    theirs.write_bytes(b"somebody's painting")
    write(workshop, ("oak", "oaks"))
    workshop.set(keep_old=True)

    await workshop.run()

    assert theirs.read_bytes() == b"somebody's painting"
    assert with_sidecars("oak.old-1_2.png") <= workshop.files()


async def test_a_change_that_is_taken_back_is_fetched_and_not_taken_for_done(workshop):
    workshop.set(keep_old=True)
    for prompt in ("an oak", "oaks"):
        write(workshop, ("oak", prompt))
        await workshop.run()
    first = (workshop.output / "oak.old-1.png").read_bytes()
    write(workshop, ("oak", "an oak"))

    result = await workshop.run()

    assert result.counts == {"saved": 1}
    assert paid(workshop) == 2
    assert (workshop.output / "oak.png").read_bytes() == first
    assert workshop.files() == with_sidecars("oak.png", "oak.old-2.png")


async def test_kept_files_are_known_again_when_the_ledger_is_lost(workshop):
    workshop.set(keep_old=True)
    for prompt in ("an oak", "oaks"):
        write(workshop, ("oak", prompt))
        await workshop.run()
    for path in workshop.output.glob(f"{LEDGER_NAME}*"):
        path.unlink()

    open_for_writing(workshop.output).close()
    result = await workshop.run()

    assert result.counts == {"done": 1}
    assert [job.assets[0].path for job in workshop.attempts("oak")] == [
        "oak.png",
        "oak.old-1.png",
    ]


async def test_kept_files_are_renamed_with_their_item(workshop):
    workshop.set(keep_old=True)
    for prompt in ("an oak", "oaks"):
        write(workshop, ("oak", prompt))
        await workshop.run()
    write(workshop, ("fir", "oaks"))

    await workshop.run()

    assert workshop.files() == with_sidecars("fir.png", "fir.old-1.png")


async def test_a_kill_while_an_old_file_is_kept_loses_and_doubles_nothing(workshop):
    """At every seventh await point of the run that replaces it."""
    workshop.set(keep_old=True)
    cut_short = set()
    for kill_at in range(1, 50, 7):
        name = f"oak{kill_at}"
        write(workshop, (name, f"an {name}"))
        await workshop.run()
        before = (workshop.output / f"{name}.png").read_bytes()
        write(workshop, (name, f"{name}s"))

        if await run_killed_at(workshop, kill_at) >= kill_at:
            cut_short.add(kill_at)
        still = (workshop.output / f"{name}.png").read_bytes()
        open_for_writing(workshop.output).close()
        result = await workshop.run()

        assert result.exit_code is ExitCode.OK
        files = {file for file in workshop.files() if file.startswith(f"{name}.")}
        assert files == with_sidecars(f"{name}.png", f"{name}.old-1.png"), kill_at
        kept = (workshop.output / f"{name}.old-1.png").read_bytes()
        assert kept == before
        assert still in {before, (workshop.output / f"{name}.png").read_bytes()}
        assert workshop.api.paid_by_prompt()[f"{name}s"] == 1
    assert len(cut_short) > 3


async def test_an_edited_file_of_a_changed_item_is_kept_beside_the_new_one(made):
    (made.output / "oak.png").write_bytes(b"edited by hand")
    write(made, ("oak", "another oak"), ("elm", "an elm"))

    result = await made.run()

    assert result.exit_code is ExitCode.OK
    assert (made.output / "oak.old-1.png").read_bytes() == b"edited by hand"
    assert (made.output / "oak.png").read_bytes() != b"edited by hand"
    assert "oak.png was edited; it is kept as oak.old-1.png" in made.warnings()


async def test_notes_with_a_sidecars_name_are_left_alone(made):
    notes = made.output / "fir.png.json"
    notes.write_text("my notes")
    write(made, ("fir", "an oak"), ("elm", "an elm"))

    result = await made.run()

    assert notes.read_text() == "my notes"
    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert (made.output / "oak.png").exists()
    assert paid(made) == 2


async def test_manifests_that_share_a_folder_take_nothing_from_each_other(made):
    with Ledger(made.output / LEDGER_NAME) as ledger:
        ledger.record_manifest("another")
    sidecar = made.output / "oak.png.json"
    sidecar.write_text(sidecar.read_text().replace("icons.yaml", "another.yaml"))
    write(made, ("fir", "an oak"), ("elm", "an elm"))

    await made.run()

    assert made.files() >= with_sidecars("oak.png", "fir.png", "elm.png")


@pytest.mark.parametrize("keeps_old", [False, True])
async def test_an_older_attempt_that_is_submitted_late_replaces_no_file_unasked(
    workshop, keeps_old
):
    """Attempt 1 was refused unpaid, attempt 2 made the file; now it is 1's turn."""
    write(workshop, ("oak", "A"))
    workshop.api.fail_next("submit", BudgetReached("no credit"))
    await workshop.run()
    assert workshop.job("oak").status is JobStatus.PLANNED
    write(workshop, ("oak", "B"))
    await workshop.run()
    if not keeps_old:
        (workshop.output / "oak.png").write_bytes(b"an artist's work")
    before = (workshop.output / "oak.png").read_bytes()
    workshop.set(keep_old=keeps_old)
    write(workshop, ("oak", "A"))

    await workshop.run()

    pictures = [
        (workshop.output / name).read_bytes()
        for name in workshop.files()
        if name.endswith(".png")
    ]
    assert len(pictures) == 2
    assert before in pictures
