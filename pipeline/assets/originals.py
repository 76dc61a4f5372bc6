"""Originals: the files as the service made them, kept where what is saved differs.

They are in a folder of the output folder, by their SHA-256. Losing one costs a
download.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import BinaryIO

from pipeline.assets.checks.image import measure_image
from pipeline.assets.checks.png import NotAnImage
from pipeline.assets.receipt import Receipt
from pipeline.job import Asset
from pipeline.storage.atomic_file import (
    CHUNK_SIZE_BYTES,
    create_partial,
    storage_errors,
)
from pipeline.storage.media_type import HEAD_SIZE_BYTES, media_type_of
from pipeline.storage.store import Store
from pipeline.storage.syncing import sync_file

ORIGINALS_FOLDER = ".originals"
_SHA256 = re.compile("[0-9a-f]{64}")


def original_name(sha256: str) -> str:
    """The name of an original, relative to the output folder."""
    return f"{ORIGINALS_FOLDER}/{sha256}"


def keep_original(store: Store, original: Receipt) -> str:
    """Put a complete, synced file among the originals; blocking.

    Returns:
        Its name, which is durable once it is synced.

    Raises:
        OutputError: It cannot be written.
    """
    name = original_name(original.sha256)
    store.place(
        original.partial,
        name,
        sha256=original.sha256,
        media_type=original.media_type,
    )
    # Whoever commits the output folder commits what is used, not its makings.
    store.hide(ORIGINALS_FOLDER)
    return name


def find_original(store: Store, asset: Asset) -> Receipt | None:
    """A copy of the original of an asset, as if it had just been downloaded; blocking.

    It is the kept one, or the saved file if that is as the service made it.

    Args:
        store: Where the files are.
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
        receipt = _copy(store, name, asset.content_sha256)
        if receipt is not None:
            return receipt
    return None


def list_originals(store: Store) -> Iterator[tuple[str, int]]:
    """The SHA-256 and the size in bytes of every original, sorted."""
    if store.is_link(ORIGINALS_FOLDER):
        return
    found = {
        file.name.removeprefix(f"{ORIGINALS_FOLDER}/"): file.size_bytes
        for file in store.list_files(ORIGINALS_FOLDER)
    }
    for name in sorted(found):
        if _SHA256.fullmatch(name):
            yield name, found[name]


def _copy(store: Store, name: str, sha256: str) -> Receipt | None:
    try:
        source = store.open(name)
    except OSError:
        return None
    with source:
        partial, target = create_partial(store.workspace)
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
