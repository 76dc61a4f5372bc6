"""Lineage: what an asset was made from, as its sidecar tells it. Pure.

A step whose output is not saved has no sidecar of its own, so the sidecar of the file
made from it holds its record: without a ledger, it is not paid for again.
"""

from datetime import datetime
from typing import Any

from pipeline.clock import format_utc_or_none
from pipeline.job import (
    AssetId,
    Job,
    JobKey,
    JobStatus,
    ParamValue,
    RemoteId,
)
from pipeline.record import Struct
from pipeline.units import units_number, units_of_number


class UsedOutput(Struct, frozen=True, kw_only=True):
    """The output of another item that was sent as an input.

    Attributes:
        input: The input's name.
        item_id: The item that made it.
        output: Its number, from 1.
        asset_id: The service's id of it.
        sha256: The digest of its content; "" if that was not known yet.
    """

    input: str
    item_id: str
    output: int
    asset_id: str
    sha256: str


class StepRecord(Struct, frozen=True, kw_only=True):
    """A job whose output is not saved; the keys are those of a sidecar.

    Attributes:
        quoted: Compute units that were quoted, or None.
        charged: Compute units that were charged, or None.
        submitted_at: ISO 8601 in UTC, as ``finished_at``; or None.
    """

    item_id: str
    job_key: str
    request_key: str
    model_id: str
    request: dict[str, Any]
    job_id: str
    job_asset_ids: tuple[str, ...]
    seed: int | None
    derived_seed: bool
    quoted: float | None
    charged: float | None
    submitted_at: str | None
    finished_at: str | None
    base_url: str
    project_id: str
    author_id: str


def record_of(job: Job) -> StepRecord:
    """The record of a job that has succeeded."""
    return StepRecord(
        item_id=job.item_id,
        job_key=job.job_key,
        request_key=job.request_key,
        model_id=job.model_id,
        request=dict(job.request or {}),
        job_id=job.remote_id or "",
        job_asset_ids=job.remote_assets,
        seed=job.seed,
        derived_seed=job.derived_seed,
        quoted=units_number(job.quoted),
        charged=units_number(job.charged),
        submitted_at=format_utc_or_none(job.submitted_at),
        finished_at=format_utc_or_none(job.finished_at),
        base_url=job.base_url,
        project_id=job.project_id,
        author_id=job.author_id,
    )


def job_of(record: StepRecord) -> Job:
    """The job of a record, SUCCEEDED.

    Raises:
        ValueError: A time is not one.
    """
    return Job(
        item_id=record.item_id,
        attempt=1,
        job_key=JobKey(record.job_key),
        request_key=JobKey(record.request_key),
        model_id=record.model_id,
        status=JobStatus.SUCCEEDED,
        request=record.request,
        seed=record.seed,
        derived_seed=record.derived_seed,
        remote_id=RemoteId(record.job_id),
        base_url=record.base_url,
        project_id=record.project_id,
        author_id=record.author_id,
        quoted=units_of_number(record.quoted),
        charged=units_of_number(record.charged),
        submitted_at=_time(record.submitted_at),
        finished_at=_time(record.finished_at),
        remote_assets=tuple(AssetId(one) for one in record.job_asset_ids),
    )


def names_in(value: ParamValue) -> set[str]:
    """Every text in the inputs of a request, asset ids among them."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, list):
        return {name for inner in value for name in names_in(inner)}
    if isinstance(value, dict):
        return {name for inner in value.values() for name in names_in(inner)}
    return set()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
