"""Items: how every item of a manifest stands, with its takes, files and costs.

What a report shows and what a result offers: one record for each item that the user
wrote. It is read from the manifest, the ledger and the output folder.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pipeline.job import SIDECAR_SUFFIX, Asset, Failure, Item, Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest
from pipeline.manifest.review import ItemReview, Verdict
from pipeline.naming import is_step, split_take
from pipeline.output.folder import open_for_reading
from pipeline.planning import Action, PlannedItem, Selection, make_plan
from pipeline.planning.decision import CHANGED_SIGN
from pipeline.planning.takes import stands
from pipeline.record import Struct

_NOTHING = Decimal(0)


class ItemState(StrEnum):
    """How an item stands. Of several takes, the first state here that one of them has.

    The names are those of the counts of a run.
    """

    UNKNOWN = "unknown"  # submitted, but the answer was lost: it may have been paid for
    FAILED = "failed"  # ended without a file
    BLOCKED = "blocked"  # an item that it needs was not made
    IN_FLIGHT = "in_flight"  # paid for, and not made yet
    NOT_FETCHED = "not_fetched"  # made and paid for, but a file is missing
    NOT_SUBMITTED = "not_submitted"  # new, or to be made again
    SAVED = "saved"  # its files are in place


class SavedFile(Struct, frozen=True, kw_only=True):
    """One file of a take.

    Attributes:
        path: Where it is, or was.
        asset: Its record: digest, size, media type, pixels, checks.
    """

    path: Path
    asset: Asset

    @property
    def sidecar(self) -> Path:
        """The JSON beside it, which says how it was made."""
        return self.path.with_name(self.path.name + SIDECAR_SUFFIX)


class JobRecord(Struct, frozen=True, kw_only=True):
    """One take of an item, or one of the steps that follow it.

    Attributes:
        job_id: Its id in the ledger, such as ``hero@2`` or ``hero+cutout``.
        number: The number of the take, from 1; a step follows the chosen take.
        state: How it stands.
        planned: What a run would do with it; None if the manifest does not want it any
            more, such as one that ``redo`` replaced.
        attempts: Its rows in the ledger, newest first; may be empty.
        files: Those of its newest attempt that made any.
        is_chosen: Whether it has the item's own name.
        reason: Why it is not SAVED, in a few words; else "".
        hint: The next step, or "".
    """

    job_id: str
    number: int
    state: ItemState
    planned: PlannedItem | None
    attempts: tuple[Job, ...]
    files: tuple[SavedFile, ...]
    is_chosen: bool
    reason: str = ""
    hint: str = ""

    @property
    def made(self) -> Job | None:
        """The newest attempt that made files, or None."""
        return next((job for job in self.attempts if job.assets), None)

    @property
    def charged(self) -> Decimal:
        """What all of its attempts cost, less refunds, in compute units."""
        return sum(
            (
                (job.charged or _NOTHING) - (job.refunded or _NOTHING)
                for job in self.attempts
            ),
            _NOTHING,
        )


class ItemRecord(Struct, frozen=True, kw_only=True):
    """How one item stands.

    Attributes:
        item: As the manifest has it: its chosen take.
        takes: Every take that is wanted or was made, by number; at least one.
        steps: The steps that follow the chosen take, in their order.
        review: The decisions about it.
    """

    item: Item
    takes: tuple[JobRecord, ...]
    steps: tuple[JobRecord, ...] = ()
    review: ItemReview

    @property
    def item_id(self) -> str:
        """The id as the user wrote it."""
        return self.item.base

    @property
    def chosen(self) -> JobRecord:
        """The take that is used; if there are steps, the last of them has its name."""
        return next((take for take in self.takes if take.is_chosen), self.takes[0])

    @property
    def worst(self) -> JobRecord:
        """Of the wanted takes and the steps, the first whose state is the item's."""
        wanted = [one for one in (*self.takes, *self.steps) if one.planned is not None]
        order = list(ItemState)
        return min(wanted, key=lambda one: order.index(one.state))

    @property
    def state(self) -> ItemState:
        """How it stands."""
        return self.worst.state

    @property
    def files(self) -> tuple[SavedFile, ...]:
        """Those with the item's own name: of the last step, or of the chosen take."""
        return (self.steps[-1] if self.steps else self.chosen).files

    @property
    def charged(self) -> Decimal:
        """What all takes and steps cost, less refunds, in compute units."""
        return sum((one.charged for one in (*self.takes, *self.steps)), _NOTHING)

    def verdicts_on(self, take: JobRecord) -> Iterator[tuple[str, Verdict]]:
        """The decisions about a take that are about the bytes that it has now.

        Yields:
            ``chosen``, ``approved`` or ``rejected``, and the decision.
        """
        picked = () if self.review.picked is None else (self.review.picked,)
        for word, verdicts in (
            ("chosen", picked),
            ("approved", self.review.approved),
            ("rejected", self.review.rejected),
        ):
            for verdict in verdicts:
                if verdict.take == take.number and stands(verdict, take.attempts):
                    yield word, verdict


def read_items(
    manifest: Manifest,
    output: Path,
    *,
    emulate: bool,
    on_item: Callable[[ItemRecord], None],
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> None:
    """Read how each item of a manifest stands. Changes nothing.

    A run may be in progress. Items come in the order of the plan: of the manifest,
    and those that use outputs of others or have steps after these.

    Args:
        manifest: With its review.
        output: The output folder; it need not exist.
        emulate: Whether the folder belongs to the emulator; then the lock file is
            ignored.
        on_item: Called with each item.
        selection: Which items.

    Raises:
        ManifestError: The manifest has faults.
        LedgerError: The ledger cannot be read.
        LockError: The lock file cannot be read.
        OutputError: The folder cannot be read.
    """
    lock_file = find_lock_file(manifest, emulate=emulate)
    with open_for_reading(output, lock_file, item_count=manifest.most_jobs) as ledger:
        jobs: list[PlannedItem] = []  # the takes of one item
        with_steps: dict[str, list[PlannedItem]] = {}

        def finish() -> None:
            if jobs:
                chosen = (one for one in jobs if one.stem == one.item.base)
                job_id = next((one.item.item_id for one in chosen), "")
                on_item(_record(manifest, output, ledger, jobs, job_id))
                jobs.clear()

        def take(planned: PlannedItem) -> None:
            base = planned.item.base
            if planned.item.has_steps or is_step(planned.item.item_id):
                with_steps.setdefault(base, []).append(planned)
                return
            if jobs and jobs[0].item.base != base:
                finish()
            jobs.append(planned)

        plan = make_plan(
            manifest, output, ledger=ledger, selection=selection, on_item=take
        )
        finish()
        for base, group in with_steps.items():
            on_item(_record(manifest, output, ledger, group, plan.chosen_id(base)))


def _record(
    manifest: Manifest,
    output: Path,
    ledger: Ledger,
    wanted: Sequence[PlannedItem],
    chosen_id: str,
) -> ItemRecord:
    takes = [one for one in wanted if not is_step(one.item.item_id)]
    steps = [one for one in wanted if is_step(one.item.item_id)]
    by_id = {one.item.item_id: one for one in takes}
    ids = {*by_id, *ledger.find_take_ids(takes[0].item.base)}
    chosen = by_id.get(chosen_id, takes[0])
    return ItemRecord(
        item=chosen.item,
        takes=tuple(
            _job_record(
                output,
                ledger,
                job_id,
                by_id.get(job_id),
                is_chosen=job_id == chosen.item.item_id,
            )
            for job_id in sorted(ids, key=lambda job_id: split_take(job_id)[1])
        ),
        steps=tuple(
            _job_record(output, ledger, one.item.item_id, one, is_chosen=True)
            for one in steps
        ),
        review=manifest.review.of_item(takes[0].item),
    )


def _job_record(
    output: Path,
    ledger: Ledger,
    job_id: str,
    planned: PlannedItem | None,
    *,
    is_chosen: bool,
) -> JobRecord:
    former = planned.old_id if planned else ""
    attempts = tuple(ledger.find_jobs_of(former or job_id))
    made = next((job for job in attempts if job.assets), None)
    state, reason, hint = _state(planned, attempts)
    return JobRecord(
        job_id=job_id,
        number=planned.item.take if planned else split_take(job_id)[1],
        state=state,
        planned=planned,
        attempts=attempts,
        files=tuple(
            SavedFile(path=output / asset.path, asset=asset)
            for asset in (made.assets if made else ())
        ),
        is_chosen=is_chosen,
        reason=reason,
        hint=hint,
    )


_STATES = {
    Action.DONE: ItemState.SAVED,
    Action.SKIP: ItemState.FAILED,
    Action.SETTLE: ItemState.UNKNOWN,
    Action.COLLECT: ItemState.IN_FLIGHT,
    Action.FETCH: ItemState.NOT_FETCHED,
}


def _state(
    planned: PlannedItem | None, attempts: Sequence[Job]
) -> tuple[ItemState, str, str]:
    """The state of a take, why it is not SAVED, and the next step."""
    newest = attempts[0] if attempts else None
    failure = newest.failure if newest else None
    if planned is None:
        if newest is not None and newest.assets:
            return ItemState.SAVED, "", ""
        return _told(ItemState.FAILED, failure, "")
    if planned.blocked:
        return ItemState.BLOCKED, planned.blocked, ""
    state = _STATES.get(planned.then, ItemState.NOT_SUBMITTED)
    if state is ItemState.SAVED:
        return state, "", ""
    is_same = newest is not None and planned.sign != CHANGED_SIGN
    if is_same and newest is not None and newest.status is JobStatus.FAILED:
        state = ItemState.FAILED
    return _told(state, failure if is_same else None, planned.reason)


def _told(
    state: ItemState, failure: Failure | None, reason: str
) -> tuple[ItemState, str, str]:
    if failure is None:
        return state, reason, ""
    return state, failure.reason, failure.hint
