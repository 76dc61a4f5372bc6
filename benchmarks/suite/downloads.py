"""Large files: megabytes a second, and how long the event loop is held up."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

from suite.bench import BARE, OURS, Batch, Bench, make_batch
from suite.figures import percentile, rotated
from suite.processes import Usage, run_measured
from suite.report import Report
from suite.service import Service

NAME = "downloads"
CURL, ARIA = "curl --parallel", "aria2c"
SIDE_PX = 1182  # of random pixels: 4.2 MB
AT_ONCE = 16
BULK = 100


def run(bench: Bench) -> Report:
    batch = Batch(
        items=bench.choose(60, 20, 3),
        ceiling=60,
        profile={"job_seconds": [0.2, 0.4], "fixed_size_px": SIDE_PX},
    )
    report = Report(
        name=NAME,
        title="downloads of 4 MB files",
        setting=(
            f"{batch.items} files of random pixels, nothing left to make. Ours is the"
            " whole of `fetch` but for Python and its imports: plan, ledger, SHA-256,"
            f" a check of every pixel row, sync, sidecars. The others get {AT_ONCE} at"
            " once and check nothing."
        ),
        peers=[OURS],
        rounds=bench.rounds,
        limits={"speed": f"÷ {CURL} ≥ 0.8"},
    )
    ways: dict[str, Callable[[], Usage]] = {}
    with Service(pictures="noise") as service:
        _, out = make_batch(bench, batch, service, OURS)
        urls = find_urls(service)
        total_mb = sum(file.stat().st_size for file in out.glob("item-*.png")) / 1e6
        ways[OURS] = partial(fetch, bench, service, out)
        if shutil.which("curl"):
            ways[CURL] = partial(run_curl, bench, urls)
            report.note(first_line("curl", "--version"))
        if shutil.which("aria2c"):
            ways[ARIA] = partial(run_aria, bench, urls)
            report.note(first_line("aria2c", "--version"))
        ways[BARE] = partial(get_files, bench, urls)
        for missing in {CURL, ARIA} - set(ways):
            report.note(f"{missing}: not installed here, not measured")
        report.peers = list(ways)
        for turn in range(bench.rounds):
            for peer in rotated(report.peers, turn):
                usage = ways[peer]()
                take_samples(report, peer, usage, total_mb)
            idle = json.loads(fetch(bench, service, out, missing=False).output)
            report.add("the same with no file missing", "s", OURS, idle["span_s"])
    return report


def take_samples(report: Report, peer: str, usage: Usage, total_mb: float) -> None:
    said = json.loads(usage.output) if usage.output.startswith("{") else {}
    report.add("all files", "s", peer, said.get("span_s", usage.wall_s))
    report.add("speed", "MB/s", peer, total_mb / said.get("span_s", usage.wall_s))
    report.add("CPU", "ms per MB", peer, usage.cpu_s / total_mb * 1000)
    report.add("peak memory", "MB", peer, usage.rss_mb)
    if lags_s := said.get("lags_s"):
        report.add("event-loop lag, median", "ms", peer, percentile(lags_s, 50) * 1000)
        report.add("event-loop lag, p95", "ms", peer, percentile(lags_s, 95) * 1000)
        report.add("event-loop lag, longest", "ms", peer, max(lags_s) * 1000)


def find_urls(service: Service) -> list[str]:
    """A signed URL of every file, as any client gets them."""
    ids = [name for job in service.read_counters().jobs for name in job.asset_ids]
    urls: list[str] = []
    for start in range(0, len(ids), BULK):
        request = urllib.request.Request(
            f"{service.base_url}/assets/get-bulk?originalAssets=true",
            data=json.dumps({"assetIds": ids[start : start + BULK]}).encode(),
            headers={"Authorization": "Basic a2V5OnNlY3JldA=="},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            urls += [asset["url"] for asset in json.load(answer)["assets"]]
    return urls


def fetch(
    bench: Bench,
    service: Service,
    out: Path,
    *arguments: str,
    script: str = "fetch_with_lag.py",
    missing: bool = True,
) -> Usage:
    """Download the files of a batch with one of the programs in ``children``."""
    for file in out.glob("item-*.png") if missing else ():
        file.unlink()
    folder = bench.new_folder("fetch")
    usage = bench.child(
        script,
        out.parent / "batch.yaml",
        out,
        *arguments,
        folder=folder,
        base_url=service.base_url,
    )
    if json.loads(usage.output)["exit_code"] != 0:
        raise RuntimeError("the fetch failed")
    return usage


def get_files(bench: Bench, urls: list[str]) -> Usage:
    folder = bench.new_folder("get")
    (folder / "urls").write_text("\n".join(urls), "utf-8")
    usage = bench.child("get_files.py", folder / "urls", folder, folder=folder)
    bench.drop(folder)
    return usage


def run_curl(bench: Bench, urls: list[str]) -> Usage:
    folder = bench.new_folder("curl")
    lines = [f'url = "{url}"\noutput = "{n}.png"\n' for n, url in enumerate(urls)]
    (folder / "list").write_text("".join(lines), "utf-8")
    command = ["curl", "--silent", "--fail", "--parallel"]
    command += ["--parallel-max", str(AT_ONCE), "--config", "list"]
    return run_tool(bench, folder, command, len(urls))


def run_aria(bench: Bench, urls: list[str]) -> Usage:
    folder = bench.new_folder("aria2c")
    lines = [f"{url}\n  out={n}.png\n" for n, url in enumerate(urls)]
    (folder / "list").write_text("".join(lines), "utf-8")
    command = ["aria2c", "--quiet", "--no-conf", "--file-allocation=none"]
    command += [f"-j{AT_ONCE}", "--input-file", "list"]
    return run_tool(bench, folder, command, len(urls))


def run_tool(bench: Bench, folder: Path, command: list[str], count: int) -> Usage:
    usage = run_measured(
        command, folder=folder, environment=bench.environment(), limit_s=300.0
    )
    found = len(list(folder.glob("*.png")))
    if found != count:
        raise RuntimeError(f"{command[0]} got {found} of {count} files")
    bench.drop(folder)
    return usage


def first_line(*command: str) -> str:
    """What a tool says of its version."""
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return " ".join(said.splitlines()[0].split()[:3])
