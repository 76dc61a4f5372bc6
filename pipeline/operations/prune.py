"""Files of items that are gone from the manifest → listed, and removed if agreed to.

The rows stay in the ledger, as they are the accounts: an item that comes back is
fetched again, free. What the ledger does not know, or was edited since, is not touched.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipeline.assets.sidecar import NoSidecar, load_sidecar
from pipeline.errors import UsageError
from pipeline.job import SIDECAR_SUFFIX, Asset
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.manifest import Manifest
from pipeline.output.folder import holding_ledger
from pipeline.output.rebuild import find_asset_names
from pipeline.planning import Plan, Selection, make_plan
from pipeline.record import Struct
from pipeline.storage.atomic_file import storage_errors
from pipeline.storage.files import digest_of, remove_empty_folders
from pipeline.storage.regular_file import is_inside


class OrphanFile(Struct, frozen=True, kw_only=True):
    """An asset of an item that is gone.

    Attributes:
        item_id: Whose it was.
        path: Relative to the output folder, parts separated by ``/``.
        size_bytes: With its sidecar.
        kept: Why it stays, or "".
    """

    item_id: str
    path: str
    size_bytes: int
    kept: str = ""


Approve = Callable[[Sequence[OrphanFile]], None]  # an exception ends it all


def prune(manifest: Manifest, output: Path, approve: Approve) -> list[OrphanFile]:
    """Remove what the manifest no longer has, once it is agreed to.

    Args:
        manifest: What is wanted.
        output: Its output folder.
        approve: Called with every file, those that stay too, unless all stay.

    Returns:
        Every file, as it was dealt with.

    Raises:
        ManifestError: Every fault that the expansion found.
        UsageError: Other manifests use the folder too.
        LedgerBusy: A run is at work in the folder.
        LedgerError, OutputError: The folder cannot be used.
    """
    if not (output / LEDGER_NAME).is_file() and not find_asset_names(output):
        return []
    with holding_ledger(output) as ledger:
        if ledger.find_facts().is_shared_by(manifest.name):
            raise UsageError(
                f"{output} holds the files of several manifests: nothing says whose"
                " they are",
                hint="give each manifest an --output of its own",
            )
        plan = make_plan(
            manifest,
            output,
            ledger=ledger,
            selection=Selection(),
            models=manifest.models,
        )
        found = list(_find_files(plan, ledger, output))
        if any(not file.kept for file, _ in found):
            approve([file for file, _ in found])
        removed = [_remove(output, file, asset) for file, asset in found]
        ledger.forget_assets(file.path for file in removed if not file.kept)
        return removed


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
    """As it is now: it may have been edited while a person was asked."""
    file = _look_at(output, file.item_id, asset)
    path = output / file.path
    if not file.kept:
        with storage_errors(path):
            # The sidecar last: while it is there, the asset is known to be paid for.
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
