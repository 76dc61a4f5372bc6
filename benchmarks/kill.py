"""Kills the real command again and again, and lets the emulator's counters judge.

    python benchmarks/kill.py --kills 500 --seed 1

Half of the kills come at a named fault point, half at a random line of the command's
own output: an event, not a span of time, so a slow machine sees the same instants.
After the kills of a batch one run is left alone. Then: paid jobs = items, no asset
lost, no half file, no file without a sidecar, nothing that does not belong.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline.assets.checks.recorded import Finding
from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.fault_points import FAULT_POINTS, VARIABLE
from pipeline.operations.verify import verify
from pipeline.storage.folder import Folder

ITEMS = 12
KILLS_PER_BATCH = 10
LIMIT_S = 60.0
MANIFEST = """\
version: 1
name: kill
model: model_wan-2-7-image
params: {size: 1K}
items:
  - id: plain-${n}
    prompt: a coin, number ${n}
    matrix: {n: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}
  - {id: pair, prompt: two coins, params: {numOutputs: 2}}
  - {id: folder/deep, prompt: a coin in a folder}
"""


@dataclass
class Verdict:
    """What one batch of kills came to.

    Attributes:
        kills: Processes that died of SIGKILL.
        instants: How often each kind of instant killed.
        faults: What should not be; empty when all is well.
    """

    kills: int = 0
    instants: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Process(Protocol):
    """What is asked of a process."""

    stdout: asyncio.StreamReader | None
    stderr: asyncio.StreamReader | None

    @property
    def returncode(self) -> int | None:
        """Negative when a signal ended it; None while it is at work."""

    def kill(self) -> None:
        """Send SIGKILL."""

    async def wait(self) -> int:
        """Wait for the return code."""


Start = Callable[[tuple[str, ...], Mapping[str, str]], Awaitable[Process]]


async def start_command(
    arguments: tuple[str, ...], environment: Mapping[str, str]
) -> Process:
    """A new interpreter with the command, and more in its environment."""
    process: Process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pipeline", *arguments),
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return process


async def run_batch(
    folder: Path, *, seed: int, kills: int, start: Start = start_command
) -> Verdict:
    """Kill ``kills`` runs of one manifest, finish it, and look at the counters."""
    rng = random.Random(seed)
    manifest = folder / "kill.yaml"
    manifest.write_text(MANIFEST, encoding="utf-8")
    output = folder / "out"
    verdict = Verdict()
    profile = EmulatorProfile.of(
        seed=seed, ceiling=4, job_seconds=(0.05, 0.3), fixed_size_px=16
    )
    async with Emulator(profile=profile) as emulator:
        for _ in range(kills):
            at_point = rng.random() < 0.5
            instant = (
                f"{rng.choice(FAULT_POINTS)}:{rng.randint(1, 6)}" if at_point else ""
            )
            lines = None if at_point else rng.randint(0, 25)
            process = await start_run(start, emulator, manifest, output, instant)
            code = await follow(process, lines)
            if code == -signal.SIGKILL:
                verdict.kills += 1
                verdict.instants[instant.partition(":")[0] or "output line"] += 1
            elif code not in {0, None}:
                verdict.faults.append(f"a run ended with {code}")
        process = await start_run(start, emulator, manifest, output, "")
        code = await follow(process, None)
        if code != 0:
            verdict.faults.append(f"the last run ended with {code}")
        counters = emulator.counters()
    paid = counters["jobs_made"]
    if paid != ITEMS:
        verdict.faults.append(f"{paid} jobs paid for {ITEMS} items")
    verdict.faults += judge_files(output)
    return verdict


async def start_run(
    start: Start, emulator: Emulator, manifest: Path, output: Path, instant: str
) -> Process:
    """One run, which may be killed at a fault point."""
    environment = {
        "SCENARIO_SDK_API_KEY": "key",
        "SCENARIO_SDK_API_SECRET": "secret",
        "SCENARIO_BASE_URL": emulator.base_url,
        VARIABLE: instant,
    }
    arguments = ("run", str(manifest), "--output", str(output), "--yes", "--json")
    return await start((*arguments, "--quiet", "--settle", "1"), environment)


async def follow(process: Process, lines: int | None) -> int | None:
    """The end of a run; killed at its ``lines``-th line of output, where given."""
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_S):
            seen = 0
            while await process.stdout.readline():
                seen += 1
                if lines is not None and seen > lines:
                    process.kill()
                    break
            await asyncio.gather(
                process.stdout.read(), process.stderr.read(), process.wait()
            )
    except TimeoutError:
        process.kill()
        await process.wait()
        return 124
    return process.returncode


def judge_files(output: Path) -> list[str]:
    """What is wrong with the files of a finished batch."""
    faults = []
    assets = 0
    for verified in verify(Folder(output)):
        assets += verified.finding is Finding.OK
        if verified.finding is not Finding.OK:
            faults.append(f"{verified.path}: {verified.finding} {verified.detail}")
    if assets != ITEMS + 1:
        faults.append(f"{assets} assets for {ITEMS} items, one of them with two")
    if (output / ".partial").exists():
        faults.append("unfinished files were left")
    return faults


async def main() -> int:
    """Run batches until the kills are done; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    total = Verdict()
    batches = 0
    began = time.perf_counter()
    while total.kills < options.kills:
        with tempfile.TemporaryDirectory() as folder:
            verdict = await run_batch(
                Path(folder), seed=options.seed + batches, kills=KILLS_PER_BATCH
            )
        batches += 1
        total.kills += verdict.kills
        total.instants += verdict.instants
        total.faults += [f"batch {batches}: {fault}" for fault in verdict.faults]
    print(f"{total.kills} kills in {batches} batches of {ITEMS} items,", end=" ")
    print(f"{time.perf_counter() - began:.0f} s")
    for instant, count in sorted(total.instants.items()):
        print(f"  {count:>5}  {instant}")
    print(f"  {len(total.faults):>5}  faults")
    for fault in total.faults:
        print(f"         {fault}")
    return 1 if total.faults else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
