"""How many durable writes a second the ledger takes."""

import json

from suite.bench import OURS, Bench
from suite.figures import rotated
from suite.report import Report

NAME = "ledger"
ALONE, FLOOR = "pipeline, one job at a time", "bare SQLite"
AT_ONCE = 1000


def run(bench: Bench) -> Report:
    jobs = bench.choose(20_000, 2_000, 50)
    report = Report(
        name=NAME,
        title="ledger writes",
        setting=(
            f"{jobs:,} lives of four writes each (intent, submitted, ended, saved),"
            f" {AT_ONCE:,} jobs at once, with synchronous=FULL; one at a time a tenth"
            " of them. Bare SQLite: as many plain inserts, a thousand in a commit."
        ),
        peers=[OURS, ALONE, FLOOR],
        rounds=bench.rounds,
    )
    ways = {
        OURS: ("ours", jobs, AT_ONCE),
        ALONE: ("ours", max(jobs // 10, 1), 1),
        FLOOR: ("bare", jobs, 0),
    }
    for turn in range(bench.rounds):
        for peer in rotated(report.peers, turn):
            folder = bench.new_folder("ledger")
            usage = bench.child("ledger_rows.py", *ways[peer], folder=folder)
            said = json.loads(usage.output)
            report.add("durable writes", "per s", peer, said["per_s"])
            report.add("CPU of a write", "µs", peer, said["cpu_us"])
            report.add("peak memory", "MB", peer, usage.rss_mb)
            bench.drop(folder)
    return report
