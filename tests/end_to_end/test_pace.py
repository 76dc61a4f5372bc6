"""Cooldowns and the rate of requests, as somebody at the command line meets them."""

import asyncio
import signal
import sys

import pytest
from doubles.shell import manifest_of

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
HOURS = {"cooldown_after": 2, "cooldown_s": 7200.0, "ceiling": 8}


@pytest.fixture
async def cooling(shell, start_emulator):
    """A service that takes two submits, then none for two hours."""
    emulator = await start_emulator(**HOURS)
    shell.use(emulator)
    shell.write(manifest_of("an oak", "an elm", "an ash", "a yew"))
    return emulator


async def test_a_pause_that_is_too_long_is_12_now_and_in_the_next_process(
    shell, cooling
):
    done = await shell.run("run", "trees.yaml", "--yes", "--json")
    received = cooling.counters()["submits_received"]
    again = await shell.run("run", "trees.yaml", "--yes", "--json")

    assert (done.code, again.code) == (12, 12)
    assert done.of("done")[0]["counts"] == {"saved": 2, "not_submitted": 2}
    pause, halt = done.of("pause")[0], done.of("halt")[0]
    assert 7000 < pause["left_s"] <= 7201
    assert pause["until"][:16].replace("T", " ") in halt["hint"]
    assert "submits pause until" in done.err
    assert "stopped submitting: the service takes no submits for" in done.err
    assert again.of("pause")
    assert cooling.counters()["submits_received"] == received


@POSIX
async def test_what_is_killed_in_a_pause_goes_on_waiting(shell, cooling):
    # One more than is taken: when the pause is told of, nothing is unanswered.
    shell.write(manifest_of("an oak", "an elm", "an ash"))
    arguments = ("run", "trees.yaml", "--yes", "--json", "--max-pause", "3h")
    async with shell.start(*arguments) as running:
        await running.until('"pause"')
        running.signal(signal.SIGKILL)
        await running.end()
    received = cooling.counters()["submits_received"]

    async with shell.start(*arguments) as running:
        await running.until('"pause"')
        line = await running.until("submits pause until", err=True)
        running.signal(signal.SIGINT)
        done = await running.end()

    assert "the rest continues" in line
    assert done.code == 130
    counts = done.of("done")[0]["counts"]
    assert counts.get("saved", 0) + counts.get("done", 0) == 2
    assert cooling.counters()["submits_received"] == received


async def test_two_commands_at_once_keep_to_one_limit(shell, start_emulator):
    emulator = await start_emulator(requests_per_minute=60)
    shell.use(emulator)
    for name in ("one", "two"):
        text = manifest_of("an oak", "an elm", "an ash").replace("trees", name)
        shell.write(text, f"{name}.yaml")

    done = await asyncio.gather(
        *(
            shell.run("run", f"{name}.yaml", "--yes", "--rpm", "59")
            for name in ("one", "two")
        )
    )

    assert [each.code for each in done] == [0, 0]
    assert not [name for name in emulator.counters()["answers"] if name.endswith("429")]


async def test_the_option_of_earlier_versions_is_refused_with_a_hint(shell):
    shell.write(manifest_of("an oak"))

    done = await shell.run("run", "trees.yaml", "--emulate", "--rate", "5")

    assert done.code == 2
    assert "--rpm" in done.err


@pytest.mark.parametrize("value", ["0", "soon", "1d"])
async def test_a_longest_pause_that_is_no_duration_is_refused(shell, value):
    shell.write(manifest_of("an oak"))

    done = await shell.run("run", "trees.yaml", "--emulate", "--max-pause", value)

    assert done.code == 2
    assert "--max-pause" in done.err
