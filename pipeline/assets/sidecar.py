"""Sidecar: Job + Asset ↔ the JSON beside the asset, which says how it was made.

It is written last, so a sidecar means that its asset is complete. It holds enough to
prove that the asset is paid for, but never a signed URL or a credential. Pure, except
for ``load_sidecar``.
"""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from pipeline.assets.embedding import Reference
from pipeline.clock import format_utc
from pipeline.job import (
    SIDECAR_SUFFIX,
    Asset,
    AssetId,
    Job,
    JobKey,
    JobStatus,
    RemoteId,
)
from pipeline.record import Struct, asdict
from pipeline.save_spec import CheckResult, parse_recipe
from pipeline.storage.regular_file import read_regular
from pipeline.units import MOST_UNITS, units_number
from pipeline.version import __version__

SCHEMA = "scenario-pipeline/sidecar/1"
MAX_SIDECAR_BYTES = 32 << 20  # a request has at most 10 MB


class Source(Struct, frozen=True, kw_only=True):
    """Where an item is defined.

    Attributes:
        name: The manifest's name.
        file: The manifest's path as the user gave it.
        sha256: The digest of the manifest's bytes.
        line: The item's line, from 1.
        references: The files that its request uses.
    """

    name: str
    file: str
    sha256: str
    line: int
    references: tuple[Reference, ...] = ()


def render_sidecar(job: Job, asset: Asset, source: Source, *, emulated: bool) -> bytes:
    """The sidecar's bytes: indented JSON with a final newline.

    Args:
        job: SAVED, or about to be.
        asset: One of its assets, in place.
        source: Where the item is defined.
        emulated: Whether the emulator made it; stored under its own key.
    """
    record = {
        "schema": SCHEMA,
        "manifest": {
            "name": source.name,
            "file": _printable(source.file),
            "sha256": source.sha256,
            "line": source.line,
        },
        "item_id": job.item_id,
        "job_key": job.job_key,
        "request_key": job.request_key,
        "model_id": job.model_id,
        "request": job.request,
        "references": [
            asdict(one) | {"path": _printable(one.path)} for one in source.references
        ],
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
        "original_sha256": asset.content_sha256,
        "original_size_bytes": asset.original_size_bytes or asset.size_bytes,
        "save": parse_recipe(asset.recipe),
        "checks": _checks_of(asset),
        "likeness": asset.likeness,
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


def _checks_of(asset: Asset) -> dict[str, Any]:
    return {one.name: {"passed": not one.why, "why": one.why} for one in asset.checks}


def replace_checks(content: bytes, asset: Asset) -> bytes:
    """A sidecar with the results of other checks.

    Args:
        content: The bytes of a sidecar that :func:`parse_sidecar` has read.
        asset: Its asset, with the new results and likeness.
    """
    record = json.loads(content)
    record |= {"checks": _checks_of(asset), "likeness": asset.likeness}
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def read_references(content: bytes) -> tuple[Reference, ...]:
    """The files that the request of a sidecar uses; those that cannot be read are not.

    Args:
        content: The bytes of a sidecar that :func:`parse_sidecar` has read.
    """
    try:
        return msgspec.json.decode(content, type=_ReferencesRecord).references
    except (ValueError, RecursionError):
        return ()


def _printable(path: str) -> str:
    """A path as text: bytes that are not UTF-8, which JSON cannot hold, in hex."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class NoSidecar(ValueError):
    """A JSON file that is not one of our sidecars."""


class DamagedSidecar(NoSidecar):
    """One of our sidecars, with an impossible number or time.

    It still proves that something is paid for, though not how much: ignoring it would
    mean paying again. ``str()`` says what is wrong: ``a 'size_bytes' of -1``.
    """


def load_sidecar(output: Path, name: str) -> Job:
    """Read the sidecar of an asset.

    Args:
        output: The output folder; no link that leads out of it is followed.
        name: The asset's path, relative to the folder, parts separated by ``/``.

    Raises:
        NoSidecar, DamagedSidecar: As for :func:`parse_sidecar`.
        OSError: It is missing, not a file, or larger than a sidecar can be.
    """
    path = output / (name + SIDECAR_SUFFIX)
    content = read_regular(path, limit_bytes=MAX_SIDECAR_BYTES, inside=output)
    return parse_sidecar(content, name)


def parse_sidecar(content: bytes, path: str) -> Job:
    """The content of a sidecar: a SAVED job with this one asset.

    Args:
        content: The file's bytes.
        path: The path of the asset beside it, relative to the output folder.

    Raises:
        NoSidecar: Another JSON file, or one of an unknown version.
        DamagedSidecar: One of ours that contains an impossible value.
    """
    try:
        record = msgspec.json.decode(content, type=_SidecarRecord)
    except (ValueError, RecursionError) as error:  # msgspec's own, and bad UTF-8
        record = _record_beyond_json(content, error)
    if record.schema != SCHEMA:
        raise NoSidecar(f"schema {record.schema!r}")
    for wrong in _find_wrong(record):
        raise DamagedSidecar(wrong)
    times = (
        None if text is None else datetime.fromisoformat(text)
        for text in (record.submitted_at, record.finished_at, record.saved_at)
    )
    submitted_at, finished_at, saved_at = times
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
        submitted_at=submitted_at,
        finished_at=finished_at,
        saved_at=saved_at,
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
                recipe=_recipe_of(record.save),
                checks=_results_of(record.checks),
                likeness=record.likeness
                if _LIKENESS.fullmatch(record.likeness)
                else "",
                **_original_of(record),
            ),
        ),
    )


def _original_of(record: "_SidecarRecord") -> dict[str, Any]:
    if record.original_sha256 in {"", record.sha256}:
        return {}
    return {
        "original_sha256": record.original_sha256,
        "original_size_bytes": record.original_size_bytes,
    }


def _recipe_of(save: dict[str, Any]) -> str:
    return json.dumps(save, sort_keys=True) if save else ""


def _results_of(checks: dict[str, Any]) -> tuple[CheckResult, ...]:
    found = []
    for name, result in checks.items():
        why = result.get("why") if isinstance(result, dict) else None
        found.append(CheckResult(name=name, why=why if isinstance(why, str) else ""))
    return tuple(found)


_LIKENESS = re.compile("[0-9a-f]{16}|")
_INT64 = 2**63 - 1  # what a ledger can hold
# Nothing that the service makes comes near these; we did not write anything beyond.
_RANGES = {
    "output_index": (1, 10_000),
    "size_bytes": (0, 2**40),
    "original_size_bytes": (0, 2**40),
    "width_px": (0, 10**7),
    "height_px": (0, 10**7),
    "seed": (-_INT64, _INT64),
    "attempts": (1, 10**6),
}
_MAY_BE_NULL = frozenset({"width_px", "height_px", "seed"})
_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2100))
_HUGE = 10**400  # stands for a number longer than Python converts


# Numbers and times are checked separately: a file with a wrong one is still ours.
class _CostRecord(msgspec.Struct):
    charged: Any = None
    quoted: Any = None
    addons: Any = {}


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
    output_index: Any
    job_asset_ids: list[str]
    seed: Any
    derived_seed: bool
    cost: _CostRecord
    sha256: str
    size_bytes: Any
    media_type: str
    width_px: Any
    height_px: Any
    submitted_at: Any
    finished_at: Any
    saved_at: Any
    attempts: Any
    base_url: str
    project_id: str
    author_id: str
    original_sha256: str = ""
    original_size_bytes: Any = 0
    save: dict[str, Any] = {}
    checks: dict[str, Any] = {}
    likeness: str = ""


class _ReferencesRecord(msgspec.Struct):
    references: tuple[Reference, ...] = ()


def _record_beyond_json(content: bytes, error: Exception) -> _SidecarRecord:
    """The record of a sidecar with numbers outside JSON, such as 1e999 or NaN.

    Raises:
        NoSidecar: It has other faults.
    """
    try:
        value = json.loads(content, parse_int=_whole)
        record = msgspec.convert(value, type=_SidecarRecord)
    except (ValueError, RecursionError):
        raise NoSidecar(str(error)) from error
    if not any(_find_wrong(record)):  # so it was something else
        raise NoSidecar(str(error)) from error
    return record


def _whole(digits: str) -> int:
    return int(digits) if len(digits) <= len(str(_HUGE)) else _HUGE


def _find_wrong(record: _SidecarRecord) -> Iterator[str]:
    """Every impossible number and time."""
    for name, (least, most) in _RANGES.items():
        value = getattr(record, name)
        if value is None and name in _MAY_BE_NULL:
            continue
        if type(value) is not int or not least <= value <= most:
            yield f"a '{name}' of {_shown(value)}"
    cost = record.cost
    addons = cost.addons if isinstance(cost.addons, dict) else {"": cost.addons}
    for name, units in {"charged": cost.charged, "quoted": cost.quoted}.items():
        if units is not None and not _are_units(units):
            yield f"'{name}' units of {_shown(units)}"
    for units in addons.values():
        if not _are_units(units):
            yield f"units of an add-on of {_shown(units)}"
    for name in ("submitted_at", "finished_at", "saved_at"):
        text = getattr(record, name)
        if text is not None and not _is_moment(text):
            yield f"a '{name}' of {_shown(text)}"


def _are_units(value: object) -> bool:
    # Neither NaN nor infinity is within these bounds.
    return type(value) in {int, float} and 0 <= value < MOST_UNITS  # type: ignore[operator]


def _is_moment(text: object) -> bool:
    try:
        moment = datetime.fromisoformat(text)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return False
    return moment.tzinfo is not None and _FIRST <= moment < _LAST


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}…"  # noqa: PLR2004 - a line


def _decimal(units: float | None) -> Decimal | None:
    return None if units is None else Decimal(str(units))


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_utc(moment)
