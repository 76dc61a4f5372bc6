"""Limits on requests and cooldowns, over real HTTP on a fast clock."""

from dataclasses import replace

import anyio
import pytest
from knobs.world import HEAD, QUICK

from pipeline import Credentials, ExitCode, run
from pipeline.job import JobStatus
from pipeline.running.events import Halted, JobChanged, Paused


def numbered(count):
    """A manifest of so many items."""
    numbers = ", ".join(map(str, range(count)))
    return (
        HEAD + "items:\n  - id: tree-${n}\n    prompt: tree ${n}\n"
        f"    matrix: {{n: [{numbers}]}}\n"
    )


def refused(counters):
    """429s of all kinds."""
    return sum(n for name, n in counters["answers"].items() if name.endswith(" 429"))


def told(played, kind):
    return [event for event in played.events if isinstance(event, kind)]


# --- requests a minute -----------------------------------------------------------


async def test_a_run_keeps_to_its_limit_and_needs_few_requests(world_of):
    settings = replace(QUICK, rpm=40)
    knobs = {
        "requests_per_minute": 42,
        "ceiling": 10,
        "job_seconds": (8.0, 12.0),
        "limits_status": 403,
    }
    async with world_of(knobs, settings=settings, is_quick=True) as world:
        played = await world.play(numbered(60))

        assert played.saved == 60
        requests = sum(
            count
            for name, count in played.counters["requests"].items()
            if name != "cdn"
        )
        assert requests <= 1.6 * 60
        assert refused(played.counters) <= 5


async def test_two_runs_at_once_keep_to_one_limit(world_of, tmp_path):
    settings = replace(QUICK, rpm=30)
    knobs = {"requests_per_minute": 31, "job_seconds": (2.0, 4.0)}
    async with world_of(knobs, settings=settings, is_quick=True) as world:
        credentials = Credentials(key="k", secret="s", base_url=world.emulator.base_url)
        results = []

        async def make(name):
            manifest = tmp_path / f"{name}.yaml"
            manifest.write_text(numbered(12), "utf-8")
            results.append(
                await run(
                    manifest,
                    output=tmp_path / name,
                    credentials=credentials,
                    settings=settings,
                    clock=world.clock,
                )
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(make, "one")
            tasks.start_soon(make, "two")

        assert [result.counts["saved"] for result in results] == [12, 12]
        assert refused(world.counters) == 0


async def test_a_limit_below_ours_costs_time_and_no_item(world_of):
    settings = replace(QUICK, rpm=95)
    async with world_of(
        {"requests_per_minute": 20}, settings=settings, is_quick=True
    ) as world:
        played = await world.play(numbered(20))

        assert played.saved == 20
        assert refused(played.counters) < 30
        assert not told(played, Paused)


# --- cooldowns -------------------------------------------------------------------


COOLDOWN = {"cooldown_after": 5, "cooldown_s": 90.0, "ceiling": 20}


async def test_a_cooldown_is_met_with_few_refusals_and_told_of(world_of):
    async with world_of(COOLDOWN, is_quick=True) as world:
        played = await world.play(numbered(12))

        assert played.saved == 12
        assert played.counters["answers"]["submit 429"] <= 3
        assert 80 < told(played, Paused)[0].left_s <= 91
        assert not played.failures


async def test_a_pause_is_said_again_every_minute(world_of):
    async with world_of({**COOLDOWN, "cooldown_s": 300.0}, is_quick=True) as world:
        played = await world.play(numbered(6))

        assert played.saved == 6
        said = told(played, Paused)
        assert len(said) >= 4
        ends = [event.until.timestamp() for event in said]
        assert max(ends) - min(ends) < 30


async def test_what_is_killed_in_a_pause_submits_nothing_before_its_end(world_of):
    async with world_of(COOLDOWN, is_quick=True) as world:
        with anyio.CancelScope() as kill:

            def look(event):
                if isinstance(event, Paused):
                    kill.cancel()

            await world.play(numbered(8), on_event=look)
        assert kill.cancelled_caught
        before = world.counters["submits_received"] - world.counters["jobs_made"]

        played = await world.play(numbered(8))

        assert played.code is ExitCode.OK
        assert len(world.sidecars()) == 8
        assert told(played, Paused)
        assert (
            world.counters["submits_received"] - world.counters["jobs_made"] == before
        )


async def test_a_pause_that_is_too_long_ends_submitting_and_says_until_when(world_of):
    async with world_of({**COOLDOWN, "cooldown_s": 7200.0}, is_quick=True) as world:
        played = await world.play(numbered(8))

        assert played.code is ExitCode.UNREACHABLE
        assert played.result.counts == {"saved": 5, "not_submitted": 3}
        (halted,) = told(played, Halted)
        until = f"{told(played, Paused)[0].until:%Y-%m-%d %H:%M} UTC"
        assert until in halted.reason
        assert until in halted.hint

        received = world.counters["submits_received"]
        again = await world.play(numbered(8))

        assert again.code is ExitCode.UNREACHABLE
        assert world.counters["submits_received"] == received


async def test_a_pause_concerns_nobody_who_has_nothing_to_submit(world_of):
    async with world_of({**COOLDOWN, "cooldown_s": 7200.0}, is_quick=True) as world:
        await world.play(numbered(8))
        (world.output / "tree-0.png").unlink()

        played = await world.play(numbered(5))

        assert played.code is ExitCode.OK
        assert not told(played, Paused)


async def test_a_deadline_before_the_end_of_a_pause_is_not_waited_for(world_of):
    settings = replace(QUICK, deadline_s=600.0)
    async with world_of(
        {**COOLDOWN, "cooldown_s": 900.0}, settings=settings, is_quick=True
    ) as world:
        began_s = world.clock.monotonic_s()
        played = await world.play(numbered(8))

        assert played.code is ExitCode.INTERRUPTED
        assert played.result.counts == {"saved": 5, "not_submitted": 3}
        assert world.clock.monotonic_s() - began_s < 600


async def test_what_is_refused_in_a_cooldown_is_planned_again(world_of):
    async with world_of(COOLDOWN, is_quick=True) as world:
        played = await world.play(numbered(7))

        back = [
            event
            for event in told(played, JobChanged)
            if event.status is JobStatus.PLANNED
        ]
        assert back
        assert "cooldown" in back[0].reason


async def test_a_retry_after_of_many_minutes_is_obeyed(world_of):
    retry_after_s = 700
    knobs = {"ceiling": 2, "announce_ceiling": False, "retry_after_s": retry_after_s}
    more = {"limits_status": 403, "job_seconds": (60.0, 60.0)}
    async with world_of({**knobs, **more}, is_quick=True) as world:
        played = await world.play(numbered(4))

        assert played.saved == 4
        assert told(played, Paused)[0].left_s == pytest.approx(retry_after_s, abs=30)
