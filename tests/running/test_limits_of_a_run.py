"""Run: what ends or slows the submitting, as the user or the service wants it."""

import anyio
import pytest
from doubles.lost import LOST
from doubles.outcome import Outcome

from pipeline.errors import ExitCode, RateLimited
from pipeline.job import JobStatus

NAMES = [f"tree-{number}" for number in range(10)]


# --- the user's limits ---------------------------------------------------------------------


async def test_at_its_deadline_a_run_stops_submitting_and_collects(workshop):
    workshop.write_items(*NAMES)
    workshop.api.readable_ceiling = 2
    workshop.set(deadline_s=15.0)

    result = await workshop.run()

    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.counts == {"saved": 4, "not_submitted": 6}
    assert workshop.halts() == ["the deadline of this run is reached"]
    assert workshop.clock.monotonic_s() < 30


@pytest.mark.parametrize("stopped_by", ["Ctrl-C", "deadline"])
async def test_a_stop_does_not_wait_for_a_file_that_takes_hours(workshop, stopped_by):
    workshop.write_items("oak")
    workshop.transfer.chunk_bytes, workshop.transfer.chunk_s = 1, 20.0
    deadline_s = 60.0 if stopped_by == "deadline" else None
    workshop.set(deadline_s=deadline_s, free_deadline_s=600.0)

    async def stop(run):
        await workshop.clock.sleep(60)
        if stopped_by == "Ctrl-C":
            run.stop()

    result = await workshop.run(meanwhile=stop)
    took_s, warnings = workshop.clock.monotonic_s(), workshop.warnings()
    workshop.transfer.chunk_bytes, workshop.transfer.chunk_s = 1 << 16, 0.0
    workshop.set(deadline_s=None)
    second = await workshop.run()

    assert result.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert result.counts == {"not_fetched": 1}
    assert any("not fetched" in warning for warning in warnings)
    assert took_s <= 60 + workshop.settings.hurried_download_s + 20
    assert second.counts == {"saved": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1}


async def test_a_deadline_that_is_not_reached_changes_nothing(workshop):
    workshop.write_items("oak")
    workshop.set(deadline_s=1000.0)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.clock.monotonic_s() < 30


@pytest.mark.parametrize(
    ("limits", "failed"),
    [({"fail_count": 1}, 1), ({"fail_count": 3}, 3), ({"fail_share": 0.15}, 2)],
    ids=["fail fast", "three", "a share"],
)
async def test_more_failures_than_allowed_stop_the_submitting(workshop, limits, failed):
    workshop.write_items(*NAMES)
    workshop.api.readable_ceiling = 1
    for name in NAMES:
        workshop.api.script(name, Outcome(ends="failure", error="no luck"))
    workshop.set(**limits)

    result = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert result.counts["failed"] in {failed, failed + 1}
    assert result.counts["not_submitted"] >= 10 - failed - 1
    assert len(workshop.halts()) == 1


async def test_fewer_failures_than_allowed_stop_nothing(workshop):
    workshop.write_items(*NAMES)
    workshop.api.script("tree-3", Outcome(ends="failure", error="no luck"))
    workshop.set(fail_count=2, fail_share=0.1)

    result = await workshop.run()

    assert result.counts == {"saved": 9, "failed": 1}
    assert workshop.halts() == []


async def test_a_limit_of_items_is_submitted_and_no_more(workshop):
    workshop.write_items(*NAMES)

    result = await workshop.run(limit=3)

    assert result.counts == {"saved": 3}
    assert len(workshop.api.jobs) == 3


# --- pace ------------------------------------------------------------------------------------


async def test_a_cooldown_delays_the_submits_and_not_the_collecting(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next(
        "submit",
        RateLimited("slow down", retry_after_s=100.0),
        where=lambda _model, inputs: inputs["prompt"] == "elm",
    )
    saved = []

    async def look(_run):
        await workshop.clock.sleep(60)
        saved.append(workshop.job("oak").status)

    result = await workshop.run(meanwhile=look)

    assert saved == [JobStatus.SAVED]
    assert result.counts == {"saved": 2}
    assert workshop.clock.monotonic_s() >= 100


async def test_submits_that_are_lost_one_after_the_other_slow_down(workshop):
    workshop.write_items(*NAMES)
    workshop.set(posts=1)
    workshop.api.fail_next("submit", LOST, after=True, times=8)
    times = []

    def note(point):
        if point == "submit":
            times.append(workshop.clock.monotonic_s())

    workshop.on_point = note
    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == dict.fromkeys(NAMES, 1)
    assert times[8] - times[0] >= 1 + 2 + 4 + 8


async def test_ten_thousand_items_are_not_ten_thousand_tasks(workshop):
    workshop.write(
        "items:\n  - id: tree-${a}-${b}\n    prompt: tree ${a} ${b}\n    matrix:\n"
        f"      a: [{', '.join(map(str, range(25)))}]\n"
        f"      b: [{', '.join(map(str, range(40)))}]\n"
    )
    workshop.api.readable_ceiling = 3
    most = []

    async def count(run):
        await workshop.clock.sleep(12)
        most.append(len([task for task in anyio.get_running_tasks() if task.name]))
        run.stop()

    result = await workshop.run(meanwhile=count)

    assert most[0] < workshop.settings.ahead + 40
    assert result.counts["saved"] == len(workshop.api.jobs) <= 8
    assert sum(result.counts.values()) == 1000
