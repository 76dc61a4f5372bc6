"""Check: the saved pictures against ``checks:``, and which items are approved. Free.

What the checks find is recorded in the sidecars and in the ledger.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.picture import examine
from pipeline.assets.sidecar import MAX_SIDECAR_BYTES, replace_checks
from pipeline.errors import OutputError
from pipeline.job import SIDECAR_SUFFIX, Asset, Item
from pipeline.manifest import Manifest
from pipeline.operations.reviewing import with_own_take
from pipeline.output.folder import check_manifest, holding_ledger, open_ledger_of
from pipeline.output.rebuild import has_results
from pipeline.planning import Action, PlannedItem, Selection, make_plan
from pipeline.planning.takes import Take, counts
from pipeline.record import Struct, replace
from pipeline.running.likenesses import Likenesses
from pipeline.save_spec import CheckResult
from pipeline.storage.in_memory import InMemory
from pipeline.storage.media_type import PICTURE_TYPES
from pipeline.storage.regular_file import read_regular
from pipeline.storage.store import Content, Store

_REMOTE_THREADS = 8  # which mostly wait
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
    store: Store,
    *,
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> list[Checked]:
    """Check every picture that is in place; those that are missing are left out.

    Args:
        manifest: The manifest.
        store: Where its files are.
        selection: The items to check; each is compared with all others, too.

    Returns:
        The pictures of items that have checks, in the order of the manifest.

    Raises:
        ManifestError: Every fault that the expansion found.
        LedgerBusy: A run is in progress in the folder.
        LedgerError, OutputError: The folder or the store cannot be used.
        NameTaken: Another run is writing into the store. What is recorded until then
            stays; check again.
    """
    if not has_results(store.home):
        return []
    with holding_ledger(store.home, store) as ledger:
        check_manifest(ledger, store.home, manifest)
        found: list[tuple[Item, int, Asset]] = []

        def note(planned: PlannedItem) -> None:
            found.extend(
                (planned.item, planned.job.row_id, asset)
                for asset in planned.job.assets
                if asset.media_type in PICTURE_TYPES
                and not asset.role
                and store.is_present(asset.path)
            )

        make_plan(
            manifest,
            store,
            ledger=ledger,
            selection=Selection(),
            on_item=note,
        )
        compares = manifest.compares_pictures
        threads = _REMOTE_THREADS if store.is_remote else os.cpu_count()
        with ThreadPoolExecutor(threads) as pool:
            looked = list(
                pool.map(
                    lambda one: (
                        _look_at(store, one[0], one[2], compares=compares)
                        if selection.includes(one[0].item_id)
                        else one[2]
                    ),
                    found,
                )
            )
        judged = _compare(found, looked, selection, are_wanted=compares)
        before = [asset for _, _, asset in found]
        changed = [new for old, new in zip(before, judged, strict=True) if old != new]
        _record_in_sidecars(store, changed)
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


def _look_at(store: Store, item: Item, asset: Asset, *, compares: bool) -> Asset:
    # Whether it could be processed is known from then; it is not processed again.
    kept = [one for one in asset.checks if one.name == "save"]
    content = _content_of(store, asset.path)
    try:
        results, likeness = examine(
            content, asset.media_type, item.saving, compares=compares
        )
    except (Damaged, OSError) as error:
        why = CheckResult(name=_UNREADABLE, why=str(error))
        return replace(asset, checks=(*kept, why), likeness="")
    if asset.recipe != item.saving.save.recipe:
        kept = []
    return replace(asset, checks=(*kept, *results), likeness=likeness)


def _content_of(store: Store, name: str) -> Content:
    """A file; of one in a bucket, its bytes.

    That a bucket cannot be reached says nothing about the picture.

    Raises:
        OutputError: The bucket cannot be read.
    """
    if not store.is_remote:
        return store.file(name)
    try:
        with store.open(name) as file:
            return InMemory(file.read())
    except OSError as error:
        raise OutputError(
            f"cannot read {store.describe(name)}: {error}",
            hint="nothing is recorded; check again",
        ) from error


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


def _record_in_sidecars(store: Store, changed: Sequence[Asset]) -> None:
    home, placed = store.home, []
    for asset in changed:
        name = asset.path + SIDECAR_SUFFIX
        try:
            content = read_regular(
                home / name, limit_bytes=MAX_SIDECAR_BYTES, inside=home
            )
            text = replace_checks(content, asset)
        except (OSError, ValueError, RecursionError):
            continue  # missing or damaged: what a run restores
        store.write(text, name)
        placed.append(name)
    store.sync(placed)


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
    store: Store,
    *,
    emulate: bool = False,
    selection: Selection = Selection(),  # noqa: B008 - frozen
) -> Iterator[Approval]:
    """Look whether the chosen take of each item is in place and approved.

    Reads the files of approved takes in full; of those in a bucket, the digest that the
    bucket keeps with them.

    Args:
        manifest: With its review: see ``with_review``.
        store: Where its files are; a run may be in progress in the output folder.
        emulate: Whether the output folder belongs to the emulator.
        selection: The items to look at.

    Yields:
        One record for each item, in the order of the manifest.

    Raises:
        InputError: A file that the plan needs has faults.
        LedgerError: The ledger cannot be read.
    """
    chosen: list[PlannedItem] = []

    def take(planned: PlannedItem) -> None:
        if planned.stem == planned.item.base:
            chosen.append(planned)

    with open_ledger_of(manifest, store.home, emulate=emulate) as ledger:
        plan = make_plan(
            manifest,
            store,
            ledger=ledger,
            selection=selection,
            on_item=take,
        )

    def look(planned: PlannedItem) -> Approval:
        return _look_at_take(manifest, store, with_own_take(plan, planned))

    with ThreadPoolExecutor(_REMOTE_THREADS if store.is_remote else 1) as pool:
        yield from pool.map(look, chosen)


def _look_at_take(manifest: Manifest, store: Store, planned: PlannedItem) -> Approval:
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
    there = tuple(
        store.digest_of(asset.path)
        for asset in job.assets
        if index in {0, asset.output_index}
    )
    saved = tuple(
        asset.sha256 for asset in job.assets if index in {0, asset.output_index}
    )
    if there != saved:
        return without("approved, but its file was edited since")
    return Approval(item_id=found.item_id, take=found.take, by=verdict.by)
