"""Prune: lists the files of items that are no longer in the manifest, and removes them.

The files are removed only with the user's approval. The ledger keeps its rows, because
they record what was paid: if an item comes back, its files are fetched again free of
charge. Files that the ledger does not know, or that were edited, are kept.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from pipeline.assets.originals import list_originals, original_name
from pipeline.assets.sidecar import NoSidecar, load_sidecar
from pipeline.job import SIDECAR_SUFFIX, Asset
from pipeline.ledger.ledger import Ledger
from pipeline.manifest import Manifest
from pipeline.output.folder import check_manifest, holding_ledger
from pipeline.output.rebuild import has_results
from pipeline.planning import Plan, Selection, make_plan
from pipeline.record import Struct
from pipeline.storage.atomic_file import storage_errors
from pipeline.storage.files import digest_of, remove_empty_folders
from pipeline.storage.regular_file import is_inside


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


def prune(manifest: Manifest, output: Path, approve: Approve) -> list[OrphanFile]:
    """Remove the files of items that the manifest no longer has.

    In a folder that other manifests use too, only files that are certainly its own.

    Args:
        manifest: The manifest.
        output: Its output folder.
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
    if not has_results(output):
        return []
    with holding_ledger(output) as ledger:
        check_manifest(ledger, output, manifest)
        plan = make_plan(
            manifest,
            output,
            ledger=ledger,
            selection=Selection(),
        )
        found = list(_find_files(plan, ledger, output))
        going = {file.path for file, _ in found if not file.kept}
        unused = _find_unused(output, ledger, without=going)
        if going or unused:
            approve([*(file for file, _ in found), *unused])
        removed = [_remove(output, file, asset) for file, asset in found]
        ledger.forget_assets(file.path for file in removed if not file.kept)
        # Again, as a file may have been edited since and is kept now.
        unused = _find_unused(output, ledger)
        for file in unused:
            with storage_errors(output / file.path):
                (output / file.path).unlink(missing_ok=True)
        return [*removed, *unused]


def _find_unused(
    output: Path, ledger: Ledger, *, without: AbstractSet[str] = frozenset()
) -> list[OrphanFile]:
    """The originals that no recorded file was made from.

    Args:
        output: The output folder.
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
        for sha256, size_bytes in list_originals(output)
        if sha256 not in used
    ]


def _find_files(
    plan: Plan, ledger: Ledger, output: Path
) -> Iterator[tuple[OrphanFile, Asset]]:
    for orphan in plan.orphans():
        for asset in orphan.assets:
            if ledger.find_path_owner(asset.path) == orphan.item_id:
                yield _look_at(output, orphan.item_id, asset), asset


def _look_at(output: Path, item_id: str, asset: Asset) -> OrphanFile:
    path, sidecar = output / asset.path, output / (asset.path + SIDECAR_SUFFIX)
    kept = ""
    if not is_inside(output, path):
        kept = "a link leads out of the output folder"
    elif path.is_symlink() or sidecar.is_symlink():
        kept = "a link"
    elif path.exists() and not path.is_file():
        kept = "not a file"
    elif _size_of(path) and digest_of(output, asset.path) != asset.sha256:
        kept = "edited by hand"
    elif sidecar.exists() and not _is_sidecar_of(output, item_id, asset):
        kept = f"{sidecar.name} is not its sidecar"
    return OrphanFile(
        item_id=item_id,
        path=asset.path,
        size_bytes=_size_of(path) + _size_of(sidecar),
        kept=kept,
    )


def _remove(output: Path, file: OrphanFile, asset: Asset) -> OrphanFile:
    """Check a file again, as it may have been edited since, then remove it."""
    file = _look_at(output, file.item_id, asset)
    path = output / file.path
    if not file.kept:
        with storage_errors(path):
            # The sidecar last: as long as it exists, it proves that the asset is paid.
            path.unlink(missing_ok=True)
            (output / (file.path + SIDECAR_SUFFIX)).unlink(missing_ok=True)
        remove_empty_folders(output, path.parent)
    return file


def _is_sidecar_of(output: Path, item_id: str, asset: Asset) -> bool:
    try:
        job = load_sidecar(output, asset.path)
    except (NoSidecar, OSError):
        return False
    return job.item_id == item_id


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
