"""What a file contains, and how large a picture is. Making it is left to others.

``rendering`` paints a :class:`Picture`, and ``media.making`` makes a :class:`MadeFile`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.emulator.outputs import Output
from pipeline.emulator.profiles.assets import AssetsProfile

KEYWORD_SIDES_PX = {"1K": 1024, "2K": 2048, "4K": 4096}
DEFAULT_SIDE_PX = 1024
LARGEST_SIDE_PX = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that was uploaded.

    Attributes:
        name: Its name in the file store.
        width_px: 0 if it is no image.
        height_px: 0 if it is no image.
    """

    name: str
    width_px: int = 0
    height_px: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Everything that determines the bytes of a painted picture.

    Attributes:
        prompt: What the picture shows; it is written on it too.
        seed: The seed of the job.
        index: Which output of the job it is, from 0.
        width_px: The exact width.
        height_px: The exact height.
        image_format: ``png``, ``jpeg`` or ``webp``.
        references: The files that it was made from, in order.
    """

    prompt: str
    seed: int
    index: int
    width_px: int
    height_px: int
    image_format: str
    references: tuple["Content", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFile:
    """Everything that determines the bytes of a file that is not painted.

    Attributes:
        output: How it is made, and in which format.
        text: The prompt, or the text of a text file.
        seed: The seed of the job.
        index: Which output of the job it is, from 0.
        width_px: The exact width of an image; 0 for another file.
        height_px: The exact height of an image; 0 for another file.
        sources: The picture that it is made from, if there is one.
        options: The inputs of the job that are text, numbers or booleans, by name.
    """

    output: Output
    text: str
    seed: int
    index: int
    width_px: int = 0
    height_px: int = 0
    sources: tuple["Content", ...] = ()
    options: tuple[tuple[str, str | float], ...] = ()


Content = StoredFile | Picture | MadeFile


def size_px(
    inputs: Mapping[str, object],
    references: tuple[Content, ...],
    profile: AssetsProfile,
) -> tuple[int, int]:
    """The width and height of a painted picture, by its inputs and the profile.

    The inputs are ``width`` and ``height``, ``size``, or ``resolution`` and
    ``aspectRatio``.
    """
    size = str(inputs.get("size") or inputs.get("resolution") or "")
    width, height = _asked_size(size, inputs)
    if profile.sizes_follow_reference and size in KEYWORD_SIDES_PX and references:
        first = references[0]
        width, height = _shaped(width, first.width_px, first.height_px)
    if profile.fixed_size_px is not None:
        return profile.fixed_size_px, profile.fixed_size_px
    divisor = max(profile.pixels_divisor, 1)
    return max(width // divisor, 1), max(height // divisor, 1)


def _asked_size(size: str, inputs: Mapping[str, object]) -> tuple[int, int]:
    width, star, height = size.partition("*")
    if star and width.isdigit() and height.isdigit():
        return _within_limits(int(width)), _within_limits(int(height))
    sides = inputs.get("width"), inputs.get("height")
    if all(isinstance(side, int | float) for side in sides):
        return _within_limits(sides[0]), _within_limits(sides[1])
    side_px = KEYWORD_SIDES_PX.get(size, DEFAULT_SIDE_PX)
    across, colon, down = str(inputs.get("aspectRatio", "")).partition(":")
    if colon and across.isdigit() and down.isdigit():
        return _shaped(side_px, int(across), int(down))
    return side_px, side_px


def _within_limits(side: object) -> int:
    assert isinstance(side, int | float)
    return min(max(int(side), 1), LARGEST_SIDE_PX)


def _shaped(side: int, across: int, down: int) -> tuple[int, int]:
    if not across or not down:
        return side, side
    shape = math.sqrt(across / down)
    return max(round(side * shape), 1), max(round(side / shape), 1)
