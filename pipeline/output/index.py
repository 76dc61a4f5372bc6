"""The sidecars of an output folder or store → rows of a table, one an asset."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.assets.sidecar import (
    MAX_SIDECAR_BYTES,
    NoSidecar,
    parse_origin,
    parse_sidecar,
)
from pipeline.clock import format_utc_or_none
from pipeline.job import SIDECAR_SUFFIX
from pipeline.output.rebuild import find_asset_names
from pipeline.storage.regular_file import read_regular
from pipeline.storage.store import Store
from pipeline.units import units_number

# Name → type, in the order of the table. What has no value is null.
COLUMNS = {
    "path": "string",
    "url": "string",
    "manifest": "string",
    "item_id": "string",
    "model_id": "string",
    "prompt": "string",
    "seed": "int64",
    "output_index": "int64",
    "sha256": "string",
    "size_bytes": "int64",
    "media_type": "string",
    "width_px": "int64",
    "height_px": "int64",
    "job_id": "string",
    "asset_id": "string",
    "charged": "double",
    "submitted_at": "string",
    "saved_at": "string",
    "request": "string",
    "variables": "string",
    "emulated": "bool",
}


def index_rows(store: Store) -> Iterator[dict[str, Any]]:
    """A row for each asset with a sidecar, sorted by path; other JSON is passed over.

    Args:
        store: Opened, so that its sidecars are at home.
    """
    for name in find_asset_names(store.home):
        path = store.home / (name + SIDECAR_SUFFIX)
        try:
            content = read_regular(
                path, limit_bytes=MAX_SIDECAR_BYTES, inside=store.home
            )
            yield _row(store, name, content)
        except (NoSidecar, OSError):
            continue


def _row(store: Store, name: str, content: bytes) -> dict[str, Any]:
    job, origin = parse_sidecar(content, name), parse_origin(content)
    (asset,) = job.assets
    request = dict(job.request or {})
    prompt = request.get("prompt")
    return {
        "path": name,
        "url": store.describe(name),
        "manifest": _manifest_of(content),
        "item_id": job.item_id,
        "model_id": job.model_id,
        "prompt": prompt if isinstance(prompt, str) else None,
        "seed": job.seed,
        "output_index": asset.output_index,
        "sha256": asset.sha256,
        "size_bytes": asset.size_bytes,
        "media_type": asset.media_type,
        "width_px": asset.width_px,
        "height_px": asset.height_px,
        "job_id": job.remote_id,
        "asset_id": asset.asset_id,
        "charged": units_number(job.charged),
        "submitted_at": format_utc_or_none(job.submitted_at),
        "saved_at": format_utc_or_none(job.saved_at),
        "request": _text_of(request),
        "variables": _text_of(origin.variables),
        "emulated": origin.emulated,
    }


def _text_of(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _manifest_of(content: bytes) -> str | None:
    manifest = json.loads(content).get("manifest")
    name = manifest.get("name") if isinstance(manifest, dict) else None
    return name if isinstance(name, str) else None


def write_rows(rows: Iterator[dict[str, Any]], path: Path) -> int:
    """Write rows as JSON Lines; the number of them.

    Raises:
        OSError: The disk is full or not writable.
    """
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(rows, 1):  # noqa: B007
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count
