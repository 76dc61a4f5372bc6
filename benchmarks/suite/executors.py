"""Large files with thumbnails: in this process, in others, and on a Dask cluster."""

import json
import shutil
import subprocess

from pipeline.executors.environment import command_of
from suite.bench import OURS, Batch, Bench, make_batch
from suite.downloads import SIDE_PX, fetch
from suite.figures import rotated
from suite.processes import serving
from suite.report import Report
from suite.service import Service

NAME = "executors"
HERE, DASK = "this process", "dask"
WORKERS = 2


def run(bench: Bench) -> Report:
    batch = Batch(
        items=bench.choose(150, 20, 3),
        ceiling=60,
        profile={"job_seconds": [0.2, 0.4], "fixed_size_px": SIDE_PX},
    )
    pool = f"processes:{WORKERS}"
    report = Report(
        name=NAME,
        title="4 MB files with thumbnails, by executor",
        setting=(
            f"{batch.items} PNG files of random pixels, no two the same, nothing left"
            " to make: the whole of `fetch --report` but for Python and its imports."
            " Every pixel row is checked, every file is decoded and drawn."
            f" {WORKERS} workers; the processes are started within the time, the"
            " cluster before it. The processor time of the cluster is not counted."
        ),
        peers=[HERE, pool, DASK],
        rounds=bench.rounds,
    )
    cluster = serving(
        command_of("pipeline.executors.local_cluster", str(WORKERS)),
        environment=bench.environment(),
        stderr=subprocess.DEVNULL,
    )
    with Service(pictures="different") as service, cluster as address:
        _, out = make_batch(bench, batch, service, OURS)
        total_mb = sum(file.stat().st_size for file in out.glob("item-*.png")) / 1e6
        places = {HERE: "here", pool: pool, DASK: f"dask:{address}"}
        for turn in range(bench.rounds):
            for peer in rotated(report.peers, turn):
                shutil.rmtree(out / "gallery", ignore_errors=True)
                script = "fetch_with_executor.py"
                usage = fetch(bench, service, out, places[peer], script=script)
                span_s = json.loads(usage.output)["span_s"]
                report.add("all files", "s", peer, span_s)
                report.add("speed", "MB/s", peer, total_mb / span_s)
                report.add("CPU", "ms per MB", peer, usage.cpu_s / total_mb * 1000)
                report.add("peak memory", "MB", peer, usage.rss_mb)
    return report
