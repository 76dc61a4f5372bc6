"""Whether a slow CDN holds up slots: every download takes five seconds."""

from suite.bench import BARE, OURS, SDK, Batch, Bench
from suite.makespan import measure
from suite.report import Report

NAME = "slow-cdn"
DOWNLOAD_S = 5.0
TINY_DOWNLOAD_S = 0.5
SIDE_PX = 64
FILE_BYTES = 12_420  # of that many rows of random pixels


def run(bench: Bench) -> Report:
    download_s = DOWNLOAD_S if bench.size == "full" else TINY_DOWNLOAD_S
    low_s, high_s = (1.0, 2.0) if bench.size == "full" else (0.2, 0.4)
    batch = Batch(
        items=bench.choose(60, 20, 6),
        ceiling=bench.choose(10, 5, 3),
        profile={
            "job_seconds": [low_s, high_s],
            "fixed_size_px": SIDE_PX,
            "cdn_bytes_per_second": FILE_BYTES / download_s,
        },
    )
    report = Report(
        name=NAME,
        title=f"every download takes {download_s:g} s",
        setting=(
            f"{batch.items} jobs of {low_s:g} to {high_s:g} s, ceiling {batch.ceiling};"
            " the CDN trickles each file."
        ),
        peers=[OURS, BARE] if bench.size == "tiny" else [OURS, SDK, BARE],
        rounds=bench.rounds,
        limits={"first submit to last end ÷ greedy": "≤ 1.3"},
    )
    measure(bench, batch, report, pictures="noise")
    return report
