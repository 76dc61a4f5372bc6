"""Whether uvloop and orjson would pay; neither is part of the product."""

import importlib.util
import json
import urllib.request

from suite.bench import OURS, Batch, Bench, make_batch, write_manifest
from suite.figures import rotated
from suite.processes import Usage
from suite.report import Report
from suite.service import Service

NAME = "extras"
UVLOOP = "pipeline on uvloop"
PAGE_ROWS = 100


def run(bench: Bench) -> Report:
    low_s, high_s = (1.0, 2.0) if bench.size == "full" else (0.2, 0.4)
    batch = Batch(
        items=bench.choose(300, 40, 6),
        ceiling=bench.choose(100, 20, 6),
        profile={"job_seconds": [low_s, high_s], "fixed_size_px": 16},
    )
    report = Report(
        name=NAME,
        title="uvloop and orjson",
        setting=(
            f"{batch.items} jobs of {low_s:g} to {high_s:g} s, ceiling {batch.ceiling},"
            " tiny pictures, on either event loop; and a page of"
            f" {PAGE_ROWS} jobs decoded by each library."
        ),
        peers=[OURS],
        rounds=bench.rounds,
    )
    if importlib.util.find_spec("uvloop"):
        report.peers.append(UVLOOP)
    else:
        report.note("uvloop: not installed here, not measured")
    if not importlib.util.find_spec("orjson"):
        report.note("orjson: not installed here, not measured")
    with Service() as service:
        for turn in range(bench.rounds):
            for peer in rotated(report.peers, turn):
                usage = run_batch(bench, batch, service, peer)
                report.add("wall", "s", peer, usage.wall_s)
                report.add("CPU per job", "ms", peer, usage.cpu_s / batch.items * 1000)
                report.add("peak memory", "MB", peer, usage.rss_mb)
        decode_page(bench, service, report)
    return report


def run_batch(bench: Bench, batch: Batch, service: Service, peer: str) -> Usage:
    if peer == OURS:
        return make_batch(bench, batch, service, peer)[0]
    batch.renew(service)
    folder = bench.new_folder(peer)
    write_manifest(folder, batch.items, batch.size)
    return bench.child(
        "with_uvloop.py",
        *("run", "batch.yaml", "--output", "out", "--yes", "--json", "--quiet"),
        folder=folder,
        base_url=service.base_url,
    )


def decode_page(bench: Bench, service: Service, report: Report) -> None:
    """A page as the emulator has just sent it, decoded again and again."""
    request = urllib.request.Request(
        f"{service.base_url}/jobs?types=custom&pageSize={PAGE_ROWS}",
        headers={"Authorization": "Basic a2V5OnNlY3JldA=="},
    )
    folder = bench.new_folder("page")
    with urllib.request.urlopen(request, timeout=30) as answer:
        (folder / "page.json").write_bytes(answer.read())
    span_s = 1.0 if bench.size == "full" else 0.05
    for _ in range(bench.rounds):
        usage = bench.child("json_decode.py", "page.json", span_s, folder=folder)
        for way, per_s in json.loads(usage.output).items():
            figure = f"a page of {PAGE_ROWS} jobs, {way}"
            report.add(figure, "per s", OURS, per_s)
