"""Runs the benchmarks and shows what they measured.

    python benchmarks/run.py                     # all
    python benchmarks/run.py makespan start-up   # some
    python benchmarks/run.py --quick             # small: does everything work?
    python benchmarks/run.py --write             # and write down the figures

``--write`` puts the reports that were measured into ``results.json`` beside those of
earlier runs, then makes ``results.md`` and the block in ``docs/performance.md`` of it.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from suite import benchmarks
from suite.bench import Bench, Size
from suite.report import Report, find_moment, render_table
from suite.results import write


def main() -> int:
    options = parse_options()
    every = benchmarks.find_all()
    unknown = set(options.names) - set(every)
    if unknown:
        names = ", ".join(every)
        print(f"no such benchmark: {', '.join(unknown)}; there are {names}")
        return 2
    size: Size = "quick" if options.quick else "full"
    broken = 0
    for name in options.names or every:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            bench = Bench(folder=Path(folder), size=size)
            bench.rounds = options.rounds or (1 if options.quick else 3)
            moment = find_moment()
            began = time.perf_counter()
            print(f"## {name} (load {moment['load']})", flush=True)
            try:
                report = every[name].run(bench)
            except Exception as error:  # noqa: BLE001 - the others still run
                print(f"broken: {error}", flush=True)
                broken += 1
                continue
        report.moment = moment
        show(report, time.perf_counter() - began)
        if options.write:
            write(report)
    return 1 if broken else 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=0, help="of each peer; 3")
    parser.add_argument("--quick", action="store_true", help="small, for a look")
    parser.add_argument("--write", action="store_true", help="write the figures down")
    options = parser.parse_args()
    if options.quick and options.write:
        parser.error("the figures of --quick are not worth writing down")
    return options


def show(report: Report, span_s: float) -> None:
    print(report.setting)
    print("\n".join(render_table(report)))
    for text in report.notes:
        print(f"- {text}")
    print(f"({span_s:.0f} s)\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
