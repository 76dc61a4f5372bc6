"""Renames after a kill: finished or undone by the next run, never paid again."""

import pytest
from doubles.kills import run_killed_at, run_until_point, run_until_status
from doubles.outcome import Outcome
from doubles.trees import paid, sidecar, with_sidecars, write

from pipeline.errors import ExitCode, OutcomeUnknown, RateLimited
from pipeline.job import JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output.rebuild import open_for_writing
from pipeline.running.events import JobChanged


async def test_a_rename_that_is_cut_short_anywhere_is_finished_by_the_next_run(made):
    """Cancelled at every await point: what stands then is what a kill would leave."""
    kill_at, passed = 1, 1
    while passed >= kill_at - 1:
        name = ("fir", "yew")[kill_at % 2]
        write(made, (name, "an oak"), ("elm", "an elm"))

        passed = await run_killed_at(made, kill_at)
        open_for_writing(made.output).close()
        await made.run()

        assert made.files() == with_sidecars(f"{name}.png", "elm.png"), kill_at
        assert paid(made) == 2
        kill_at += 1
    assert kill_at > 4


async def test_leftovers_of_a_killed_rename_are_cleared_by_the_next_run(made):
    _leave_as_if_killed_after_the_record(made)

    open_for_writing(made.output).close()

    assert made.files() == with_sidecars("fir.png", "elm.png")
    with Ledger(made.output / LEDGER_NAME) as ledger:
        assert ledger.find_leftovers() == {}


async def test_a_leftover_that_was_edited_since_is_kept(made):
    _leave_as_if_killed_after_the_record(made)
    (made.output / "oak.png").unlink()
    (made.output / "oak.png").write_bytes(b"an artist's work")

    open_for_writing(made.output).close()

    assert (made.output / "oak.png").read_bytes() == b"an artist's work"
    assert (made.output / "fir.png").exists()


async def test_a_rename_that_was_cut_short_and_undone_leaves_nothing(made):
    write(made, ("trees/fir", "an oak"), ("elm", "an elm"))
    await run_until_point(made, "write record_renamed")
    assert "trees/fir.png" in made.files()
    write(made, ("oak", "an oak"), ("elm", "an elm"))

    await made.run()

    assert made.files() == with_sidecars("oak.png", "elm.png")
    assert not (made.output / "trees").exists()
    assert paid(made) == 2


async def test_an_item_that_was_refused_and_made_under_another_name_is_not_paid_again(
    workshop,
):
    workshop.api.ceiling = 1
    write(workshop, ("elm", "an elm"), ("oak", "an oak"))
    await run_until_point(workshop, "write record_planned!")  # refused: the ceiling
    (refused,) = (job for job in map(workshop.job, ("elm", "oak")) if not job.remote_id)
    back = refused.item_id
    other = {"elm": "oak", "oak": "elm"}[back]
    write(workshop, (other, f"an {other}"), ("fir", f"an {back}"))
    await workshop.run()
    assert paid(workshop) == 2
    write(workshop, (other, f"an {other}"), (back, f"an {back}"))

    result = await workshop.run()

    assert result.counts == {"renamed": 1, "done": 1}
    assert paid(workshop) == 2
    assert workshop.files() == with_sidecars("elm.png", "oak.png")
    assert [job.attempt for job in workshop.attempts(back)] == [2, 1]


@pytest.mark.parametrize("reached", ["submitted", "succeeded"])
async def test_what_is_taken_over_counts_on_from_the_attempts_that_were_there(
    workshop, reached
):
    write(workshop, ("oak", "an oak"))
    workshop.api.fail_next("submit", RateLimited("too many", ceiling=1))
    await run_until_point(workshop, "write record_planned!")
    write(workshop, ("fir", "an oak"))
    await run_until_point(workshop, f"write record_{reached}!")
    write(workshop, ("oak", "an oak"))

    result = await workshop.run()

    told = [event for event in workshop.events if isinstance(event, JobChanged)]
    assert result.exit_code is ExitCode.OK
    assert paid(workshop) == 1
    assert [job.attempt for job in workshop.attempts("oak")] == [2, 1]
    assert {event.attempt for event in told} == {2}


async def test_what_somebody_puts_at_the_new_name_after_a_kill_is_left_alone(made):
    write(made, ("fir", "an oak"), ("elm", "an elm"))
    await run_until_point(made, "write record_leftovers!")
    notes = made.output / "fir.png.json"
    notes.write_text("my notes")
    write(made, ("oak", "an oak"), ("elm", "an elm"))

    await made.run()

    assert notes.read_text() == "my notes"


def _busy_with(workshop, *later):
    """So many new items first that everything else has ended before its turn."""
    workshop.clock.jump(100.0)
    workshop.api.duration_s = 30.0
    workshop.api.ceiling = 1
    workshop.set(ahead=1)
    write(workshop, *((f"n{number}", f"no {number}") for number in range(20)), *later)


async def test_a_renamed_job_that_ended_before_its_turn_keeps_its_number(workshop):
    write(workshop, ("oak", "an oak"))
    await run_until_status(workshop, JobStatus.SUBMITTED)
    _busy_with(workshop, ("fir", "an oak"))

    await workshop.run()

    told = [
        event.attempt
        for event in workshop.events
        if isinstance(event, JobChanged) and event.item_id == "fir"
    ]
    assert set(told) == {1}
    assert [job.attempt for job in workshop.attempts("fir")] == [1]
    assert sidecar(workshop, "fir.png")["attempts"] == 1


async def test_a_renamed_item_beyond_the_limit_is_not_paid_where_there_is_room_at_last(
    workshop,
):
    """A job in flight takes a place when it is counted, and none once it is moot."""
    refused = Outcome(ends="failure", error="flagged by moderation", duration_s=5.0)
    workshop.api.script("an oak", refused, refused)
    write(workshop, ("fir", "a fir"))
    await workshop.run()
    write(workshop, ("oak", "an oak"))
    await workshop.run()
    await run_until_status(workshop, JobStatus.SUBMITTED)
    _busy_with(workshop, ("oak", "an oak"), ("yew", "a fir"))

    await workshop.run(limit=21)

    assert workshop.api.paid_by_prompt()["a fir"] == 1


async def test_a_job_that_fails_in_a_run_is_not_paid_for_again_in_that_run(workshop):
    workshop.api.script("an oak", Outcome(ends="failure", error="boom", duration_s=5.0))
    write(workshop, ("oak", "an oak"))
    await run_until_status(workshop, JobStatus.SUBMITTED)
    _busy_with(workshop, ("oak", "an oak"))

    result = await workshop.run()

    assert result.counts == {"saved": 20, "failed": 1}
    assert workshop.api.paid_by_prompt()["an oak"] == 1
    assert [job.attempt for job in workshop.attempts("oak")] == [1]


async def test_the_next_attempt_counts_from_the_newest_whatever_that_asked_for(
    workshop,
):
    write(workshop, ("oak", "an oak"))
    workshop.api.fail_next("submit", RateLimited("too many", ceiling=1))
    await run_until_point(workshop, "write record_planned!")
    write(workshop, ("oak", "an old oak"))
    await workshop.run()
    write(workshop, ("oak", "an oak"))
    workshop.api.fail_next("submit", OutcomeUnknown("no answer in time"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert paid(workshop) == 2
    assert [job.attempt for job in workshop.attempts("oak")] == [3, 2, 1]


def _leave_as_if_killed_after_the_record(workshop):
    for end in ("", ".json"):
        content = (workshop.output / f"oak.png{end}").read_bytes()
        (workshop.output / f"fir.png{end}").write_bytes(content)
    with Ledger(workshop.output / LEDGER_NAME) as ledger:
        ledger.record_renamed("oak", "fir", {"oak.png": "fir.png"})
