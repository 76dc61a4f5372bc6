"""Ledgers, and jobs to write into them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pipeline.job import Asset, AssetId, Failure, FailureClass, Job, JobStatus
from pipeline.ledger.ledger import IN_MEMORY, LEDGER_NAME, Ledger

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def make_job(item_id="oak", attempt=1, **named):
    return Job(
        item_id=item_id,
        attempt=attempt,
        job_key=named.pop("job_key", f"key-{item_id}"),
        request_key=named.pop("request_key", f"request-{item_id}"),
        model_id="model_x",
        **named,
    )


def make_asset(index=1, path=None, **named):
    return Asset(
        asset_id=AssetId(f"asset_{index}"),
        output_index=index,
        path=path or f"oak-{index}.png",
        sha256=f"{index:064x}",
        size_bytes=1000 + index,
        media_type="image/png",
        width_px=named.pop("width_px", 512),
        height_px=named.pop("height_px", 256),
    )


WHOLE = {
    "request": {
        "prompt": "ünï ✓ \n",
        "seed": 7,
        "n": 1.5,
        "l": [None, True, {"a": []}],
    },
    "seed": 2_147_483_647,
    "derived_seed": True,
    "remote_id": "job_1",
    "base_url": "https://api.cloud.scenario.com/v1",
    "project_id": "proj_1",
    "author_id": "apiu_1",
    "charged": Decimal("7.25"),
    "sent_at": NOON,
    "submitted_at": NOON + timedelta(seconds=1),
    "finished_at": NOON + timedelta(seconds=2),
    "saved_at": NOON + timedelta(seconds=3),
    "remote_assets": ("asset_2", "asset_1"),
    "echo": {"prompt": None},
    "failure": Failure(
        kind=FailureClass.MODERATED, reason="why ✗", hint="next", trace_id="t-1"
    ),
}


@pytest.fixture
def new_job():
    return make_job


@pytest.fixture
def new_asset():
    return make_asset


@pytest.fixture
def whole():
    """Every field of a job but its identity, status and assets."""
    return dict(WHOLE)


@pytest.fixture
def now():
    return NOON


@pytest.fixture
def ledger():
    with Ledger(IN_MEMORY) as open_ledger:
        yield open_ledger


@pytest.fixture
def path(tmp_path):
    return tmp_path / LEDGER_NAME


@pytest.fixture
def record():
    """The method that writes a status."""

    def method(ledger, status):
        return getattr(ledger, f"record_{status.value}")

    return method


_LIVES = {
    JobStatus.PLANNED: (JobStatus.SUBMITTING, JobStatus.PLANNED),
    JobStatus.SUBMITTING: (JobStatus.SUBMITTING,),
    JobStatus.SUBMITTED: (JobStatus.SUBMITTING, JobStatus.SUBMITTED),
    JobStatus.SUCCEEDED: (
        JobStatus.SUBMITTING,
        JobStatus.SUBMITTED,
        JobStatus.SUCCEEDED,
    ),
    JobStatus.SAVED: (
        JobStatus.SUBMITTING,
        JobStatus.SUBMITTED,
        JobStatus.SUCCEEDED,
        JobStatus.SAVED,
    ),
    JobStatus.FAILED: (JobStatus.SUBMITTING, JobStatus.FAILED),
    JobStatus.UNKNOWN: (JobStatus.SUBMITTING, JobStatus.UNKNOWN),
}


@pytest.fixture
def live(record):
    """Write a job's life up to a status."""

    def up_to(ledger, job, status):
        for step in _LIVES[status]:
            job = record(ledger, step)(job)
        return job

    return up_to
