"""Items: how every item of a manifest stands, with its takes, files and costs.

What a report shows and what a result offers: one record for each item that the user
wrote. It is read from the manifest, the ledger and the output folder.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

from pipeline.job import Failure, Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest
from pipeline.naming import is_step, split_take
from pipeline.operations.why import nearest
from pipeline.output.folder import open_ledger_of
from pipeline.planning import Action, Plan, PlannedItem, Selection, make_plan
from pipeline.planning.decision import CHANGED_SIGN
from pipeline.planning.takes import newest_made
from pipeline.record import replace
from pipeline.running.items import ItemRecord, ItemStatus, JobRecord, SavedFile
from pipeline.storage.store import Store

_IDS_SEARCHED = 50_000  # for the closest matches


class Items(Mapping[str, ItemRecord]):
    """Every item of a manifest, by id; read from the output folder when first asked.

    Args:
        manifest: With its review.
        store: Where its files are.
        emulate: Whether the output folder belongs to the emulator.
    """

    def __init__(self, manifest: Manifest, store: Store, *, emulate: bool) -> None:
        self._manifest = manifest
        self._store = store
        self._emulate = emulate

    @cached_property
    def _records(self) -> dict[str, ItemRecord]:
        found: list[ItemRecord] = []
        read_items(
            self._manifest, self._store, emulate=self._emulate, on_item=found.append
        )
        return {one.item_id: one for one in found}

    def __getitem__(self, item_id: str) -> ItemRecord:
        if item_id in self._records:
            return self._records[item_id]
        near = nearest(str(item_id), list(islice(self._records, _IDS_SEARCHED)))
        hint = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise KeyError(f"{self._manifest.file} has no item {item_id!r}{hint}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"<the items of {self._manifest.name} in {self._store.describe()}>"


def read_items(
    manifest: Manifest,
    store: Store,
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
        store: Where its files are; the output folder, its ``home``, need not exist.
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
    with open_ledger_of(manifest, store.home, emulate=emulate) as ledger:
        read_items_in(ledger, manifest, store, on_item=on_item, selection=selection)


def read_items_in(
    ledger: Ledger,
    manifest: Manifest,
    store: Store,
    *,
    on_item: Callable[[ItemRecord], None],
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> Plan:
    """As :func:`read_items`, from a ledger that is open already.

    Returns:
        The plan that the records come from.
    """
    jobs: list[PlannedItem] = []  # the takes of one item
    with_steps: dict[str, list[PlannedItem]] = {}

    def finish() -> None:
        if jobs:
            chosen = (one for one in jobs if one.stem == one.item.base)
            job_id = next((one.item.item_id for one in chosen), "")
            on_item(_record(manifest, store, ledger, jobs, job_id))
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
        manifest,
        store,
        ledger=ledger,
        selection=selection,
        on_item=take,
    )
    finish()
    for base, group in with_steps.items():
        on_item(_record(manifest, store, ledger, group, plan.chosen_id(base)))
    return plan


def _record(
    manifest: Manifest,
    store: Store,
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
                store,
                ledger,
                job_id,
                by_id.get(job_id),
                is_chosen=job_id == chosen.item.item_id,
            )
            for job_id in sorted(ids, key=lambda job_id: split_take(job_id)[1])
        ),
        steps=tuple(
            replace(
                _job_record(store, ledger, one.item.item_id, one, is_chosen=True),
                number=chosen.item.take,
            )
            for one in steps
        ),
        review=manifest.review.of_item(takes[0].item),
    )


def _job_record(
    store: Store,
    ledger: Ledger,
    job_id: str,
    planned: PlannedItem | None,
    *,
    is_chosen: bool,
) -> JobRecord:
    former = planned.old_id if planned else ""
    attempts = tuple(ledger.find_jobs_of(former or job_id))
    made = next(iter(newest_made(attempts)), None)
    status, reason, hint = status_of(planned, attempts)
    return JobRecord(
        job_id=job_id,
        number=planned.item.take if planned else split_take(job_id)[1],
        status=status,
        planned=planned,
        attempts=attempts,
        files=tuple(
            SavedFile(store=store, asset=asset)
            for asset in (made.assets if made else ())
        ),
        is_chosen=is_chosen,
        reason=reason,
        hint=hint,
    )


_STATUSES = {
    Action.DONE: ItemStatus.SAVED,
    Action.SKIP: ItemStatus.FAILED,
    Action.SETTLE: ItemStatus.UNKNOWN,
    Action.COLLECT: ItemStatus.IN_FLIGHT,
    Action.FETCH: ItemStatus.NOT_FETCHED,
}


def status_of(
    planned: PlannedItem | None, attempts: Sequence[Job]
) -> tuple[ItemStatus, str, str]:
    """The status of a take, why it is not SAVED, and the next step."""
    newest = attempts[0] if attempts else None
    failure = newest.failure if newest else None
    if planned is None:
        if newest is not None and newest.assets:
            return ItemStatus.SAVED, "", ""
        return _told(ItemStatus.FAILED, failure, "")
    if planned.blocked:
        return ItemStatus.BLOCKED, planned.blocked, ""
    status = _STATUSES.get(planned.then, ItemStatus.NOT_SUBMITTED)
    if status is ItemStatus.SAVED:
        return status, "", ""
    is_same = newest is not None and planned.sign != CHANGED_SIGN
    if is_same and newest is not None and newest.status is JobStatus.FAILED:
        status = ItemStatus.FAILED
    return _told(status, failure if is_same else None, planned.reason)


def _told(
    status: ItemStatus, failure: Failure | None, reason: str
) -> tuple[ItemStatus, str, str]:
    if failure is None:
        return status, reason, ""
    return status, failure.reason, failure.hint
