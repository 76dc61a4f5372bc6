"""Job ↔ a row of the table ``jobs``: all columns in one place."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pipeline.clock import format_utc_or_none, parse_utc
from pipeline.job import (
    Asset,
    Failure,
    FailureClass,
    Job,
    JobKey,
    JobStatus,
    Mark,
    RemoteId,
)
from pipeline.save_spec import CheckResult

FIXED_COLUMNS = ("item_id", "attempt", "job_key", "request_key", "model_id")
CHANGING_COLUMNS = (
    "status",
    "request",
    "seed",
    "derived_seed",
    "remote_id",
    "base_url",
    "project_id",
    "author_id",
    "made_with",
    "mark_id",
    "charged",
    "quoted",
    "addons",
    "refunded",
    "sent_at",
    "submitted_at",
    "finished_at",
    "saved_at",
    "remote_assets",
    "echo",
    "failure_class",
    "failure_reason",
    "failure_hint",
    "failure_trace",
)
ASSET_COLUMNS = (
    "output_index",
    "asset_id",
    "path",
    "sha256",
    "size_bytes",
    "media_type",
    "width_px",
    "height_px",
    "role",
    "original_sha256",
    "original_size_bytes",
    "recipe",
    "checks",
    "likeness",
)
COLUMNS = ("row_id", *FIXED_COLUMNS, *CHANGING_COLUMNS)


def fixed_values(job: Job) -> tuple[object, ...]:
    """The values of ``FIXED_COLUMNS``."""
    return (job.item_id, job.attempt, job.job_key, job.request_key, job.model_id)


def changing_values(job: Job, status: JobStatus) -> tuple[object, ...]:
    """The values of ``CHANGING_COLUMNS`` for a job that changes to ``status``."""
    failure = job.failure
    return (
        status,
        json.dumps(job.request or {}, ensure_ascii=False),
        job.seed,
        int(job.derived_seed),
        job.remote_id,
        job.base_url,
        job.project_id,
        job.author_id,
        job.made_with,
        job.mark_id,
        _units_text(job.charged),
        _units_text(job.quoted),
        json.dumps({name: str(units) for name, units in job.addons.items()})
        if job.addons
        else None,
        _units_text(job.refunded),
        format_utc_or_none(job.sent_at),
        format_utc_or_none(job.submitted_at),
        format_utc_or_none(job.finished_at),
        format_utc_or_none(job.saved_at),
        json.dumps(job.remote_assets),
        None if job.echo is None else json.dumps(job.echo, ensure_ascii=False),
        None if failure is None else failure.kind,
        None if failure is None else failure.reason,
        None if failure is None else failure.hint,
        None if failure is None else failure.trace_id,
    )


def job_from(row: tuple[Any, ...], assets: tuple[Asset, ...]) -> Job:
    """The job of a row with the columns ``COLUMNS``.

    Raises:
        ImpossibleUnits: The row has negative compute units.
        ValueError, TypeError: The row cannot be read.
    """
    value = dict(zip(COLUMNS, row, strict=True))
    kind, reason = value["failure_class"], value["failure_reason"]
    return Job(
        row_id=value["row_id"],
        item_id=value["item_id"],
        attempt=value["attempt"],
        job_key=JobKey(value["job_key"]),
        request_key=JobKey(value["request_key"]),
        model_id=value["model_id"],
        status=JobStatus(value["status"]),
        request=json.loads(value["request"]),
        seed=value["seed"],
        derived_seed=bool(value["derived_seed"]),
        remote_id=None if value["remote_id"] is None else RemoteId(value["remote_id"]),
        base_url=value["base_url"],
        project_id=value["project_id"],
        author_id=value["author_id"],
        made_with=value["made_with"],
        mark_id=value["mark_id"],
        charged=units_from(value["charged"]),
        quoted=units_from(value["quoted"]),
        addons={}
        if value["addons"] is None
        else {
            name: _units_of(units)
            for name, units in json.loads(value["addons"]).items()
        },
        refunded=units_from(value["refunded"]),
        sent_at=_time(value["sent_at"]),
        submitted_at=_time(value["submitted_at"]),
        finished_at=_time(value["finished_at"]),
        saved_at=_time(value["saved_at"]),
        remote_assets=tuple(json.loads(value["remote_assets"])),
        echo=None if value["echo"] is None else json.loads(value["echo"]),
        failure=None
        if reason is None
        else Failure(
            kind=None if kind is None else FailureClass(kind),
            reason=reason,
            hint=value["failure_hint"] or "",
            trace_id=value["failure_trace"] or "",
        ),
        assets=assets,
    )


def mark_from(row: tuple[Any, ...]) -> Mark:
    """The mark of a row with its number, time and listed ids."""
    mark_id, created_at, listed = row
    return Mark(
        mark_id=mark_id,
        created_at=_time(created_at),
        listed=tuple(RemoteId(remote_id) for remote_id in json.loads(listed)),
    )


def asset_values(row_id: int, asset: Asset) -> tuple[object, ...]:
    """The values of a row of the table ``assets``: its number, then ASSET_COLUMNS."""
    return (
        row_id,
        asset.output_index,
        asset.asset_id,
        asset.path,
        asset.sha256,
        asset.size_bytes,
        asset.media_type,
        asset.width_px,
        asset.height_px,
        asset.role,
        asset.original_sha256,
        asset.original_size_bytes,
        asset.recipe,
        checks_text(asset.checks),
        asset.likeness,
    )


def asset_from(row: tuple[Any, ...]) -> Asset:
    """The asset of a row with the columns ``ASSET_COLUMNS``."""
    values = dict(zip(ASSET_COLUMNS, row, strict=True))
    checks = json.loads(values.pop("checks") or "{}")
    return Asset(
        checks=tuple(CheckResult(name=name, why=why) for name, why in checks.items()),
        **values,
    )


def checks_text(checks: Iterable[CheckResult]) -> str:
    """The value of the column ``checks``."""
    found = {one.name: one.why for one in checks}
    return json.dumps(found, ensure_ascii=False) if found else ""


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_utc(text)


def _units_text(units: Decimal | None) -> str | None:
    return None if units is None else str(units)


class ImpossibleUnits(ValueError):
    """Compute units that no run has written: somebody edited the ledger.

    The real charge is then unknown, and is not guessed.
    """


def units_from(text: str | None) -> Decimal | None:
    """Compute units from a column.

    Raises:
        ImpossibleUnits: They are negative.
        ValueError, TypeError, ArithmeticError: They are not a number.
    """
    return None if text is None else _units_of(text)


def _units_of(text: str) -> Decimal:
    units = Decimal(text)
    if not units.is_finite():
        raise ValueError("units are not a number")
    if units < 0:
        raise ImpossibleUnits(str(text))
    return units


def placeholders(values: Sequence[object]) -> str:
    """Question marks for a statement with these values: ``?, ?``."""
    return ", ".join("?" * len(values))
