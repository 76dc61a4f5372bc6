"""Picture files → rows of thumbnails with their names, printed on a terminal."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.console.pictures.encoding import Kind, blocks, drawn
from pipeline.cli.console.pictures.terminal import Graphics, find_graphics
from pipeline.cli.console.printing import find_room, print_note
from pipeline.cli.console.text import columns, one_line
from pipeline.counting import plural
from pipeline.storage.store import NamedContent

if TYPE_CHECKING:
    from PIL.Image import Image

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"}
_THUMBNAIL = {Kind.BLOCKS: 20}  # columns
_USUAL_THUMBNAIL = 12
_LARGE = 40  # columns of a single picture
_GAP = 2


def is_picture(path: str | Path) -> bool:
    """Whether a file is one that can be shown, by its name."""
    return Path(path).suffix.lower() in _SUFFIXES


def show_pictures(
    pictures: Sequence[NamedContent], *, most_rows: int | None = None
) -> int:
    """Print thumbnails to stderr, if it is a terminal that can show them.

    Files that cannot be read are left out. One line says why there is no picture at
    all, or how many more there are.

    Args:
        pictures: In the order to show them; a single one is shown larger.
        most_rows: Rows of the terminal to use; None for any number.

    Returns:
        How many rows of the terminal were used.
    """
    if not pictures:
        return 0
    room, graphics = find_room(sys.stderr), find_graphics(sys.stderr)
    if room is None or graphics is None:
        print_note("--pictures: there is no terminal that can show pictures")
        return 1
    rows = room.rows if most_rows is None else min(room.rows, most_rows)
    width = _width_of(pictures, graphics, columns_left=room.columns - 1, rows=rows)
    per_row = max(1, (room.columns + _GAP) // (width + _GAP))
    height = width // 2 + 1  # of a row, with the names
    most = len(pictures)
    if most_rows is not None:
        most = per_row * max(1, most_rows // height)
    shown = pictures[:most]
    starts = range(0, len(shown), per_row)
    for start in starts:
        for text in _row(shown[start : start + per_row], width, graphics):
            click.echo(text, err=True, color=True, nl=False)
    if len(pictures) > most:
        more = plural(len(pictures) - most, "more picture")
        click.echo(f"… and {more}", err=True)
    return len(starts) * height + (len(pictures) > most)


def _width_of(
    pictures: Sequence[NamedContent],
    graphics: Graphics,
    *,
    columns_left: int,
    rows: int,
) -> int:
    """The columns of each thumbnail, twice as many as its rows."""
    width = _THUMBNAIL.get(graphics.kind, _USUAL_THUMBNAIL)
    if len(pictures) == 1:
        width = _LARGE
    return max(2, min(width, columns_left, 2 * (rows - 1)))


def _row(row: Sequence[NamedContent], width: int, graphics: Graphics) -> Iterator[str]:
    """The thumbnails of a row as one picture, then their names."""
    found = [(one.name, picture) for one in row if (picture := _read(one))]
    if not found:
        return
    cell = (1, 2) if graphics.kind is Kind.BLOCKS else graphics.cell
    all_columns = len(found) * (width + _GAP) - _GAP
    sheet = _side_by_side([picture for _, picture in found], width, cell)
    if graphics.kind is Kind.BLOCKS:
        yield _as_ansi(sheet)
    else:
        yield drawn(sheet, graphics.kind, columns=all_columns, rows=width // 2)
    names = [one_line(_end_of(name, width)) for name, _ in found]
    line = "".join(name + " " * (width + _GAP - columns(name)) for name in names)
    yield f"{line.rstrip()}\n"


def _end_of(name: str, length: int) -> str:
    """The end of a name, which says most, such as ``…k-winter.png``."""
    return name if len(name) <= length else f"…{name[1 - length :]}"


def _side_by_side(
    pictures: Sequence["Image"], width: int, cell: tuple[int, int]
) -> "Image":
    """One picture of all, each within a square of the same size."""
    from PIL import Image, ImageOps

    size = width * cell[0], width // 2 * cell[1]
    step = (width + _GAP) * cell[0]
    sheet = Image.new("RGBA", (step * len(pictures) - _GAP * cell[0], size[1]))
    for number, picture in enumerate(pictures):
        small = ImageOps.contain(picture, size)
        top = (size[1] - small.height) // 2
        sheet.paste(small, (number * step + (size[0] - small.width) // 2, top))
    return sheet


def _read(content: NamedContent) -> "Image | None":
    """The picture in a file, upright; None if it cannot be shown."""
    from PIL import Image, ImageOps

    try:
        with content.open("rb") as file, Image.open(file) as opened:
            opened.draft("RGB", (1024, 1024))  # a JPEG is read smaller, and faster
            return ImageOps.exif_transpose(opened).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _as_ansi(picture: "Image") -> str:
    from rich.console import Console

    console = Console(file=sys.stderr, width=1000)
    with console.capture() as captured:
        console.print(blocks(picture), end="", soft_wrap=True)
    return captured.get()
