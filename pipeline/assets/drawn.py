"""Thumbnails drawn ahead: what a worker has drawn, so that the gallery finds it.

They are by content, among the unfinished files of the output folder. Losing one costs
the time to draw it again.
"""

from pathlib import Path

from pipeline.assets.checks.damage import Damaged
from pipeline.assets.checks.png import NotAnImage
from pipeline.assets.receipt import Receipt
from pipeline.assets.thumbnail import can_draw, draw_thumbnail
from pipeline.storage.atomic_file import PARTIAL_FOLDER, write_in_place
from pipeline.storage.regular_file import read_regular

# What may go wrong with a file that is to be drawn.
UNDRAWN = (NotAnImage, Damaged, OSError, MemoryError)
_MOST_BYTES = 1 << 20  # a thumbnail has some ten thousand


def draw_ahead(receipt: Receipt, output: Path) -> None:
    """Draw the thumbnail of a file, if it can have one. Blocking.

    Args:
        receipt: The file.
        output: The output folder.

    Raises:
        OutputError: The disk is full or not writable.
    """
    if not can_draw(receipt.media_type):
        return
    try:
        with receipt.partial.open("rb") as file:
            drawn = draw_thumbnail(file, receipt.media_type)
    except UNDRAWN:
        return  # the gallery says so
    write_in_place(drawn, output, _name_of(receipt.sha256), sync=False)


def find_drawn(output: Path, sha256: str) -> bytes | None:
    """The thumbnail that was drawn of a file with this content, or None."""
    try:
        return read_regular(output / _name_of(sha256), limit_bytes=_MOST_BYTES)
    except OSError:
        return None


def _name_of(sha256: str) -> str:
    return f"{PARTIAL_FOLDER}/thumbnails/{sha256}.webp"
