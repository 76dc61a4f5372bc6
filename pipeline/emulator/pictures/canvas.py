"""What a file shows, and how large it is. Painting it is left to ``rendering``."""

import math
from dataclasses import dataclass

from pipeline.emulator.profiles.assets import AssetsProfile

KEYWORD_SIDES_PX = {"1K": 1024, "2K": 2048, "4K": 4096}
DEFAULT_SIDE_PX = 1024
LARGEST_SIDE_PX = 8192
MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "tiff": "image/tiff",
    "json": "application/json",
    "text": "text/plain",
}


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
    """Everything that determines the bytes of a generated file.

    Attributes:
        prompt: What the picture shows; it is written on it too.
        seed: The seed of the job.
        index: Which output of the job it is, from 0.
        width_px: The exact width.
        height_px: The exact height.
        image_format: ``png``, ``jpeg`` or ``webp``; ``json`` for a companion file;
            ``text`` for the prompt itself.
        references: The images that it was made from, in order.
    """

    prompt: str
    seed: int
    index: int
    width_px: int
    height_px: int
    image_format: str
    references: tuple["Picture | StoredFile", ...] = ()


def size_px(
    size: str, references: tuple[Picture | StoredFile, ...], profile: AssetsProfile
) -> tuple[int, int]:
    """The width and height of an image, by the input ``size`` and the profile."""
    width, height = _asked_size(size)
    if profile.sizes_follow_reference and size in KEYWORD_SIDES_PX and references:
        width, height = _shaped_like(references[0], width)
    if profile.fixed_size_px is not None:
        return profile.fixed_size_px, profile.fixed_size_px
    divisor = max(profile.pixels_divisor, 1)
    return max(width // divisor, 1), max(height // divisor, 1)


def _asked_size(size: str) -> tuple[int, int]:
    if size in KEYWORD_SIDES_PX:
        return KEYWORD_SIDES_PX[size], KEYWORD_SIDES_PX[size]
    width, star, height = size.partition("*")
    if star and width.isdigit() and height.isdigit():
        return (
            min(max(int(width), 1), LARGEST_SIDE_PX),
            min(max(int(height), 1), LARGEST_SIDE_PX),
        )
    return DEFAULT_SIDE_PX, DEFAULT_SIDE_PX


def _shaped_like(reference: Picture | StoredFile, side: int) -> tuple[int, int]:
    if not reference.width_px or not reference.height_px:
        return side, side
    shape = math.sqrt(reference.width_px / reference.height_px)
    return max(round(side * shape), 1), max(round(side / shape), 1)
