"""Gradients and soft lights, which all pictures use."""

from typing import TYPE_CHECKING

from pipeline.emulator.pictures.palettes import Colour

if TYPE_CHECKING:
    from PIL.Image import Image

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (10, 10, 26)
GLOW_SIZE_PX = 128


def paste_gradient(
    image: "Image", box: tuple[int, int, int, int], stops: tuple[Colour, ...]
) -> None:
    """Fill a box with colours from top to bottom."""
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    column = Image.new("RGB", (1, len(stops)))
    column.putdata(list(stops))
    width, height = box[2] - box[0], box[3] - box[1]
    # Stretch one column first: it is cheap to interpolate.
    tall = column.resize((1, height), Image.Resampling.BICUBIC)
    image.paste(tall.resize((width, height), Image.Resampling.NEAREST), box[:2])


def glow(
    image: "Image",
    centre: tuple[float, float],
    radius_px: float,
    colour: Colour,
    strength: float,
) -> None:
    """A soft light around a point."""
    from PIL import Image, ImageOps  # noqa: PLC0415 - 60 ms to import

    small = Image.radial_gradient("L").resize((GLOW_SIZE_PX, GLOW_SIZE_PX))
    mask = ImageOps.invert(small).point(
        [
            round((max(level - 64, 0) / 191) ** 2 * 255 * strength)
            for level in range(256)
        ]
    )
    side = max(round(radius_px * 2), 1)
    mask = mask.resize((side, side), Image.Resampling.BILINEAR)
    corner = (round(centre[0] - radius_px), round(centre[1] - radius_px))
    image.paste(colour, (*corner, corner[0] + side, corner[1] + side), mask)
