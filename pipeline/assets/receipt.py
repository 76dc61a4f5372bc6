"""Receipt: a complete file in ``.partial``, and what is known of it. Pure data."""

from pathlib import Path

from pipeline.record import Struct
from pipeline.save_spec import CheckResult


class Receipt(Struct, frozen=True, kw_only=True):
    """A complete file, synced to disk, but not in its final place yet.

    Attributes:
        partial: Its path.
        sha256: Hex digest.
        size_bytes: Its size.
        media_type: By content.
        kind: ``image``, ``video``, ``audio``, ``3d`` or ``text``; by content, or as
            announced where that does not show it.
        width_px: Pixels, or None if it is not an image.
        height_px: The same.
        original: The file that it was made from, to be kept; None if it is as the
            service made it.
        recipe: As of :class:`Asset`.
        checks: As of :class:`Asset`.
        likeness: As of :class:`Asset`.
        notes: What the user should know of how it was made.
    """

    partial: Path
    sha256: str
    size_bytes: int
    media_type: str
    kind: str
    width_px: int | None
    height_px: int | None
    original: "Receipt | None" = None
    recipe: str = ""
    checks: tuple[CheckResult, ...] = ()
    likeness: str = ""
    notes: tuple[str, ...] = ()
