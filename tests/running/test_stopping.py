"""Deadline and thresholds: nothing more is submitted, all paid is collected."""

import pytest
from doubles.outcome import Outcome

from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    ExitCode,
    OutcomeUnknown,
    ServiceUnreachable,
)
from pipeline.running.run import WIND_UP_S
from pipeline.running.stopping import Stopping

EIGHT = [f"tree-{number}" for number in range(8)]
LUCKLESS = Outcome(ends="failure", error="no luck")


async def test_at_the_deadline_what_is_paid_is_collected_and_the_rest_waits(workshop):
    workshop.write_items(*EIGHT)
    workshop.api.readable_ceiling = 2
    workshop.set(deadline_s=15.0)

    first = await workshop.run()
    ended_s = workshop.clock.monotonic_s()
    halts = workshop.halts()
    workshop.set(deadline_s=None)
    second = await workshop.run()

    assert first.exit_code is ExitCode.INTERRUPTED
    assert first.counts == {"saved": 4, "not_submitted": 4}
    assert halts == ["the deadline of this run is reached"]
    assert 15 < ended_s < 40
    assert second.counts == {"done": 4, "saved": 4}
    assert set(workshop.api.paid_by_prompt().values()) == {1}


async def test_a_deadline_that_is_not_reached_changes_nothing(workshop):
    workshop.write_items(*EIGHT)
    workshop.set(deadline_s=10_000.0)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.halts() == []
    assert workshop.clock.monotonic_s() < 100


async def test_a_failure_before_the_deadline_outweighs_the_interruption(workshop):
    workshop.write_items(*EIGHT)
    workshop.api.readable_ceiling = 2
    workshop.api.script("tree-0", LUCKLESS)
    workshop.set(deadline_s=15.0)

    result = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert result.counts == {"saved": 3, "failed": 1, "not_submitted": 4}


async def test_leaving_after_the_deadline_is_9_and_nothing_is_lost(workshop):
    workshop.write_items(*EIGHT)
    workshop.api.duration_s = 100.0
    workshop.api.readable_ceiling = 2
    workshop.set(deadline_s=15.0)

    first = await workshop.run(meanwhile=workshop.leave_after(20.0))
    workshop.set(deadline_s=None)
    second = await workshop.run()

    assert first.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert first.counts["in_flight"] == 2
    assert second.exit_code is ExitCode.OK
    assert set(workshop.api.paid_by_prompt().values()) == {1}


async def test_what_is_made_and_not_fetched_when_a_run_is_left_is_said(workshop):
    workshop.write_items(*EIGHT)
    workshop.api.asset_pending_s = 500.0  # made, and the CDN has nothing yet

    first = await workshop.run(meanwhile=workshop.leave_after(60.0))
    workshop.api.asset_pending_s = 0.0
    second = await workshop.run()

    assert first.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert first.counts == {"not_fetched": 8}
    assert second.exit_code is ExitCode.OK
    assert second.counts == {"saved": 8}
    assert set(workshop.api.paid_by_prompt().values()) == {1}


async def test_a_lost_submit_is_settled_beyond_the_deadline(workshop):
    workshop.write_items("fir")
    await workshop.run()
    workshop.write_items("fir", "oak", "elm")
    workshop.api.readable_ceiling = 1
    workshop.api.fail_next("submit", OutcomeUnknown("no answer"), after=True)
    workshop.set(deadline_s=0.1)

    result = await workshop.run()

    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.counts == {"done": 1, "saved": 1, "not_submitted": 1}
    assert len(workshop.api.jobs) == 2


@pytest.mark.parametrize(
    ("threshold", "failed"),
    [
        ({"fail_count": 1}, 1),
        ({"fail_count": 2}, 2),
        ({"fail_share": 0.25}, 3),  # more than 2 of 8
        ({"fail_share": 0.0}, 1),
        ({"fail_count": 6, "fail_share": 0.1}, 1),
    ],
    ids=str,
)
async def test_more_failures_than_allowed_stop_the_submitting(
    workshop, threshold, failed
):
    workshop.write_items(*EIGHT)
    workshop.api.readable_ceiling = 1
    for name in EIGHT:
        workshop.api.script(name, LUCKLESS)
    workshop.set(**threshold)

    result = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert result.counts == {"failed": failed, "not_submitted": 8 - failed}
    assert len(workshop.api.jobs) == failed
    assert len(workshop.halts()) == 1
    assert "have failed" in workshop.halts()[0] or failed == 1


@pytest.mark.parametrize(
    "threshold", [{"fail_count": 9}, {"fail_share": 1.0}, {}], ids=str
)
async def test_failures_that_are_allowed_stop_nothing(workshop, threshold):
    workshop.write_items(*EIGHT)
    workshop.api.readable_ceiling = 1
    for name in EIGHT:
        workshop.api.script(name, LUCKLESS)
    workshop.set(**threshold)

    result = await workshop.run()

    assert result.counts == {"failed": 8}
    assert workshop.halts() == []


async def test_what_was_in_flight_at_the_threshold_is_still_collected(workshop):
    workshop.write_items(*EIGHT)
    workshop.api.readable_ceiling = 4
    workshop.api.script("tree-0", Outcome(ends="failure", error="no", duration_s=5.0))
    workshop.set(fail_count=1)

    result = await workshop.run()

    assert result.counts == {"failed": 1, "saved": 3, "not_submitted": 4}
    assert len(workshop.api.jobs) == 4


async def test_a_stopped_run_submits_nothing_more_and_collects_what_is_paid(workshop):
    names = [f"tree-{number}" for number in range(8)]
    workshop.write_items(*names)
    workshop.api.readable_ceiling = 2

    async def stop(run):
        await workshop.clock.sleep(5)
        run.stop()

    result = await workshop.run(meanwhile=stop)

    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.counts == {"saved": 2, "not_submitted": 6}
    assert len(workshop.api.jobs) == 2


async def test_an_abandoned_run_leaves_its_jobs_to_the_next(workshop):
    workshop.write_items("oak", "elm")

    async def leave(run):
        await workshop.clock.sleep(5)
        run.stop()
        run.abandon()

    first = await workshop.run(meanwhile=leave)
    left_at_s = workshop.clock.monotonic_s()
    second = await workshop.run()

    assert first.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert first.counts["in_flight"] == 2
    assert left_at_s == 5
    assert second.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_stop_after_the_last_submit_is_still_an_interruption(workshop):
    workshop.write_items("oak")

    async def stop(run):
        await workshop.clock.sleep(5)
        run.stop()

    result = await workshop.run(meanwhile=stop)

    assert result.counts == {"saved": 1}
    assert result.exit_code is ExitCode.INTERRUPTED


OVERCHARGE = BudgetReached("charged 4, quoted 3")
UNAUTHORIZED = AccessDenied("who are you", status=401)
UNREACHABLE = ServiceUnreachable("no route")


@pytest.mark.parametrize(
    ("errors", "code", "told"),
    [
        ([OVERCHARGE, UNAUTHORIZED], ExitCode.ACCESS, 2),
        ([UNAUTHORIZED, OVERCHARGE], ExitCode.ACCESS, 1),
        ([OVERCHARGE, UNREACHABLE, UNAUTHORIZED], ExitCode.ACCESS, 3),
        ([UNREACHABLE, OVERCHARGE], ExitCode.UNREACHABLE, 1),
        ([OVERCHARGE, OVERCHARGE], ExitCode.BUDGET, 1),
    ],
)
def test_the_gravest_reason_decides_and_a_lesser_one_says_nothing(errors, code, told):
    said = []
    stopping = Stopping(lambda reason, _hint: said.append(reason))

    for error in errors:
        stopping.halt(error)

    assert stopping.reason is not None
    assert stopping.reason.exit_code is code
    assert len(said) == told


def test_a_model_above_the_plan_outweighs_an_overcharge_that_came_first():
    stopping = Stopping(lambda _reason, _hint: None)

    stopping.halt(OVERCHARGE)
    stopping.halt(AccessDenied("above the plan", status=403), "model_x")

    assert stopping.reason is not None
    assert stopping.reason.exit_code is ExitCode.ACCESS


# --- the longest wait after a stop


@pytest.fixture
def stopped(workshop):
    """A run that is stopped after so many seconds; what it said, and how long it took."""

    async def run(after_s):
        said = []

        async def stop(run):
            await workshop.clock.sleep(after_s)
            said.append(run.stop())

        result = await workshop.run(meanwhile=stop)
        return result, said[0], workshop.clock.monotonic_s() - after_s

    return run


async def test_jobs_that_never_end_are_waited_for_as_long_as_was_said(
    workshop, stopped
):
    workshop.write_items("oak", "elm")
    workshop.api.duration_s = 1e6
    workshop.set(job_timeout_s=300.0)

    result, said_s, took_s = await stopped(100.0)

    hurried_s = workshop.settings.hurried_download_s
    assert said_s == pytest.approx(200 + hurried_s + WIND_UP_S, abs=1)
    assert took_s <= said_s
    assert result.exit_code is ExitCode.ITEMS_FAILED


async def test_a_service_that_is_gone_is_waited_for_as_long_as_was_said(
    workshop,
):
    workshop.write_items("oak", "elm")
    workshop.api.duration_s = 30.0
    workshop.set(job_timeout_s=60.0, free_deadline_s=600.0)
    gone = ("find_job", "list_jobs", "find_assets", "find_asset")

    async def cut_off(run):
        await workshop.clock.sleep(20)
        workshop.api.break_down(*gone)
        said.append(run.stop())

    said = []
    first = await workshop.run(meanwhile=cut_off)
    took_s, halts = workshop.clock.monotonic_s() - 20, workshop.halts()
    workshop.api.mend()
    second = await workshop.run()

    assert took_s == pytest.approx(said[0], abs=1)
    assert halts == ["the longest wait after a stop is over"]
    assert first.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert first.counts["in_flight"] == 2
    assert second.counts == {"saved": 2}
    assert set(workshop.api.paid_by_prompt().values()) == {1}


async def test_an_asset_that_is_not_stored_is_waited_for_as_long_as_was_said(
    workshop, stopped
):
    workshop.write_items("oak")
    workshop.api.asset_pending_s = 5000.0
    workshop.set(free_deadline_s=600.0)

    result, said_s, took_s = await stopped(60.0)

    assert said_s == workshop.settings.hurried_download_s + WIND_UP_S
    assert took_s <= said_s
    assert result.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert result.counts == {"not_fetched": 1}


async def test_a_second_stop_does_not_begin_the_wait_again(workshop):
    workshop.write_items("oak")
    workshop.api.asset_pending_s = 5000.0
    workshop.set(free_deadline_s=600.0)
    said = []

    async def stop_twice(run):
        await workshop.clock.sleep(60)
        said.append(run.stop())
        await workshop.clock.sleep(100)
        said.append(run.stop())

    await workshop.run(meanwhile=stop_twice)

    assert said[0] == said[1]
    assert workshop.clock.monotonic_s() <= 60 + said[0]
