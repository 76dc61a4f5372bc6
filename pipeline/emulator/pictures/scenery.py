"""A palette in, a landscape or an emblem's background out: sky, hills, what grows.

Everything is placed by the given randomness, so a seed is a view.
"""

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.emulator.pictures.palettes import Colour, Ground, Palette, Sky, mix

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (10, 10, 26)
HORIZON = 0.62
HILL_LAYERS = 4
RIDGE_STEPS = 72
PEAK_STEPS = 15
GLOW_SIZE_PX = 128
RAYS = 18
# Corners of the plate behind an emblem; 0 is a disc.
PLATES = (0, 8, 6)


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
    _details(draw, image.size, palette, chance)


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


def paste_gradient(
    image: "Image", box: tuple[int, int, int, int], stops: tuple[Colour, ...]
) -> None:
    """Fill a box with colours from top to bottom."""
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    column = Image.new("RGB", (1, len(stops)))
    column.putdata(list(stops))
    width, height = box[2] - box[0], box[3] - box[1]
    # Stretched in one column first: a column is cheap to interpolate.
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
    # Drawn as a quarter-size mask and stretched: soft edges for little work.
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
            # Every other corner is a summit: a ridge, not noise.
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
            _pine(draw, x, y + tall * 0.15, tall, tone)


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


def _pine(draw: "ImageDraw", x: float, y: float, tall: float, tone: Colour) -> None:
    for low, high, half in ((0.0, 0.55, 0.3), (0.28, 0.8, 0.24), (0.55, 1.0, 0.16)):
        draw.polygon(
            [
                (x - half * tall, y - low * tall),
                (x, y - high * tall),
                (x + half * tall, y - low * tall),
            ],
            fill=tone,
        )


def _details(
    draw: "ImageDraw", size: tuple[int, int], palette: Palette, chance: random.Random
) -> None:
    detail = palette.ground.detail
    if palette.sky.is_dark and palette.ground.kind not in {"embers", "crystals"}:
        detail = mix(detail, (16, 22, 54), 0.4)
    DETAILS[palette.ground.kind](
        draw, size, replace(palette.ground, detail=detail), chance
    )


def _pines(
    draw: "ImageDraw", size: tuple[int, int], ground: Ground, chance: random.Random
) -> None:
    width, height = size
    detail = ground.detail
    for side in (0, 1):
        for _ in range(5):
            x = width * (side * 0.84 + chance.random() * 0.16)
            tall = height * (0.2 + chance.random() * 0.2)
            _pine(draw, x, height * (0.9 + chance.random() * 0.1), tall, detail)


def _waves(
    draw: "ImageDraw", size: tuple[int, int], ground: Ground, chance: random.Random
) -> None:
    width, height = size
    detail = ground.detail
    for _ in range(60):
        depth = chance.random()
        y = height * (HORIZON + 0.02 + depth * 0.36)
        x, span = chance.random() * width, width * (0.02 + depth * 0.07)
        tone = mix(detail, ground.near, 0.2 + 0.6 * chance.random())
        thick = max(round(height * (0.001 + depth * 0.004)), 1)
        draw.line((x, y, x + span, y), fill=tone, width=thick)


def _embers(
    draw: "ImageDraw", size: tuple[int, int], ground: Ground, chance: random.Random
) -> None:
    width, height = size
    detail = ground.detail
    for _ in range(90):
        x, y = chance.random() * width, height * (0.2 + chance.random() * 0.8)
        r = width * (0.001 + chance.random() ** 3 * 0.005)
        tone = mix(detail, (255, 226, 130), chance.random())
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tone)


def _crystals(
    draw: "ImageDraw", size: tuple[int, int], ground: Ground, chance: random.Random
) -> None:
    width, height = size
    detail = ground.detail
    for _ in range(14):
        x, tall = (
            chance.random() * width,
            height * (0.05 + chance.random() * 0.16),
        )
        y, half = height * (0.82 + chance.random() * 0.2), tall * 0.18
        lean = (chance.random() - 0.5) * tall * 0.5
        tip = (x + lean, y - tall)
        draw.polygon([(x - half, y), tip, (x, y)], fill=mix(detail, WHITE, 0.3))
        draw.polygon([(x, y), tip, (x + half, y)], fill=mix(detail, BLACK, 0.4))


def _grass(
    draw: "ImageDraw", size: tuple[int, int], ground: Ground, chance: random.Random
) -> None:
    width, height = size
    detail = ground.detail
    for _ in range(130):
        depth = chance.random()
        x, y = chance.random() * width, height * (0.76 + depth * 0.24)
        r = width * (0.0015 + depth * 0.0035)
        tone = mix(detail, WHITE, 0.5 * chance.random())
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tone)


def _dunes(
    draw: "ImageDraw", size: tuple[int, int], ground: Ground, chance: random.Random
) -> None:
    width, height = size
    for _ in range(7):
        y, x = height * (0.76 + chance.random() * 0.22), chance.random() * width
        span = width * (0.14 + chance.random() * 0.2)
        tone = mix(ground.near, ground.far, 0.45)
        draw.arc(
            (x, y, x + span, y + height * 0.06),
            190,
            330,
            fill=tone,
            width=max(round(height * 0.004), 1),
        )


DETAILS = {
    "pines": _pines,
    "waves": _waves,
    "embers": _embers,
    "crystals": _crystals,
    "grass": _grass,
    "dunes": _dunes,
}
