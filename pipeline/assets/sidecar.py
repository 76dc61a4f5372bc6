"""Sidecar: Job + Asset ↔ the JSON beside the asset, which says how it was made.

It is written last, so a sidecar means that its asset is complete. It holds enough to
prove that the asset is paid for, but never a signed URL or a credential. Pure, except
for ``load_sidecar``.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from pipeline.assets.lineage import StepRecord, UsedOutput
from pipeline.clock import format_utc_or_none
from pipeline.job import (
    PREVIEW,
    SIDECAR_SUFFIX,
    Asset,
    AssetId,
    Job,
    JobKey,
    JobStatus,
    JsonValue,
    ParamValue,
    ReferenceAsset,
    RemoteId,
)
from pipeline.record import Struct, asdict, field
from pipeline.save_spec import CheckResult, parse_recipe
from pipeline.storage.pointer import read_pointer
from pipeline.storage.regular_file import read_regular
from pipeline.units import MOST_UNITS, units_number, units_of_number
from pipeline.version import __version__

# Versions before this one ignore keys that they do not know, but not a file with
# another number: they would pay for its asset again.
SCHEMA = "scenario-pipeline/sidecar/1"
MAX_SIDECAR_BYTES = 32 << 20  # a request has at most 10 MB


class Source(Struct, frozen=True, kw_only=True):
    """Where an item is defined.

    Attributes:
        name: The manifest's name.
        file: The manifest's path as the user gave it.
        sha256: The digest of the manifest's bytes.
        line: The item's line, from 1.
        variables: The values of the item's matrix and row, by name.
        references: The files that were sent with the request.
        parents: The outputs of other items that were sent with it.
        steps: The jobs before it whose outputs are not saved, the latest first.
    """

    name: str
    file: str
    sha256: str
    line: int
    variables: Mapping[str, Any] = field(default_factory=dict)
    references: tuple["SentFile", ...] = ()
    parents: tuple[UsedOutput, ...] = ()
    steps: tuple[StepRecord, ...] = ()


class SentFile(Struct, frozen=True, kw_only=True):
    """A reference file that was sent as an input.

    Attributes:
        input: The input's name.
        name: The file's name in the manifest.
        path: Its path as written, relative to the manifest.
        sha256: The digest of the bytes that were sent.
        upright: Whether they are the picture turned upright, not those of the file.
        asset_id: The asset id that was sent for it; None if it is not known.
    """

    input: str
    name: str
    path: str
    sha256: str
    upright: bool
    asset_id: str | None


def find_sent_files(
    params: Mapping[str, ParamValue], request: Mapping[str, JsonValue]
) -> tuple[SentFile, ...]:
    """Every reference file of a request, in the order of its inputs.

    Args:
        params: The inputs with their references.
        request: The same inputs as they were sent, with asset ids.
    """
    return tuple(
        sent
        for name, value in params.items()
        for sent in _sent_files(name, value, request.get(name))
    )


def _sent_files(name: str, value: object, sent: object) -> Iterator[SentFile]:
    if isinstance(value, ReferenceAsset):
        yield SentFile(
            input=name,
            name=value.name,
            path=_printable(value.file),
            sha256=value.sha256,
            upright=value.upright,
            asset_id=sent if isinstance(sent, str) else None,
        )
    elif isinstance(value, list):
        known = sent if isinstance(sent, list) and len(sent) == len(value) else ()
        for inner, one in zip_longest(value, known):
            yield from _sent_files(name, inner, one)
    elif isinstance(value, dict):
        for key, inner in value.items():
            one = sent.get(key) if isinstance(sent, dict) else None
            yield from _sent_files(name, inner, one)


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
        "variables": dict(source.variables),
        "job_key": job.job_key,
        "request_key": job.request_key,
        "model_id": job.model_id,
        "request": job.request,
        "references": [asdict(sent) for sent in source.references],
        "parents": [asdict(used) for used in source.parents],
        "steps": [asdict(step) for step in source.steps],
        "echo": job.echo or {},
        "job_id": job.remote_id,
        "asset_id": asset.asset_id,
        "output_index": asset.output_index,
        "role": asset.role,
        "job_asset_ids": list(job.remote_assets),
        "companions": [
            {"asset_id": asset_id, "role": role} for asset_id, role in _companions(job)
        ],
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
        "submitted_at": format_utc_or_none(job.submitted_at),
        "finished_at": format_utc_or_none(job.finished_at),
        "saved_at": format_utc_or_none(job.saved_at),
        "attempts": job.attempt,
        "tool": f"scenario-pipeline {__version__}",
        "base_url": job.base_url,
        "project_id": job.project_id,
        "author_id": job.author_id,
        "emulated": emulated,
    }
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def _companions(job: Job) -> Iterator[tuple[AssetId, str]]:
    """The job's assets that are no outputs; without a role if they were not saved."""
    roles = {asset.asset_id: asset.role for asset in job.assets}
    for asset_id in job.remote_assets if roles else ():
        if asset_id not in roles or roles[asset_id]:
            yield asset_id, roles.get(asset_id, "")


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


class PointerSidecar(NoSidecar):
    """A Git LFS or git-annex pointer in the place of a sidecar.

    ``str()`` says which: ``a Git LFS pointer``.
    """


def load_sidecar(output: Path, name: str) -> Job:
    """Read the sidecar of an asset.

    Args:
        output: The output folder; no link that leads out of it is followed.
        name: The asset's path, relative to the folder, parts separated by ``/``.

    Raises:
        NoSidecar, DamagedSidecar: As for :func:`parse_sidecar`.
        PointerSidecar: The sidecar itself is not there.
        OSError: It is missing, not a file, or larger than a sidecar can be.
    """
    path = output / (name + SIDECAR_SUFFIX)
    content = read_regular(path, limit_bytes=MAX_SIDECAR_BYTES, inside=output)
    if pointer := read_pointer(content):
        raise PointerSidecar(f"a {pointer.kind} pointer")
    return parse_sidecar(content, name)


class Origin(Struct, frozen=True, kw_only=True):
    """What a sidecar says besides the job; see :class:`Source`.

    Attributes:
        emulated: Whether the emulator made the asset.
    """

    variables: dict[str, Any] = field(default_factory=dict)
    references: tuple[SentFile, ...] = ()
    parents: tuple[UsedOutput, ...] = ()
    steps: tuple[StepRecord, ...] = ()
    emulated: bool = False


def load_origin(output: Path, name: str) -> Origin:
    """What the sidecar of an asset says besides the job; nothing if it is unreadable.

    Args:
        output: As for :func:`load_sidecar`.
        name: As for :func:`load_sidecar`.
    """
    try:
        path = output / (name + SIDECAR_SUFFIX)
        content = read_regular(path, limit_bytes=MAX_SIDECAR_BYTES, inside=output)
    except OSError:
        return Origin()
    return parse_origin(content)


def parse_origin(content: bytes) -> Origin:
    """What the content of a sidecar says besides the job; nothing if unreadable."""
    try:
        return msgspec.json.decode(content, type=Origin)
    except (ValueError, RecursionError):
        return Origin()


def load_source(output: Path, name: str) -> Source:
    """Read from the sidecar of an asset which manifest made it.

    Args:
        output: As for :func:`load_sidecar`.
        name: As for :func:`load_sidecar`.

    Raises:
        NoSidecar: Another JSON file, or one that does not say it.
        OSError: As for :func:`load_sidecar`.
    """
    path = output / (name + SIDECAR_SUFFIX)
    content = read_regular(path, limit_bytes=MAX_SIDECAR_BYTES, inside=output)
    try:
        return msgspec.json.decode(content, type=_SourceRecord).manifest
    except (ValueError, RecursionError) as error:
        raise NoSidecar(str(error)) from error


class Maker(Struct, frozen=True, kw_only=True):
    """What made an asset, as far as a command to type needs it.

    Attributes:
        name: The manifest's name.
        file: The manifest's path as the user gave it.
        is_emulated: Whether the emulator made it.
    """

    name: str
    file: str
    is_emulated: bool


def load_maker(output: Path, name: str) -> Maker | None:
    """What made an asset; None if its sidecar does not say it.

    Args:
        output: As for :func:`load_sidecar`.
        name: As for :func:`load_sidecar`.
    """
    path = output / (name + SIDECAR_SUFFIX)
    try:
        content = read_regular(path, limit_bytes=MAX_SIDECAR_BYTES, inside=output)
        record = json.loads(content)
        source = record["manifest"]
        names = str(source["name"]), str(source["file"])
        is_emulated = record["emulated"] is True
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return Maker(name=names[0], file=names[1], is_emulated=is_emulated)


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
        charged=units_of_number(record.cost.charged),
        quoted=units_of_number(record.cost.quoted),
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
                role=PREVIEW if record.role == PREVIEW else "",
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


class _SourceRecord(msgspec.Struct):
    manifest: Source


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
    role: Any = ""
    original_sha256: str = ""
    original_size_bytes: Any = 0
    save: dict[str, Any] = {}
    checks: dict[str, Any] = {}
    likeness: str = ""


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
