"""Receipt: a complete file without its name, and what is known of it. Pure data."""

from pipeline.record import Struct
from pipeline.save_spec import CheckResult
from pipeline.storage.store import Pending


class FileFacts(Struct, frozen=True, kw_only=True):
    """What is known of a complete file.

    Attributes:
        sha256: Hex digest.
        size_bytes: Its size.
        media_type: By content.
        kind: ``image``, ``video``, ``audio``, ``3d`` or ``text``; by content, or as
            announced where that does not show it.
        width_px: Pixels, or None if it is not an image.
        height_px: The same.
        recipe: As of :class:`Asset`.
        checks: As of :class:`Asset`.
        likeness: As of :class:`Asset`.
        notes: What the user should know of how it was made.
    """

    sha256: str
    size_bytes: int
    media_type: str
    kind: str
    width_px: int | None
    height_px: int | None
    recipe: str = ""
    checks: tuple[CheckResult, ...] = ()
    likeness: str = ""
    notes: tuple[str, ...] = ()


class Receipt(FileFacts, frozen=True, kw_only=True):
    """A complete file, synced to disk or held for a store, but not in its place yet.

    Attributes:
        partial: The file; its path in ``.partial`` if it is on disk.
        original: The file that it was made from, to be kept; None if it is as the
            service made it.
    """

    partial: Pending
    original: "Receipt | None" = None
