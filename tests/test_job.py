"""Job: the life of a job is one that a ledger can keep."""

import pytest

from pipeline.job import (
    FINAL_CLASSES,
    LEGAL_TRANSITIONS,
    FailureClass,
    Job,
    JobKey,
    JobStatus,
)

S = JobStatus


def reachable(start, *, without=frozenset()):
    seen, front = {start}, [start]
    while front:
        for status in LEGAL_TRANSITIONS[front.pop()] - without - seen:
            seen.add(status)
            front.append(status)
    return seen


def test_every_status_has_its_transitions():
    assert set(LEGAL_TRANSITIONS) == set(S)
    assert all(after <= set(S) for after in LEGAL_TRANSITIONS.values())


def test_no_status_follows_itself():
    assert all(status not in after for status, after in LEGAL_TRANSITIONS.items())


def test_every_status_is_reached_and_every_one_can_be_saved():
    assert reachable(S.PLANNED) == set(S)
    for status in S:
        assert S.SAVED in reachable(status), status


def test_what_is_paid_for_is_never_planned_again_but_through_doubt():
    for status in (S.SUBMITTED, S.SUCCEEDED, S.SAVED, S.FAILED):
        assert S.PLANNED not in reachable(status, without={S.UNKNOWN})
        assert S.SUBMITTING not in reachable(status, without={S.UNKNOWN})


def test_nothing_is_submitted_but_by_an_intent():
    before = {status for status in S if S.SUBMITTING in LEGAL_TRANSITIONS[status]}

    assert before == {S.PLANNED}


def test_nothing_is_saved_but_what_succeeded():
    before = {status for status in S if S.SAVED in LEGAL_TRANSITIONS[status]}

    assert before == {S.SUCCEEDED}


def test_final_classes_are_those_that_a_later_run_leaves_alone():
    assert {FailureClass.REFUSED, FailureClass.GIVEN_UP} == FINAL_CLASSES


def test_a_job_cannot_be_changed():
    job = Job(
        item_id="a",
        attempt=1,
        job_key=JobKey("k"),
        request_key=JobKey("r"),
        model_id="m",
    )

    with pytest.raises(AttributeError):
        job.status = S.SAVED  # type: ignore[misc]
    assert not hasattr(job, "__dict__")
    assert job.status is S.PLANNED
