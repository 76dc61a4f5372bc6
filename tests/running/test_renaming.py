"""Renames: an item that is asked for under another name is moved, never paid again.

What is asserted of money is read in the service's counters, not in ours.
"""

import pytest
from doubles.kills import run_until_status
from doubles.outcome import Outcome
from doubles.trees import paid, sidecar, with_sidecars, write

from pipeline.errors import ExitCode, OutcomeUnknown
from pipeline.job import JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output.rebuild import open_for_writing
from pipeline.planning import Action
from pipeline.running.events import JobChanged

# --- files and rows -------------------------------------------------------------------


async def test_a_renamed_item_is_moved_and_not_paid(made):
    content = (made.output / "oak.png").read_bytes()
    write(made, ("trees/oak-1", "an oak"), ("elm", "an elm"))

    result = await made.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"renamed": 1, "done": 1}
    assert paid(made) == 2
    assert made.files() == with_sidecars("trees/oak-1.png", "elm.png")
    assert (made.output / "trees/oak-1.png").read_bytes() == content


async def test_a_renamed_items_sidecar_says_its_new_name_and_line(made):
    before = sidecar(made, "oak.png")
    write(made, ("elm", "an elm"), ("fir", "an oak"))

    await made.run()

    after = sidecar(made, "fir.png")
    assert (before["item_id"], after["item_id"]) == ("oak", "fir")
    assert after["manifest"]["line"] == before["manifest"]["line"] + 1
    same = ("job_id", "asset_id", "job_key", "seed", "sha256", "request", "attempts")
    assert {key: before[key] for key in same} == {key: after[key] for key in same}


async def test_a_renamed_item_is_done_in_the_next_run(made):
    write(made, ("fir", "an oak"), ("elm", "an elm"))
    await made.run()

    result = await made.run()

    assert result.counts == {"done": 2}


async def test_every_output_of_a_renamed_item_is_moved(workshop):
    write(workshop, ("oak", "an oak"), extra=", params: {numOutputs: 2}")
    await workshop.run()
    write(workshop, ("fir", "an oak"), extra=", params: {numOutputs: 2}")

    await workshop.run()

    assert workshop.files() == with_sidecars("fir-1.png", "fir-2.png")
    assert paid(workshop) == 1


async def test_a_folder_that_a_rename_has_emptied_is_removed(workshop):
    write(workshop, ("a/b/oak", "an oak"))
    await workshop.run()
    write(workshop, ("c/oak", "an oak"))

    await workshop.run()

    assert not (workshop.output / "a").exists()


async def test_a_renamed_item_is_told_of_like_a_saved_one(made):
    write(made, ("fir", "an oak"), ("elm", "an elm"))

    await made.run()

    (event,) = [event for event in made.events if isinstance(event, JobChanged)]
    assert (event.item_id, event.status, event.files) == (
        "fir",
        JobStatus.SAVED,
        ("fir.png",),
    )


async def test_an_edited_file_of_a_renamed_item_is_moved_as_it_is(made):
    (made.output / "oak.png").write_bytes(b"an artist's work")
    write(made, ("fir", "an oak"), ("elm", "an elm"))

    await made.run()

    assert (made.output / "fir.png").read_bytes() == b"an artist's work"
    assert not (made.output / "oak.png").exists()


async def test_a_rename_there_and_back_ends_where_it_began(made):
    before = {name: (made.output / name).read_bytes() for name in made.files()}
    write(made, ("fir", "an oak"), ("elm", "an elm"))
    await made.run()
    write(made, ("oak", "an oak"), ("elm", "an elm"))

    await made.run()

    assert before == {name: (made.output / name).read_bytes() for name in made.files()}
    assert paid(made) == 2


async def test_every_attempt_goes_with_a_renamed_item(workshop):
    write(workshop, ("oak", "an oak"))
    workshop.api.script("an oak", Outcome(ends="failure", error="boom"), Outcome())
    await workshop.run()
    await workshop.run()
    write(workshop, ("fir", "an oak"))

    await workshop.run()

    assert [job.attempt for job in workshop.attempts("fir")] == [2, 1]
    assert workshop.attempts("oak") == []


async def test_a_name_that_differs_in_case_alone_is_a_rename(made):
    write(made, ("Oak", "an oak"), ("elm", "an elm"))

    await made.run()

    assert made.files() == with_sidecars("Oak.png", "elm.png")
    assert paid(made) == 2


# --- strangers ------------------------------------------------------------------------


async def test_a_strangers_file_at_the_new_name_is_left_alone(made):
    theirs = made.output / "fir.png"
    theirs.write_bytes(b"somebody's painting")
    write(made, ("fir", "an oak"), ("elm", "an elm"))

    result = await made.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert theirs.read_bytes() == b"somebody's painting"
    assert with_sidecars("oak.png") <= made.files()
    assert paid(made) == 2


async def test_once_the_stranger_is_gone_the_rename_is_carried_out(made):
    theirs = made.output / "fir.png"
    theirs.write_bytes(b"somebody's painting")
    write(made, ("fir", "an oak"), ("elm", "an elm"))
    await made.run()
    theirs.unlink()

    result = await made.run()

    assert result.counts == {"renamed": 1, "done": 1}
    assert made.files() == with_sidecars("fir.png", "elm.png")


async def test_nothing_is_moved_over_a_file_of_another_item(workshop):
    """``fir`` has two outputs: fir-1.png is one of them."""
    workshop.write(
        "items:\n"
        "  - {id: fir, prompt: firs, params: {numOutputs: 2}}\n"
        "  - {id: oak, prompt: an oak}\n"
    )
    await workshop.run()
    firs = (workshop.output / "fir-1.png").read_bytes()
    workshop.write("items:\n  - {id: fir-1, prompt: an oak}\n")

    result = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert (workshop.output / "fir-1.png").read_bytes() == firs
    assert paid(workshop) == 2


# --- what is not whole ----------------------------------------------------------------


async def test_a_renamed_item_without_its_file_is_fetched_under_its_new_name(made):
    (made.output / "oak.png").unlink()
    write(made, ("fir", "an oak"), ("elm", "an elm"))

    result = await made.run()

    assert result.exit_code is ExitCode.OK
    assert made.files() == with_sidecars("fir.png", "elm.png")
    assert paid(made) == 2


async def test_a_renamed_item_in_flight_is_collected_under_its_new_name(workshop):
    write(workshop, ("oak", "an oak"))
    workshop.api.duration_s = 1000.0
    await run_until_status(workshop, JobStatus.SUBMITTED)
    write(workshop, ("fir", "an oak"))

    result = await workshop.run()

    assert result.counts == {"saved": 1}
    assert workshop.files() == with_sidecars("fir.png")
    assert workshop.history("fir") == ["succeeded", "saved"]
    assert workshop.history("oak") == []
    assert paid(workshop) == 1


async def test_a_renamed_item_with_an_unknown_outcome_is_settled(workshop):
    write(workshop, ("oak", "an oak"))
    lost = OutcomeUnknown("no answer in time")
    workshop.api.fail_next("submit", lost, after=True)
    await run_until_status(workshop, JobStatus.UNKNOWN)
    write(workshop, ("fir", "an oak"))

    result = await workshop.run()

    assert result.counts == {"saved": 1}
    assert workshop.files() == with_sidecars("fir.png")
    assert paid(workshop) == 1


async def test_a_renamed_item_whose_submit_never_arrived_is_paid_once(workshop):
    write(workshop, ("elm", "an elm"))
    await workshop.run()
    write(workshop, ("elm", "an elm"), ("oak", "an oak"))
    workshop.api.fail_next("submit", OutcomeUnknown("no answer in time"))
    await run_until_status(workshop, JobStatus.UNKNOWN)
    seed = workshop.job("oak").seed
    write(workshop, ("elm", "an elm"), ("fir", "an oak"))

    result = await workshop.run()

    assert result.counts == {"done": 1, "saved": 1}
    assert paid(workshop) == 2
    assert workshop.job("fir").seed == seed


async def test_a_renamed_item_whose_job_fails_meanwhile_is_no_new_job(workshop):
    write(workshop, ("oak", "an oak"), ("elm", "an elm"))
    workshop.api.script(
        "an oak", Outcome(ends="failure", error="boom", duration_s=50.0)
    )
    await run_until_status(workshop, JobStatus.SUBMITTED)
    workshop.clock.jump(100.0)
    write(workshop, ("fir", "an oak"), ("elm", "an elm"))

    result = await workshop.run()

    assert result.counts["failed"] == 1
    assert workshop.job("fir").status is JobStatus.FAILED
    assert workshop.api.paid_by_prompt()["an oak"] == 1


# --- seeds ----------------------------------------------------------------------------


async def test_the_seed_first_sent_stays_through_an_edit_and_a_rename(workshop):
    write(workshop, ("oak", "an oak"))
    await workshop.run()
    seed = workshop.job("oak").seed
    write(workshop, ("fir", "an oak"))
    await workshop.run()
    write(workshop, ("fir", "an old oak"))

    await workshop.run()

    assert [inputs["seed"] for _, inputs in workshop.api.submits] == [seed, seed]


async def test_a_seed_of_ones_own_is_sent_whatever_was_sent_before(workshop):
    write(workshop, ("oak", "an oak"))
    await workshop.run()
    write(workshop, ("oak", "an oak"), extra=", params: {seed: 5}")

    await workshop.run()

    assert workshop.api.submits[-1][1]["seed"] == 5


# --- other commands -------------------------------------------------------------------


@pytest.mark.parametrize("command", ["only_fetch", "only_failed"])
async def test_fetch_and_rerun_move_too_and_pay_for_nothing(made, command):
    write(made, ("fir", "an oak"), ("elm", "an elm"), ("yew", "a yew"))

    await made.run(**{command: True})

    assert made.files() == with_sidecars("fir.png", "elm.png")
    assert paid(made) == 2


async def test_a_limit_counts_a_rename(made):
    write(made, ("elm", "an elm"), ("fir", "an oak"), ("yew", "a yew"))

    first = await made.run(limit=1)
    second = await made.run(limit=1)

    assert first.counts == {"saved": 1, "done": 1}
    assert second.counts == {"renamed": 1, "done": 2}
    assert paid(made) == 3


@pytest.mark.parametrize(
    ("name", "content"), [("fir.png.json", b"my notes"), ("fir.png", b"")], ids=str
)
async def test_what_is_in_the_way_of_a_rename_is_in_the_way_of_the_next_run_too(
    made, name, content
):
    theirs = made.output / name
    theirs.write_bytes(content)
    write(made, ("fir", "an oak"), ("elm", "an elm"))

    results = [await made.run() for _ in range(3)]

    assert [result.exit_code for result in results] == [ExitCode.ITEMS_FAILED] * 3
    assert theirs.read_bytes() == content
    assert paid(made) == 2


async def test_a_rename_is_recognised_when_the_ledger_is_lost(made):
    for path in made.output.glob(f"{LEDGER_NAME}*"):
        path.unlink()
    open_for_writing(made.output).close()
    write(made, ("fir", "an oak"), ("elm", "an elm"))

    await made.run()

    assert made.files() == with_sidecars("fir.png", "elm.png")
    assert paid(made) == 2


async def test_a_plan_decides_the_same_each_time_it_is_expanded(made):
    write(made, ("fir", "an oak"), ("yew", "an oak"), ("elm", "an elm"))
    with Ledger(made.output / LEDGER_NAME, read_only=True) as ledger:
        plan = made.plan(ledger)

        twice = [
            [(planned.item.item_id, planned.action) for planned in plan.entries()]
            for _ in range(2)
        ]

    assert twice[0] == twice[1]
    assert twice[0] == [
        ("elm", Action.DONE),
        ("fir", Action.RENAME),
        ("yew", Action.SUBMIT),
    ]
    assert plan.counts == {Action.DONE: 1, Action.RENAME: 1, Action.SUBMIT: 1}
