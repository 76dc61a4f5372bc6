"""Jobs → the text of a lock file, and the file, written only when it changes.

The order of keys is chosen for merges: git includes up to three lines that two blocks
share in a conflict, but none at its end. So no four consecutive lines are the same for
two items (of different requests, or with derived seeds), and a block ends with a line
that is unique to it: each side of a conflict has whole blocks.
"""

import logging
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import OutputError
from pipeline.job import Asset, Job
from pipeline.lockfile.values import (
    ASSET_KEYS,
    END,
    ITEM_KEYS,
    LOCK_VERSION,
    UNITS,
    Keys,
    Wrong,
    check_index,
    read_remote_id,
    read_value,
    render_scalar,
    show,
)
from pipeline.record import replace
from pipeline.storage.atomic_file import FILE_MODE, sync_folders
from pipeline.storage.syncing import sync_file

logger = logging.getLogger(__name__)

LOCK_SUFFIX = ".lock"  # follows the full name of the manifest

_NOTE = "# Made by pipeline: what is paid for. Commit it together with the manifest."


def lock_path(manifest_path: Path, profile: str = "") -> Path:
    """Where the lock file of a manifest is, or of one of its profiles.

    ``icons.yaml`` has ``icons.yaml.lock``, and for the profile ``final``
    ``icons.yaml.final.lock``.
    """
    suffix = f".{profile}" if profile else ""
    return manifest_path.with_name(manifest_path.name + suffix + LOCK_SUFFIX)


def render_lock(
    jobs: Iterable[Job], *, base_url: str, project_id: str
) -> Iterator[str]:
    """The text of a lock file, in pieces; every line ends with a line feed.

    A job that the reader would reject (from a forged sidecar, for example) is left out
    with a warning, so that what is written can be read.

    Args:
        jobs: One per item, each with its ``remote_id``, sorted by item id.
        base_url: The service that has the jobs.
        project_id: The service's project id; may be "".
    """
    yield (
        f"{_NOTE}\nlock: {LOCK_VERSION}\nservice: {render_scalar(base_url)}\n"
        f"project: {render_scalar(project_id)}\nitems:\n\n"
    )
    for job in jobs:
        try:
            yield "".join(_render_job(job)) + "\n"
        except Wrong as wrong:
            logger.warning(
                "item %s is left out of the lock file: %s", show(job.item_id), wrong
            )
    yield f"{END}\n"


def keep_details(jobs: Iterable[Job], locked: Iterator[Job]) -> Iterator[Job]:
    """The jobs; those without files get what the lock says about the same job's files.

    A ledger that learned of a job from a lock does not know its files until they are
    fetched. Until then they must not disappear from the lock.

    Args:
        jobs: Sorted by item id.
        locked: From the lock, also sorted (otherwise some are missed); read as needed.
    """
    kept: Job | None = None
    for job in jobs:
        if not job.assets:
            while kept is None or kept.item_id < job.item_id:
                kept = next(locked, None)
                if kept is None:
                    break
        is_same = kept is not None and (
            (kept.item_id, kept.remote_id) == (job.item_id, job.remote_id)
        )
        if job.assets or kept is None or not is_same:
            yield job
        else:
            remote_assets = job.remote_assets or kept.remote_assets
            yield replace(job, assets=kept.assets, remote_assets=remote_assets)


def write_lock(
    path: Path, jobs: Iterable[Job], *, base_url: str, project_id: str
) -> bool:
    """Write a lock file, completely or not at all; blocking.

    A file with the same content is left untouched, and without jobs no new file is
    made. A link is replaced, never followed. Jobs that only an earlier lock knows are
    lost: import them into the ledger first.

    Args:
        path: See :func:`lock_path`.
        jobs: As for :func:`render_lock`.
        base_url: As for :func:`render_lock`.
        project_id: As for :func:`render_lock`.

    Returns:
        Whether something was written.

    Raises:
        OutputError: The disk is full, or the folder is not writable.
    """
    remaining = iter(jobs)
    first = next(remaining, None)
    if first is None and not path.exists():
        return False
    every = remaining if first is None else chain([first], remaining)
    chunks = render_lock(every, base_url=base_url, project_id=project_id)
    try:
        return _write_changed(path, (chunk.encode() for chunk in chunks))
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            hint="free some space or make its folder writable, then run again",
        ) from error


def _write_changed(path: Path, chunks: Iterator[bytes]) -> bool:
    with ExitStack() as stack:
        before: BinaryIO | None = None
        if path.is_file() and not path.is_symlink():
            before = stack.enter_context(path.open("rb"))
        same_bytes = 0
        for chunk in chunks:
            if before is None or before.read(len(chunk)) != chunk:
                break
            same_bytes += len(chunk)
        else:
            if before is not None and not before.read(1):
                return False
            chunk = b""
        partial = path.with_name(f".{secrets.token_hex(8)}{LOCK_SUFFIX}.tmp")
        try:
            _write_new(partial, before, same_bytes, chain([chunk], chunks))
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    sync_folders([path])
    return True


def _write_new(
    partial: Path, before: BinaryIO | None, same_bytes: int, rest: Iterator[bytes]
) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(partial, flags, FILE_MODE), "wb") as file:
        if before is not None:
            before.seek(0)
            while same_bytes and (head := before.read(min(same_bytes, 1 << 20))):
                file.write(head)
                same_bytes -= len(head)
        for chunk in rest:
            file.write(chunk)
        file.flush()
        sync_file(file.fileno(), partial)


def _render_job(job: Job) -> Iterator[str]:
    yield from _render_values("", _item_values(job), ITEM_KEYS)
    if job.assets:
        yield "  assets:\n"
        before = 0
        for asset in job.assets:
            yield from _render_values("  ", _asset_values(asset, before), ASSET_KEYS)
            before = check_index(before, asset.output_index)
    if job.remote_assets not in {(), tuple(asset.asset_id for asset in job.assets)}:
        yield "  job_asset_ids:\n"
        for asset_id in job.remote_assets:
            yield f"  - {render_scalar(read_remote_id(asset_id))}\n"


def _render_values(
    indent: str, values: Iterator[tuple[str, object]], keys: "Keys"
) -> Iterator[str]:
    mark = "- "
    for key, value in values:
        if value is not None:
            read_value(keys, key, value)
            yield f"{indent}{mark}{key}: {render_scalar(value)}\n"
            mark = "  "


def _item_values(job: Job) -> Iterator[tuple[str, object]]:
    # Values that two items may share are kept apart: see the top of this module.
    yield "id", job.item_id
    yield "model", job.model_id
    yield "job_key", job.job_key
    yield "request_key", job.request_key
    yield "derived_seed" if job.derived_seed else "seed", job.seed
    cost = None if job.charged is None else f"{job.charged:f}"
    yield "cost", cost if cost and UNITS.fullmatch(cost) else None
    yield "job", job.remote_id or ""


def _asset_values(asset: Asset, before: int) -> Iterator[tuple[str, object]]:
    yield "id", asset.asset_id
    yield "media_type", asset.media_type
    yield "width_px", asset.width_px
    yield "height_px", asset.height_px
    yield "sha256", asset.sha256
    yield "size_bytes", asset.size_bytes
    yield "save", asset.recipe or None
    is_next = asset.output_index == before + 1
    yield "output_index", None if is_next else asset.output_index
    if asset.original_sha256:
        yield "original_sha256", asset.original_sha256
        yield "original_size_bytes", asset.original_size_bytes
    yield "path", asset.path
    yield "role", asset.role or None
