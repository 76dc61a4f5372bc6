"""Mover: our files → the same files under new names, overwriting none. Blocking.

A file is complete under its new name before the old one is removed, and every step may
be repeated. A file edited by hand is moved as it is.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.assets.sidecar import (
    DamagedSidecar,
    NoSidecar,
    Source,
    load_origin,
    load_sidecar,
    render_sidecar,
)
from pipeline.errors import DownloadFailed
from pipeline.fault_points import reach
from pipeline.job import PREVIEW_MARK, SIDECAR_SUFFIX, Asset, Job
from pipeline.naming import stems_of
from pipeline.record import replace
from pipeline.storage.media_type import KNOWN_EXTENSIONS
from pipeline.storage.store import Store


def find_unrecorded(output: Path, item_id: str, job: Job) -> list[Asset]:
    """Assets of a job that are in place with their sidecars, but in no record.

    Args:
        output: The output folder.
        item_id: The item they are named after.
        job: With its ``remote_assets``. A job that was not submitted here has no such
            files.
    """
    count = len(job.remote_assets) if job.request else 0
    numbers = ("", *(f"-{number}" for number in range(1, count + 1)))
    stems = [
        stem + mark + number
        for stem in stems_of(item_id)
        for mark in ("", PREVIEW_MARK)
        for number in numbers
    ]
    found: list[Asset] = []
    for stem in stems if count else ():
        for extension in KNOWN_EXTENSIONS:
            try:
                saved = load_sidecar(output, f"{stem}.{extension}")
            except (OSError, NoSidecar):
                continue
            if saved.remote_id == job.remote_id:
                found += saved.assets
    return found


def find_movable(
    store: Store, files: Iterable[tuple[Job, Asset]], paths: Mapping[str, str]
) -> list[tuple[Job, Asset]]:
    """The files that exist, after checking that no other files have the new names.

    Args:
        store: Where the files are.
        files: An item's assets at their old paths, each with its job.
        paths: Old path to new path.

    Raises:
        DownloadFailed: Another file already has a new name.
    """
    present = [
        (job, asset)
        for job, asset in files
        if asset.path in paths and store.is_present(asset.path)
    ]
    for _, asset in present:
        check_free(store, asset.path, paths[asset.path])
    return present


def find_vacant(store: Store, paths: Iterable[str]) -> list[str]:
    """Those paths where there is neither a file nor a sidecar."""
    return [
        path
        for path in paths
        if not store.exists(path) and not store.exists(path + SIDECAR_SUFFIX)
    ]


def place_renamed(
    store: Store,
    files: Iterable[tuple[Job, Asset]],
    paths: Mapping[str, str],
    source: Source,
    *,
    emulated: bool,
) -> None:
    """Give the files of an item their new names too, with new sidecars.

    Args:
        store: Where the files are.
        files: As returned by :func:`find_movable`; each job has the new item id.
        paths: Old path to new path.
        source: Where the item is defined now.
        emulated: Whether the emulator made them, also where the old sidecars do not
            say so; stored in the new ones.

    Raises:
        OutputError: The disk is full or not writable.
    """
    placed = []
    for job, asset in files:
        new = paths[asset.path]
        store.copy(asset.path, new)
        placed.append(new)
        reach("rename-file-placed")
        moved = replace(asset, path=new)
        known = load_origin(store.home, asset.path)
        told = replace(
            source,
            variables=source.variables or known.variables,
            # What was sent, even if the files have been moved since.
            references=known.references or source.references,
            parents=known.parents or source.parents,
            steps=known.steps or source.steps,
        )
        is_emulated = emulated or known.emulated
        sidecar = render_sidecar(job, moved, told, emulated=is_emulated)
        store.write(sidecar, new + SIDECAR_SUFFIX)
    store.sync(placed)


def clear_renamed(store: Store, paths: Mapping[str, str]) -> list[str]:
    """Remove the old files that have their new names, and their sidecars.

    A file that differs from the one at the new name has been edited since, and stays. A
    sidecar stays until there is a new one, since it proves what is paid for.

    Args:
        store: Where the files are.
        paths: Old path to new path.

    Returns:
        The old paths that are done.

    Raises:
        OutputError: The disk is not writable.
    """
    cleared = []
    for old, new in paths.items():
        proof, new_proof = old + SIDECAR_SUFFIX, new + SIDECAR_SUFFIX
        if not store.is_inside(old) or not store.is_inside(new):
            cleared.append(old)
            continue
        if store.size_of(new_proof) < 0:
            if store.size_of(proof) < 0 and store.size_of(old) < 0:
                cleared.append(old)
            continue
        if _may_go(store, old, new):
            store.remove(old)
        is_left = not store.exists(old) and not store.are_one(proof, new_proof)
        if is_left and not is_foreign(store, old):
            store.remove(proof)
        store.remove_empty_folders(old)
        cleared.append(old)
    return cleared


def check_free(store: Store, old: str, new: str) -> None:
    """Check that no other file has the new name.

    Raises:
        DownloadFailed: One has.
    """
    is_there = store.exists(new)
    is_taken = is_there and not store.have_same_content(old, new)
    is_noted = not is_there and is_foreign(store, new)
    if is_taken or is_noted:
        raise DownloadFailed(
            f"{store.describe(new)} already exists and was not made by pipeline",
            hint="move it away and run again: the asset is paid for and kept",
        )


def is_foreign(store: Store, name: str) -> bool:
    """Whether something other than our sidecar has the name of a file's sidecar."""
    if not store.exists(name + SIDECAR_SUFFIX):
        return False
    try:
        load_sidecar(store.home, name)
    except DamagedSidecar:
        return False
    except (NoSidecar, OSError):
        return True
    return False


def _may_go(store: Store, old: str, new: str) -> bool:
    if store.are_one(old, new):
        return False
    if not store.is_present(old):
        # An empty file counts as missing. A link that leads out is not ours.
        return store.size_of(old) == 0 and not store.is_link(old)
    return store.have_same_content(old, new) or _is_former(store, old, new)


def _is_former(store: Store, old: str, new: str) -> bool:
    """Whether both are one asset in two forms, and the old one is unedited."""
    try:
        (before,) = load_sidecar(store.home, old).assets
        (now,) = load_sidecar(store.home, new).assets
    except (NoSidecar, OSError):
        return False
    return before.asset_id == now.asset_id and (
        store.digest_of(old) == before.sha256 != ""
    )
