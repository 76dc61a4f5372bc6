"""Killed at any instant, each item is paid for once and ends up saved."""

import signal

import pytest
from doubles.shell import Shell
from kill import run_batch

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGKILL"), reason="the harness kills with SIGKILL"
)


@pytest.mark.timeout(400)
async def test_twenty_kills_cost_nothing_and_lose_nothing(tmp_path):
    shell = Shell(tmp_path)
    kills = 0
    for seed in range(11, 31):
        folder = tmp_path / str(seed)
        folder.mkdir()
        verdict = await run_batch(folder, seed=seed, kills=10, start=shell.launch)
        assert verdict.faults == []
        kills += verdict.kills
        if kills >= 20:
            return
    raise AssertionError(f"only {kills} kills took effect")
