"""A manifest and its output folder → how its items stand; a run may be at work.

What the ledger does not know comes from the sidecars and from the lock file.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache, partial

from pipeline.job import Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest
from pipeline.manifest.review import Review
from pipeline.naming import split_take
from pipeline.operations.items import status_of
from pipeline.operations.spend import Spending, Sum
from pipeline.output.folder import is_held, open_for_reading
from pipeline.planning import Action, PlannedItem, Selection, make_plan
from pipeline.planning.decision import CHANGED_SIGN
from pipeline.planning.item_counts import ItemCounts
from pipeline.planning.shards import Shard
from pipeline.planning.takes import Take, find_finished, find_stale, newest_made
from pipeline.record import Struct
from pipeline.running.items import ItemStatus
from pipeline.storage.store import Store


class Status(Struct, frozen=True, kw_only=True):
    """How the items of a manifest stand.

    Attributes:
        counts: Items of the manifest by status: of their takes and steps, the worst. A
            renamed item counts once, under its new id.
        jobs: How many takes and steps they have.
        submitting: How many items a run in progress is submitting at this moment; they
            count as in flight.
        changed: How many items ask for something else than their newest attempt.
        to_fetch: How many are paid for, with a file that is not in place.
        why_fetch: Why one of those has to be fetched, or "".
        blocked: Id and reason of each take or step that another item holds up.
        orphans: Items that are known, but no longer in the manifest; old takes of items
            that are there do not count.
        troubled: The newest attempts that failed or are unsure, in the ledger's order.
        cost: What all attempts have cost together.
        stale: A sentence for each decision about a take that counts no longer.
        reviews: Item, path and reason of each file that a person has to look at.
    """

    counts: Mapping[ItemStatus, int]
    jobs: int
    changed: int
    to_fetch: int
    why_fetch: str
    orphans: int
    troubled: tuple[Job, ...]
    cost: Sum
    submitting: int = 0
    blocked: tuple[tuple[str, str], ...] = ()
    stale: tuple[str, ...] = ()
    reviews: tuple[tuple[str, str, str], ...] = ()


def read_status(
    manifest: Manifest,
    store: Store,
    *,
    emulate: bool,
    shard: Shard | None = None,
) -> Status:
    """Read how the items of a manifest stand.

    Args:
        manifest: The manifest.
        store: Where its files are; its ``home`` need not exist.
        emulate: Whether the output folder belongs to the emulator; then the lock file
            is ignored.
        shard: Count only the items of this shard; None for all.

    Raises:
        ManifestError: The manifest has faults.
        LedgerError: The ledger cannot be read.
        LockError: The lock file cannot be read.
        OutputError: The folder cannot be read.
    """
    lock_file = find_lock_file(manifest, emulate=emulate)
    order = list(ItemStatus)
    standing, changed, waiting = ItemCounts(), ItemCounts(), ItemCounts()
    submitting = ItemCounts()
    why_fetch = ""
    blocked: list[tuple[str, str]] = []
    reviews: list[tuple[str, str, str]] = []
    selection = Selection(shard=shard).resolved(manifest)
    is_meant = selection.includes
    with open_for_reading(
        store.home, lock_file, item_count=manifest.item_count
    ) as ledger:
        # Asked only if it matters: a run that begins has to wait for the answer.
        is_busy = cache(partial(is_held, store.home))

        def count(planned: PlannedItem) -> None:
            nonlocal why_fetch
            attempts = ledger.find_jobs_of(planned.item.item_id)
            if planned.old_id:
                attempts = ledger.find_jobs_of(planned.old_id) or attempts
            status, reason, _ = status_of(planned, attempts)
            newest = attempts[0].status if attempts else None
            is_leaving = newest is JobStatus.SUBMITTING and is_busy()
            if is_leaving:  # without a run, nobody knows what has become of it
                status = ItemStatus.IN_FLIGHT
            submitting.add(planned.item, _rank(is_leaving))
            standing.add(planned.item, order.index(status))
            if status is ItemStatus.BLOCKED:
                blocked.append((planned.item.item_id, reason))
            reviews.extend(
                (planned.item.item_id, asset.path, asset.review)
                for asset in (attempts[0].assets if attempts else ())
                if asset.review
            )
            changed.add(planned.item, _rank(planned.sign == CHANGED_SIGN))
            is_waiting = planned.then is Action.FETCH
            waiting.add(planned.item, _rank(is_waiting))
            if is_waiting and not why_fetch:
                why_fetch = f"{planned.item.item_id}: {planned.reason}"

        orphans = 0
        untouched = 0
        if ledger.find_last_row_id() or selection.shard is not None:
            plan = make_plan(
                manifest,
                store,
                ledger=ledger,
                selection=selection,
                on_item=count,
            )
            orphans = sum(
                is_meant(one) and not plan.is_old_take(one) for one in plan.orphan_ids()
            )
        else:  # a million new items need not be made to be counted
            untouched = manifest.written_count
        spending = Spending()
        for job in ledger.find_costs():
            if is_meant(job.item_id):
                spending.add(job, "")
        return Status(
            counts=Counter({order[rank]: n for rank, n in standing.by_rank.items()})
            + Counter({ItemStatus.NOT_SUBMITTED: untouched}),
            jobs=standing.jobs + untouched,
            changed=changed.by_rank[_rank(True)],
            to_fetch=waiting.by_rank[_rank(True)],
            why_fetch=why_fetch,
            submitting=submitting.by_rank[_rank(True)],
            blocked=tuple(blocked),
            orphans=orphans,
            troubled=tuple(
                job
                for job in ledger.find_latest_jobs_in(
                    JobStatus.FAILED, JobStatus.UNKNOWN
                )
                if is_meant(job.item_id)
            ),
            cost=spending.total,
            stale=tuple(_find_stale(manifest.review, ledger)),
            reviews=tuple(reviews),
        )


def _rank(is_one: bool) -> int:
    """The rank of a take that makes its item one of those that are counted."""
    return 0 if is_one else 1


def _find_stale(review: Review, ledger: Ledger) -> Iterator[str]:
    for base_id, item in sorted(review.items.items()):
        finished = find_finished(ledger, base_id)
        takes = []
        for job_id in ledger.find_take_ids(base_id):
            made = next(iter(newest_made(ledger.find_jobs_of(job_id))), None)
            takes.append(
                Take(
                    number=split_take(job_id)[1],
                    made=made,
                    finished=finished,
                    is_paid=made is None,
                )
            )
        yield from find_stale(base_id, item, takes)
