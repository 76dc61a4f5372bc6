"""What a batch of millions of assets needs: a simulation of its control plane.

    python benchmarks/simulate_batch.py            # the tables of docs/scale.md
    python benchmarks/simulate_batch.py --measure  # bytes an item, from a real run

The real slots, rate limiter, poller and resolver of a run make a sample of the batch
against a simulated service, on virtual time, at the documented request rate. Nothing
there depends on the number of assets: a second sample, a quarter as large, shows by how
much the figures of the two differ. The batch is the sample, so many times.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from suite.bench import OURS, Batch, Bench, make_batch
from suite.service import Service
from suite.simulated_run import SimulatedRun, carry_out_all
from suite.simulated_service import SimulatedService
from suite.virtual_time import VirtualClock, simulate

from pipeline.api.rate_limiter import RateLimiter
from pipeline.settings import DEFAULT_RPM

BATCHES = (10_000_000, 100_000_000, 1_000_000_000)
SERVICE_RPM = 100  # documented for a project
JOB_SECONDS = (20.0, 40.0)
CEILINGS = (7, 20, 40, 100)
MINUTE_S, DAY_S = 60.0, 86_400.0
MONTH_MINUTES = 30 * 24 * 60
SAMPLE = 10_000
REAL_ITEMS = (500, 2000)  # their difference is what grows with an item


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a sample of a batch took.

    Attributes:
        assets: How many were made.
        seconds: How long it took, in virtual time.
        by_kind: Requests of each kind.
        refused: Requests that were refused.
    """

    assets: int
    seconds: float
    by_kind: dict[str, int]
    refused: int

    @property
    def per_minute(self) -> float:
        """Assets made in a minute."""
        return self.assets / self.seconds * MINUTE_S

    @property
    def requests_each(self) -> float:
        """Requests for each asset, refused ones too."""
        return (sum(self.by_kind.values()) + self.refused) / self.assets


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assets", type=int, default=SAMPLE, help="of a sample")
    parser.add_argument("--measure", action="store_true", help="make a real run")
    options = parser.parse_args()
    if options.measure:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            show_bytes(Bench(folder=Path(folder)))
        return 0
    began_s = time.monotonic()
    samples = {ceiling: take_sample(ceiling, options.assets) for ceiling in CEILINGS}
    show_samples(samples)
    best = samples[CEILINGS[-1]]
    show_batches(best)
    smaller = take_sample(CEILINGS[-1], options.assets // 4)
    differences = [
        abs(figure(smaller) / figure(best) - 1)
        for figure in (lambda one: one.per_minute, lambda one: one.requests_each)
    ]
    print(f"\nA sample a quarter as large differs by {max(differences):.1%}.")
    print(f"({time.monotonic() - began_s:.0f} s)")
    return 0


def take_sample(ceiling: int, assets: int) -> Sample:
    """Make so many assets, as one run makes them."""
    return simulate(_take_sample(ceiling, assets))


async def _take_sample(ceiling: int, assets: int) -> Sample:
    clock = VirtualClock()
    service = SimulatedService(
        clock=clock,
        ceiling=ceiling,
        job_seconds=JOB_SECONDS,
        requests_per_minute=SERVICE_RPM,
    )
    run = SimulatedRun(
        service=service,
        clock=clock,
        name="batch",
        items=assets,
        rate_limiter=RateLimiter(clock, limit=DEFAULT_RPM, first_posts=2),
    )
    await carry_out_all([run])
    return Sample(
        assets=run.resolved,
        seconds=clock.monotonic_s(),
        by_kind=dict(service.by_kind),
        refused=service.refused_slots + service.refused_requests,
    )


def show_samples(samples: dict[int, Sample]) -> None:
    """One row for each ceiling."""
    low_s, high_s = JOB_SECONDS
    print(f"Jobs of {low_s:g} to {high_s:g} s, {DEFAULT_RPM} requests a minute.\n")
    row(("Ceiling", "Assets a minute", "Requests an asset", "Refused", "What limits"))
    row(["---"] * 5)
    mean_s = sum(JOB_SECONDS) / 2
    for ceiling, sample in samples.items():
        by_slots = ceiling / mean_s * MINUTE_S
        limit = "jobs in flight" if sample.per_minute > 0.9 * by_slots else "requests"
        row(
            (
                f"{ceiling}",
                f"{sample.per_minute:.1f}",
                f"{sample.requests_each:.2f}",
                f"{sample.refused:,} of {sample.assets:,}",
                limit,
            )
        )


def show_batches(sample: Sample) -> None:
    """One row for each batch, at the rate of a sample."""
    print()
    row(("Assets", "Requests", "Days", "Requests a minute to take 30 days"))
    row(["---"] * 4)
    for assets in BATCHES:
        requests = assets * sample.requests_each
        days = assets / sample.per_minute * MINUTE_S / DAY_S
        needed = requests / MONTH_MINUTES
        row((f"{assets:,}", f"{requests:,.0f}", f"{days:,.0f}", f"{needed:,.0f}"))


def show_bytes(bench: Bench) -> None:
    """What a real run leaves on the disk for each item, its pictures left out."""
    sizes = [left_by(bench, items) for items in REAL_ITEMS]
    print(f"From {REAL_ITEMS[0]:,} to {REAL_ITEMS[1]:,} items:\n")
    row(("Kept for each item", "Bytes", *(f"{assets:,} items" for assets in BATCHES)))
    row(["---"] * (2 + len(BATCHES)))
    for name in sizes[0]:
        each = (sizes[1][name] - sizes[0][name]) / (REAL_ITEMS[1] - REAL_ITEMS[0])
        totals = (f"{each * assets / 1e9:,.0f} GB" for assets in BATCHES)
        row((name, f"{each:,.0f}", *totals))


def left_by(bench: Bench, items: int) -> dict[str, float]:
    """The sizes of what a run of so many items leaves."""
    batch = Batch(
        items=items,
        ceiling=200,
        profile={"job_seconds": [0.5, 1.0], "fixed_size_px": 16},
    )
    with Service() as service:
        _usage, out = make_batch(bench, batch, service, OURS)
    sizes = {
        "ledger": float((out / "ledger.sqlite3").stat().st_size),
        "lock file": float((out.parent / "batch.yaml.lock").stat().st_size),
        "sidecar": float(sum(path.stat().st_size for path in out.glob("*.png.json"))),
    }
    bench.drop(out.parent)
    return sizes


def row(cells: Iterable[str]) -> None:
    print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    sys.exit(main())
