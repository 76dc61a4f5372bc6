"""The benchmarks by name, in the order of the page of results."""

from collections.abc import Mapping
from typing import Protocol

from suite import (
    downloads,
    executors,
    extras,
    ledger_writes,
    makespan,
    planning,
    request_rate,
    shared_ceiling,
    short_jobs,
    slow_cdn,
    start_up,
    uploads,
    yaml_parse,
)
from suite.bench import Bench
from suite.report import Report


class Benchmark(Protocol):
    """A module that measures one thing.

    Attributes:
        NAME: How it is called on the command line.
    """

    NAME: str

    def run(self, bench: Bench) -> Report:
        """Measure all rounds."""
        ...


MODULES: tuple[Benchmark, ...] = (
    makespan,
    shared_ceiling,
    request_rate,
    slow_cdn,
    short_jobs,
    downloads,
    executors,
    uploads,
    ledger_writes,
    planning,
    yaml_parse,
    start_up,
    extras,
)


def find_all() -> Mapping[str, Benchmark]:
    """Every benchmark by its name."""
    return {module.NAME: module for module in MODULES}
