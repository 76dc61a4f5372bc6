"""Readers of stdout who leave early: quiet, and nothing that is paid for is left."""

import asyncio
import os
import sys

import pytest
from doubles.shell import LIMIT_S, TREES, sidecars_in

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="a pipe as POSIX has it"
)


async def start_and_leave(shell, *arguments: str) -> tuple[int, bytes]:
    """Run a command, read the beginning of its stdout, and hang up."""
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pipeline",
        *arguments,
        cwd=shell.folder,
        env=shell.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    assert await asyncio.to_thread(os.read, reading, 5) == b'{"eve'
    os.close(reading)
    async with asyncio.timeout(LIMIT_S):
        _, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, complaint


async def test_long_plan_ends_quietly(real):
    rows = ", ".join(f"t{number}" for number in range(800))  # more than a pipe holds
    real.write(TREES.replace("oak, elm, ash, yew", rows))

    assert await start_and_leave(real, "plan", "trees.yaml", "--json") == (0, b"")


async def test_run_goes_on_to_its_end(real, emulator):
    ended = await start_and_leave(
        real, "run", "trees.yaml", "--yes", "--json", "--quiet"
    )

    assert ended == (0, b"")
    assert len(sidecars_in(real.output)) == 4
    assert emulator.counters()["jobs_made"] == 4


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"], ids=["full", "closed"])
async def test_a_stderr_that_nobody_reads_stops_nothing(real, emulator, stderr):
    line = f'exec "$0" -m pipeline run trees.yaml --yes {stderr}'
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", line, sys.executable),
        cwd=real.folder,
        env=real.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_S):
        await process.communicate()

    assert process.returncode == 0
    assert len(sidecars_in(real.output)) == 4
    assert emulator.counters()["jobs_made"] == 4
