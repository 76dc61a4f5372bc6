"""Sidecars → rows of an empty ledger: a checkout with outputs pays nothing again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.atomic_file import PARTIAL_FOLDER
from pipeline.job import SIDECAR_SUFFIX, Job, RemoteId
from pipeline.ledger.ledger import Ledger
from pipeline.stages.sidecar import NoSidecar, parse_sidecar


def rebuild(ledger: Ledger, output: Path) -> int:
    """Record every job that the sidecars below ``output`` remember.

    Args:
        ledger: Without any job.
        output: The output folder.

    Returns:
        How many jobs were recorded.
    """
    jobs = list(find_saved_jobs(output))
    if jobs:
        ledger.begin()
        for job in jobs:
            ledger.record_found(job)
        ledger.commit()
    return len(jobs)


def find_saved_jobs(output: Path) -> Iterator[Job]:
    """The jobs whose sidecars are there, each with those of its assets that are.

    Attempts of one item keep their order and are counted anew from 1.
    """
    by_remote_id: dict[RemoteId | None, Job] = {}
    for path in sorted(output.rglob(f"*{SIDECAR_SUFFIX}")):
        relative = path.relative_to(output)
        if relative.parts[0] == PARTIAL_FOLDER:
            continue
        asset_path = relative.as_posix().removesuffix(SIDECAR_SUFFIX)
        try:
            job = parse_sidecar(path.read_bytes(), asset_path)
        except (NoSidecar, OSError):
            continue
        known = by_remote_id.get(job.remote_id)
        if known is not None:
            job = replace(known, assets=(*known.assets, *job.assets))
        by_remote_id[job.remote_id] = job
    attempts: dict[str, int] = {}
    for job in sorted(by_remote_id.values(), key=lambda job: job.attempt):
        attempts[job.item_id] = attempts.get(job.item_id, 0) + 1
        assets = tuple(sorted(job.assets, key=lambda asset: asset.output_index))
        yield replace(job, attempt=attempts[job.item_id], assets=assets)
