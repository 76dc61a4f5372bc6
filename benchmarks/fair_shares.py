"""Several runs, one ceiling and one request rate: do their shares become equal?

    python benchmarks/fair_shares.py              # simulated, on virtual time
    python benchmarks/fair_shares.py --summary    # a row for each scene, three seeds
    python benchmarks/fair_shares.py --processes  # real runs, against one emulator

Each row is a span of time: the mean jobs in flight of each run, Jain's index of them (1
for equal shares, 1/n if one has everything), how much of the ceiling was in use, and
what was refused. It works in a temporary folder and stops by itself.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from suite.bench import Bench
from suite.report import find_moment
from suite.service import Counters, ServedJob, Service
from suite.shares import Scene, Span, jain, lend_and_return, play

SCENES = {
    "two runs, ceiling 20": Scene(runs=2, ceiling=20, apart_s=60.0),
    "four runs, ceiling 20": Scene(runs=4, ceiling=20, apart_s=60.0),
    "four runs, ceiling 7": Scene(runs=4, ceiling=7, apart_s=60.0),
    "two machines, 100 requests a minute": Scene(
        runs=2, ceiling=60, apart_s=60.0, rpm=95, service_rpm=100
    ),
    "four machines, 100 requests a minute": Scene(
        runs=4, ceiling=60, apart_s=60.0, rpm=95, service_rpm=100
    ),
    "four processes of one machine, 100 requests a minute": Scene(
        runs=4, ceiling=60, apart_s=60.0, rpm=95, service_rpm=100, on_one_machine=True
    ),
}
SEEDS = (1, 2, 3)
LENT_SEEDS = range(1, 201)  # one run is short, and its makespan a matter of chance
SETTLED = 0.9  # of Jain's index, in the mean of a minute
LAST_MINUTES = 15
UNTIL_S, STEP_S = 1800.0, 180.0
# Of the real runs: short jobs, so that many generations pass.
CEILING, JOB_SECONDS, APART_S, LAST_S, SPAN_S = 20, (1.0, 2.0), 10.0, 60.0, 10.0
ITEMS = 20_000  # more than there is time for
PAST_DEADLINE_S = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--processes", action="store_true", help="real runs")
    parser.add_argument("--summary", action="store_true", help="a row for each scene")
    options = parser.parse_args()
    if options.summary:
        show_summary()
        return 0
    print(f"load {find_moment()['load']}")
    if options.processes:
        for runs in (2, 4):
            print(f"\n## {runs} processes, ceiling {CEILING}, {APART_S:g} s apart\n")
            with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
                show_spans(*run_processes(Bench(folder=Path(folder)), runs))
        return 0
    for title, scene in SCENES.items():
        print(f"\n## {title}\n")
        show(play(scene, until_s=UNTIL_S, step_s=STEP_S))
    return 0


def show(spans: Iterable[Span]) -> None:
    """One row for each span."""
    print("| Until, s | In flight, of each run | Jain | In use | Accepted | Refused |")
    print("| --- | --- | --- | --- | --- | --- |")
    for span in spans:
        shares = " ".join(f"{share:.1f}" for share in span.shares)
        refused = f"{span.refused}, {span.refused_requests} for the rate"
        fairness = f"{jain(span.shares):.3f} | {span.used:.2f}"
        print(
            f"| {span.ends_s:.0f} | {shares} | {fairness} | {span.submitted} |"
            f" {refused} |"
        )


def show_summary() -> None:
    """How soon shares settle in each scene, and its end; the means of all seeds."""
    heads = ("Settled after, s", "Jain", "Least share", "In use")
    rates = ("Accepted", "Refused for the ceiling", "for the rate")
    cells = ["Scene", *heads, *(f"{each}, a minute" for each in rates)]
    print(f"| {' | '.join(cells)} |\n|{' --- |' * len(cells)}")
    for title, scene in SCENES.items():
        samples = [summary_of(replace(scene, seed=seed)) for seed in SEEDS]
        means = [statistics.mean(column) for column in zip(*samples, strict=True)]
        cells = [
            f"{mean:.{digits}f}" for mean, digits in zip(means, DIGITS, strict=True)
        ]
        print(f"| {title} | {' | '.join(cells)} |", flush=True)
    ratios, refusals = zip(*map(lend_and_return, LENT_SEEDS), strict=True)
    print(
        "\nA run whose slots others take and leave: makespan"
        f" {statistics.mean(ratios):.3f} of greedy scheduling, with"
        f" {statistics.mean(refusals):.1f} refusals (means of {len(ratios)})"
    )


DIGITS = (0, 3, 1, 2, 1, 1, 1)


def summary_of(scene: Scene) -> tuple[float, ...]:
    """The figures of a row of the summary, of one seed."""
    joined_s = scene.apart_s * (scene.runs - 1)
    spans = play(scene, until_s=UNTIL_S, step_s=60.0)
    settled_s = next(
        (
            span.ends_s - joined_s
            for span in spans
            if span.ends_s > joined_s and jain(span.shares) >= SETTLED
        ),
        UNTIL_S,
    )
    last = spans[-LAST_MINUTES:]
    return (
        settled_s,
        statistics.mean(jain(span.shares) for span in last),
        min(
            statistics.mean(each)
            for each in zip(*(span.shares for span in last), strict=True)
        ),
        statistics.mean(span.used for span in last),
        statistics.mean(span.submitted for span in last),
        statistics.mean(span.refused for span in last),
        statistics.mean(span.refused_requests for span in last),
    )


# --- real runs ------------------------------------------------------------------------


def run_processes(bench: Bench, runs: int) -> tuple[Counters, int, float]:
    """Start so many runs one after the other, each as on a machine of its own.

    Returns:
        What the service counted, the number of runs, and when the first began.
    """
    with Service() as service:
        service.renew(
            {
                "seed": 1,
                "ceiling": CEILING,
                "limits_status": 403,
                "job_seconds": list(JOB_SECONDS),
                "fixed_size_px": 16,
            }
        )
        processes = []
        began = time.time()
        for number in range(runs):
            left_s = LAST_S - number * APART_S
            processes.append(start(bench, service, number, left_s))
            if number < runs - 1:
                time.sleep(APART_S)
        for process in processes:
            process.wait(LAST_S + PAST_DEADLINE_S)
        return service.read_counters(), runs, began


def start(
    bench: Bench, service: Service, number: int, left_s: float
) -> subprocess.Popen[bytes]:
    """Start one run, with a key and a state folder of its own."""
    folder = bench.new_folder(f"run-{number}")
    (folder / "batch.yaml").write_text(
        "version: 1\nname: batch\nmodel: model_wan-2-7-image\nitems:\n"
        "  - {id: 'item-${n}', prompt: 'item ${n}', rows: rows.csv}\n",
        "utf-8",
    )
    rows = "\n".join(str(number * ITEMS + row) for row in range(ITEMS))
    (folder / "rows.csv").write_text(f"n\n{rows}\n", "utf-8")
    environment = bench.environment(service.base_url)
    environment["SCENARIO_SDK_API_KEY"] = f"key{number}"
    environment["PIPELINE_STATE_DIR"] = str(folder / "state")
    arguments = ["run", "batch.yaml", "--yes", "--quiet", "--deadline", f"{left_s:g}s"]
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def show_spans(counters: Counters, runs: int, began: float) -> None:
    """One row for each span of a real run."""
    print("| Until, s | In flight, of each run | Jain | In use |")
    print("| --- | --- | --- | --- |")
    for step in range(round(LAST_S / SPAN_S)):
        from_s = began + step * SPAN_S
        shares = shares_of(counters.jobs, runs, from_s, from_s + SPAN_S)
        shown = " ".join(f"{share:.1f}" for share in shares)
        used = sum(shares) / CEILING
        ends_s = (step + 1) * SPAN_S
        print(f"| {ends_s:.0f} | {shown} | {jain(shares):.3f} | {used:.2f} |")
    print(f"\n{len(counters.jobs):,} accepted, {counters.refusals:,} refused")


def shares_of(
    jobs: Sequence[ServedJob], runs: int, from_s: float, to_s: float
) -> list[float]:
    """The mean number of jobs in flight of each run within a span."""
    shares = [0.0] * runs
    for job in jobs:
        within_s = min(job.ended, to_s) - max(job.created, from_s)
        shares[job.number // ITEMS] += max(0.0, within_s) / (to_s - from_s)
    return shares


if __name__ == "__main__":
    sys.exit(main())
