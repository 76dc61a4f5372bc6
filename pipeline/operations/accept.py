"""Accept: the file that is there is kept as the result of the new wording. Free."""

from collections.abc import Sequence

from pipeline.clock import Clock, SystemClock
from pipeline.errors import UsageError
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest
from pipeline.manifest.review import Kept
from pipeline.operations.reviewing import (
    Decided,
    Signature,
    carry_out,
    find_take,
    find_targets,
    holding_takes,
    sign,
)
from pipeline.planning import Action, PlannedItem
from pipeline.planning.presence import find_presence
from pipeline.planning.takes import digests_of, newest_made
from pipeline.storage.store import Store


async def accept(
    manifest: Manifest,
    store: Store,
    ids: Sequence[str],
    *,
    clock: Clock | None = None,
) -> list[Decided]:
    """Keep the files of items that were edited, instead of making them again. Free.

    Args:
        manifest: With its review: see ``with_review``.
        store: Where its files are; no run may be in progress in the output folder.
        ids: Item ids, for all of their takes; ids of takes such as ``hero@2``; or
            patterns of item ids.
        clock: The clock to use; None for the machine's.

    Raises:
        UsageError: There is no such item, or it has no file to keep.
        LedgerBusy: A run is in progress in the folder.
        OutputError: The review file cannot be written.
    """
    signature = sign(manifest, (clock or SystemClock()).utc_now())
    review = manifest.review
    decided: list[tuple[str, int, int]] = []
    with holding_takes(manifest, store) as ledger:
        for takes in find_targets(manifest, store, ledger, ids):
            base = takes[0].item.base
            is_numbered = base not in ids and any(
                one.startswith(f"{base}@") for one in ids
            )
            meant = [one for one, _ in find_take(takes, ids)] if is_numbered else takes
            changed = [one for one in meant if one.then is Action.SUBMIT]
            if not changed:
                raise UsageError(f"{base} has not changed: there is nothing to accept")
            for planned in changed:
                kept = _keep(manifest, store, ledger, planned, signature)
                review = review.with_item(base, review.of(base).with_kept(kept))
                decided.append((base, planned.item.take, 0))
        return await carry_out(manifest, store, ledger, review=review, takes=decided)


def _keep(
    manifest: Manifest,
    store: Store,
    ledger: Ledger,
    planned: PlannedItem,
    signature: Signature,
) -> Kept:
    item = planned.item
    made = newest_made(ledger.find_jobs_of(item.item_id))
    if made is None or find_presence(store, made).missing:
        raise UsageError(
            f"take {item.take} of {item.base} has no file to keep: {planned.reason}",
            hint=f"pipeline run {manifest.typed} --select {item.item_id}",
        )
    return Kept(
        take=item.take,
        job_key=planned.job.job_key,
        made_by=made.job_key,
        sha256=digests_of(made),
        by=signature.by,
        at=signature.at,
    )
