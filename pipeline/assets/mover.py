"""Mover: our files → the same files under new names, overwriting none. Blocking.

A file is complete under its new name before the old one is removed, and every step may
be repeated. A file edited by hand is moved as it is.
"""

import os
import shutil
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
from pipeline.storage.atomic_file import (
    FOLDER_MODE,
    check_no_link,
    new_partial_path,
    put_in_place,
    storage_errors,
    sync_folders,
    write_in_place,
)
from pipeline.storage.files import (
    have_same_content,
    is_present,
    remove_empty_folders,
)
from pipeline.storage.media_type import KNOWN_EXTENSIONS
from pipeline.storage.regular_file import is_inside, open_regular
from pipeline.storage.syncing import sync_file


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
    output: Path, files: Iterable[tuple[Job, Asset]], paths: Mapping[str, str]
) -> list[tuple[Job, Asset]]:
    """The files that exist, after checking that no other files have the new names.

    Args:
        output: The output folder.
        files: An item's assets at their old paths, each with its job.
        paths: Old path to new path.

    Raises:
        DownloadFailed: Another file already has a new name.
    """
    present = [
        (job, asset)
        for job, asset in files
        if asset.path in paths and is_present(output, asset.path)
    ]
    for _, asset in present:
        check_free(output, asset.path, paths[asset.path])
    return present


def find_vacant(output: Path, paths: Iterable[str]) -> list[str]:
    """Those paths where there is neither a file nor a sidecar."""
    return [
        path
        for path in paths
        if not os.path.lexists(output / path)
        and not os.path.lexists(output / (path + SIDECAR_SUFFIX))
    ]


def place_renamed(
    output: Path,
    files: Iterable[tuple[Job, Asset]],
    paths: Mapping[str, str],
    source: Source,
    *,
    emulated: bool,
) -> None:
    """Give the files of an item their new names too, with new sidecars.

    Args:
        output: The output folder.
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
        placed.append(place_copy(output, asset.path, new))
        reach("rename-file-placed")
        moved = replace(asset, path=new)
        known = load_origin(output, asset.path)
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
        write_in_place(sidecar, output, new + SIDECAR_SUFFIX)
    sync_folders(placed)


def clear_renamed(output: Path, paths: Mapping[str, str]) -> list[str]:
    """Remove the old files that have their new names, and their sidecars.

    A file that differs from the one at the new name has been edited since, and stays. A
    sidecar stays until there is a new one, since it proves what is paid for.

    Args:
        output: The output folder.
        paths: Old path to new path.

    Returns:
        The old paths that are done.

    Raises:
        OutputError: The disk is not writable.
    """
    cleared = []
    for old, new in paths.items():
        path, moved = output / old, output / new
        proof, new_proof = (Path(f"{one}{SIDECAR_SUFFIX}") for one in (path, moved))
        with storage_errors(path):
            if not is_inside(output, path) or not is_inside(output, moved):
                cleared.append(old)
                continue
            if not new_proof.is_file():
                if not proof.exists() and not path.exists():
                    cleared.append(old)
                continue
            if _may_go(output, old, new):
                path.unlink(missing_ok=True)
            is_left = not os.path.lexists(path) and not _is_one_file(proof, new_proof)
            if is_left and not is_foreign(output, old):
                proof.unlink(missing_ok=True)
        remove_empty_folders(output, path.parent)
        cleared.append(old)
    return cleared


def check_free(output: Path, old: str, new: str) -> None:
    """Check that no other file has the new name.

    Raises:
        DownloadFailed: One has.
    """
    target = output / new
    is_there = os.path.lexists(target)
    is_taken = is_there and not have_same_content(output, old, new)
    is_noted = not is_there and is_foreign(output, new)
    if is_taken or is_noted:
        raise DownloadFailed(
            f"{target} already exists and was not made by pipeline",
            hint="move it away and run again: the asset is paid for and kept",
        )


def is_foreign(output: Path, name: str) -> bool:
    """Whether something other than our sidecar has the name of a file's sidecar."""
    if not os.path.lexists(output / (name + SIDECAR_SUFFIX)):
        return False
    try:
        load_sidecar(output, name)
    except DamagedSidecar:
        return False
    except (NoSidecar, OSError):
        return True
    return False


def place_copy(output: Path, old: str, new: str) -> Path:
    """Give a file a second name, which is free or already the same file.

    Raises:
        OutputError: The disk is full or not writable.
    """
    source, target = output / old, output / new
    if os.path.lexists(target):
        return target
    partial = new_partial_path(output)
    with storage_errors(target):
        check_no_link(partial.parent)
        partial.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        if not _link(source, partial):
            with (
                open_regular(source, inside=output) as file,
                partial.open("xb") as copy,
            ):
                shutil.copyfileobj(file, copy)
                copy.flush()
                sync_file(copy.fileno(), partial)
    try:
        return put_in_place(partial, output, new)
    finally:
        partial.unlink(missing_ok=True)


def _may_go(output: Path, old: str, new: str) -> bool:
    path = output / old
    if _is_one_file(path, output / new):
        return False
    if not is_present(output, old):
        # An empty file counts as missing. A link that leads out is not ours.
        return path.is_file() and not path.is_symlink()
    return have_same_content(output, old, new)


def _is_one_file(left: Path, right: Path) -> bool:
    """Whether two names are one directory entry, on a case-insensitive file system."""
    try:
        return left.samefile(right) and left.lstat().st_nlink == 1
    except OSError:
        return False


def _link(source: Path, target: Path) -> bool:
    """Make a hard link instead of a copy; whether that was possible."""
    if source.is_symlink():
        return False
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
