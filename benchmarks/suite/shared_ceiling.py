"""A ceiling that others share and that changes: give way, and take it back."""

from suite.bench import OURS, Batch, Bench
from suite.makespan import measure
from suite.report import Report

NAME = "shared-ceiling"


def run(bench: Bench) -> Report:
    is_full = bench.size == "full"
    low_s, high_s = (2.0, 4.0) if is_full else (0.2, 0.4)
    taken_s, risen_s = (6.0, 16.0) if is_full else (0.6, 1.6)
    first, taken, then = (20, 14, 30) if is_full else (6, 4, 9)
    batch = Batch(
        items=bench.choose(150, 40, 12),
        ceiling=first,
        profile={"job_seconds": [low_s, high_s], "fixed_size_px": 16},
        changes=[
            (taken_s, {"ceiling_taken": taken}),
            (risen_s, {"ceiling_taken": 0, "ceiling": then}),
        ],
    )
    report = Report(
        name=NAME,
        title="a ceiling that others share",
        setting=(
            f"{batch.items} jobs of {low_s:g} to {high_s:g} s, ceiling {first}; from"
            f" {taken_s:g} s others hold {taken} slots, at {risen_s:g} s they leave and"
            f" the ceiling is {then}. Greedy scheduling is told all that."
        ),
        peers=[OURS],
        rounds=bench.rounds,
    )
    slots = [(0.0, first), (taken_s, first - taken), (risen_s, then)]
    measure(bench, batch, report, slots=slots)
    report.note("the SDK gives up after two refusals of a submit: it takes no part")
    return report
