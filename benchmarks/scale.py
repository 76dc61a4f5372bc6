"""One run of very many jobs: does memory stay flat, and the ledger as fast?

    python benchmarks/scale.py                # 100,000 jobs
    python benchmarks/scale.py --jobs 2000    # a try

Tiny pictures and short jobs, so that only what grows with their number is seen. Each
row is a tenth of the items: memory is its highest sample, latency that of its writes
to the ledger. It works in a temporary folder and stops by itself.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from suite.bench import Batch, Bench, write_manifest
from suite.processes import Usage
from suite.report import Report, find_moment, render_table
from suite.results import write
from suite.service import Service

NAME = "scale"
CEILING = 1000
JOB_SECONDS = (1.0, 3.0)
SUBMIT_SHARE = 0.9  # of the limit; then nothing more is submitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a long run came to.

    Attributes:
        usage: Of its process.
        tenths: One record for each tenth of the items.
        counts: Items by how they ended.
        requests: To the API.
        refusals: 429s.
    """

    usage: Usage
    tenths: list[dict[str, float]]
    counts: dict[str, int]
    requests: int
    refusals: int


def run_long(bench: Bench, jobs: int, limit_s: float) -> Outcome:
    """Make so many tiny items in one run, as far as the time goes.

    Raises:
        ChildFailed: It broke, or had to be killed after ``limit_s``.
    """
    batch = Batch(
        items=jobs,
        ceiling=CEILING,
        profile={"job_seconds": list(JOB_SECONDS), "fixed_size_px": 16},
    )
    folder = bench.new_folder("long")
    write_manifest(folder, jobs, batch.size)
    with Service() as service:
        batch.renew(service)
        usage = bench.child(
            "long_run.py",
            *("batch.yaml", "out", jobs, limit_s * SUBMIT_SHARE),
            folder=folder,
            base_url=service.base_url,
            limit_s=limit_s,
        )
        counters = service.read_counters()
    *tenths, last = map(json.loads, usage.output.splitlines())
    return Outcome(
        usage=usage,
        tenths=tenths,
        counts=last["counts"],
        requests=counters.requests,
        refusals=counters.refusals,
    )


def report_of(outcome: Outcome, jobs: int) -> Report:
    """A column for each tenth."""
    report = Report(
        name=NAME,
        title=f"{jobs:,} jobs in one run",
        setting=(
            f"Jobs of {JOB_SECONDS[0]:g} to {JOB_SECONDS[1]:g} s, ceiling {CEILING:,},"
            " found from 429s; pictures of 16 by 16. A column is a tenth of the items;"
            " memory is the highest sample in it. Half of the writes wait up to 30 ms"
            " for another's commit."
        ),
        peers=[],
        has_ratios=False,
    )
    before_s = before = 0.0
    for number, tenth in enumerate(outcome.tenths, 1):
        peer = f"{number}/10"
        report.peers.append(peer)
        per_s = (tenth["saved"] - before) / (tenth["at_s"] - before_s)
        before_s, before = tenth["at_s"], tenth["saved"]
        report.add("jobs", "per s", peer, per_s)
        report.add("resident memory", "MB", peer, tenth["rss_mb"])
        report.add("ledger write, median", "ms", peer, tenth["median_ms"])
        report.add("ledger write, p99", "ms", peer, tenth["p99_ms"])
    usage = outcome.usage
    saved = max(outcome.counts.get("saved", 0), 1)
    per_job_ms = usage.cpu_s / saved * 1000
    report.note(
        f"whole run: {usage.wall_s:.0f} s, {per_job_ms:.2f} ms CPU a job, peak"
        f" {usage.rss_mb:.0f} MB, {outcome.requests / saved:.2f} requests per asset,"
        f" {outcome.refusals} refusals; outcome {outcome.counts}"
    )
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--limit", type=float, default=3000.0, help="seconds at most")
    parser.add_argument("--write", action="store_true", help="write the figures down")
    options = parser.parse_args()
    moment = find_moment()
    print(f"## {NAME}: {options.jobs:,} jobs (load {moment['load']})", flush=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        bench = Bench(folder=Path(folder), rounds=1)
        outcome = run_long(bench, options.jobs, options.limit)
    report = report_of(outcome, options.jobs)
    is_whole = outcome.counts.get("saved") == options.jobs
    report.moment = moment
    print("\n".join(render_table(report)))
    print("\n".join(f"- {text}" for text in report.notes))
    if options.write and is_whole:
        write(report)
    return 0 if is_whole else 1


if __name__ == "__main__":
    sys.exit(main())
