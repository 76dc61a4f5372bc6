"""Files to a bucket: megabytes a second, beside obstore alone and s5cmd."""

import json
import shutil
import sys
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

from suite.bench import CHILDREN, OURS, Batch, Bench, write_manifest
from suite.downloads import find_urls, first_line
from suite.figures import rotated
from suite.processes import Usage, run_measured, serving
from suite.report import Report
from suite.service import Service

NAME = "uploads"
BARE, S5CMD = "aiohttp and obstore", "s5cmd"
AT_ONCE = 16
SIZES = {"4 MB": 1182, "64 KB": 146}  # sides in pixels, of random pixels
STORE = "s3://bench/files"


def run(bench: Bench) -> Report:
    report = Report(
        name=NAME,
        title="files to a bucket",
        setting=(
            "Files of random pixels, nothing left to make, to an S3 server that keeps"
            " no bytes. Ours is the whole of `fetch` but for Python and its imports:"
            " plan, ledger, download, SHA-256 twice, a check of every pixel row, one"
            f" request for a file and one for its sidecar. {BARE} gets the same files,"
            f" {AT_ONCE} at once, and checks nothing; {S5CMD} reads them from the disk,"
            " and its figure includes its start."
        ),
        peers=[OURS, BARE],
        rounds=bench.rounds,
        limits={"4 MB files, speed": f"÷ {BARE} ≥ 0.5"},
    )
    if shutil.which("s5cmd") and bench.size != "tiny":
        report.peers.append(S5CMD)
        report.note(f"s5cmd {first_line('s5cmd', 'version')}")
    elif bench.size != "tiny":
        report.note(f"{S5CMD}: not installed here, not measured")
    sizes = SIZES if bench.size != "tiny" else {"64 KB": SIZES["64 KB"]}
    for size, side_px in sizes.items():
        full = 180 if size == "4 MB" else 600
        _measure(bench, report, size, side_px, bench.choose(full, full // 6, 3))
    return report


def _measure(bench: Bench, report: Report, size: str, side_px: int, count: int) -> None:
    profile = {"job_seconds": [0.05, 0.1], "fixed_size_px": side_px}
    batch = Batch(items=count, ceiling=100, profile=profile)
    server = serving([sys.executable, str(CHILDREN / "s3_server.py")])
    with Service(pictures="noise") as service, server as endpoint:
        batch.renew(service)
        variables = {
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint,
        }
        start = partial(_start, bench, service, variables)
        folder = bench.new_folder("batch")
        write_manifest(folder, count, batch.size)
        words = ("batch.yaml", "--output", "out", "--yes", "--store", STORE)
        start(sys.executable, "-m", "pipeline", "run", *words, folder=folder)
        urls = find_urls(service)
        (folder / "urls").write_text("\n".join(urls), "utf-8")
        files = folder / "files"
        files.mkdir()
        for number, url in enumerate(urls):
            with urllib.request.urlopen(url, timeout=30) as answer:
                (files / f"{number}.png").write_bytes(answer.read())
        total_mb = sum(file.stat().st_size for file in files.iterdir()) / 1e6
        fetch, put = CHILDREN / "fetch_with_lag.py", CHILDREN / "put_files.py"
        ways: dict[str, Callable[..., Usage]] = {
            OURS: partial(start, sys.executable, fetch, "batch.yaml", "out", STORE),
            BARE: partial(start, sys.executable, put, "urls", STORE),
            S5CMD: partial(
                start,
                *("s5cmd", "--log", "error", "--numworkers", AT_ONCE),
                *("--endpoint-url", endpoint, "cp", "files/", f"{STORE}/"),
            ),
        }
        for turn in range(bench.rounds):
            for peer in rotated(report.peers, turn):
                _empty(endpoint)
                usage = ways[peer](folder=folder)
                said = json.loads(usage.output) if peer != S5CMD else {}
                span_s = said.get("span_s", usage.wall_s)
                report.add(f"{size} files, speed", "MB/s", peer, total_mb / span_s)
                report.add(f"{size} files", "per s", peer, count / span_s)
                each_ms = usage.cpu_s / count * 1000
                report.add(f"{size} files, CPU", "ms per file", peer, each_ms)


def _start(
    bench: Bench,
    service: Service,
    variables: dict[str, str],
    *command: object,
    folder: Path,
) -> Usage:
    return run_measured(
        list(map(str, command)),
        folder=folder,
        environment=bench.environment(service.base_url) | variables,
        limit_s=300.0,
    )


def _empty(endpoint: str) -> None:
    request = urllib.request.Request(f"{endpoint}/bench", method="DELETE")
    with urllib.request.urlopen(request, timeout=30):
        pass
