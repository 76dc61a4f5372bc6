"""Files of an output folder: what is there, and whether it is the same."""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipeline.storage.regular_file import is_inside, leads_outside, open_regular

STORE_NAME = ".store"  # the URL of the store with the files of this folder
OWNER_NAME = ".store-owner"  # in a store: the manifest that it belongs to
SHARED_NAME = ".shared"  # a file of this name: several manifests share the folder


def is_shared(output: Path) -> bool:
    """Whether the user has said that several manifests share an output folder.

    A folder that cannot be read counts as not shared.
    """
    try:
        return (output / SHARED_NAME).exists()
    except OSError:
        return False


def sha256_of(file: BinaryIO) -> str:
    """The SHA-256 of what is left to read, in hex."""
    return hashlib.file_digest(cast("Any", file), "sha256").hexdigest()


def size_of(file: BinaryIO) -> int:
    """The size of an open file in bytes; it is at its beginning afterwards."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size_bytes


def remove_empty_folders(output: Path, folder: Path) -> None:
    """Remove a folder if it is empty, then those above it, inside the output folder."""
    with contextlib.suppress(OSError):  # not empty, or not ours to remove
        while folder != output and is_inside(output, folder):
            folder.rmdir()
            folder = folder.parent


def is_present(output: Path, name: str) -> bool:
    """Whether the output folder has this file, and it is not empty."""
    path = output / name
    try:
        return (
            path.is_file()
            and path.stat().st_size > 0
            and not leads_outside(output, path)
        )
    except OSError:
        return False


def have_same_content(output: Path, left: str, right: str) -> bool:
    """Whether both are files of the output folder with the same bytes."""
    one, other = output / left, output / right
    if leads_outside(output, one) or leads_outside(output, other):
        return False
    try:
        if one.samefile(other):
            return True
        if one.stat().st_size != other.stat().st_size:
            return False
    except OSError:
        return False
    return digest_of(output, left) == digest_of(output, right) != ""


def digest_of(output: Path, name: str) -> str:
    """The SHA-256 of a file in the output folder in hex; "" if there is none."""
    try:
        with open_regular(output / name, inside=output) as file:
            return sha256_of(file)
    except OSError:
        return ""
