"""Failures: what an error or a failed job means for later runs."""

import pytest

from pipeline.api.wire import parse_job
from pipeline.errors import (
    DownloadFailed,
    GenerationFailed,
    GenerationTimedOut,
    OutcomeUnknown,
    Rejected,
    UnexpectedAnswer,
)
from pipeline.job import FailureClass
from pipeline.running.failure import (
    NoOutput,
    failure_of,
    failure_of_remote,
    is_about_credit,
)
from pipeline.stages.poller import JobLost

MODERATED = [
    "Blocked by moderation",
    "was moderated",
    "NSFW content",
    "contains sensitive content",
    "violates our Content Policy",
    "request was flagged",
    "rejected by the safety system (id 7)",
]


def failed_job(**metadata):
    return parse_job({"jobId": "j", "status": "failure", "metadata": metadata})


@pytest.mark.parametrize("text", MODERATED)
def test_moderation_is_known_by_its_words(text):
    assert failure_of_remote(failed_job(error=text)).kind is FailureClass.MODERATED
    assert failure_of_remote(failed_job(hint=text)).kind is FailureClass.MODERATED
    refused = failure_of(Rejected(text, status=400), None)
    assert refused.kind is FailureClass.MODERATED


@pytest.mark.parametrize("text", ["out of memory", "timeout", "", "bad size"])
def test_any_other_text_is_no_moderation(text):
    assert failure_of_remote(failed_job(error=text)).kind is FailureClass.GENERATION
    assert failure_of(Rejected(text, status=400), None).kind is FailureClass.REFUSED


def test_the_service_s_text_is_kept_whole():
    text = "line one\nline two " + "x" * 5000 + " (provider id 7)"

    failure = failure_of_remote(failed_job(error=text, hint="try again"))

    assert failure.reason == text
    assert failure.hint == "try again"


def test_a_failure_without_a_text_says_so():
    assert failure_of_remote(failed_job()).reason == "the service gives no reason"


def test_a_canceled_job_failed_as_a_generation():
    failure = failure_of_remote(parse_job({"jobId": "j", "status": "canceled"}))

    assert failure.kind is FailureClass.GENERATION
    assert "canceled" in failure.reason


@pytest.mark.parametrize(
    ("error", "given", "kind"),
    [
        (NoOutput(), None, FailureClass.NO_OUTPUT),
        (NoOutput(), FailureClass.GENERATION, FailureClass.NO_OUTPUT),
        (
            GenerationTimedOut(waited_s=9, last_status="queued"),
            None,
            FailureClass.TIMED_OUT,
        ),
        (JobLost(), None, FailureClass.LOST),
        (Rejected(status=400), FailureClass.LOCAL, FailureClass.REFUSED),
        (DownloadFailed(), FailureClass.DOWNLOAD, FailureClass.DOWNLOAD),
        (UnexpectedAnswer(), FailureClass.LOCAL, FailureClass.LOCAL),
        (GenerationFailed(), FailureClass.GENERATION, FailureClass.GENERATION),
        (OutcomeUnknown(), None, None),
    ],
    ids=repr,
)
def test_an_error_tells_its_class_or_is_told_it(error, given, kind):
    assert failure_of(error, given).kind is kind


def test_a_failure_keeps_what_the_error_says():
    error = Rejected("bad size", status=400, hint="use 1024*1024", trace_id="t-1")

    failure = failure_of(error, None)

    assert failure.reason == "bad size"
    assert failure.hint == "use 1024*1024"
    assert failure.trace_id == "t-1"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Insufficient balance", True),
        ("not enough credits", True),
        ("monthly QUOTA reached", True),
        ("bad prompt", False),
        ("not enough detail in the reference", False),
        ("", False),
    ],
)
def test_credit_is_known_by_its_words(text, answer):
    assert is_about_credit(text) is answer
