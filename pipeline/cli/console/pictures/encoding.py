"""A picture → the text that draws it on a terminal of a known kind. Pure."""

import base64
import io
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline.cli.console.pictures.sixel import sixels_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.text import Text

_CHUNK = 4096  # characters in one command of kitty's protocol
_OPAQUE = 128


class Kind(StrEnum):
    """How a terminal can be made to show a picture.

    Sources: sw.kovidgoyal.net/kitty/graphics-protocol, iterm2.com/documentation-images,
    the VT330/340 Programmer Reference Manual for sixels.
    """

    KITTY = "kitty"
    ITERM = "iterm"
    SIXEL = "sixel"
    BLOCKS = "blocks"  # two coloured pixels in a character


def drawn(picture: "Image", kind: Kind, *, columns: int, rows: int) -> str:
    """The control sequences that draw a picture below the cursor.

    The room is made first, with line ends: a terminal that scrolls while it draws
    leaves its cursor in various places. Afterwards the cursor is below the picture.

    Args:
        picture: RGBA; for sixels, of the size of its cells in pixels.
        kind: Not BLOCKS.
        columns: The width of its cells.
        rows: The height of its cells.
    """
    if kind is Kind.KITTY:
        body = "".join(_kitty(picture, columns, rows))
    elif kind is Kind.ITERM:
        data = _png(picture)
        body = (
            f"\x1b]1337;File=inline=1;size={len(data)};width={columns};height={rows}"
            f";preserveAspectRatio=1:{base64.b64encode(data).decode()}\x07"
        )
    else:
        body = sixels_of(picture)
    line_ends = "\n" * rows
    return f"{line_ends}\x1b[{rows}A\x1b7{body}\x1b8\x1b[{rows}B"


def _kitty(picture: "Image", columns: int, rows: int) -> Iterator[str]:
    data = base64.b64encode(_png(picture)).decode()
    keys = f"a=T,f=100,c={columns},r={rows},C=1,q=2,"
    for start in range(0, len(data), _CHUNK):
        more = int(start + _CHUNK < len(data))
        yield f"\x1b_G{keys}m={more};{data[start : start + _CHUNK]}\x1b\\"
        keys = ""


def _png(picture: "Image") -> bytes:
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def blocks(picture: "Image") -> "Text":
    """A picture as text: each character is two pixels, one above the other.

    Args:
        picture: RGBA, one pixel wide for each column, two high for each row.
    """
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    def colour(x: int, y: int) -> Color | None:
        red, green, blue, alpha = picture.getpixel((x, y))  # type: ignore[misc]
        return Color.from_rgb(red, green, blue) if alpha >= _OPAQUE else None

    shown = Text()
    for y in range(0, picture.height - 1, 2):
        for x in range(picture.width):
            upper, lower = colour(x, y), colour(x, y + 1)
            if upper is None and lower is None:
                shown.append(" ")
            elif upper is None:
                shown.append("▄", Style(color=lower))
            else:
                shown.append("▀", Style(color=upper, bgcolor=lower))
        shown.append("\n")
    return shown
