"""Samples in, the numbers of a table out: medians, spread, ideal schedules. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What several samples of one figure come to.

    Attributes:
        median: Of all samples.
        low: The smallest.
        high: The largest.
        count: How many.
    """

    median: float
    low: float
    high: float
    count: int


def spread_of(samples: Sequence[float]) -> Spread:
    """Median and extremes of at least one sample."""
    return Spread(
        median=statistics.median(samples),
        low=min(samples),
        high=max(samples),
        count=len(samples),
    )


def percentile(samples: Iterable[float], percent: float) -> float:
    """The sample that ``percent`` of the samples do not exceed (nearest rank).

    Args:
        samples: At least one, in any order.
        percent: Above 0, up to 100.
    """
    ordered = sorted(samples)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def greedy_makespan(
    durations_s: Iterable[float], slots: int | Sequence[tuple[float, int]]
) -> float:
    """When the last job ends if each begins the moment a slot is free.

    List scheduling in the given order, with no latency anywhere.

    Args:
        durations_s: Of the jobs, in the order in which they are begun.
        slots: How many may run at once, at least 1; or moments in seconds, the first
            of them 0, each with the slots from then on. What runs is never stopped.
    """
    steps = [(0.0, slots)] if isinstance(slots, int) else list(slots)
    running: list[float] = []
    now_s = last_s = 0.0
    for duration_s in durations_s:
        while True:
            while running and running[0] <= now_s:
                heappop(running)
            room = [count for at_s, count in steps if at_s <= now_s][-1]
            if len(running) < room:
                break
            later = [at_s for at_s, _ in steps if at_s > now_s]
            now_s = min([*running[:1], *later])
        heappush(running, now_s + duration_s)
        last_s = max(last_s, now_s + duration_s)
    return last_s


def limited_makespan(
    durations_s: Iterable[float], slots: int, per_minute: int, calls: float
) -> float:
    """When the last job ends if requests are limited too, and none is late.

    Each job begins as soon as there are a slot and its requests.

    Args:
        durations_s: Of the jobs, in the order in which they are begun.
        slots: How many may run at once.
        per_minute: Requests within any 60 seconds.
        calls: Requests that a job takes on average, all made as it begins.
    """
    running: list[float] = []
    asked_s: list[float] = []
    now_s = last_s = credit = 0.0
    for duration_s in durations_s:
        if len(running) >= slots:
            now_s = max(now_s, heappop(running))
        credit += calls
        for _ in range(int(credit)):
            if len(asked_s) >= per_minute:
                now_s = max(now_s, asked_s[-per_minute] + MINUTE_S)
            asked_s.append(now_s)
        credit -= int(credit)
        heappush(running, now_s + duration_s)
        last_s = max(last_s, now_s + duration_s)
    return last_s


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The same names with another one first at each turn, so that none is favoured."""
    start = turn % len(names)
    return [*names[start:], *names[:start]]
