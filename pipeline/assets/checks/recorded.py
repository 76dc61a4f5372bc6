"""A file of the output folder against what is recorded of it."""

from enum import StrEnum

from pipeline.counting import plural
from pipeline.job import Asset
from pipeline.storage.files import sha256_of, size_of
from pipeline.storage.pointer import MAX_POINTER_BYTES, Pointer, read_pointer
from pipeline.storage.store import Content


class Finding(StrEnum):
    """What can be said of a file."""

    OK = "ok"  # whole, and what is recorded of it
    MISSING = "missing"  # recorded, and not there
    CHANGED = "changed"  # other bytes than recorded
    BROKEN = "broken"  # the right bytes, but they do not decode
    STRAY = "stray"  # neither an asset with a sidecar nor a file of ours


def check_recorded(content: Content, asset: Asset) -> tuple[Finding, str]:
    """Compare its SHA-256; what the file shows is not looked at.

    Args:
        content: The file.
        asset: As it is recorded, in a sidecar or in the ledger.

    Returns:
        OK, MISSING, CHANGED or BROKEN, and more about it, or "".
    """
    try:
        with content.open("rb") as file:
            size_bytes = size_of(file)
            pointer = read_pointer(file.read(MAX_POINTER_BYTES + 1))
            file.seek(0)
            digest = sha256_of(file)
    except FileNotFoundError:
        return Finding.MISSING, ""
    except IsADirectoryError:
        return Finding.BROKEN, "not a file"
    except OSError as error:
        return Finding.BROKEN, error.strerror or str(error)
    if digest == asset.sha256:
        return Finding.OK, ""
    return _differing(asset, size_bytes, pointer)


def _differing(
    asset: Asset, size_bytes: int, pointer: Pointer | None
) -> tuple[Finding, str]:
    if pointer is not None:
        if pointer.is_of(asset.sha256, asset.size_bytes):
            return Finding.MISSING, f"there is only its {pointer.kind} pointer"
        return Finding.CHANGED, f"a {pointer.kind} pointer to another file"
    if size_bytes == asset.size_bytes:
        return Finding.CHANGED, "the same size, other bytes"
    return (
        Finding.CHANGED,
        f"{plural(size_bytes, 'byte')} instead of {asset.size_bytes:,}",
    )
