"""Signals: the first collects what is paid for, the second leaves at once."""

import signal
import sys

import pytest
from doubles.shell import TREES

from pipeline.emulator import Emulator, EmulatorProfile

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


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

        assert "1 job in flight (6 units" in line
        assert "which takes at most 32:" in line  # a job's 30 min, a download's 2
        assert done.code == done.events[-1]["exit_code"] == 130
        assert done.events[-1]["counts"] == {"saved": 1, "not_submitted": 3}
        assert emulator.counters()["jobs_made"] == 1


@POSIX
async def test_first_interrupt_collects_what_is_paid_for_and_is_130(
    real, start_emulator
):
    emulator = await start_emulator(job_seconds=(0.4, 0.4), ceiling=1)
    real.use(emulator)
    async with real.start("run", "trees.yaml", "--yes", "--json") as running:
        await running.until('"submitted"')
        running.signal(signal.SIGINT)
        await running.until("nothing more is submitted", err=True)
        done = await running.end()
    again = await real.run("run", "trees.yaml", "--yes", "--json")

    assert done.code == done.events[-1]["exit_code"] == 130
    assert done.events[-1]["counts"] == {"saved": 1, "not_submitted": 3}
    assert again.events[-1]["counts"] == {"done": 1, "saved": 3}
    assert emulator.counters()["jobs_made"] == 4


@POSIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_second_signal_leaves_at_once_with_9_and_nothing_is_lost(
    number, real, start_emulator
):
    emulator = await start_emulator(job_seconds=(3.0, 3.0))
    real.use(emulator)
    async with real.start("run", "trees.yaml", "--yes", "--json") as running:
        await running.until('"submitted"')
        running.signal(number)
        await running.until("nothing more is submitted", err=True)
        running.signal(number)
        done = await running.end()
    assert emulator.counters()["in_flight"] >= 1  # it did not wait for them
    again = await real.run("run", "trees.yaml", "--yes", "--json", "--settle", "1")

    assert done.code == done.events[-1]["exit_code"] == 9
    assert done.events[-1]["counts"]["in_flight"] >= 1
    assert "Traceback" not in done.err
    assert (again.code, again.events[-1]["counts"]) == (0, {"saved": 4})
    assert emulator.counters()["jobs_made"] == 4
