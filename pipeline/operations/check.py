"""Check: looks at the saved pictures again as ``checks:`` says; generates nothing.

What it finds is recorded in the sidecars and in the ledger.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.assets.checks.picture import examine
from pipeline.assets.checks.png import NotAnImage
from pipeline.assets.sidecar import MAX_SIDECAR_BYTES, replace_checks
from pipeline.job import SIDECAR_SUFFIX, Asset, Item
from pipeline.ledger.ledger import LEDGER_NAME
from pipeline.manifest import Manifest
from pipeline.output.folder import check_manifest, holding_ledger
from pipeline.output.rebuild import find_asset_names
from pipeline.planning import PlannedItem, Selection, make_plan
from pipeline.record import Struct, replace
from pipeline.running.likenesses import Likenesses
from pipeline.save_spec import CheckResult
from pipeline.storage.atomic_file import storage_errors, sync_folders, write_in_place
from pipeline.storage.files import is_present
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


def check(manifest: Manifest, output: Path) -> list[Checked]:
    """Check every picture that is in place; those that are missing are left out.

    Args:
        manifest: The manifest.
        output: Its output folder.

    Returns:
        The pictures of items that have checks, in the order of the manifest.

    Raises:
        ManifestError: Every fault that the expansion found.
        LedgerBusy: A run is in progress in the folder.
        LedgerError, OutputError: The folder cannot be used.
    """
    with storage_errors(output):
        is_unused = not (output / LEDGER_NAME).is_file() and not find_asset_names(
            output
        )
    if is_unused:
        return []
    with holding_ledger(output) as ledger:
        check_manifest(ledger, output, manifest)
        found: list[tuple[Item, int, Asset]] = []

        def note(planned: PlannedItem) -> None:
            found.extend(
                (planned.item, planned.job.row_id, asset)
                for asset in planned.job.assets
                if asset.media_type in PICTURE_TYPES and is_present(output, asset.path)
            )

        make_plan(manifest, output, ledger=ledger, selection=Selection(), on_item=note)
        compares = manifest.compares_pictures
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            looked = list(
                pool.map(
                    lambda one: _look_at(output, one[0], one[2], compares=compares),
                    found,
                )
            )
        judged = _compare(found, looked, are_wanted=compares)
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
            if asset.checks
        ]


def _look_at(output: Path, item: Item, asset: Asset, *, compares: bool) -> Asset:
    # Whether it could be processed is known from then; it is not processed again.
    kept = [one for one in asset.checks if one.name == "save"]
    try:
        results, likeness = examine(
            output / asset.path, asset.media_type, item.saving, compares=compares
        )
    except (NotAnImage, OSError) as error:
        why = CheckResult(name=_UNREADABLE, why=str(error))
        return replace(asset, checks=(*kept, why), likeness="")
    if asset.recipe != item.saving.save.recipe:
        kept = []
    return replace(asset, checks=(*kept, *results), likeness=likeness)


def _compare(
    found: Sequence[tuple[Item, int, Asset]],
    looked: Sequence[Asset],
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
        if most is None or not asset.likeness:
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
