"""Originals: the files as the service made them, kept where what is saved differs.

They are in a folder of the output folder, by their SHA-256. Losing one costs a
download.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.assets.checks.image import measure_image
from pipeline.assets.checks.png import NotAnImage
from pipeline.assets.receipt import Receipt
from pipeline.job import Asset
from pipeline.storage.atomic_file import (
    CHUNK_SIZE_BYTES,
    create_partial,
    put_in_place,
    storage_errors,
    write_in_place,
)
from pipeline.storage.media_type import HEAD_SIZE_BYTES, media_type_of
from pipeline.storage.regular_file import open_regular
from pipeline.storage.syncing import sync_file

ORIGINALS_FOLDER = ".originals"
_SHA256 = re.compile("[0-9a-f]{64}")
_IGNORE_NAME = ".gitignore"


def original_name(sha256: str) -> str:
    """The name of an original, relative to the output folder."""
    return f"{ORIGINALS_FOLDER}/{sha256}"


def keep_original(output: Path, partial: Path, sha256: str) -> Path:
    """Put a complete, synced file among the originals; blocking.

    Returns:
        Where it is; the name is durable once its folder is synced.

    Raises:
        OutputError: The disk is full or not writable.
    """
    placed = put_in_place(partial, output, original_name(sha256))
    if not os.path.lexists(placed.with_name(_IGNORE_NAME)):
        # Whoever commits the output folder commits what is used, not its makings.
        write_in_place(b"*\n", output, f"{ORIGINALS_FOLDER}/{_IGNORE_NAME}")
    return placed


def find_original(output: Path, asset: Asset) -> Receipt | None:
    """A copy of the original of an asset, as if it had just been downloaded; blocking.

    It is the kept one, or the saved file if that is as the service made it.

    Args:
        output: The output folder.
        asset: As it is recorded.

    Returns:
        None if neither is there, with the bytes that are recorded.

    Raises:
        OutputError: The disk is full or not writable.
    """
    names = [original_name(asset.content_sha256)]
    if not asset.original_sha256:
        names.append(asset.path)
    for name in names:
        receipt = _copy(output, name, asset.content_sha256)
        if receipt is not None:
            return receipt
    return None


def list_originals(output: Path) -> Iterator[tuple[str, int]]:
    """The SHA-256 and the size in bytes of every original, sorted."""
    folder = output / ORIGINALS_FOLDER
    if folder.is_symlink():
        return
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            if _SHA256.fullmatch(path.name) and path.is_file():
                yield path.name, path.lstat().st_size


def _copy(output: Path, name: str, sha256: str) -> Receipt | None:
    try:
        source = open_regular(output / name, inside=output)
    except OSError:
        return None
    with source:
        partial, target = create_partial(output)
        try:
            with storage_errors(partial), target:
                digest, size_bytes, head = _pour(source, target)
                sync_file(target.fileno(), partial)
            media_type = media_type_of(head)
            size = None
            if digest == sha256:
                size = measure_image(partial, media_type)
        except NotAnImage:
            size = None
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    if size is None:
        partial.unlink(missing_ok=True)
        return None
    return Receipt(
        partial=partial,
        sha256=sha256,
        size_bytes=size_bytes,
        media_type=media_type,
        kind="image",
        width_px=size[0],
        height_px=size[1],
    )


def _pour(source: BinaryIO, target: BinaryIO) -> tuple[str, int, bytes]:
    """Copy a file: the SHA-256, size and first bytes of what was read."""
    digest = hashlib.sha256()
    size_bytes, head = 0, b""
    while block := _read(source):
        head = head or block[:HEAD_SIZE_BYTES]
        digest.update(block)
        size_bytes += len(block)
        target.write(block)
    target.flush()
    return digest.hexdigest(), size_bytes, head


def _read(file: BinaryIO) -> bytes:
    try:
        return file.read(CHUNK_SIZE_BYTES)
    except OSError:
        return b""  # its hash will not be right
