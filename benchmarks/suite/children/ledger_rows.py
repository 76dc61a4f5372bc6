"""Writes the lives of many jobs into a ledger; prints how fast.

    python ledger_rows.py ours|bare JOBS AT_ONCE

A life is four durable writes: the intent, the submit, the end and the files. ``bare``
is SQLite alone: the same number of rows in commits of a thousand.
"""

import asyncio
import json
import sqlite3
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pipeline.job import Asset, AssetId, Job, JobKey, RemoteId
from pipeline.ledger.ledger import Ledger
from pipeline.ledger.writer import LedgerWriter
from pipeline.record import replace

WRITES = 4
GROUP = 1000
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def new_job(number: int) -> Job:
    key = JobKey(f"{number:064x}")
    return Job(
        item_id=f"item-{number}",
        attempt=1,
        job_key=key,
        request_key=key,
        model_id="model_wan-2-7-image",
        request={"prompt": f"item {number}", "size": "1K", "seed": number},
        seed=number,
        sent_at=NOW,
    )


async def live(writer: LedgerWriter, number: int) -> None:
    ledger = writer.ledger
    job = await writer.write(ledger.record_submitting, new_job(number))
    job = replace(
        job,
        remote_id=RemoteId(f"job_{number}"),
        submitted_at=NOW,
        charged=Decimal(6),
    )
    job = await writer.write(ledger.record_submitted, job)
    asset_id = AssetId(f"asset_{number}")
    job = replace(job, finished_at=NOW, remote_assets=(asset_id,))
    job = await writer.write(ledger.record_succeeded, job)
    asset = Asset(
        asset_id=asset_id,
        output_index=1,
        path=f"item-{number}.png",
        sha256=f"{number:064x}",
        size_bytes=100_000,
        media_type="image/png",
        width_px=1024,
        height_px=768,
    )
    await writer.write(ledger.record_saved, replace(job, saved_at=NOW, assets=(asset,)))


async def write_ours(jobs: int, at_once: int) -> float:
    numbers = iter(range(jobs))

    async def work(writer: LedgerWriter) -> None:
        for number in numbers:
            await live(writer, number)

    with Ledger(Path("ledger.sqlite3")) as ledger:
        began = time.perf_counter()
        async with LedgerWriter(ledger) as writer:
            await asyncio.gather(*(work(writer) for _ in range(at_once)))
        return time.perf_counter() - began


def write_bare(jobs: int) -> float:
    connection = sqlite3.connect("bare.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE jobs (item_id, status, request, remote_id)")
    total = jobs * WRITES
    began = time.perf_counter()
    for start in range(0, total, GROUP):
        connection.execute("BEGIN")
        for number in range(start, min(start + GROUP, total)):
            connection.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?)",
                (f"item-{number}", "saved", '{"prompt": "item"}', f"job_{number}"),
            )
        connection.execute("COMMIT")
    span_s = time.perf_counter() - began
    connection.close()
    return span_s


if __name__ == "__main__":
    count = int(sys.argv[2])
    spent_s = time.process_time()
    if sys.argv[1] == "ours":
        taken_s = asyncio.run(write_ours(count, int(sys.argv[3])))
    else:
        taken_s = write_bare(count)
    spent_s = time.process_time() - spent_s
    writes = count * WRITES
    print(json.dumps({"per_s": writes / taken_s, "cpu_us": spent_s / writes * 1e6}))
