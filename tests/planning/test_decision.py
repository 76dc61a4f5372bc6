"""decide(): one item and its rows → what a run does with it, as a table."""

import pytest

from pipeline.job import (
    Asset,
    AssetId,
    Failure,
    FailureClass,
    Job,
    JobKey,
    JobStatus,
    RemoteId,
)
from pipeline.planning import Action, decide
from pipeline.planning.decision import Presence
from pipeline.planning.presence import MISSING
from pipeline.record import replace

KEY, OTHER = JobKey("asked now"), JobKey("asked before")
JOB = Job(
    row_id=1,
    item_id="oak",
    attempt=1,
    job_key=KEY,
    request_key=KEY,
    model_id="model_x",
    remote_id=RemoteId("job_1"),
    assets=(
        Asset(
            asset_id=AssetId("asset_1"),
            output_index=1,
            path="oak.png",
            sha256="a" * 64,
            size_bytes=9,
            media_type="image/png",
            width_px=1,
            height_px=1,
        ),
    ),
)


def job(status, kind=None, **changes):
    failure = None
    if kind is not None or status is JobStatus.FAILED:
        failure = Failure(kind=kind, reason="because")
    return replace(JOB, **{"status": status, "failure": failure, **changes})


def decided(*attempts, has_files=True, saving="", **options):
    return decide(
        attempts,
        job_key=KEY,
        request_key=KEY,
        look=lambda _job: Presence(saving=saving) if has_files else MISSING,
        **options,
    )


S, F = JobStatus, FailureClass
DO, SETTLE, COLLECT, FETCH, DONE, SKIP = (
    Action.SUBMIT,
    Action.SETTLE,
    Action.COLLECT,
    Action.FETCH,
    Action.DONE,
    Action.SKIP,
)
# Of each state: what happens in a plain run, with --force, and in rerun (insist).
TABLE = {
    "planned": (job(S.PLANNED), DO, DO, DO),
    "submitting": (job(S.SUBMITTING), SETTLE, SETTLE, SETTLE),
    "unknown": (job(S.UNKNOWN), SETTLE, SETTLE, SETTLE),
    "submitted": (job(S.SUBMITTED), COLLECT, COLLECT, COLLECT),
    "succeeded": (job(S.SUCCEEDED), FETCH, DO, FETCH),
    "saved": (job(S.SAVED), DONE, DO, DONE),
    "failed without a class": (job(S.FAILED), DO, DO, DO),
    "refused": (job(S.FAILED, F.REFUSED), SKIP, DO, DO),
    "given up": (job(S.FAILED, F.GIVEN_UP), SKIP, DO, DO),
    "moderated once": (job(S.FAILED, F.MODERATED), DO, DO, DO),
    "generation": (job(S.FAILED, F.GENERATION), DO, DO, DO),
    "no output": (job(S.FAILED, F.NO_OUTPUT), COLLECT, DO, DO),
    "timed out": (job(S.FAILED, F.TIMED_OUT), COLLECT, DO, COLLECT),
    "lost": (job(S.FAILED, F.LOST), COLLECT, DO, COLLECT),
    "download": (job(S.FAILED, F.DOWNLOAD), FETCH, DO, FETCH),
    "local": (job(S.FAILED, F.LOCAL), DO, DO, DO),
}


@pytest.mark.parametrize(
    ("state", "options", "column"),
    [
        (state, options, column)
        for state in TABLE
        for column, options in enumerate(
            ({}, {"force": True}, {"insist": True}), start=1
        )
    ],
    ids=[f"{state}, {how}" for state in TABLE for how in ("run", "force", "rerun")],
)
def test_what_happens_follows_the_status_and_the_class_of_its_failure(
    state, options, column
):
    row = TABLE[state]

    assert decided(row[0], **options).action is row[column]


def test_every_status_stands_in_the_table():
    assert {row[0].status for row in TABLE.values()} == set(JobStatus)


def test_an_item_without_rows_is_new():
    decision = decided()

    assert (decision.action, decision.reason, decision.job) == (DO, "new", None)


def test_an_item_that_is_asked_for_otherwise_is_changed():
    before = job(S.SAVED, job_key=OTHER, request_key=OTHER)

    decision = decided(before)

    assert (decision.action, decision.reason, decision.job) == (DO, "changed", None)


def test_a_change_that_is_taken_back_finds_the_earlier_attempt():
    before = job(S.SAVED)
    since = job(S.FAILED, F.GENERATION, attempt=2, job_key=OTHER, request_key=OTHER)

    decision = decided(since, before)

    assert (decision.action, decision.job) == (DONE, before)


@pytest.mark.parametrize("agrees", ["job_key", "request_key"])
def test_a_row_that_agrees_in_either_key_is_the_same_request(agrees):
    """The service has changed a default: nothing is paid again."""
    keys = {"job_key": OTHER, "request_key": OTHER, agrees: KEY}

    assert decided(job(S.SAVED, **keys)).action is DONE


def test_the_newest_attempt_at_the_same_request_decides():
    older, newer = job(S.FAILED, F.GENERATION), job(S.SUBMITTED, attempt=2)

    decision = decided(newer, older)

    assert (decision.action, decision.job) == (COLLECT, newer)


def test_a_saved_item_without_its_files_is_fetched_and_not_made():
    saved = job(S.SAVED)

    decision = decided(saved, has_files=False)

    assert (decision.action, decision.job) == (FETCH, saved)


@pytest.mark.parametrize("status", [S.SUBMITTING, S.UNKNOWN, S.SUBMITTED], ids=str)
def test_force_pays_for_nothing_while_an_attempt_may_be_in_flight(status):
    assert decided(job(status), force=True).action in {SETTLE, COLLECT}


def moderated(attempt, **changes):
    return job(S.FAILED, F.MODERATED, attempt=attempt, **changes)


def test_what_was_moderated_twice_is_left_alone():
    assert decided(moderated(2), moderated(1)).action is SKIP


def test_what_was_moderated_twice_is_made_again_by_rerun():
    assert decided(moderated(2), moderated(1), insist=True).action is DO


def test_moderation_of_another_request_does_not_count():
    other = moderated(1, job_key=OTHER, request_key=OTHER)

    assert decided(moderated(2), other).action is DO


def test_a_failure_between_two_moderations_does_not_hide_them():
    between = job(S.FAILED, F.GENERATION, attempt=2)

    assert decided(moderated(3), between, moderated(1)).action is SKIP


@pytest.mark.parametrize("kind", list(FailureClass), ids=str)
def test_rerun_is_for_every_failure(kind):
    assert decided(job(S.FAILED, kind)).failed


@pytest.mark.parametrize(
    "status", [status for status in JobStatus if status is not S.FAILED], ids=str
)
def test_nothing_else_is_a_failure(status):
    assert not decided(job(status)).failed


@pytest.mark.parametrize("status", [S.SUBMITTED, S.UNKNOWN, S.PLANNED], ids=str)
def test_an_attempt_that_can_go_on_is_gone_on_with(status):
    attempt = job(status)

    assert decided(attempt).job is attempt


@pytest.mark.parametrize("kind", [F.GENERATION, F.LOCAL], ids=str)
def test_what_failed_is_a_new_attempt_with_the_reason_said(kind):
    decision = decided(job(S.FAILED, kind))

    assert decision.job is None
    assert decision.reason == f"failed: {kind.replace('_', ' ')}: because"


@pytest.mark.parametrize("kind", [F.TIMED_OUT, F.NO_OUTPUT, F.LOST], ids=str)
def test_what_may_be_there_yet_is_looked_at_again_and_not_paid_for(kind):
    failed = job(S.FAILED, kind)

    decision = decided(failed)

    assert (decision.action, decision.job) == (COLLECT, failed)


def test_a_long_reason_of_the_service_is_cut_to_a_line():
    said = Failure(kind=F.MODERATED, reason="too\nrude " * 40)

    reason = decided(job(S.FAILED, F.MODERATED, failure=said)).reason

    assert reason.startswith("failed: moderated: too rude too rude")
    assert len(reason) < 110


def test_a_file_that_is_to_be_saved_in_another_form_is_fetched_and_says_why():
    found = decided(job(JobStatus.SAVED), saving="format")

    assert (found.action, found.reason) == (Action.FETCH, "saving changed: format")


def test_a_missing_file_counts_before_the_form_it_is_saved_in():
    found = decided(job(JobStatus.SAVED), has_files=False, saving="format")

    assert found.reason == "file missing"


def test_another_job_of_a_lock_file_does_not_take_the_place_of_files_in_another_form():
    locked = job(JobStatus.SUCCEEDED, row_id=2, attempt=2, remote_id=RemoteId("job_2"))

    found = decided(locked, job(JobStatus.SAVED), saving="format")

    assert found.action is Action.FETCH
    assert found.job is not None
    assert found.job.remote_id == "job_1"
