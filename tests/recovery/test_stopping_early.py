"""Deadline, thresholds and signals: nothing more is submitted, all paid is collected."""

import signal
import sys

import pytest
from doubles.api import Outcome
from end_to_end.conftest import TREES
from recovery.conftest import items

from pipeline.cli.run import parse_duration, parse_threshold
from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.errors import ExitCode, OutcomeUnknown, UsageError

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
EIGHT = [f"tree-{number}" for number in range(8)]
LUCKLESS = Outcome(ends="failure", error="no luck")


# --- what may be written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("90", 90),
        ("90s", 90),
        ("45m", 2700),
        ("2h", 7200),
        ("1.5h", 5400),
        ("0.5 s", 0.5),
        (" 45m ", 2700),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-5", "m", "5d", "5 minutes", "1h30m", "nan", "inf", "1e3"]
)
def test_anything_else_is_no_duration(text):
    with pytest.raises(UsageError, match="--deadline"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count", "share"),
    [
        (None, None, None),
        ("5", 5, None),
        ("1", 1, None),
        ("3%", None, 0.03),
        ("2.5%", None, 0.025),
        ("0%", None, 0.0),
        ("100%", None, 1.0),
    ],
)
def test_a_threshold_is_a_count_or_a_percentage(text, count, share):
    assert parse_threshold(text) == (count, pytest.approx(share))


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "%", "5 %", "five", "5%%"])
def test_anything_else_is_no_threshold(text):
    with pytest.raises(UsageError, match="--fail-threshold"):
        parse_threshold(text)


@pytest.mark.parametrize(
    "option", [("--deadline", "soon"), ("--fail-threshold", "few")], ids=" ".join
)
async def test_an_option_that_cannot_be_read_sends_nothing(option, place):
    (place.folder / "knobs.yaml").write_text(items("an oak"))

    said = await place.type("run", *option)

    assert said.code == 2
    assert place.counters["requests"] == {}


# --- the deadline


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

    async def leave(run):
        await workshop.clock.sleep(20.0)
        run.abandon()

    first = await workshop.run(meanwhile=leave)
    workshop.set(deadline_s=None)
    second = await workshop.run()

    assert first.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert first.counts["in_flight"] == 2
    assert second.exit_code is ExitCode.OK
    assert set(workshop.api.paid_by_prompt().values()) == {1}


async def test_what_is_made_and_not_fetched_when_a_run_is_left_is_said(workshop):
    workshop.write_items(*EIGHT)
    workshop.api.asset_pending_s = 500.0  # made, and the CDN has nothing yet

    async def leave(run):
        await workshop.clock.sleep(60.0)
        run.abandon()

    first = await workshop.run(meanwhile=leave)
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


async def test_the_deadline_of_the_command_line_ends_a_real_run(place, use):
    profile = EmulatorProfile.of(
        seed=7, fixed_size_px=16, ceiling=1, job_seconds=(0.6, 0.6)
    )
    (place.folder / "knobs.yaml").write_text(items("an oak", "an elm", "an ash"))
    async with Emulator(profile=profile) as emulator:
        use(emulator.base_url)
        said = await place.type("run", "--yes", "--json", "--deadline", "0.3s")

        assert said.code == said.events[-1]["exit_code"] == 130
        assert said.events[-1]["counts"] == {"saved": 1, "not_submitted": 2}
        assert emulator.counters()["jobs_made"] == 1
        assert "deadline" in said.err


# --- thresholds


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


async def test_fail_fast_of_the_command_line_stops_after_the_first(place_of):
    async with place_of({"ceiling": 1}) as place:
        text = items("an oak", "an elm [fail]", "an ash", "a yew")
        (place.folder / "knobs.yaml").write_text(text)

        said = await place.type("run", "--yes", "--json", "--fail-fast")

        counts = said.events[-1]["counts"]
        assert said.code == said.events[-1]["exit_code"] == 3
        assert counts == {"saved": 1, "failed": 1, "not_submitted": 2}
        assert place.submits == 2
        assert [e["event"] for e in said.events].count("halt") == 1


async def test_a_percentage_of_the_command_line_is_of_all_items(place_of):
    async with place_of({"ceiling": 1, "failure_rate": 1.0}) as place:
        text = items("an oak", "an elm", "an ash", "a yew")
        (place.folder / "knobs.yaml").write_text(text)

        said = await place.type("run", "--yes", "--json", "--fail-threshold", "25%")

        assert said.code == 3
        assert said.events[-1]["counts"] == {"failed": 2, "not_submitted": 2}


# --- signals


@POSIX
async def test_a_first_sigterm_collects_what_is_paid_for_like_a_ctrl_c(shell):
    profile = EmulatorProfile.of(
        seed=7, fixed_size_px=16, job_seconds=(0.8, 0.8), ceiling=1
    )
    async with Emulator(profile=profile) as emulator:
        shell.use(emulator)
        shell.write(TREES)
        async with shell.start("run", "trees.yaml", "--yes", "--json") as running:
            await running.until('"submitted"')
            running.signal(signal.SIGTERM)
            line = await running.until("nothing more is submitted", err=True)
            done = await running.end()

        assert "1 job in flight, 6 units" in line
        assert done.code == done.events[-1]["exit_code"] == 130
        assert done.events[-1]["counts"] == {"saved": 1, "not_submitted": 3}
        assert emulator.counters()["jobs_made"] == 1
