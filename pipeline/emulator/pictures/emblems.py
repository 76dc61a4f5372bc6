"""Paints the background of an emblem: rays behind a plate."""

import math
import random
from typing import TYPE_CHECKING

from pipeline.emulator.pictures.light import BLACK, WHITE, glow, paste_gradient
from pipeline.emulator.pictures.palettes import Colour, Palette, mix

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

RAYS = 18
# The number of corners of the plate behind an emblem; 0 is a disc.
PLATES = (0, 8, 6)


def paint_emblem(image: "Image", palette: Palette, chance: random.Random) -> None:
    """Fill the image with rays behind a round plate, for a single subject."""
    from PIL import ImageDraw  # noqa: PLC0415 - 60 ms to import

    width, height = image.size
    base = mix(palette.accent, BLACK, 0.62)
    paste_gradient(
        image, (0, 0, width, height), (mix(base, palette.accent, 0.3), base, BLACK)
    )
    draw = ImageDraw.Draw(image, "RGB")
    centre = (width / 2, height * 0.44)
    reach = math.hypot(width, height)
    turn = chance.random() * math.tau
    ray = mix(base, palette.accent, 0.34)
    for step in range(RAYS):
        start = turn + step * math.tau / RAYS
        corners = [
            (centre[0] + reach * math.cos(a), centre[1] + reach * math.sin(a))
            for a in (start, start + math.pi / RAYS)
        ]
        draw.polygon([centre, *corners], fill=ray)
    glow(
        image, centre, min(width, height) * 0.62, mix(palette.accent, WHITE, 0.5), 0.75
    )
    corners_of_plate = PLATES[chance.randrange(len(PLATES))]
    for scale, tone in (
        (0.385, mix(base, BLACK, 0.4)),
        (0.37, mix(palette.accent, WHITE, 0.62)),
        (0.35, mix(base, palette.accent, 0.18)),
    ):
        radius = min(width, height) * scale
        _plate(draw, centre, radius, corners_of_plate, tone)
    side = min(width, height)
    for _ in range(26):
        angle, far = chance.random() * math.tau, side * (0.41 + chance.random() * 0.3)
        size = side * (0.002 + chance.random() * 0.005)
        x, y = centre[0] + far * math.cos(angle), centre[1] + far * math.sin(angle)
        draw.ellipse((x - size, y - size, x + size, y + size), fill=(255, 240, 206))


def _plate(
    draw: "ImageDraw",
    centre: tuple[float, float],
    radius: float,
    corners: int,
    tone: Colour,
) -> None:
    x, y = centre
    if not corners:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)
        return
    turns = [(step + 0.5) / corners * math.tau for step in range(corners)]
    reach = radius * 1.08
    points = [(x + reach * math.sin(t), y - reach * math.cos(t)) for t in turns]
    draw.polygon(points, fill=tone)
