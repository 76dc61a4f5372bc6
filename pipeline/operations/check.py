"""Check: the saved pictures against ``checks:``, and which items are approved. Free.

What the checks find is recorded in the sidecars and in the ledger.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.picture import examine
from pipeline.assets.sidecar import MAX_SIDECAR_BYTES, replace_checks
from pipeline.job import SIDECAR_SUFFIX, Asset, Item
from pipeline.manifest import Manifest
from pipeline.operations.reviewing import with_own_take
from pipeline.output.folder import check_manifest, holding_ledger, open_ledger_of
from pipeline.output.rebuild import has_results
from pipeline.output.stores import refuse_elsewhere
from pipeline.planning import Action, PlannedItem, Selection, make_plan
from pipeline.planning.takes import Take, counts
from pipeline.record import Struct, replace
from pipeline.running.likenesses import Likenesses
from pipeline.save_spec import CheckResult
from pipeline.storage.atomic_file import sync_folders, write_in_place
from pipeline.storage.files import digest_of, is_present
from pipeline.storage.media_type import PICTURE_TYPES
from pipeline.storage.regular_file import read_regular

_UNREADABLE = "file"  # the name of the result of a picture that cannot be decoded


class Checked(Struct, frozen=True, kw_only=True):
    """One saved picture, and what its checks found.

    Attributes:
        item_id: Whose it is.
        asset: As it is recorded now.
        row_id: The row of its job in the ledger.
    """

    item_id: str
    asset: Asset
    row_id: int


def check(
    manifest: Manifest,
    output: Path,
    *,
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> list[Checked]:
    """Check every picture that is in place; those that are missing are left out.

    Args:
        manifest: The manifest.
        output: Its output folder.
        selection: The items to check; each is compared with all others, too.

    Returns:
        The pictures of items that have checks, in the order of the manifest.

    Raises:
        ManifestError: Every fault that the expansion found.
        LedgerBusy: A run is in progress in the folder.
        LedgerError, OutputError: The folder cannot be used.
    """
    if not has_results(output):
        return []
    refuse_elsewhere(output, "check")
    with holding_ledger(output) as ledger:
        check_manifest(ledger, output, manifest)
        found: list[tuple[Item, int, Asset]] = []

        def note(planned: PlannedItem) -> None:
            found.extend(
                (planned.item, planned.job.row_id, asset)
                for asset in planned.job.assets
                if asset.media_type in PICTURE_TYPES
                and not asset.role
                and is_present(output, asset.path)
            )

        make_plan(manifest, output, ledger=ledger, selection=Selection(), on_item=note)
        compares = manifest.compares_pictures
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            looked = list(
                pool.map(
                    lambda one: (
                        _look_at(output, one[0], one[2], compares=compares)
                        if selection.includes(one[0].item_id)
                        else one[2]
                    ),
                    found,
                )
            )
        judged = _compare(found, looked, selection, are_wanted=compares)
        before = [asset for _, _, asset in found]
        changed = [new for old, new in zip(before, judged, strict=True) if old != new]
        _record_in_sidecars(output, changed)
        ledger.begin()
        for (_, row_id, old), new in zip(found, judged, strict=True):
            if old != new:
                ledger.record_checks(row_id, new)
        ledger.commit()
        return [
            Checked(item_id=item.item_id, asset=asset, row_id=row_id)
            for (item, row_id, _), asset in zip(found, judged, strict=True)
            if asset.checks and selection.includes(item.item_id)
        ]


def _look_at(output: Path, item: Item, asset: Asset, *, compares: bool) -> Asset:
    # Whether it could be processed is known from then; it is not processed again.
    kept = [one for one in asset.checks if one.name == "save"]
    try:
        results, likeness = examine(
            output / asset.path, asset.media_type, item.saving, compares=compares
        )
    except (Damaged, OSError) as error:
        why = CheckResult(name=_UNREADABLE, why=str(error))
        return replace(asset, checks=(*kept, why), likeness="")
    if asset.recipe != item.saving.save.recipe:
        kept = []
    return replace(asset, checks=(*kept, *results), likeness=likeness)


def _compare(
    found: Sequence[tuple[Item, int, Asset]],
    looked: Sequence[Asset],
    selection: Selection,
    *,
    are_wanted: bool,
) -> list[Asset]:
    if not are_wanted:
        return list(looked)
    likenesses = Likenesses(
        (
            (item.item_id, asset.likeness)
            for (item, _, _), asset in zip(found, looked, strict=True)
        ),
        are_wanted=True,
    )
    judged = []
    for (item, _, _), asset in zip(found, looked, strict=True):
        most = item.saving.checks.similar_to_another
        is_compared = most is not None and selection.includes(item.item_id)
        if most is None or not is_compared or not asset.likeness:
            judged.append(asset)
            continue
        result = likenesses.check(item.item_id, asset.likeness, most)
        judged.append(replace(asset, checks=(*asset.checks, result)))
    return judged


def _record_in_sidecars(output: Path, changed: Sequence[Asset]) -> None:
    placed = []
    for asset in changed:
        path = output / (asset.path + SIDECAR_SUFFIX)
        try:
            content = read_regular(path, limit_bytes=MAX_SIDECAR_BYTES, inside=output)
            text = replace_checks(content, asset)
        except (OSError, ValueError, RecursionError):
            continue  # missing or damaged: what a run restores
        placed.append(write_in_place(text, output, asset.path + SIDECAR_SUFFIX))
    sync_folders(placed)


def count_open(checked: Sequence[Checked]) -> int:
    """How many of the pictures need review."""
    return sum(bool(one.asset.review) for one in checked)


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
    refuse_elsewhere(output, "check")
    chosen: list[PlannedItem] = []

    def take(planned: PlannedItem) -> None:
        if planned.stem == planned.item.base:
            chosen.append(planned)

    with open_ledger_of(manifest, output, emulate=emulate) as ledger:
        plan = make_plan(
            manifest, output, ledger=ledger, selection=selection, on_item=take
        )
    for planned in chosen:
        yield _look_at_take(manifest, output, with_own_take(plan, planned))


def _look_at_take(manifest: Manifest, output: Path, planned: PlannedItem) -> Approval:
    item, job = planned.item, planned.job
    found = Approval(item_id=item.base, take=item.take)

    def without(lacks: str) -> Approval:
        return Approval(item_id=item.base, take=item.take, lacks=lacks)

    if planned.then is not Action.DONE or not job.assets:
        what = "not in place" if planned.then is Action.FETCH else "not made"
        return without(f"{what}: {planned.reason}")
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
    saved = tuple(
        asset.sha256 for asset in job.assets if index in {0, asset.output_index}
    )
    if on_disk != saved:
        return without("approved, but its file was edited since")
    return Approval(item_id=found.item_id, take=found.take, by=verdict.by)
