"""Paints a landscape: sky, sun or moon, clouds and hills.

Everything is placed by the given random series, so each seed gives its own view.
"""

import math
import random
from typing import TYPE_CHECKING

from pipeline.emulator.pictures.ground_details import HORIZON, draw_details, draw_pine
from pipeline.emulator.pictures.light import WHITE, glow, paste_gradient
from pipeline.emulator.pictures.palettes import Colour, Palette, Sky, mix

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

HILL_LAYERS = 4
RIDGE_STEPS = 72
PEAK_STEPS = 15


def paint_landscape(image: "Image", palette: Palette, chance: random.Random) -> None:
    """Fill the image with a landscape."""
    from PIL import ImageDraw  # noqa: PLC0415 - 60 ms to import

    width, height = image.size
    horizon = height * HORIZON
    paste_gradient(image, (0, 0, width, round(horizon) + 1), palette.sky.stops)
    draw = ImageDraw.Draw(image, "RGB")
    draw.rectangle((0, round(horizon), width, height), fill=palette.sky.stops[-1])
    if palette.sky.is_dark:
        _stars(draw, width, horizon, chance)
    _sun_or_moon(image, palette.sky, horizon, chance)
    _clouds(image, palette.sky, horizon, chance)
    for layer in range(HILL_LAYERS):
        _hill(draw, image.size, palette, layer, chance)
    draw_details(draw, image.size, palette, chance)


def _stars(
    draw: "ImageDraw", width: int, horizon: float, chance: random.Random
) -> None:
    unit = max(width, horizon) / 1024
    for _ in range(110):
        x, y = chance.random() * width, chance.random() ** 1.5 * horizon
        size = unit * (0.8 + chance.random() ** 4 * 3.2)
        tone = mix((150, 170, 220), WHITE, chance.random())
        draw.ellipse((x - size, y - size, x + size, y + size), fill=tone)


def _sun_or_moon(
    image: "Image", sky: Sky, horizon: float, chance: random.Random
) -> None:
    from PIL import ImageDraw  # noqa: PLC0415 - 60 ms to import

    width, height = image.size
    side = min(width, height)
    x = width * (0.2 + chance.random() * 0.6)
    y = horizon * (sky.body_height + (chance.random() - 0.5) * 0.12)
    radius = side * (0.075 + chance.random() * 0.035)
    glow(image, (x, y), radius * 5.5, sky.body, 0.7)
    draw = ImageDraw.Draw(image, "RGB")
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=sky.body)
    if sky.is_dark:
        crater = mix(sky.body, (120, 120, 150), 0.28)
        for dx, dy, size in ((-0.34, -0.2, 0.22), (0.26, 0.3, 0.28), (0.3, -0.4, 0.13)):
            cx, cy, r = x + dx * radius, y + dy * radius, size * radius
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=crater)


def _clouds(image: "Image", sky: Sky, horizon: float, chance: random.Random) -> None:
    from PIL import Image, ImageDraw, ImageFilter  # noqa: PLC0415 - 60 ms to import

    width = image.size[0]
    # Draw a mask of a quarter of the size and stretch it: this softens the edges.
    mask = Image.new("L", (max(width // 4, 1), max(round(horizon) // 4, 1)))
    draw = ImageDraw.Draw(mask)
    unit = mask.size[0] / 100
    for _ in range(2 if sky.is_dark else 4):
        x = chance.random() * mask.size[0]
        y = mask.size[1] * (0.1 + chance.random() * 0.62)
        level = round(60 + chance.random() * 80)
        for _ in range(6):
            dx = (chance.random() - 0.5) * unit * 24
            rx, ry = (
                unit * (4 + chance.random() * 7),
                unit * (1 + chance.random() * 1.7),
            )
            draw.ellipse((x + dx - rx, y - ry, x + dx + rx, y + ry), fill=level)
    mask = mask.filter(ImageFilter.BoxBlur(max(unit * 0.25, 1)))
    soft = mask.resize((width, round(horizon)), Image.Resampling.BICUBIC)
    tone = mix(sky.stops[-1], WHITE, 0.1 if sky.is_dark else 0.6)
    image.paste(tone, (0, 0, width, round(horizon)), soft)


def _hill(
    draw: "ImageDraw",
    size: tuple[int, int],
    palette: Palette,
    layer: int,
    chance: random.Random,
) -> None:
    width, height = size
    depth = layer / (HILL_LAYERS - 1)
    haze = palette.sky.stops[-1]
    ground = mix(palette.ground.far, palette.ground.near, depth)
    colour = mix(ground, haze, 0.55 * (1 - depth))
    if palette.sky.is_dark:
        colour = mix(colour, (16, 22, 54), 0.5)
    base = height * (HORIZON - 0.05 + 0.13 * layer)
    swing = height * (0.075 if palette.ground.kind != "waves" else 0.012)
    phases = [chance.random() * math.tau for _ in range(4)]
    is_peaked = palette.ground.is_jagged and layer < HILL_LAYERS - 2
    points: list[tuple[float, float]] = []
    steps = PEAK_STEPS if is_peaked else RIDGE_STEPS
    for step in range(steps + 1):
        at = step / steps
        wave = 0.7 * (
            math.sin(at * 5 + phases[0]) + 0.5 * math.sin(at * 11 + phases[1])
        )
        if is_peaked:
            # Make every other corner a summit, so that the line looks like a ridge.
            rise = 1.1 + chance.random() * 1.5 if step % 2 else chance.random() * 0.7
            wave = rise + wave * 0.5
        points.append((at * width, base - swing * wave))
    draw.polygon([*points, (width, height), (0, height)], fill=colour)
    if is_peaked and palette.ground.kind == "pines":
        _snow_caps(draw, points, mix(colour, WHITE, 0.6), base - swing * 0.9)
    if palette.ground.kind == "pines" and 0 < layer < HILL_LAYERS - 1 and not is_peaked:
        tone = mix(mix(palette.ground.detail, haze, 0.3 * (1 - depth)), colour, 0.2)
        for _ in range(26 + 10 * layer):
            x, y = points[chance.randrange(len(points))]
            x += (chance.random() - 0.5) * width / steps / 2
            tall = height * (0.022 + 0.022 * layer) * (0.7 + chance.random() * 0.7)
            draw_pine(draw, x, y + tall * 0.15, tall, tone)


def _snow_caps(
    draw: "ImageDraw", points: list[tuple[float, float]], tone: Colour, line: float
) -> None:
    for (x0, y0), (x1, y1), (x2, y2) in zip(
        points, points[1:], points[2:], strict=False
    ):
        if y1 < y0 and y1 < y2 and y1 < line:
            share = min((line - y1) / max(max(y0, y2) - y1, 1), 0.45)
            left = (x1 + (x0 - x1) * share, y1 + (y0 - y1) * share)
            right = (x1 + (x2 - x1) * share, y1 + (y2 - y1) * share)
            span, low = right[0] - left[0], max(left[1], right[1])
            hem = [
                (left[0] + span * 0.72, low - span * 0.12),
                (left[0] + span * 0.52, low + span * 0.08),
                (left[0] + span * 0.3, low - span * 0.14),
            ]
            draw.polygon([left, (x1, y1), right, *hem], fill=tone)
