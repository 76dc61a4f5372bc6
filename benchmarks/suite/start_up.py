"""How fast the command answers when there is nothing to do."""

import sys
from pathlib import Path

from suite.bench import Bench, write_manifest
from suite.figures import rotated
from suite.processes import Usage, run_measured
from suite.report import Report

NAME = "start-up"
HELP, STATUS, PLAN = "pipeline --help", "pipeline status", "pipeline plan"
AIOHTTP, SDK_IMPORT = "import aiohttp", "import scenario_sdk"
NOTHING = "python -c pass"


def run(bench: Bench) -> Report:
    rounds = bench.choose(15, 3, 1)
    folder = bench.new_folder("start")
    items = bench.choose(20, 5, 1)
    write_manifest(folder, items, "1K")
    arguments = ("batch.yaml", "--output", "out", "--emulate")
    bench.command("run", *arguments, "--yes", "--quiet", folder=folder)
    ways = {
        HELP: ["-m", "pipeline", "--help"],
        AIOHTTP: ["-c", "import aiohttp"],
        SDK_IMPORT: ["-c", "import scenario_sdk"],
        NOTHING: ["-c", "pass"],
        STATUS: ["-m", "pipeline", "status", *arguments],
        PLAN: ["-m", "pipeline", "plan", *arguments],
    }
    report = Report(
        name=NAME,
        title="start-up",
        setting=(
            f"Whole processes. `status` and `plan` look at {items} finished items; a"
            " round before the first is thrown away."
        ),
        peers=[HELP, AIOHTTP, SDK_IMPORT, NOTHING, STATUS, PLAN],
        rounds=rounds,
        limits={"wall": f"--help ÷ {AIOHTTP} ≤ 1.0"},
    )
    for turn in range(0 if bench.size == "tiny" else -1, rounds):
        for peer in rotated(report.peers, turn):
            usage = start(bench, folder, ways[peer])
            if turn >= 0:
                report.add("wall", "ms", peer, usage.wall_s * 1000)
                report.add("CPU", "ms", peer, usage.cpu_s * 1000)
                report.add("peak memory", "MB", peer, usage.rss_mb)
    return report


def start(bench: Bench, folder: Path, arguments: list[str]) -> Usage:
    return run_measured(
        [sys.executable, *arguments],
        folder=folder,
        environment=bench.environment(),
        limit_s=60.0,
    )
