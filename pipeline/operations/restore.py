"""Restore: an earlier take is brought back and chosen. Free."""

from dataclasses import replace
from typing import Any

from pipeline.clock import Clock, SystemClock
from pipeline.errors import ExitCode, UsageError
from pipeline.fault_points import reach
from pipeline.job import Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest
from pipeline.manifest.review import ItemReview, Kept, Review, Verdict
from pipeline.manifest.review_file import write_review
from pipeline.naming import split_take, take_id
from pipeline.operations.pick import pick
from pipeline.operations.reviewing import Signature, find_targets, sign
from pipeline.operations.run import Amended, run
from pipeline.operations.target import Source
from pipeline.planning import Action, Selection
from pipeline.planning.takes import digests_of
from pipeline.running.result import RunResult
from pipeline.storage.store import Store


async def restore(
    manifest: Source,
    item_id: str,
    take: int,
    *,
    clock: Clock | None = None,
    **options: Any,
) -> RunResult:
    """Bring an earlier take back and choose it; its files are fetched if needed. Free.

    Args:
        manifest: As for :func:`run`.
        item_id: The item.
        take: The number of the take: one that was replaced, whose files were removed,
            or that is beyond the number of takes now.
        clock: The clock to use; None for the machine's.
        options: As for :func:`run`, without ``selection`` and ``saved_plan``.

    Raises:
        UsageError: The take was never paid for.
        InputError, RunError: As for :func:`run`.
    """
    clock = clock or SystemClock()
    found: list[tuple[Manifest, Store]] = []

    def amend(loaded: Manifest, store: Store, ledger: Ledger) -> Amended:
        signature = sign(loaded, clock.utc_now())
        review = _restored(loaded, store, ledger, item_id, take, signature)
        write_review(review, loaded.path.name)
        reach("review-written")
        loaded = replace(loaded, review=review)
        found.append((loaded, store))
        ids = frozenset({take_id(item_id, take)})
        return Amended(manifest=loaded, selection=Selection(ids=ids, only_fetch=True))

    result = await run(manifest, clock=clock, amend=amend, **options)
    if result.exit_code is ExitCode.OK:
        # Its bytes are known now: the choice is bound to them.
        await pick(*found[0], item_id, take, clock=clock)
    return result


def _restored(  # noqa: PLR0917 - what a decision is made of
    manifest: Manifest,
    store: Store,
    ledger: Ledger,
    item_id: str,
    take: int,
    signature: Signature,
) -> Review:
    """The review with a take brought back and chosen."""
    (takes,) = find_targets(manifest, store, ledger, [item_id])
    job_id = take_id(item_id, take)
    paid = [
        job
        for job in ledger.find_jobs_of(job_id)
        if job.status in {JobStatus.SAVED, JobStatus.SUCCEEDED} and job.remote_assets
    ]
    if not paid:
        known = ", ".join(
            str(split_take(one)[1]) for one in ledger.find_take_ids(item_id)
        )
        raise UsageError(
            f"take {take} of {item_id} was never made",
            hint=f"pipeline why {manifest.typed} {item_id} lists what was made"
            + (f": {known}" if known else ""),
        )
    verdict = Verdict(
        take=take,
        sha256=_digests_known(manifest.review.of(item_id), take, paid[0]),
        by=signature.by,
        at=signature.at,
    )
    item = manifest.review.of(item_id).with_pick(verdict)
    review = manifest.review.with_item(item_id, item)
    (takes,) = find_targets(replace(manifest, review=review), store, ledger, [item_id])
    planned = next(one for one in takes if one.item.take == take)
    if planned.then is Action.SUBMIT:
        # It was made from another wording, and is kept as the result of this one.
        kept = Kept(
            take=take,
            job_key=planned.job.job_key,
            made_by=paid[0].job_key,
            sha256=verdict.sha256,
            by=signature.by,
            at=signature.at,
        )
        review = review.with_item(item_id, item.with_kept(kept))
    return review


def _digests_known(item: ItemReview, take: int, job: Job) -> tuple[str, ...]:
    """The SHA-256 of a take's files; empty if no record has them any more."""
    if job.assets:
        return digests_of(job)
    verdicts = (*item.rejected, *item.approved)
    return next((one.sha256 for one in verdicts if one.take == take), ())
