"""Prune: lists the files of items that are no longer in the manifest, and removes them.

The files are removed only with the user's approval. The ledger keeps its rows, because
they record what was paid: if an item comes back, its files are fetched again free of
charge. Files that the ledger does not know, or that were edited, are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import PurePosixPath

from pipeline.assets.originals import list_originals, original_name
from pipeline.assets.sidecar import NoSidecar, load_sidecar
from pipeline.job import SIDECAR_SUFFIX, Asset
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest
from pipeline.output.folder import check_manifest, holding_ledger
from pipeline.output.rebuild import has_results
from pipeline.output.store_owner import check_store_owner
from pipeline.output.stores import is_elsewhere
from pipeline.planning import Plan, Selection, make_plan
from pipeline.record import Struct
from pipeline.storage.store import Store


class OrphanFile(Struct, frozen=True, kw_only=True):
    """An asset of an item that is no longer in the manifest.

    Attributes:
        item_id: The item that it belonged to; "" for an original that nothing uses.
        path: Relative to the output folder, parts separated by ``/``.
        size_bytes: The size of the asset and its sidecar.
        kept: Why the file is kept, or "".
    """

    item_id: str
    path: str
    size_bytes: int
    kept: str = ""


Approve = Callable[[Sequence[OrphanFile]], None]  # raises to stop the command


def prune(manifest: Manifest, store: Store, approve: Approve) -> list[OrphanFile]:
    """Remove the files of items that the manifest no longer has.

    In a folder that other manifests use too, only files that are certainly its own.

    Args:
        manifest: The manifest.
        store: Where its files are, opened.
        approve: Called with every file, including those to keep, before anything is
            removed; not called if all are kept.

    Returns:
        Every file, removed or kept.

    Raises:
        ManifestError: Every fault that the expansion found.
        UsageError: The folder belongs to another manifest.
        LedgerBusy: A run is in progress in the folder.
        LedgerError, OutputError: The folder cannot be used.
    """
    if not has_results(store.home):
        return []
    with holding_ledger(store.home, store) as ledger:
        check_manifest(ledger, store.home, manifest)
        if is_elsewhere(store):
            check_store_owner(store, manifest.name)
        plan = make_plan(
            manifest,
            store,
            ledger=ledger,
            selection=Selection(),
        )
        found = list(_find_files(plan, ledger, store))
        going = {file.path for file, _ in found if not file.kept}
        unused = _find_unused(store, ledger, without=going)
        if going or unused:
            approve([*(file for file, _ in found), *unused])
        removed = [_remove(store, file, asset) for file, asset in found]
        ledger.forget_assets(file.path for file in removed if not file.kept)
        # Again, as a file may have been edited since and is kept now.
        unused = _find_unused(store, ledger)
        for file in unused:
            store.remove(file.path)
        return [*removed, *unused]


def _find_unused(
    store: Store, ledger: Ledger, *, without: AbstractSet[str] = frozenset()
) -> list[OrphanFile]:
    """The originals that no recorded file was made from.

    Args:
        store: Where the files are.
        ledger: Its ledger.
        without: Paths of recorded files that do not count.
    """
    used = {
        sha256
        for path, sha256 in ledger.find_originals().items()
        if path not in without
    }
    return [
        OrphanFile(item_id="", path=original_name(sha256), size_bytes=size_bytes)
        for sha256, size_bytes in list_originals(store)
        if sha256 not in used
    ]


def _find_files(
    plan: Plan, ledger: Ledger, store: Store
) -> Iterator[tuple[OrphanFile, Asset]]:
    for orphan in plan.orphans():
        for asset in orphan.assets:
            if ledger.find_path_owner(asset.path) == orphan.item_id:
                yield _look_at(store, orphan.item_id, asset), asset


def _look_at(store: Store, item_id: str, asset: Asset) -> OrphanFile:
    name, sidecar = asset.path, asset.path + SIDECAR_SUFFIX
    size_bytes, kept = store.size_of(name), ""
    if not store.is_inside(name):
        kept = "a link leads out of the output folder"
    elif store.is_link(name) or store.is_link(sidecar):
        kept = "a link"
    elif size_bytes > 0 and not store.is_present(name):
        kept = "not a file"
    elif size_bytes > 0 and store.digest_of(name) != asset.sha256:
        kept = "edited by hand"
    elif store.size_of(sidecar) >= 0 and not _is_sidecar_of(store, item_id, asset):
        kept = f"{PurePosixPath(sidecar).name} is not its sidecar"
    return OrphanFile(
        item_id=item_id,
        path=name,
        size_bytes=max(0, size_bytes) + max(0, store.size_of(sidecar)),
        kept=kept,
    )


def _remove(store: Store, file: OrphanFile, asset: Asset) -> OrphanFile:
    """Check a file again, as it may have been edited since, then remove it."""
    file = _look_at(store, file.item_id, asset)
    if not file.kept:
        # The sidecar last: as long as it exists, it proves that the asset is paid.
        store.remove(file.path)
        store.remove(file.path + SIDECAR_SUFFIX)
        store.remove_empty_folders(file.path)
    return file


def _is_sidecar_of(store: Store, item_id: str, asset: Asset) -> bool:
    try:
        job = load_sidecar(store.home, asset.path)
    except (NoSidecar, OSError):
        return False
    return job.item_id == item_id
