"""Errors and failed jobs → the Failure that the ledger keeps. Pure."""

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
    """What an error means for later runs.

    Args:
        error: As it was caught.
        kind: Its class where the error itself does not tell.
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
    """Why the service says a job failed, its text whole."""
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
    """Whether the model's provider keeps the charge of what it moderated.

    The one exception that the service names: xAI.
    """
    is_moderated = failure.kind is FailureClass.MODERATED
    return is_moderated and bool(_KEEPS_MODERATED.search(model_id))
