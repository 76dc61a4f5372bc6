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

_LONGEST_REASON = 80  # in characters, of the service's text


class Action(StrEnum):
    """The stage at which an item enters a run."""

    RENAME = "rename"  # made under another name: move its files; free
    SUBMIT = "submit"  # new, changed, failed, or refused for now: will be paid for
    WAIT = "wait"  # another item has to be made first; then it may be paid for
    SETTLE = "settle"  # find out whether a submit became a job; free
    COLLECT = "collect"  # in flight: wait for it; free
    FETCH = "fetch"  # made and paid for; a file is missing, or saved otherwise; free
    DONE = "done"  # the files are in place
    ASK = "ask"  # may be one of several old items: the user has to say which
    SKIP = "skip"  # failed for good, or left out of this command


# Paid for, or possibly: a run never pays again for what is lost or late.
_CHECKED_AGAIN = {
    FailureClass.TIMED_OUT: "timed out before; may have finished since",
    FailureClass.LOST: "the service did not show the job; it may now",
    FailureClass.NO_OUTPUT: "ended without an output; one may exist now",
}
CHANGED_SIGN = "~"  # of a SUBMIT that asks for something else than before
ORPHAN_SIGN = "-"  # in the ledger, but no longer in the manifest
SIGNS = {
    Action.RENAME: ">",
    Action.SUBMIT: "+",
    Action.WAIT: "&",
    Action.SETTLE: "!",
    Action.COLLECT: "*",
    Action.FETCH: "<",
    Action.DONE: "=",
    Action.ASK: "?",
    Action.SKIP: "x",
}
# What is settled or collected may turn out to need another, paid submit.
MAY_BE_PAID = frozenset({Action.SUBMIT, Action.WAIT, Action.SETTLE, Action.COLLECT})
UNTOUCHED = frozenset({Action.DONE, Action.SKIP})  # nothing is done with these


class Presence(Struct, frozen=True, kw_only=True):
    """What is there of a job's files.

    Attributes:
        missing: Why they have to be fetched again, in a few words, or "".
        saving: In what they are not saved as the manifest says, in a few words, or "".
        edited: Paths of the files that are in place, but not as they were saved.
    """

    missing: str = ""
    saving: str = ""
    edited: tuple[str, ...] = ()


class Decision(Struct, frozen=True, kw_only=True):
    """What a run does with an item.

    Attributes:
        action: The stage at which it enters.
        reason: Why, in a few words.
        job: The attempt to continue; None for a new attempt.
        failed: Whether its newest attempt failed, so that ``rerun`` includes it.
        changed: Whether an earlier attempt asked for something else.
    """

    action: Action
    reason: str
    job: Job | None = None
    failed: bool = False
    changed: bool = False


def decide(  # noqa: PLR0911 - one return per status
    attempts: Sequence[Job],
    *,
    job_key: JobKey,
    request_key: JobKey,
    look: Callable[[Job], Presence],
    former: Sequence[tuple[JobKey, JobKey]] = (),
    force: bool = False,
    insist: bool = False,
) -> Decision:
    """Decide about one item.

    Args:
        attempts: All rows of the item, newest first; may be empty.
        job_key: What is asked for now, defaults left out.
        request_key: The same with defaults as written. A row that matches either is the
            same request, so a changed default is not paid for again.
        look: Looks whether the files of a SAVED job are in place.
        former: Both keys of the same request in other forms that a row may have.
        force: Generate again what is finished or has failed.
        insist: Try final failures again.
    """
    keys = [(job_key, request_key), *former]
    same = find_same(attempts, keys)
    if same is not None and same.status is JobStatus.SUCCEEDED:
        # A lock file may name another job for a request whose files are here.
        saved = [job for job in attempts if job.status is JobStatus.SAVED]
        here = find_same(saved, keys)
        same = here if here is not None and not look(here).missing else same
    if same is None:
        changed = bool(attempts)
        reason = "changed" if changed else "new"
        return Decision(action=Action.SUBMIT, reason=reason, changed=changed)
    match same.status:
        case JobStatus.SUBMITTING | JobStatus.UNKNOWN:
            return Decision(
                action=Action.SETTLE, reason="submit outcome unknown", job=same
            )
        case JobStatus.SUBMITTED:
            return Decision(action=Action.COLLECT, reason="in flight", job=same)
        case JobStatus.PLANNED:
            said = same.failure.reason if same.failure else "not accepted yet"
            return Decision(action=Action.SUBMIT, reason=said, job=same)
    if force:
        return Decision(action=Action.SUBMIT, reason="made again (--force)")
    match same.status:
        case JobStatus.SAVED:
            return _decide_saved(same, look(same))
        case JobStatus.SUCCEEDED:
            return Decision(
                action=Action.FETCH, reason="paid for, not downloaded yet", job=same
            )
    return _decide_failed(attempts, same, insist=insist)


def _decide_saved(job: Job, presence: Presence) -> Decision:
    if presence.missing:
        return Decision(action=Action.FETCH, reason=presence.missing, job=job)
    if presence.saving:
        reason = f"saving changed: {presence.saving}"
        return Decision(action=Action.FETCH, reason=reason, job=job)
    edited = f"; edited: {', '.join(presence.edited)}" if presence.edited else ""
    return Decision(action=Action.DONE, reason=f"done{edited}", job=job)


def find_same(
    attempts: Sequence[Job], keys: Sequence[tuple[JobKey, JobKey]]
) -> Job | None:
    """The newest attempt that made the same request, or None.

    Args:
        attempts: Rows of the item, newest first.
        keys: Job key and request key, in every form that a row may have.
    """
    return next(
        (
            job
            for job in attempts
            for job_key, request_key in keys
            if job.asks_for(job_key, request_key)
        ),
        None,
    )


def _decide_failed(attempts: Sequence[Job], job: Job, *, insist: bool) -> Decision:
    failure = job.failure
    kind = failure.kind if failure else None
    said = _failure_text(failure) if failure else "failed"
    if kind in _CHECKED_AGAIN and not (kind is FailureClass.NO_OUTPUT and insist):
        reason = _CHECKED_AGAIN[kind]
        return Decision(action=Action.COLLECT, reason=reason, job=job, failed=True)
    if kind is FailureClass.DOWNLOAD:
        reason = "generated, but could not be downloaded"
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


def failure_word(failure: Failure | None) -> str:
    """Why an item failed, in as few words as possible: ``moderated``."""
    if failure is None or failure.kind is None:
        return "it failed"
    return failure.kind.replace("_", " ")


def _failure_text(failure: Failure) -> str:
    kind = "" if failure.kind is None else f"{failure_word(failure)}: "
    said = " ".join(failure.reason.split())
    short = said if len(said) <= _LONGEST_REASON else said[: _LONGEST_REASON - 1] + "…"
    return f"failed: {kind}{short}"
