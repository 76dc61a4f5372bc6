"""Draws the details of a landscape's ground: trees, waves, dunes and others."""

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.emulator.pictures.light import BLACK, WHITE
from pipeline.emulator.pictures.palettes import Colour, Ground, Palette, mix

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

HORIZON = 0.62  # as a fraction of the height


def draw_details(
    draw: "ImageDraw", size: tuple[int, int], palette: Palette, chance: random.Random
) -> None:
    """Draw what lies or grows on the ground in front."""
    detail = palette.ground.detail
    if palette.sky.is_dark and palette.ground.kind not in {"embers", "crystals"}:
        detail = mix(detail, (16, 22, 54), 0.4)
    DETAILS[palette.ground.kind](
        draw, size, replace(palette.ground, detail=detail), chance
    )


def draw_pine(draw: "ImageDraw", x: float, y: float, tall: float, tone: Colour) -> None:
    """Draw one pine, standing at a point."""
    for low, high, half in ((0.0, 0.55, 0.3), (0.28, 0.8, 0.24), (0.55, 1.0, 0.16)):
        draw.polygon(
            [
                (x - half * tall, y - low * tall),
                (x, y - high * tall),
                (x + half * tall, y - low * tall),
            ],
            fill=tone,
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
            draw_pine(draw, x, height * (0.9 + chance.random() * 0.1), tall, detail)


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
