"""A picture → sixels, which terminals of the VT340's kind show. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_COLOURS = 200  # registers; terminals have 256 at least
_BAND = 6  # rows of pixels in a row of sixels
_FIRST = 63  # the character for six empty pixels
_OPAQUE = 128
_RUN = 4  # from this length on, a run is shorter with its count


def sixels_of(picture: "Image") -> str:
    """The picture as one control sequence; transparent pixels are left as they are.

    Args:
        picture: RGBA.
    """
    width, height = picture.size
    full = picture.convert("RGB")
    # A second time with the palette of the first: only then are colours dithered.
    indexed = full.quantize(palette=full.quantize(_COLOURS))
    palette = indexed.getpalette() or []
    pixels = indexed.tobytes()
    alpha = picture.getchannel("A").tobytes()
    parts = [f'\x1bP0;1;0q"1;1;{width};{height}', *_registers(palette)]
    for top in range(0, height, _BAND):
        rows = range(top, min(top + _BAND, height))
        parts.append("$".join(_lines(_bits(pixels, alpha, width, rows))) + "-")
    return "".join([*parts, "\x1b\\"])


def _registers(palette: list[int]) -> Iterator[str]:
    """Each colour in percent, as sixels have it."""
    for number in range(len(palette) // 3):
        red, green, blue = (
            round(value * 100 / 255) for value in palette[3 * number : 3 * number + 3]
        )
        yield f"#{number};2;{red};{green};{blue}"


def _bits(
    pixels: bytes, alpha: bytes, width: int, rows: range
) -> Mapping[int, bytearray]:
    """By colour: for each column, which of the rows have it."""
    columns: defaultdict[int, bytearray] = defaultdict(lambda: bytearray(width))
    for bit, row in enumerate(rows):
        start = row * width
        for column, colour in enumerate(pixels[start : start + width]):
            if alpha[start + column] >= _OPAQUE:
                columns[colour][column] |= 1 << bit
    return columns


def _lines(columns: Mapping[int, bytearray]) -> Iterator[str]:
    for colour, bits in columns.items():
        line = [f"#{colour}"]
        for value, run in groupby(bits):
            count, char = sum(1 for _ in run), chr(_FIRST + value)
            line.append(char * count if count < _RUN else f"!{count}{char}")
        yield "".join(line)
