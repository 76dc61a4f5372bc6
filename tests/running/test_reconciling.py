"""Reconciling: a job that was made in spite of a refusal, and who else's jobs there are."""

import anyio
import pytest
from doubles.jobs import MODEL_PRO
from doubles.lost import LOST, of
from doubles.outcome import Outcome

from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    ExitCode,
    RateLimited,
    Rejected,
    ServiceUnreachable,
    Unavailable,
)
from pipeline.job import FailureClass, JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.record import replace

REFUSED = {
    status: Rejected("not like this", status=status) for status in (400, 404, 413, 422)
}
HALTING = {
    401: AccessDenied("who are you", status=401),
    402: BudgetReached("no credit"),
    403: AccessDenied("not for you", status=403),
}


def open_marks(workshop):
    with Ledger(workshop.output / LEDGER_NAME, read_only=True) as ledger:
        return ledger.find_open_marks()


@pytest.fixture
def trees(workshop):
    workshop.write_items("oak", "elm", "ash")
    return workshop


# --- refused, and made all the same -------------------------------------------------------


@pytest.mark.parametrize("status", REFUSED)
async def test_a_job_behind_a_final_refusal_is_collected_at_the_end_of_the_run(
    trees, status
):
    trees.api.fail_next("submit", REFUSED[status], after=True, where=of("elm"))

    result = await trees.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"saved": 3}
    assert trees.api.paid_by_prompt() == {"oak": 1, "elm": 1, "ash": 1}
    assert any("although it was refused" in text for text in trees.warnings())


@pytest.mark.parametrize("status", HALTING)
async def test_a_job_behind_a_refusal_that_stops_the_run_is_collected_too(
    trees, status
):
    trees.api.fail_next("submit", HALTING[status], after=True, where=of("elm"))

    first = await trees.run()
    second = await trees.run()

    assert first.exit_code in {ExitCode.ACCESS, ExitCode.BUDGET}
    assert second.exit_code is ExitCode.OK
    assert trees.api.paid_by_prompt() == {"oak": 1, "elm": 1, "ash": 1}


@pytest.mark.parametrize("ceiling", [None, 2], ids=["busy", "ceiling"])
async def test_a_job_behind_a_429_is_found_before_the_item_is_sent_again(
    trees, ceiling
):
    refusal = RateLimited("slow down", ceiling=ceiling)
    trees.api.fail_next("submit", refusal, after=True, times=3)

    result = await trees.run()

    assert result.exit_code is ExitCode.OK
    assert trees.api.paid_by_prompt() == {"oak": 1, "elm": 1, "ash": 1}
    assert trees.api.calls["submit"] == 3


async def test_a_true_429_costs_one_reading_and_the_item_is_sent_again(trees):
    trees.api.fail_next("submit", RateLimited("slow down"), where=of("elm"))

    result = await trees.run()

    assert result.exit_code is ExitCode.OK
    assert trees.api.calls["submit"] == 4


async def run_killed_in_a_refusal(trees):
    """A 401 on elm's submit, whose job is made all the same; killed before a look."""
    scope = anyio.CancelScope()
    trees.api.fail_next(
        "submit", AccessDenied("who are you", status=401), after=True, where=of("elm")
    )

    def kill(point):
        if point == "write record_planned!":
            scope.cancel()

    trees.on_point = kill
    await trees.run(scope=scope)
    trees.on_point = lambda _point: None


async def test_a_killed_run_is_made_up_for_before_anything_is_sent_again(trees):
    """Refused, made all the same, and killed before the run could look."""
    await run_killed_in_a_refusal(trees)
    before = trees.job("elm").status
    result = await trees.run()

    assert before is JobStatus.PLANNED
    assert result.exit_code is ExitCode.OK
    assert trees.api.paid_by_prompt() == {"oak": 1, "elm": 1, "ash": 1}


# --- what belongs to nobody here ----------------------------------------------------------


async def test_jobs_of_ours_that_belong_to_no_item_are_named(trees):
    def submit_elsewhere(point):
        if point == "submit!" and len(trees.api.jobs) == 1:
            trees.api.add_job({"prompt": "a stone", "seed": 3})

    trees.on_point = submit_elsewhere

    result = await trees.run()

    assert result.exit_code is ExitCode.OK
    [warning] = trees.warnings()
    assert "lists 1 job of ours" in warning
    assert "job_2" in warning


@pytest.mark.parametrize(
    "other",
    [
        {"author_id": "apiu_stranger"},
        {"inputs": {"prompt": "oak"}, "model_id": MODEL_PRO, "age_s": 500.0},
    ],
    ids=["of a stranger", "from before the mark"],
)
async def test_what_is_not_ours_or_was_there_before_is_not_named(trees, other):
    other = dict(other)
    trees.api.add_job(other.pop("inputs", {"prompt": "a stone"}), **other)

    await trees.run()

    assert trees.warnings() == []


async def test_a_reconciled_run_leaves_nothing_to_read_for_the_next(trees):
    await trees.run()
    listings = trees.api.calls["list_jobs"]

    result = await trees.run()

    assert open_marks(trees) == []
    assert result.counts == {"done": 3}
    assert trees.api.calls["list_jobs"] == listings


async def test_a_list_that_cannot_be_read_at_the_end_is_read_by_the_next_run(trees):
    trees.api.duration_s = 1.0

    def break_down(point):
        if point == "write record_saved!":
            trees.api.break_down("list_jobs", error=Unavailable("gone"))

    trees.on_point = break_down
    first = await trees.run()
    trees.on_point = lambda _point: None
    left, warnings = len(open_marks(trees)), trees.warnings()
    trees.api.mend()
    await trees.run()

    assert first.exit_code is ExitCode.OK
    assert any("could not be read" in text for text in warnings)
    assert left == 1
    assert open_marks(trees) == []


async def test_as_long_as_an_outcome_is_unknown_the_marks_stay_open(workshop):
    workshop.write_items("oak")
    workshop.api.fail_next("submit", LOST)

    result = await workshop.run()

    assert result.exit_code is ExitCode.UNKNOWN_OUTCOME
    assert len(open_marks(workshop)) == 1


# --- what was accepted is not paid for again ----------------------------------------------


async def test_a_job_that_the_service_no_longer_shows_is_looked_at_and_never_resent(
    workshop,
):
    workshop.write_items("oak")
    await workshop.run()
    workshop.rewrite("oak", status="submitted")
    [made] = workshop.api.jobs
    workshop.api.remove_jobs("oak")

    first = await workshop.run()
    second = await workshop.run(only_failed=True)
    workshop.api.jobs.append(made)
    workshop.api.by_id[made.remote_id] = made
    third = await workshop.run()

    assert first.exit_code is second.exit_code is ExitCode.ITEMS_FAILED
    assert third.exit_code is ExitCode.OK
    assert workshop.api.calls["submit"] == 1


async def test_a_success_whose_assets_never_come_is_looked_at_again_and_not_paid(
    workshop,
):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(outputs=0))

    await workshop.run()
    kind = workshop.job("oak").failure.kind
    again = await workshop.run()

    assert kind is FailureClass.NO_OUTPUT
    assert again.exit_code is ExitCode.ITEMS_FAILED
    assert workshop.api.calls["submit"] == 1


async def test_a_failure_that_carries_assets_is_saved_and_counts_as_charged(workshop):
    workshop.write_items("oak", params="{numOutputs: 2}")
    workshop.api.script("oak", Outcome(ends="failure", error="one failed", outputs=1))

    result = await workshop.run()

    assert result.counts == {"saved": 1}
    assert len(workshop.files()) == 2
    assert result.cost.refunded == 0
    assert result.cost.taken == result.cost.charged > 0
    assert any("and the job is charged" in text for text in workshop.warnings())


# --- another API key ----------------------------------------------------------------------


async def leave_in_flight(workshop):
    """A run with the first key, killed while its jobs run."""
    workshop.made_with = "first key"
    scope = anyio.CancelScope()

    async def kill(_run):
        await workshop.clock.sleep(3.0)
        scope.cancel()

    await workshop.run(scope=scope, meanwhile=kill)
    workshop.made_with = "second key"


async def test_a_key_that_cannot_see_the_jobs_in_flight_stops_before_anything(trees):
    await leave_in_flight(trees)
    jobs, by_id = list(trees.api.jobs), dict(trees.api.by_id)
    trees.api.jobs.clear()
    trees.api.by_id.clear()

    with pytest.raises(AccessDenied, match="another API key"):
        await trees.run()
    submits = trees.api.calls["submit"]
    trees.api.jobs, trees.api.by_id = jobs, by_id
    trees.made_with = "first key"
    again = await trees.run()

    assert submits == 3
    assert again.exit_code is ExitCode.OK
    assert trees.api.paid_by_prompt() == {"oak": 1, "elm": 1, "ash": 1}


async def test_a_new_key_that_sees_them_collects_what_the_old_one_made(trees):
    await leave_in_flight(trees)
    trees.api.author_id = "apiu_second_key"

    result = await trees.run()

    assert result.exit_code is ExitCode.OK
    assert trees.api.calls["submit"] == 3


async def test_what_was_lost_under_another_key_is_found_and_never_proved_absent(trees):
    trees.made_with = "first key"
    trees.api.fail_next("submit", LOST, after=True, where=of("elm"))
    trees.api.fail_next("submit", LOST, where=of("ash"))
    trees.api.break_down("list_jobs", spared=1)
    trees.set(free_deadline_s=20.0)
    await trees.run()
    trees.api.mend()
    trees.api.author_id, trees.made_with = "apiu_second_key", "second key"
    await trees.run(force=True, globs=("oak",))  # a job of the new key, as a control

    assert trees.job("elm").status is JobStatus.SAVED or trees.job("elm").remote_id
    assert trees.job("ash").status is JobStatus.UNKNOWN
    assert trees.api.calls["submit"] == 4


async def test_what_was_refused_is_not_sent_again_while_the_list_cannot_be_read(trees):
    """The run was stopped by a 401 and killed: its refusal is still to be checked."""
    await run_killed_in_a_refusal(trees)
    submits = trees.api.calls["submit"]
    trees.api.break_down("list_jobs", spared=1)

    with pytest.raises(ServiceUnreachable):
        await trees.run()

    assert trees.api.calls["submit"] == submits


async def test_a_key_that_is_refused_at_the_end_leaves_the_result_as_it_is(trees):
    def revoke(point):
        if point == "write record_saved!":
            error = AccessDenied("who are you", status=401)
            trees.api.break_down("list_jobs", error=error)

    trees.on_point = revoke
    trees.api.duration_s = 1.0

    result = await trees.run(globs=("oak",))

    assert result.counts == {"saved": 1}
    assert any("could not be read" in text for text in trees.warnings())
    assert len(open_marks(trees)) == 1


@pytest.mark.parametrize("lag_s", [2.0, 5.0])
async def test_a_refusal_of_the_run_before_is_not_believed_before_the_list_can_show_it(
    trees, lag_s
):
    trees.api.list_lag_s = lag_s
    trees.api.duration_s = 1.0
    trees.api.fail_next(
        "submit", AccessDenied("who are you", status=401), after=True, where=of("elm")
    )

    await trees.run()
    result = await trees.run()

    assert result.exit_code is ExitCode.OK
    assert trees.api.paid_by_prompt() == {"oak": 1, "elm": 1, "ash": 1}


async def test_a_job_that_is_dated_ahead_hides_no_job_behind_a_refusal(workshop):
    workshop.write_items("oak")
    theirs = workshop.api.add_job({"prompt": "toad"}, author_id="apiu_them")
    workshop.api.date_ahead(theirs, 60.0)
    workshop.api.fail_next(
        "submit", AccessDenied("who are you", status=401), after=True
    )

    await workshop.run()
    await workshop.run()

    assert workshop.api.paid_by_prompt() == {"oak": 1}


async def test_refused_submits_that_jobs_fit_alike_are_unknown_and_not_sent_again(
    workshop,
):
    """Archived prompts and one seed: which job is whose does not show."""
    workshop.write_items("oak", "elm", "ash", params="{seed: 5}")

    def archive(_which, _token, page):
        jobs = [
            replace(job, inputs={**job.inputs, "prompt": f"asset_{job.remote_id}"})
            for job in page.jobs
        ]
        return replace(page, jobs=tuple(jobs))

    workshop.api.tamper = archive
    refusal = BudgetReached("no credit")
    for name in ("elm", "ash"):
        workshop.api.fail_next("submit", refusal, after=True, where=of(name))

    first = await workshop.run()
    for _ in range(2):
        last = await workshop.run()

    assert first.exit_code is ExitCode.BUDGET
    assert last.exit_code is ExitCode.UNKNOWN_OUTCOME
    assert set(workshop.api.paid_by_prompt().values()) == {1}


async def test_the_job_of_a_submit_that_a_crash_cut_short_is_not_called_refused(trees):
    await leave_in_flight(trees)
    trees.made_with = "first key"
    trees.rewrite("elm", status="submitting", remote_id=None)

    result = await trees.run()

    assert result.exit_code is ExitCode.OK
    assert trees.api.paid_by_prompt() == {"oak": 1, "elm": 1, "ash": 1}
    [warning] = trees.warnings()
    assert "made by a submit whose answer was lost" in warning
    assert "refused" not in warning
