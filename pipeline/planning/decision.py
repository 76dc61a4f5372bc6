"""One item and its rows in the ledger → what a run does with it, and why. Pure."""

from collections.abc import Callable, Sequence
from enum import StrEnum

from pipeline.job import (
    FINAL_CLASSES,
    MODERATION_TRIES,
    Failure,
    FailureClass,
    Job,
    JobKey,
    JobStatus,
)
from pipeline.record import Struct

_LONGEST_REASON = 80  # characters of the service's text


class Action(StrEnum):
    """At which stage an item enters a run."""

    RENAME = "rename"  # made under another name: its files are moved; free
    SUBMIT = (
        "submit"  # new, changed, failed before, or refused for now: it will be paid
    )
    SETTLE = "settle"  # find out what became of a submit; free
    COLLECT = "collect"  # in flight: wait for it; free
    FETCH = "fetch"  # made and paid for, a file is missing; free
    DONE = "done"  # the files are there
    SKIP = "skip"  # failed for good, or left out of this command


# Paid for, or perhaps: what is lost or late is never paid for again by itself.
_LOOKED_AT_AGAIN = {
    FailureClass.TIMED_OUT: "timed out before; may have ended since",
    FailureClass.LOST: "the service did not show its job; it may now",
    FailureClass.NO_OUTPUT: "ended without an output; it may have come since",
}
CHANGED_SIGN = "~"  # of a SUBMIT: it asks for something else than before
ORPHAN_SIGN = "-"  # what the ledger has and the manifest no longer
SIGNS = {
    Action.RENAME: ">",
    Action.SUBMIT: "+",
    Action.SETTLE: "!",
    Action.COLLECT: "*",
    Action.FETCH: "<",
    Action.DONE: "=",
    Action.SKIP: "x",
}
# The outcome of what is settled or collected may have to be paid for once more.
MAY_BE_PAID = frozenset({Action.SUBMIT, Action.SETTLE, Action.COLLECT})


class Decision(Struct, frozen=True, kw_only=True):
    """What a run does with an item.

    Attributes:
        action: Where it enters.
        reason: Why, in a few words.
        job: The attempt it goes on with; None for a new attempt.
        failed: Whether its newest attempt failed: what ``rerun`` is for.
        changed: Whether it has been asked for before, and otherwise.
    """

    action: Action
    reason: str
    job: Job | None = None
    failed: bool = False
    changed: bool = False


def decide(  # noqa: PLR0911 - one return a status reads as the table it is
    attempts: Sequence[Job],
    *,
    job_key: JobKey,
    request_key: JobKey,
    has_files: Callable[[Job], bool],
    force: bool = False,
    insist: bool = False,
) -> Decision:
    """Decide about one item.

    Args:
        attempts: All rows of the item, newest first; may be empty.
        job_key: What is asked for now, defaults left out.
        request_key: The same with defaults as written. A row that agrees in either
            is the same request, so a default that changes is not paid for again.
        has_files: Whether the files of a SAVED job are in place.
        force: Make again what is finished or has failed.
        insist: Try final failures again.
    """
    same = find_same(attempts, job_key=job_key, request_key=request_key)
    if same is not None and same.status is JobStatus.SUCCEEDED:
        # A lock file may tell of another job of a request whose files are here.
        saved = [job for job in attempts if job.status is JobStatus.SAVED]
        here = find_same(saved, job_key=job_key, request_key=request_key)
        same = here if here is not None and has_files(here) else same
    if same is None:
        changed = bool(attempts)
        reason = "changed" if changed else "new"
        return Decision(action=Action.SUBMIT, reason=reason, changed=changed)
    match same.status:
        case JobStatus.SUBMITTING | JobStatus.UNKNOWN:
            return Decision(
                action=Action.SETTLE, reason="outcome of the submit unknown", job=same
            )
        case JobStatus.SUBMITTED:
            return Decision(action=Action.COLLECT, reason="in flight", job=same)
        case JobStatus.PLANNED:
            said = same.failure.reason if same.failure else "not accepted yet"
            return Decision(action=Action.SUBMIT, reason=said, job=same)
    if force:
        return Decision(action=Action.SUBMIT, reason="made again (--force)")
    match same.status:
        case JobStatus.SAVED if has_files(same):
            return Decision(action=Action.DONE, reason="done", job=same)
        case JobStatus.SAVED:
            return Decision(action=Action.FETCH, reason="file missing", job=same)
        case JobStatus.SUCCEEDED:
            return Decision(
                action=Action.FETCH, reason="paid for, not here yet", job=same
            )
    return _decide_failed(attempts, same, insist=insist)


def find_same(
    attempts: Sequence[Job], *, job_key: JobKey, request_key: JobKey
) -> Job | None:
    """The newest attempt that asked for the same, or None."""
    return next(
        (
            job
            for job in attempts
            if job.job_key == job_key or job.request_key == request_key
        ),
        None,
    )


def _decide_failed(attempts: Sequence[Job], job: Job, *, insist: bool) -> Decision:
    failure = job.failure
    kind = failure.kind if failure else None
    said = _failure_text(failure) if failure else "failed"
    if kind in _LOOKED_AT_AGAIN and not (kind is FailureClass.NO_OUTPUT and insist):
        reason = _LOOKED_AT_AGAIN[kind]
        return Decision(action=Action.COLLECT, reason=reason, job=job, failed=True)
    if kind is FailureClass.DOWNLOAD:
        reason = "made, could not be downloaded"
        return Decision(action=Action.FETCH, reason=reason, job=job, failed=True)
    moderated = sum(
        other.failure is not None
        and other.failure.kind is FailureClass.MODERATED
        and other.job_key == job.job_key
        for other in attempts
    )
    final = kind in FINAL_CLASSES or moderated >= MODERATION_TRIES
    if final and not insist:
        return Decision(action=Action.SKIP, reason=said, job=job, failed=True)
    return Decision(action=Action.SUBMIT, reason=said, failed=True)


def _failure_text(failure: Failure) -> str:
    kind = "" if failure.kind is None else f"{failure.kind.replace('_', ' ')}: "
    said = " ".join(failure.reason.split())
    short = said if len(said) <= _LONGEST_REASON else said[: _LONGEST_REASON - 1] + "…"
    return f"failed: {kind}{short}"
