"""A file that is not the one that was saved → what stands in its place."""

from enum import StrEnum

from pipeline.assets.checks.image import DECODED_TYPES, PNG, measure_image
from pipeline.assets.checks.png import NotAnImage
from pipeline.job import Asset
from pipeline.storage.files import sha256_of, size_of
from pipeline.storage.media_type import HEAD_SIZE_BYTES, media_type_of
from pipeline.storage.pointer import Pointer, read_pointer
from pipeline.storage.store import Content, Store

_PICTURES = DECODED_TYPES | {PNG}
# A picture that a checkout with other line ends has damaged begins like this too.
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"II*\0", b"MM\0*")
_NOT_EDITS = frozenset({"", "text/plain", "text/html", "application/json"})


class Standing(StrEnum):
    """What a file of the output folder is, compared with what was saved there."""

    WHOLE = "whole"  # the same
    MISSING = "missing"  # not there, or empty
    POINTER = "a pointer"  # of Git LFS or git-annex: the file itself is not there
    BROKEN = "cut off or damaged"
    EDITED = "edited"  # somebody's own work, which is never replaced silently


def find_standing(
    store: Store, asset: Asset, *, by_hash: bool = False
) -> tuple[Standing, Pointer | None]:
    """Look at a file; blocking. It is read if its size differs or ``by_hash``.

    A picture that decodes is an edit. One that does not is damaged, and so is
    anything shorter than what was saved, unless its first bytes show another type.

    Args:
        store: Where the files are.
        asset: As it was saved.
        by_hash: Compare the SHA-256, not only the size.

    Returns:
        What it is, and the pointer if it is one.
    """
    if not store.is_present(asset.path):
        return Standing.MISSING, None
    try:
        with store.open(asset.path) as file:
            size_bytes = size_of(file)
            is_same = size_bytes == asset.size_bytes
            if is_same and (not by_hash or sha256_of(file) == asset.sha256):
                return Standing.WHOLE, None
            file.seek(0)
            head = file.read(HEAD_SIZE_BYTES)
    except OSError:
        return Standing.MISSING, None
    pointer = read_pointer(head)
    if pointer is not None:
        return Standing.POINTER, pointer
    return _judge(store.file(asset.path), asset, head, size_bytes), None


def _judge(content: Content, asset: Asset, head: bytes, size_bytes: int) -> Standing:
    found = media_type_of(head)
    if found in _PICTURES:
        try:
            measure_image(content, found)
        except (NotAnImage, OSError):
            return Standing.BROKEN
        return Standing.EDITED
    if head.startswith(_BEGINNINGS) and asset.media_type in _PICTURES:
        return Standing.BROKEN
    if size_bytes < asset.size_bytes and found in {*_NOT_EDITS, asset.media_type}:
        return Standing.BROKEN
    is_junk = size_bytes == asset.size_bytes and not found
    return Standing.BROKEN if is_junk else Standing.EDITED
