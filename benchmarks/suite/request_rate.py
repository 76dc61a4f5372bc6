"""A limit on requests a minute: how near a run comes to what it allows."""

from suite.bench import OURS, Batch, Bench, make_batch
from suite.figures import limited_makespan
from suite.report import Report
from suite.service import Service

NAME = "request-rate"
PER_MINUTE = 100  # of the service
RPM = 95  # of ours
CALLS = 1.2  # of an asset, for the schedule that ours is held against


def run(bench: Bench) -> Report:
    is_full = bench.size == "full"
    low_s, high_s = (8.0, 12.0) if is_full else (0.2, 0.4)
    batch = Batch(
        items=bench.choose(120, 40, 8),
        ceiling=20,
        profile={
            "job_seconds": [low_s, high_s],
            "fixed_size_px": 16,
            "requests_per_minute": PER_MINUTE,
        },
        arguments=("--rpm", str(RPM)),
    )
    report = Report(
        name=NAME,
        title="a limit on requests",
        setting=(
            f"{batch.items} jobs of {low_s:g} to {high_s:g} s, ceiling {batch.ceiling},"
            f" {PER_MINUTE} requests a minute, `--rpm {RPM}`. What the limit allows is"
            f" greedy scheduling with {CALLS:g} requests an asset."
        ),
        peers=[OURS],
        rounds=bench.rounds,
        limits={"wall ÷ what the limit allows": "≤ 1.25"}
        | {"requests per asset": "≤ 1.3", "refusals": "≤ 5"},
    )
    with Service() as service:
        for _ in range(bench.rounds):
            usage, out = make_batch(bench, batch, service, OURS)
            counters = service.read_counters()
            durations_s = [job.duration_s for job in counters.jobs]
            allowed_s = limited_makespan(durations_s, batch.ceiling, PER_MINUTE, CALLS)
            for figure, unit, value in (
                ("wall", "s", usage.wall_s),
                ("wall ÷ what the limit allows", "", usage.wall_s / allowed_s),
                ("requests per asset", "", counters.requests / batch.items),
                ("refusals", "", counters.refusals),
            ):
                report.add(figure, unit, OURS, value)
            bench.drop(out.parent)
    return report
