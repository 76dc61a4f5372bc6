"""Pick, approve, reject: a person's decisions about takes. Free."""

from collections.abc import Sequence

from pipeline.clock import Clock, SystemClock
from pipeline.errors import UsageError
from pipeline.manifest import Manifest
from pipeline.operations.reviewing import (
    Decided,
    carry_out,
    change_item,
    find_take,
    find_targets,
    holding_takes,
    one_take,
    sign,
    verdict_on,
)
from pipeline.storage.store import Store


async def pick(
    manifest: Manifest,
    store: Store,
    item_id: str,
    take: int,
    *,
    output_index: int = 0,
    clock: Clock | None = None,
) -> Decided:
    """Choose a take of an item: its file gets the item's own name. Free.

    Args:
        manifest: With its review: see ``with_review``.
        store: Where its files are; no run may be in progress in the output folder.
        item_id: The item.
        take: The number of the take; with ``choose: one`` and a single take, that of
            the output.
        output_index: With ``choose: one``, the number of the output of that take.
        clock: The clock to use; None for the machine's.

    Raises:
        UsageError: There is no such item or take, or it is not made.
        LedgerBusy: A run is in progress in the folder.
        OutputError: A file cannot be written.
    """
    signature = sign(manifest, (clock or SystemClock()).utc_now())
    with holding_takes(manifest, store) as ledger:
        (takes,) = find_targets(manifest, store, ledger, [item_id])
        planned, index = one_take(takes, take, output_index)
        if planned.item.chooses:
            index = index or 1
        verdict = verdict_on(manifest, planned, signature, output=index)
        base = planned.item.base
        review = change_item(
            manifest.review, base, lambda item: item.with_pick(verdict)
        )
        takes_chosen = [(base, planned.item.take, index)]
        (decided,) = await carry_out(
            manifest, store, ledger, review=review, takes=takes_chosen
        )
        return decided


async def approve(
    manifest: Manifest,
    store: Store,
    ids: Sequence[str],
    *,
    note: str = "",
    clock: Clock | None = None,
) -> list[Decided]:
    """Approve takes: the chosen one of each item, or one by its number. Free.

    Args:
        manifest: With its review: see ``with_review``.
        store: Where its files are; no run may be in progress in the output folder.
        ids: Item ids, ids of takes such as ``hero@2``, or patterns of item ids.
        note: A text for the review file, or "".
        clock: The clock to use; None for the machine's.

    Raises:
        UsageError, LedgerBusy, OutputError: As for :func:`pick`.
    """
    return await _judge(manifest, store, ids, note, clock, is_approval=True)


async def reject(
    manifest: Manifest,
    store: Store,
    ids: Sequence[str],
    *,
    note: str = "",
    clock: Clock | None = None,
) -> list[Decided]:
    """Reject takes; another take that is not rejected becomes the chosen one. Free.

    Args:
        manifest: As for :func:`approve`.
        store: As for :func:`approve`.
        ids: As for :func:`approve`.
        note: As for :func:`approve`.
        clock: As for :func:`approve`.

    Raises:
        UsageError, LedgerBusy, OutputError: As for :func:`pick`.
    """
    return await _judge(manifest, store, ids, note, clock, is_approval=False)


async def _judge(
    manifest: Manifest,
    store: Store,
    ids: Sequence[str],
    note: str,
    clock: Clock | None,
    *,
    is_approval: bool,
) -> list[Decided]:
    if not ids:
        raise UsageError("no item is named", hint="name its id, such as hero or hero@2")
    signature = sign(manifest, (clock or SystemClock()).utc_now())
    review = manifest.review
    decided: list[tuple[str, int, int]] = []
    with holding_takes(manifest, store) as ledger:
        for takes in find_targets(manifest, store, ledger, ids):
            for planned, index in find_take(takes, ids):
                verdict = verdict_on(
                    manifest, planned, signature, output=index, note=note
                )
                base = planned.item.base
                item = review.of(base)
                item = (
                    item.with_approval(verdict)
                    if is_approval
                    else item.with_rejection(verdict)
                )
                review = review.with_item(base, item)
                decided.append((base, planned.item.take, index))
        return await carry_out(manifest, store, ledger, review=review, takes=decided)
