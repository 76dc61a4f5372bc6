"""Check: whether every item has what it needs to be shipped. Free; changes nothing."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest
from pipeline.output.folder import open_for_reading
from pipeline.planning import Action, PlannedItem, Selection, make_plan
from pipeline.planning.takes import Take, counts, digests_of
from pipeline.record import Struct
from pipeline.storage.files import digest_of


class Approval(Struct, frozen=True, kw_only=True):
    """Whether an item has an approved file.

    Attributes:
        item_id: The item.
        take: The number of its chosen take.
        by: Who approved it, or "".
        lacks: Why it is not approved, or "".
    """

    item_id: str
    take: int
    by: str = ""
    lacks: str = ""


def check_approved(
    manifest: Manifest,
    output: Path,
    *,
    emulate: bool = False,
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> Iterator[Approval]:
    """Look whether the chosen take of each item is in place and approved.

    Reads the files of approved takes in full.

    Args:
        manifest: With its review: see ``with_review``.
        output: Its output folder; a run may be in progress in it.
        emulate: Whether the folder belongs to the emulator.
        selection: The items to look at.

    Yields:
        One record for each item, in the order of the manifest.

    Raises:
        InputError: A file that the plan needs has faults.
        LedgerError: The ledger cannot be read.
    """
    lock_file = find_lock_file(manifest, emulate=emulate)
    chosen: list[PlannedItem] = []

    def take(planned: PlannedItem) -> None:
        if planned.stem == planned.item.base:
            chosen.append(planned)

    with open_for_reading(output, lock_file, item_count=manifest.most_jobs) as ledger:
        make_plan(manifest, output, ledger=ledger, selection=selection, on_item=take)
    for planned in chosen:
        yield _look_at(manifest, output, planned)


def _look_at(manifest: Manifest, output: Path, planned: PlannedItem) -> Approval:
    item, job = planned.item, planned.job
    found = Approval(item_id=item.base, take=item.take)

    def without(lacks: str) -> Approval:
        return Approval(item_id=item.base, take=item.take, lacks=lacks)

    if planned.then is not Action.DONE or not job.assets:
        return without(f"not made: {planned.reason}")
    review = manifest.review.of_item(item)
    made = Take(number=item.take, made=job)
    index = planned.chosen_output
    places = {(item.take, 0), (item.take, index)}
    rejections = [one for one in review.rejected if (one.take, one.output) in places]
    if any(counts(one, made) for one in rejections):
        return without("rejected")
    approvals = [one for one in review.approved if (one.take, one.output) in places]
    verdict = next((one for one in approvals if counts(one, made)), None)
    verdict = verdict or next(iter(approvals), None)
    if verdict is None:
        return without("not approved yet")
    if not counts(verdict, made):
        return without("approved, but its file has other bytes now")
    on_disk = tuple(
        digest_of(output, asset.path)
        for asset in job.assets
        if index in {0, asset.output_index}
    )
    if on_disk != digests_of(job, index):
        return without("approved, but its file was edited since")
    return Approval(item_id=found.item_id, take=found.take, by=verdict.by)
