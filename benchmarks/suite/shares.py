"""Several runs at one simulated service: who gets how much of it, in virtual time."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.api.rate_limiter import RateLimiter
from pipeline.api.rate_limiter_state import RateLimiterState
from suite.figures import greedy_makespan
from suite.simulated_run import SimulatedRun, carry_out_all
from suite.simulated_service import SimulatedService
from suite.virtual_time import VirtualClock, simulate

SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is simulated.

    Attributes:
        runs: How many runs there are.
        ceiling: Jobs in flight that the service allows, of all of them together.
        job_seconds: How long a job takes, at least and at most.
        apart_s: How much later each run begins than the one before.
        items: How many items a run has, by its number; others have no end.
        rpm: Requests a minute that each run allows itself, or None.
        service_rpm: Requests a minute that the service answers, or None.
        on_one_machine: Whether the runs share the count of their requests.
        seed: Of the durations.
    """

    runs: int
    ceiling: int
    job_seconds: tuple[float, float] = (20.0, 40.0)
    apart_s: float = 0.0
    items: Mapping[int, int] = field(default_factory=dict)
    rpm: int | None = None
    service_rpm: int | None = None
    on_one_machine: bool = False
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What happened within a span of time.

    Attributes:
        ends_s: Its end.
        shares: The mean number of jobs in flight of each run.
        used: The mean part of the ceiling that was in use.
        submitted: Submits that were accepted.
        refused: Submits that were refused for the ceiling.
        refused_requests: Requests that were refused for the rate.
        most_in_flight: The most jobs in flight since the beginning.
    """

    ends_s: float
    shares: tuple[float, ...]
    used: float
    submitted: int
    refused: int
    refused_requests: int
    most_in_flight: int


def jain(shares: Sequence[float]) -> float:
    """Jain's index of fairness: 1 for equal shares, 1/n if one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 1.0


def play(scene: Scene, *, until_s: float, step_s: float) -> list[Span]:
    """Simulate a scene; one record for each ``step_s`` seconds of it."""
    with tempfile.TemporaryDirectory(prefix="shares-") as folder:
        return simulate(_play(scene, until_s, step_s, Path(folder)))


async def _play(
    scene: Scene, until_s: float, step_s: float, folder: Path
) -> list[Span]:
    clock = VirtualClock()
    service = SimulatedService(
        clock=clock,
        ceiling=scene.ceiling,
        job_seconds=scene.job_seconds,
        requests_per_minute=scene.service_rpm,
        seed=scene.seed,
    )
    runs = [
        SimulatedRun(
            service=service,
            clock=clock,
            name=f"run {number}",
            items=scene.items.get(number),
            begins_s=number * scene.apart_s,
            rate_limiter=RateLimiter(
                clock,
                limit=scene.rpm,
                state=_state(scene, folder, number),
                first_posts=2,
            ),
        )
        for number in range(scene.runs)
    ]
    spans: list[Span] = []

    async def watch() -> None:
        while True:
            spans.append(await _watch(service, runs, step_s))

    await carry_out_all(runs, until_s=until_s + SAMPLE_S / 2, watch=watch)
    return spans


def _state(scene: Scene, folder: Path, number: int) -> RateLimiterState | None:
    if scene.rpm is None:
        return None
    name = "all" if scene.on_one_machine else str(number)
    return RateLimiterState(folder / name / "project.pace")


async def _watch(
    service: SimulatedService, runs: list[SimulatedRun], span_s: float
) -> Span:
    """Look at the service every second."""
    before = [sum(run.submitted for run in runs)]
    before += [service.refused_slots, service.refused_requests]
    samples = round(span_s / SAMPLE_S)
    sums = [0] * len(runs)
    for _ in range(samples):
        await service.clock.sleep(SAMPLE_S)
        service.end_jobs()
        for number, run in enumerate(runs):
            sums[number] += service.in_flight.get(run.name, 0)
    return Span(
        ends_s=service.clock.monotonic_s(),
        shares=tuple(each / samples for each in sums),
        used=sum(sums) / samples / service.ceiling,
        submitted=sum(run.submitted for run in runs) - before[0],
        refused=service.refused_slots - before[1],
        refused_requests=service.refused_requests - before[2],
        most_in_flight=service.most_in_flight,
    )


def lend_and_return(seed: int) -> tuple[float, int]:
    """Simulate one run at a ceiling of which others hold a part for a while.

    As the benchmark ``shared-ceiling`` does it with a real run: 150 jobs of 2 to 4 s at
    a ceiling of 20; from 6 s others hold 14, at 16 s they leave and the ceiling is 30.

    Returns:
        The makespan as a multiple of that of greedy scheduling that is told all this,
        and how many submits were refused.
    """
    return simulate(_lend_and_return(seed))


async def _lend_and_return(seed: int) -> tuple[float, int]:
    clock = VirtualClock()
    service = SimulatedService(
        clock=clock, ceiling=20, job_seconds=(2.0, 4.0), latency_s=0.005, seed=seed
    )
    run = SimulatedRun(
        service=service,
        clock=clock,
        name="run",
        items=150,
        rate_limiter=RateLimiter(clock, first_posts=2),
    )

    async def others() -> None:
        await clock.sleep(6.0)
        service.taken = 14
        await clock.sleep(10.0)
        service.taken, service.ceiling = 0, 30

    await carry_out_all([run], watch=others)
    slots = [(0.0, 20), (6.0, 20 - 14), (16.0, 30)]
    ideal_s = greedy_makespan(service.durations_s, slots)
    return clock.monotonic_s() / ideal_s, service.refused_slots
