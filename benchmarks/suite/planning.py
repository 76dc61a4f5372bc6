"""Planning of large batches: items a second, and the memory it takes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from suite.bench import Bench
from suite.report import Report

NAME = "planning"
HEAD = """\
version: 1
name: rows
model: model_wan-2-7-image
params: {size: 1K}
items:
  - {id: '${slug}', prompt: '${text}', rows: %s}
"""


def run(bench: Bench) -> Report:
    sizes = [bench.choose(100_000, 5_000, 50)]
    if bench.size == "full":
        sizes.append(1_000_000)
    ways = {"CSV": ("rows.csv", write_csv), "JSON Lines": ("rows.jsonl", write_jsonl)}
    report = Report(
        name=NAME,
        title="planning",
        setting=(
            "`pipeline plan --offline --json` of a new manifest, from the start of the"
            " process to its end; one line of JSON for each item, thrown away."
        ),
        peers=list(ways),
        rounds=bench.rounds,
        has_ratios=False,
    )
    for count in sizes:
        of = f"{count:,} rows"
        if count == 1_000_000:
            report.limits = {f"{of}: wall": "≤ 150", f"{of}: peak memory": "≤ 400"}
        for kind, (name, write) in ways.items():
            folder = write_rows(bench, name, count, write)
            for _ in range(bench.rounds if count < 1_000_000 else 1):
                usage = bench.command(
                    *("plan", "batch.yaml", "--offline", "--json"),
                    folder=folder,
                    keep=False,
                )
                report.add(f"{of}: wall", "s", kind, usage.wall_s)
                report.add(f"{of}: items", "per s", kind, count / usage.wall_s)
                report.add(f"{of}: peak memory", "MB", kind, usage.rss_mb)
            bench.drop(folder)
    if bench.size == "full" and bench.rounds > 1:
        report.note("1,000,000 rows were planned once for each kind of file")
    return report


def write_rows(
    bench: Bench, name: str, count: int, write: Callable[[TextIO, int], None]
) -> Path:
    folder = bench.new_folder("plan")
    (folder / "batch.yaml").write_text(HEAD % name, "utf-8")
    with (folder / name).open("w", encoding="utf-8") as file:
        write(file, count)
    return folder


def write_csv(file: TextIO, count: int) -> None:
    file.write("slug,text\n")
    file.writelines(f"p{n},a thing number {n}\n" for n in range(count))


def write_jsonl(file: TextIO, count: int) -> None:
    for number in range(count):
        row = {"slug": f"p{number}", "text": f"a thing number {number}"}
        file.write(json.dumps(row) + "\n")
