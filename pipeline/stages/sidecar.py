"""Sidecar: Job + Asset ↔ the JSON beside the asset, which says how it was made. Pure.

It is written last, so a sidecar says that its asset is whole. It is enough to know
again that the asset is paid for: never a signed URL, never a credential.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from pipeline.clock import format_utc
from pipeline.job import (
    Asset,
    AssetId,
    Job,
    JobKey,
    JobStatus,
    RemoteId,
)
from pipeline.record import Struct
from pipeline.units import units_number
from pipeline.version import __version__

SCHEMA = "scenario-pipeline/sidecar/1"


class Source(Struct, frozen=True, kw_only=True):
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
        "job_asset_ids": list(job.remote_assets),
        "seed": job.seed,
        "derived_seed": job.derived_seed,
        "cost": {
            "quoted": units_number(job.quoted),
            "charged": units_number(job.charged),
            "addons": {name: units_number(units) for name, units in job.addons.items()},
        },
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


class NoSidecar(ValueError):
    """A JSON file that is no sidecar of ours."""


def parse_sidecar(content: bytes, path: str) -> Job:
    """What a sidecar remembers: a SAVED job with this one asset.

    Args:
        content: The file's bytes.
        path: Of the asset beside it, relative to the output folder.

    Raises:
        NoSidecar: Another JSON file, or one of a version that is not known.
    """
    try:
        record = msgspec.json.decode(content, type=_SidecarRecord)
    except (ValueError, RecursionError) as error:  # msgspec's own, and bad UTF-8
        raise NoSidecar(str(error)) from error
    if record.schema != SCHEMA:
        raise NoSidecar(f"schema {record.schema!r}")
    return Job(
        item_id=record.item_id,
        attempt=record.attempts,
        job_key=JobKey(record.job_key),
        request_key=JobKey(record.request_key),
        model_id=record.model_id,
        status=JobStatus.SAVED,
        request=record.request,
        seed=record.seed,
        derived_seed=record.derived_seed,
        remote_id=RemoteId(record.job_id),
        base_url=record.base_url,
        project_id=record.project_id,
        author_id=record.author_id,
        charged=_decimal(record.cost.charged),
        quoted=_decimal(record.cost.quoted),
        addons={
            name: Decimal(str(units)) for name, units in record.cost.addons.items()
        },
        submitted_at=record.submitted_at,
        finished_at=record.finished_at,
        saved_at=record.saved_at,
        remote_assets=tuple(AssetId(asset_id) for asset_id in record.job_asset_ids),
        echo=record.echo,
        assets=(
            Asset(
                asset_id=AssetId(record.asset_id),
                output_index=record.output_index,
                path=path,
                sha256=record.sha256,
                size_bytes=record.size_bytes,
                media_type=record.media_type,
                width_px=record.width_px,
                height_px=record.height_px,
            ),
        ),
    )


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # what a ledger can hold
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class _CostRecord(msgspec.Struct):
    charged: int | float | None = None
    quoted: int | float | None = None
    addons: dict[str, int | float] = {}


class _SidecarRecord(msgspec.Struct):
    schema: str
    item_id: str
    job_key: str
    request_key: str
    model_id: str
    request: dict[str, Any]
    echo: dict[str, Any]
    job_id: str
    asset_id: str
    output_index: _Count
    job_asset_ids: list[str]
    seed: _Whole | None
    derived_seed: bool
    cost: _CostRecord
    sha256: str
    size_bytes: _Count
    media_type: str
    width_px: _Count | None
    height_px: _Count | None
    submitted_at: _Moment | None
    finished_at: _Moment | None
    saved_at: _Moment | None
    attempts: _Count
    base_url: str
    project_id: str
    author_id: str


def _decimal(units: float | None) -> Decimal | None:
    return None if units is None else Decimal(str(units))


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_utc(moment)
