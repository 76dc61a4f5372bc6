"""Renames: an item that is asked for under another name is moved, never paid again.

What is asserted of money is read in the service's counters, not in ours.
"""

import json

import anyio
import pytest
from doubles.api import Outcome

from pipeline.errors import BudgetReached, ExitCode, OutcomeUnknown, RateLimited
from pipeline.job import JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output.rebuild import open_for_writing
from pipeline.planning import Action
from pipeline.running.events import JobChanged


def write(workshop, *pairs, extra=""):
    """Items as (id, prompt)."""
    lines = (
        f"  - {{id: {item_id}, prompt: {prompt}{extra}}}\n" for item_id, prompt in pairs
    )
    workshop.write("items:\n" + "".join(lines))


def with_sidecars(*names):
    return {f"{name}{end}" for name in names for end in ("", ".json")}


def sidecar(workshop, name):
    return json.loads((workshop.output / f"{name}.json").read_text())


def paid(workshop):
    return len(workshop.api.own_jobs)


@pytest.fixture
async def made(workshop):
    """A workshop with an oak and an elm."""
    write(workshop, ("oak", "an oak"), ("elm", "an elm"))
    await workshop.run()
    return workshop


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
    await _run_until(workshop, JobStatus.SUBMITTED)
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
    await _run_until(workshop, JobStatus.UNKNOWN)
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
    await _run_until(workshop, JobStatus.UNKNOWN)
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
    await _run_until(workshop, JobStatus.SUBMITTED)
    workshop.clock.jump(100.0)
    write(workshop, ("fir", "an oak"), ("elm", "an elm"))

    result = await workshop.run()

    assert result.counts["failed"] == 1
    assert workshop.job("fir").status is JobStatus.FAILED
    assert workshop.api.paid_by_prompt()["an oak"] == 1


async def _run_until(workshop, status):
    """A run that is killed once a job has this status."""
    scope = anyio.CancelScope()

    async def watch(_run):
        while not any(
            isinstance(event, JobChanged) and event.status is status
            for event in workshop.events
        ):
            await workshop.clock.sleep(0.1)
        scope.cancel()

    await workshop.run(scope=scope, meanwhile=watch)


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


# --- kills ----------------------------------------------------------------------------


async def test_a_rename_that_is_cut_short_anywhere_is_finished_by_the_next_run(made):
    """Cancelled at every await point: what stands then is what a kill would leave."""
    kill_at, passed = 1, 1
    while passed >= kill_at - 1:
        name = ("fir", "yew")[kill_at % 2]
        write(made, (name, "an oak"), ("elm", "an elm"))

        passed = await _run_killed_at(made, kill_at)
        open_for_writing(made.output).close()
        await made.run()

        assert made.files() == with_sidecars(f"{name}.png", "elm.png"), kill_at
        assert paid(made) == 2
        kill_at += 1
    assert kill_at > 4


async def _run_killed_at(workshop, kill_at):
    """How many await points it passed."""
    scope, passed = anyio.CancelScope(), 0

    def count(_name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == kill_at:
            scope.cancel()

    workshop.on_point = count
    await workshop.run(scope=scope)
    workshop.on_point = lambda _name: None
    return passed


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
    await _run_until_point(made, "write record_renamed")
    assert "trees/fir.png" in made.files()
    write(made, ("oak", "an oak"), ("elm", "an elm"))

    await made.run()

    assert made.files() == with_sidecars("oak.png", "elm.png")
    assert not (made.output / "trees").exists()
    assert paid(made) == 2


async def _run_until_point(workshop, point):
    """A run that is killed at this point."""
    scope = anyio.CancelScope()
    workshop.on_point = lambda name: scope.cancel() if name == point else None
    await workshop.run(scope=scope)
    workshop.on_point = lambda _name: None


async def test_an_item_that_was_refused_and_made_under_another_name_is_not_paid_again(
    workshop,
):
    workshop.api.ceiling = 1
    write(workshop, ("elm", "an elm"), ("oak", "an oak"))
    await _run_until_point(workshop, "write record_planned!")  # refused: the ceiling
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
    await _run_until_point(workshop, "write record_planned!")
    write(workshop, ("fir", "an oak"))
    await _run_until_point(workshop, f"write record_{reached}!")
    write(workshop, ("oak", "an oak"))

    result = await workshop.run()

    told = [event for event in workshop.events if isinstance(event, JobChanged)]
    assert result.exit_code is ExitCode.OK
    assert paid(workshop) == 1
    assert [job.attempt for job in workshop.attempts("oak")] == [2, 1]
    assert {event.attempt for event in told} == {2}


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


async def test_what_somebody_puts_at_the_new_name_after_a_kill_is_left_alone(made):
    write(made, ("fir", "an oak"), ("elm", "an elm"))
    await _run_until_point(made, "write record_leftovers!")
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
    await _run_until(workshop, JobStatus.SUBMITTED)
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
    await _run_until(workshop, JobStatus.SUBMITTED)
    _busy_with(workshop, ("oak", "an oak"), ("yew", "a fir"))

    await workshop.run(limit=21)

    assert workshop.api.paid_by_prompt()["a fir"] == 1


async def test_a_job_that_fails_in_a_run_is_not_paid_for_again_in_that_run(workshop):
    workshop.api.script("an oak", Outcome(ends="failure", error="boom", duration_s=5.0))
    write(workshop, ("oak", "an oak"))
    await _run_until(workshop, JobStatus.SUBMITTED)
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
    await _run_until_point(workshop, "write record_planned!")
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


# --- --keep-old -----------------------------------------------------------------------


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

        if await _run_killed_at(workshop, kill_at) >= kill_at:
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
