"""Ledger and lock file: what has to be locked, and what a lock teaches a ledger."""

from decimal import Decimal

import pytest

from pipeline.job import Failure, FailureClass, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.record import replace

S = JobStatus
RECOVERABLE = (FailureClass.DOWNLOAD, FailureClass.TIMED_OUT)


def failed(kind):
    return Failure(kind=kind, reason="because")


def lockable(ledger):
    return [(job.item_id, job.attempt) for job in ledger.find_lockable()]


# --- find_lockable ------------------------------------------------------------------


@pytest.mark.parametrize("status", S)
def test_what_is_paid_for_and_not_given_back_is_lockable(ledger, live, new_job, status):
    remote_id = None if status in {S.PLANNED, S.SUBMITTING, S.UNKNOWN} else "job_1"
    live(ledger, new_job(remote_id=remote_id), status)

    found = lockable(ledger)

    assert bool(found) is (status in {S.SUBMITTED, S.SUCCEEDED, S.SAVED})


@pytest.mark.parametrize("kind", FailureClass)
def test_a_failure_is_lockable_while_its_job_or_files_can_be_had(
    ledger, live, new_job, kind
):
    job = live(ledger, new_job(remote_id="job_1"), S.SUBMITTED)
    ledger.record_failed(replace(job, failure=failed(kind)))

    assert bool(lockable(ledger)) is (kind in RECOVERABLE)


def test_a_job_without_a_remote_id_is_not_lockable(ledger, live, new_job):
    live(ledger, new_job(failure=failed(FailureClass.TIMED_OUT)), S.FAILED)

    assert lockable(ledger) == []


def test_the_newest_lockable_attempt_of_an_item_counts(ledger, live, new_job):
    live(ledger, new_job("a", 1, remote_id="job_1"), S.SAVED)
    live(ledger, new_job("a", 2, remote_id="job_2"), S.SUBMITTED)
    live(ledger, new_job("a", 3), S.UNKNOWN)
    live(ledger, new_job("b", 1, remote_id="job_3"), S.SUBMITTED)
    live(ledger, new_job("b", 2, remote_id="job_4"), S.SAVED)

    assert lockable(ledger) == [("a", 2), ("b", 2)]


def test_lockable_jobs_are_sorted_as_python_sorts(ledger, live, new_job):
    names = ["b", "a/b", "a-1", "a", "B", "a.b", "10", "9", "a_b"]
    for name in names:
        live(ledger, new_job(name, remote_id=f"job_{name}"), S.SUBMITTED)

    found = [job.item_id for job in ledger.find_lockable()]

    assert found == sorted(names)


def test_a_saved_job_comes_with_its_assets(ledger, live, new_job, new_asset, whole):
    assets = (new_asset(1), new_asset(2))
    job = live(ledger, new_job(**whole, assets=assets), S.SAVED)

    assert list(ledger.find_lockable()) == [job]
    assert job.assets == assets


def test_lockable_jobs_are_streamed_by_an_index(ledger):
    """A sort of a million rows would be a temporary tree of them."""
    statements = []
    ledger._connection.set_trace_callback(statements.append)
    list(ledger.find_lockable())
    ledger._connection.set_trace_callback(None)

    plan = ledger._connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall()

    assert plan
    assert not [step for *_, step in plan if "TEMP B-TREE" in step]


# --- record_locked ------------------------------------------------------------------


@pytest.mark.parametrize("status", [S.SUBMITTED, S.SUCCEEDED])
def test_a_locked_job_becomes_a_row_with_its_status(ledger, new_job, status):
    job = new_job(
        status=status,
        request={},
        seed=-7,
        derived_seed=True,
        remote_id="job_1",
        base_url="https://a.example/v1",
        project_id="proj_1",
        charged=Decimal("7.25"),
        remote_assets=("asset_2", "asset_1") if status is S.SUCCEEDED else (),
    )

    ledger.record_locked(job)

    assert ledger.find_jobs_of("oak") == [replace(job, row_id=1)]
    assert ledger.find_owned(["job_1"]) == {"job_1"}


def test_a_locked_job_is_the_item_s_next_attempt(ledger, live, new_job):
    live(ledger, new_job(attempt=3, remote_id="job_1"), S.SAVED)

    ledger.record_locked(new_job(status=S.SUBMITTED, remote_id="job_2"))

    assert [job.attempt for job in ledger.find_jobs_of("oak")] == [4, 3]


@pytest.mark.parametrize("owner", ["oak", "elm"])
def test_a_locked_job_that_a_row_owns_changes_nothing(ledger, live, new_job, owner):
    live(ledger, new_job(owner, remote_id="job_1"), S.SAVED)
    before = list(ledger.find_jobs_in(*S))

    ledger.record_locked(new_job(status=S.SUBMITTED, remote_id="job_1"))

    assert list(ledger.find_jobs_in(*S)) == before


def test_a_lock_read_twice_is_recorded_once(ledger, new_job):
    job = new_job(status=S.SUCCEEDED, remote_id="job_1", remote_assets=("asset_1",))

    ledger.record_locked(job)
    ledger.record_locked(job)

    assert lockable(ledger) == [("oak", 1)]


def test_a_locked_job_claims_no_path_before_its_files_are_there(
    ledger, live, new_job, new_asset
):
    asset = new_asset(path="x.png")
    live(ledger, new_job("elm", remote_id="job_1", assets=(asset,)), S.SAVED)

    ledger.record_locked(
        new_job(
            status=S.SUCCEEDED,
            remote_id="job_2",
            remote_assets=("asset_1", "asset_2"),
            assets=(asset, new_asset(path="y.png")),
        )
    )

    assert ledger.find_path_owner("x.png") == "elm"
    assert ledger.find_path_owner("y.png") is None


@pytest.mark.parametrize("status", [S.SUBMITTED, S.SUCCEEDED])
def test_a_locked_job_can_live_on(ledger, new_job, new_asset, record, status):
    remote_assets = ("asset_1",) if status is S.SUCCEEDED else ()
    ledger.record_locked(
        new_job(status=status, remote_id="job_1", remote_assets=remote_assets)
    )
    [job] = ledger.find_jobs_of("oak")
    if status is S.SUBMITTED:
        job = ledger.record_succeeded(replace(job, remote_assets=("asset_1",)))

    saved = ledger.record_saved(replace(job, assets=(new_asset(),)))

    assert list(ledger.find_lockable()) == [saved]


def test_locked_jobs_that_are_rolled_back_are_forgotten(path, new_job):
    """So that a lock whose last line is bad teaches nothing."""
    with Ledger(path) as ledger:
        ledger.begin()
        ledger.record_locked(new_job(status=S.SUBMITTED, remote_id="job_1"))
        ledger.roll_back()

        assert ledger.find_jobs_of("oak") == []
