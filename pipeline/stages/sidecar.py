"""Sidecar: Job + Asset → the JSON beside the asset, which says how it was made. Pure.

It is written last, so a sidecar says that its asset is whole. It is enough to know
again that the asset is paid for: never a signed URL, never a credential.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from pipeline.clock import format_utc
from pipeline.job import Asset, Job
from pipeline.version import __version__

SCHEMA = "scenario-pipeline/sidecar/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an item is written.

    Attributes:
        name: The manifest's name.
        file: As the user gave the path.
        sha256: Of the manifest's bytes.
        line: Of the item, from 1.
    """

    name: str
    file: str
    sha256: str
    line: int


def render_sidecar(job: Job, asset: Asset, source: Source, *, emulated: bool) -> bytes:
    """The sidecar's bytes: indented JSON with a final newline.

    Args:
        job: SAVED, or about to be.
        asset: One of its assets, in place.
        source: Where the item is written.
        emulated: Whether the emulator made it; said in its own key.
    """
    record = {
        "schema": SCHEMA,
        "manifest": {
            "name": source.name,
            "file": source.file,
            "sha256": source.sha256,
            "line": source.line,
        },
        "item_id": job.item_id,
        "job_key": job.job_key,
        "request_key": job.request_key,
        "model_id": job.model_id,
        "request": job.request,
        "echo": job.echo or {},
        "job_id": job.remote_id,
        "asset_id": asset.asset_id,
        "output_index": asset.output_index,
        "output_count": len(job.remote_assets),
        "seed": job.seed,
        "cost": {"quoted": None, "charged": _units(job.charged)},
        "sha256": asset.sha256,
        "size_bytes": asset.size_bytes,
        "media_type": asset.media_type,
        "width_px": asset.width_px,
        "height_px": asset.height_px,
        "submitted_at": _time(job.submitted_at),
        "finished_at": _time(job.finished_at),
        "saved_at": _time(job.saved_at),
        "attempts": job.attempt,
        "tool": f"scenario-pipeline {__version__}",
        "base_url": job.base_url,
        "project_id": job.project_id,
        "author_id": job.author_id,
        "emulated": emulated,
    }
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def _units(units: Decimal | None) -> int | float | None:
    if units is None:
        return None
    return int(units) if units == units.to_integral_value() else float(units)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_utc(moment)
