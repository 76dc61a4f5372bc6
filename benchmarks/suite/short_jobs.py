"""What 300 short jobs with real pictures cost, start-up and everything included."""

from suite.bench import BARE, OURS, SDK, Batch, Bench
from suite.makespan import measure
from suite.report import Report

NAME = "short-jobs"


def run(bench: Bench) -> Report:
    low_s, high_s = (1.0, 2.0) if bench.size == "full" else (0.2, 0.4)
    batch = Batch(
        items=bench.choose(300, 60, 6),
        ceiling=bench.choose(40, 20, 3),
        profile={"job_seconds": [low_s, high_s]},
    )
    report = Report(
        name=NAME,
        title="cost of short jobs",
        setting=(
            f"{batch.items} jobs of {low_s:g} to {high_s:g} s, ceiling {batch.ceiling},"
            " pictures of 1024 by 768; ours expands every picture, hashes, syncs and"
            " keeps a ledger, the others do not."
        ),
        peers=[OURS, BARE] if bench.size == "tiny" else [OURS, SDK, BARE],
        rounds=bench.rounds,
        limits={"CPU per job": "÷ SDK ≤ 0.6", "wall": "÷ SDK ≤ 1.0"}
        | {"requests per asset": "÷ SDK ≤ 0.4"},
    )
    measure(bench, batch, report, pictures="one")
    return report
