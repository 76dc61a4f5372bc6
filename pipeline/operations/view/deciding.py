"""Deciding: a decision that was taken on a page → the review file.

It is written only if the page shows what is there: the same review file, and the same
bytes of the files.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pipeline.errors import InputError, JobError, LedgerBusy, PipelineError
from pipeline.job import PREVIEW
from pipeline.manifest import Manifest
from pipeline.manifest.review import ItemReview, Verdict
from pipeline.manifest.review_file import read_review
from pipeline.operations.reviewing import (
    carry_out,
    find_targets,
    finished_take,
    holding_takes,
    own_take,
    sign,
    verdict_on,
)
from pipeline.planning import PlannedItem
from pipeline.planning.takes import digests_of
from pipeline.record import replace as replace_record
from pipeline.report.review.desk import Decision
from pipeline.report.review.refused import Refused
from pipeline.storage.store import Store

_NO_FILE = "none"
_JUDGED = {
    "chosen": ItemReview.with_pick,
    "approved": ItemReview.with_approval,
    "rejected": ItemReview.with_rejection,
}


def version_of(path: Path | None) -> str:
    """The version of a review file: a digest of its bytes, or ``none``."""
    try:
        data = b"" if path is None else path.read_bytes()
    except OSError:
        return _NO_FILE
    return hashlib.sha256(data).hexdigest()[:16]


async def decide(
    manifest: Manifest,
    store: Store,
    decision: Decision,
    *,
    check_version: Callable[[str | None], None],
    now: datetime,
) -> str:
    """Write a decision and move the files that it concerns.

    Args:
        manifest: With its review, which is read again.
        store: Where its files are.
        decision: About one of its items.
        check_version: Called with the version of the review file, or None if somebody
            is writing it; raises unless it is the one that the page shows.
        now: The time of the decision.

    Returns:
        The version of the review file that was written.

    Raises:
        Refused: The bytes have changed, or there is no such take.
        PipelineError: As for ``pick``.
    """
    signature = sign(manifest, now)
    path = manifest.review.path
    assert path is not None
    with holding_takes(manifest, store) as ledger:
        version = version_of(path)
        review = read_review(path)
        manifest = replace(manifest, review=review)
        (takes,) = find_targets(manifest, store, ledger, [decision.item], verify=True)
        # What is chosen is the take itself; what is judged is what came of it.
        planned = (
            own_take(takes, decision.take)
            if decision.word == "chosen"
            else finished_take(takes, decision.take)
        )
        _check_bytes(planned, decision)
        base = planned.item.base
        before = review.of(base)
        if decision.word in _JUDGED:
            verdict = verdict_on(
                manifest,
                planned,
                signature,
                output=decision.output,
                note=decision.note,
            )
            after = _JUDGED[decision.word](before, verdict)
        elif decision.word == "note":
            after = _with_note(before, decision)
        else:
            after = _without(before, decision)
        check_version(version if version_of(path) == version else None)
        await carry_out(
            manifest,
            store,
            ledger,
            review=review.with_item(base, after),
            takes=[(base, decision.take, decision.output)],
        )
    return version_of(path)


def _check_bytes(planned: PlannedItem, decision: Decision) -> None:
    """Refuse a decision about other files than those that are there.

    Raises:
        Refused: With 409.
    """
    assets = planned.job.assets
    if decision.output and decision.output not in {one.output_index for one in assets}:
        raise Refused(409, f"take {decision.take} has no output {decision.output}")
    there = digests_of(planned.job, decision.output)
    shown = set(decision.sha256)
    outputs = {
        one.content_sha256
        for one in assets
        if one.role != PREVIEW and decision.output in {0, one.output_index}
    }
    if not shown or not outputs <= shown <= set(there):
        raise Refused(
            409,
            f"take {decision.take} of {planned.item.base} has other files now than this"
            " page shows",
            "look at them, then decide again",
        )


def _with_note(before: ItemReview, decision: Decision) -> ItemReview:
    """With another note on each decision about the take.

    Raises:
        Refused: With 409; there is none.
    """

    def noted(verdict: Verdict) -> Verdict:
        if not _is_about(verdict, decision):
            return verdict
        return replace_record(verdict, note=decision.note)

    after = replace_record(
        before,
        picked=None if before.picked is None else noted(before.picked),
        approved=tuple(map(noted, before.approved)),
        rejected=tuple(map(noted, before.rejected)),
    )
    if not any(_is_about(one, decision) for _, one in before.verdicts()):
        raise Refused(
            409,
            "a note belongs to a decision, and there is none about this take",
            "choose, approve or reject it first",
        )
    return after


def _without(before: ItemReview, decision: Decision) -> ItemReview:
    def others(verdicts: tuple[Verdict, ...]) -> tuple[Verdict, ...]:
        return tuple(one for one in verdicts if not _is_about(one, decision))

    picked = before.picked
    if picked is not None and _is_about(picked, decision):
        picked = None
    return replace_record(
        before,
        picked=picked,
        approved=others(before.approved),
        rejected=others(before.rejected),
    )


def _is_about(verdict: Verdict, decision: Decision) -> bool:
    return (verdict.take, verdict.output) == (decision.take, decision.output)


def refused(error: PipelineError, *, what: str) -> Refused:
    """The answer for an error.

    Args:
        error: What went wrong.
        what: What was to be done: ``decide``.
    """
    if isinstance(error, LedgerBusy):
        return Refused(409, error.message, f"{what} again when it has ended")
    is_conflict = isinstance(error, InputError | JobError)
    return Refused(409 if is_conflict else 500, error.message, error.hint)
