"""Errors and failed jobs → the Failure that the ledger records. Pure."""

import re

from pipeline.api.interface import RemoteJob, RemoteStatus
from pipeline.api.wire import CREDIT_WORDS, MODERATION_WORDS
from pipeline.errors import (
    GenerationFailed,
    GenerationTimedOut,
    JobError,
    PipelineError,
    Rejected,
)
from pipeline.job import Failure, FailureClass
from pipeline.stages.poller import JobLost

_KEEPS_MODERATED = re.compile(r"xai|grok", re.IGNORECASE)


class NoOutput(GenerationFailed):
    """The service reports success without any asset."""


def failure_of(error: PipelineError, kind: FailureClass | None) -> Failure:
    """The Failure to record for an error.

    Args:
        error: As it was caught.
        kind: The failure class if the error itself does not determine it.
    """
    match error:
        case NoOutput():
            kind = FailureClass.NO_OUTPUT
        case GenerationTimedOut():
            kind = FailureClass.TIMED_OUT
        case JobLost():
            kind = FailureClass.LOST
        case Rejected():
            moderated = MODERATION_WORDS.search(error.message)
            kind = FailureClass.MODERATED if moderated else FailureClass.REFUSED
    trace_id = error.trace_id if isinstance(error, JobError) else ""
    return Failure(kind=kind, reason=error.message, hint=error.hint, trace_id=trace_id)


def failure_of_remote(remote: RemoteJob) -> Failure:
    """The service's own reason for a failed job, in full."""
    if remote.status is RemoteStatus.CANCELED:
        return Failure(kind=FailureClass.GENERATION, reason="canceled at the service")
    text = remote.error or "the service gives no reason"
    moderated = MODERATION_WORDS.search(f"{remote.error} {remote.hint}")
    return Failure(
        kind=FailureClass.MODERATED if moderated else FailureClass.GENERATION,
        reason=text,
        hint=remote.hint,
    )


def is_about_credit(text: str) -> bool:
    """Whether a failed job's text says that the team has run out of credit."""
    return bool(CREDIT_WORDS.search(text))


def keeps_moderated(model_id: str, failure: Failure) -> bool:
    """Whether the model's provider charges for moderated jobs.

    The service names one such provider: xAI.
    """
    is_moderated = failure.kind is FailureClass.MODERATED
    return is_moderated and bool(_KEEPS_MODERATED.search(model_id))
