"""How near a run comes to the ideal schedule, with a ceiling it has to find."""

from collections.abc import Sequence
from pathlib import Path

from suite.bench import BARE, OURS, SDK, Batch, Bench, make_batch
from suite.figures import greedy_makespan, percentile, rotated
from suite.processes import Usage
from suite.report import Report
from suite.service import Counters, Service

NAME = "makespan"
PEERS = [OURS, SDK, BARE]


def run(bench: Bench) -> Report:
    low_s, high_s = (4.0, 8.0) if bench.size == "full" else (0.2, 0.4)
    batch = Batch(
        items=bench.choose(240, 48, 8),
        ceiling=bench.choose(40, 8, 4),
        profile={"job_seconds": [low_s, high_s], "fixed_size_px": 16},
    )
    report = Report(
        name=NAME,
        title="makespan against greedy scheduling",
        setting=(
            f"{batch.items} jobs of {low_s:g} to {high_s:g} s, ceiling {batch.ceiling};"
            " we find it from 429s alone, the others are told."
        ),
        peers=PEERS,
        rounds=bench.rounds,
        limits={"wall ÷ greedy": "≤ 1.08", "refusals": "≤ 40"}
        | {"requests per asset": "≤ 2.0"},
    )
    measure(bench, batch, report)
    return report


def measure(
    bench: Bench,
    batch: Batch,
    report: Report,
    *,
    pictures: str = "tiny",
    slots: Sequence[tuple[float, int]] = (),
) -> None:
    """All rounds of all peers on one service."""
    with Service(pictures=pictures) as service:
        for turn in range(bench.rounds):
            for peer in rotated(report.peers, turn):
                usage, out = make_batch(bench, batch, service, peer)
                counters = service.read_counters()
                take_samples(
                    report,
                    peer,
                    batch,
                    usage=usage,
                    counters=counters,
                    out=out,
                    slots=slots,
                )
                bench.drop(out.parent)


def take_samples(
    report: Report,
    peer: str,
    batch: Batch,
    *,
    usage: Usage,
    counters: Counters,
    out: Path,
    slots: Sequence[tuple[float, int]] = (),
) -> None:
    """Every figure that a run and the service's counters give.

    ``slots`` stands for a ceiling that changes.
    """
    durations_s = [job.duration_s for job in counters.jobs]
    ideal_s = greedy_makespan(durations_s, slots or batch.ceiling)
    busy_s = max(job.ended for job in counters.jobs) - counters.jobs[0].created
    waits_s = find_waits(counters, out)
    for figure, unit, value in (
        ("wall", "s", usage.wall_s),
        ("wall ÷ greedy", "", usage.wall_s / ideal_s),
        ("first submit to last end ÷ greedy", "", busy_s / ideal_s),
        ("start to first submit", "s", counters.jobs[0].created - usage.began),
        ("refusals", "", counters.refusals),
        ("requests per asset", "", counters.requests / batch.items),
        ("CPU per job", "ms", usage.cpu_s / batch.items * 1000),
        ("peak memory", "MB", usage.rss_mb),
        ("end of job to file, median", "ms", percentile(waits_s, 50) * 1000),
        ("end of job to file, p99", "ms", percentile(waits_s, 99) * 1000),
    ):
        report.add(figure, unit, peer, value)


def find_waits(counters: Counters, out: Path) -> list[float]:
    """Seconds from the service's end of each job to its file in place.

    ``ctime`` is when a file was last written or given its name: ours only gets its
    name when it is whole, checked and synced.
    """
    return [
        max((out / f"item-{job.number}.png").stat().st_ctime - job.ended, 0.0)
        for job in counters.jobs
    ]
