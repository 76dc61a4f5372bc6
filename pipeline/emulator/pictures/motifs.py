"""The subjects of pictures, drawn in a unit square that a brush maps to pixels.

In the unit square, x and y go from -1 to 1, and y points downwards. A subject stands at
y = 1.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.emulator.pictures.palettes import Colour, mix

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

WHITE: Colour = (255, 255, 255)
BLACK: Colour = (14, 14, 30)
WOOD: Colour = (112, 72, 46)
STEEL: Colour = (206, 216, 228)
GOLD: Colour = (242, 196, 78)

Point = tuple[float, float]


class Brush:
    """Draws in the unit square.

    Args:
        draw: What it draws on.
        centre: The centre of the square, in pixels.
        radius_px: Half the side of the square.
        accent: The subject's colour.
    """

    def __init__(
        self, draw: "ImageDraw", centre: Point, radius_px: float, accent: Colour
    ) -> None:
        self._draw = draw
        self._centre = centre
        self._radius_px = radius_px
        self.accent = accent
        self.light = mix(accent, WHITE, 0.38)
        self.dark = mix(accent, BLACK, 0.38)
        self.deep = mix(accent, BLACK, 0.66)

    def polygon(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([self._at(point) for point in points], fill=fill)

    def mirrored(self, points: Sequence[Point], left: Colour, right: Colour) -> None:
        """A shape given by its left half, in two tones."""
        self.polygon(points, left)
        self.polygon([(-x, y) for x, y in points], right)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """A filled ellipse around a point."""
        box = [*self._at((x - rx, y - ry)), *self._at((x + rx, y + ry))]
        self._draw.ellipse(box, fill=fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Colour) -> None:
        """A filled box with slightly rounded corners."""
        box = [*self._at((x0, y0)), *self._at((x1, y1))]
        self._draw.rounded_rectangle(box, radius=self._radius_px * 0.04, fill=fill)

    def line(self, points: Sequence[Point], width: float, fill: Colour) -> None:
        """A line with round joints."""
        self._draw.line(
            [self._at(point) for point in points],
            fill=fill,
            width=max(round(width * self._radius_px), 1),
            joint="curve",
        )

    def _at(self, point: Point) -> Point:
        x, y = point
        return (
            self._centre[0] + x * self._radius_px,
            self._centre[1] + y * self._radius_px,
        )


def draw_tree(brush: Brush) -> None:
    """A broad crown on a forked trunk."""
    brush.polygon(
        [(-0.13, 0.1), (0.13, 0.1), (0.16, 0.75), (0.34, 1), (-0.34, 1), (-0.16, 0.75)],
        WOOD,
    )
    brush.polygon(
        [(0.02, 0.1), (0.13, 0.1), (0.16, 0.75), (0.34, 1), (0.04, 1)],
        mix(WOOD, BLACK, 0.3),
    )
    brush.line([(0, 0.5), (-0.32, 0.12)], 0.09, WOOD)
    brush.line([(0.04, 0.42), (0.34, 0.02)], 0.09, mix(WOOD, BLACK, 0.3))
    leaves = (
        (-0.46, 0.0, 0.42),
        (0.48, 0.02, 0.42),
        (-0.3, -0.4, 0.44),
        (0.34, -0.38, 0.44),
        (0.0, -0.62, 0.4),
        (0.0, -0.1, 0.5),
    )
    for tone, dx, dy, grow in (
        (brush.dark, 0.04, 0.07, 1.0),
        (brush.accent, 0.0, 0.0, 0.95),
        (brush.light, -0.1, -0.12, 0.52),
    ):
        for x, y, size in leaves:
            brush.ellipse(x + dx, y + dy, size * grow, size * grow * 0.86, tone)


def draw_sword(brush: Brush) -> None:
    """A broad blade, point upwards."""
    blade = mix(brush.accent, STEEL, 0.45)
    left = [(0.0, -1.0), (-0.17, -0.78), (-0.17, 0.42), (0.0, 0.42)]
    brush.mirrored(left, mix(blade, WHITE, 0.4), mix(blade, BLACK, 0.18))
    brush.polygon(
        [(-0.03, -0.8), (0.03, -0.8), (0.03, 0.4), (-0.03, 0.4)],
        mix(blade, BLACK, 0.36),
    )
    brush.box(-0.5, 0.4, 0.5, 0.54, GOLD)
    brush.ellipse(-0.5, 0.47, 0.1, 0.1, mix(GOLD, BLACK, 0.2))
    brush.ellipse(0.5, 0.47, 0.1, 0.1, mix(GOLD, BLACK, 0.2))
    brush.box(-0.09, 0.54, 0.09, 0.88, WOOD)
    for y in (0.6, 0.68, 0.76):
        brush.line([(-0.09, y + 0.04), (0.09, y)], 0.03, mix(WOOD, BLACK, 0.45))
    brush.ellipse(0, 0.92, 0.14, 0.12, GOLD)
    brush.ellipse(0, 0.92, 0.06, 0.05, (206, 54, 66))


def draw_potion(brush: Brush) -> None:
    """A round flask with a cork."""
    glass = mix(brush.light, WHITE, 0.5)
    brush.box(-0.2, -0.72, 0.2, -0.1, mix(glass, BLACK, 0.12))
    brush.ellipse(0, 0.34, 0.68, 0.66, mix(glass, BLACK, 0.12))
    brush.ellipse(0, 0.34, 0.6, 0.58, brush.deep)
    brush.polygon(
        [
            (-0.59, 0.3),
            (-0.3, 0.24),
            (0.0, 0.32),
            (0.3, 0.25),
            (0.59, 0.3),
            (0.52, 0.62),
            (0.26, 0.86),
            (0, 0.92),
            (-0.26, 0.86),
            (-0.52, 0.62),
        ],
        brush.accent,
    )
    brush.polygon(
        [
            (0.1, 0.31),
            (0.3, 0.25),
            (0.59, 0.3),
            (0.52, 0.62),
            (0.26, 0.86),
            (0.05, 0.91),
            (0.3, 0.62),
        ],
        brush.dark,
    )
    for x, y, size in ((-0.2, 0.5, 0.09), (0.12, 0.66, 0.06), (-0.02, 0.42, 0.05)):
        brush.ellipse(x, y, size, size, brush.light)
    brush.ellipse(-0.36, 0.08, 0.1, 0.14, mix(glass, WHITE, 0.7))
    brush.box(-0.28, -0.66, 0.28, -0.52, mix(glass, WHITE, 0.3))
    brush.box(-0.17, -0.96, 0.17, -0.64, (182, 132, 84))
    brush.box(0.03, -0.96, 0.17, -0.64, (150, 104, 64))


def draw_shield(brush: Brush) -> None:
    """A heater shield with a cross."""

    def outline(scale: float) -> list[Point]:
        curve = [(-0.78, -0.8), (-0.78, 0.1), (-0.6, 0.52), (-0.3, 0.82), (0.0, 1.0)]
        return [(x * scale, y * scale) for x, y in [(0.0, -0.8), *curve]]

    brush.mirrored(outline(1.0), mix(STEEL, WHITE, 0.2), mix(STEEL, BLACK, 0.3))
    brush.mirrored(outline(0.86), brush.accent, brush.dark)
    brush.polygon(
        [(-0.1, -0.68), (0.1, -0.68), (0.1, 0.72), (0, 0.84), (-0.1, 0.72)], GOLD
    )
    brush.box(-0.66, -0.22, 0.66, -0.02, GOLD)
    brush.ellipse(0, -0.12, 0.2, 0.2, mix(GOLD, BLACK, 0.3))
    brush.ellipse(0, -0.12, 0.13, 0.13, mix(GOLD, WHITE, 0.4))


def draw_coin(brush: Brush) -> None:
    """A thick coin with a star."""
    brush.ellipse(0.1, 0.06, 0.86, 0.88, brush.deep)
    brush.ellipse(0, 0, 0.86, 0.88, brush.dark)
    brush.ellipse(-0.03, -0.03, 0.8, 0.82, brush.accent)
    brush.ellipse(-0.03, -0.03, 0.64, 0.66, brush.dark)
    brush.ellipse(-0.03, -0.03, 0.59, 0.61, mix(brush.accent, WHITE, 0.14))
    brush.polygon(star_points(-0.03, -0.03, 0.46, 0.2), brush.light)
    brush.polygon(
        [(-0.66, -0.3), (-0.3, -0.7), (-0.2, -0.66), (-0.62, -0.18)],
        mix(brush.accent, WHITE, 0.75),
    )


def draw_gem(brush: Brush) -> None:
    """A cut gem, seen from the side."""
    top = [(-0.5, -0.62), (0.5, -0.62)]
    girdle = [(-0.92, -0.14), (-0.4, -0.14), (0.4, -0.14), (0.92, -0.14)]
    tip = (0.0, 0.92)
    brush.polygon([top[0], girdle[0], girdle[1]], brush.light)
    brush.polygon([top[0], girdle[1], (0.0, -0.62)], mix(brush.accent, WHITE, 0.6))
    brush.polygon([(0.0, -0.62), girdle[1], girdle[2]], brush.light)
    brush.polygon([(0.0, -0.62), girdle[2], top[1]], brush.accent)
    brush.polygon([top[1], girdle[2], girdle[3]], brush.dark)
    brush.polygon([girdle[0], girdle[1], tip], brush.accent)
    brush.polygon([girdle[1], girdle[2], tip], mix(brush.accent, WHITE, 0.22))
    brush.polygon([girdle[2], girdle[3], tip], brush.deep)
    brush.polygon(star_points(-0.46, -0.46, 0.2, 0.05, points=4), WHITE)


def draw_castle(brush: Brush) -> None:
    """Three towers and a gate."""
    shade = brush.dark
    brush.box(-0.62, 0.0, 0.62, 1.0, brush.accent)
    brush.box(0.12, 0.0, 0.62, 1.0, mix(brush.accent, BLACK, 0.18))
    for x, top, half in ((-0.68, -0.3, 0.24), (0.68, -0.3, 0.24), (0.0, -0.52, 0.28)):
        brush.box(x - half, top, x + half, 1.0, mix(brush.accent, WHITE, 0.12))
        brush.box(x + half * 0.2, top, x + half, 1.0, shade)
        for step in (-1.0, -0.33, 0.34):
            left = x + half * step
            brush.box(left, top - 0.12, left + half * 0.44, top + 0.02, shade)
        roof = [(x - half * 1.1, top - 0.1), (x, top - 0.62), (x, top - 0.1)]
        brush.polygon(roof, (196, 74, 72))
        brush.polygon([(2 * x - px, py) for px, py in roof], (142, 46, 58))
        brush.box(x - 0.05, top + 0.22, x + 0.05, top + 0.44, (255, 220, 120))
    brush.ellipse(0, 0.62, 0.19, 0.2, BLACK)
    brush.box(-0.19, 0.62, 0.19, 1.0, BLACK)


def draw_house(brush: Brush) -> None:
    """A gabled cottage with lit windows."""
    wall = mix(brush.accent, (250, 232, 200), 0.62)
    brush.box(0.36, -0.78, 0.56, -0.2, mix(WOOD, BLACK, 0.3))
    brush.box(-0.68, -0.1, 0.68, 1.0, wall)
    brush.box(0.2, -0.1, 0.68, 1.0, mix(wall, BLACK, 0.16))
    brush.mirrored([(0.0, -0.86), (-0.92, 0.02), (0.0, 0.02)], brush.accent, brush.dark)
    brush.box(-0.16, 0.4, 0.16, 1.0, WOOD)
    brush.ellipse(0.09, 0.7, 0.03, 0.03, GOLD)
    for x in (-0.44, 0.44):
        brush.box(x - 0.15, 0.3, x + 0.15, 0.6, WOOD)
        brush.box(x - 0.11, 0.34, x + 0.11, 0.56, (255, 222, 130))
    brush.ellipse(0, -0.3, 0.13, 0.13, (255, 222, 130))


def draw_crown(brush: Brush) -> None:
    """Five points with jewels."""
    left = [
        (0.0, 0.6),
        (0.0, -0.78),
        (-0.3, -0.06),
        (-0.54, -0.52),
        (-0.62, 0.02),
        (-0.92, -0.3),
        (-0.76, 0.6),
    ]
    brush.mirrored(left, brush.accent, mix(brush.accent, BLACK, 0.2))
    brush.box(-0.78, 0.5, 0.78, 0.78, brush.dark)
    for x, y in (
        (0, -0.8),
        (-0.54, -0.56),
        (0.54, -0.56),
        (-0.92, -0.34),
        (0.92, -0.34),
    ):
        brush.ellipse(x, y, 0.1, 0.1, brush.light)
    for x, gem in ((-0.48, (60, 150, 220)), (0, (214, 48, 72)), (0.48, (60, 180, 110))):
        brush.ellipse(x, 0.64, 0.1, 0.1, gem)


def draw_key(brush: Brush) -> None:
    """An old key with a round bow."""
    brush.ellipse(0, -0.52, 0.44, 0.44, brush.dark)
    brush.ellipse(-0.03, -0.55, 0.42, 0.42, brush.accent)
    brush.ellipse(0, -0.52, 0.22, 0.22, brush.deep)
    brush.box(-0.1, -0.12, 0.1, 0.96, brush.accent)
    brush.box(0.02, -0.12, 0.1, 0.96, brush.dark)
    brush.box(0.1, 0.5, 0.42, 0.64, brush.accent)
    brush.box(0.1, 0.76, 0.34, 0.92, brush.accent)
    brush.box(-0.17, -0.12, 0.17, 0.0, brush.light)


def draw_heart(brush: Brush) -> None:
    """A heart with a highlight."""
    turns = [step / 60 * math.tau for step in range(61)]

    def outline(scale: float, dx: float, dy: float) -> list[Point]:
        return [
            (
                dx + scale * math.sin(t) ** 3,
                dy
                - scale
                / 16
                * (
                    13 * math.cos(t)
                    - 5 * math.cos(2 * t)
                    - 2 * math.cos(3 * t)
                    - math.cos(4 * t)
                ),
            )
            for t in turns
        ]

    brush.polygon(outline(0.92, 0.05, -0.02), brush.deep)
    brush.polygon(outline(0.9, 0, -0.06), brush.dark)
    brush.polygon(outline(0.8, -0.03, -0.09), brush.accent)
    brush.ellipse(-0.4, -0.42, 0.18, 0.14, brush.light)
    brush.ellipse(-0.14, -0.5, 0.05, 0.05, brush.light)


def draw_star(brush: Brush) -> None:
    """A faceted star among small ones."""
    brush.polygon(star_points(0.05, 0.07, 0.95, 0.42), brush.deep)
    outer = star_points(0, 0, 0.92, 0.4)
    for index, point in enumerate(outer):
        following = outer[(index + 1) % len(outer)]
        tone = mix(brush.accent, BLACK, 0.22) if index % 2 == 0 else brush.light
        brush.polygon([(0, 0), point, following], tone)
    for x, y, size in ((-0.84, -0.72, 0.18), (0.86, -0.6, 0.13), (0.8, 0.72, 0.16)):
        brush.polygon(star_points(x, y, size, size * 0.25, points=4), brush.light)


def draw_mushroom(brush: Brush) -> None:
    """A toadstool with spots."""
    stem = (244, 230, 206)
    brush.polygon([(-0.22, 0.0), (0.22, 0.0), (0.32, 1.0), (-0.32, 1.0)], stem)
    brush.polygon(
        [(0.05, 0.0), (0.22, 0.0), (0.32, 1.0), (0.1, 1.0)], mix(stem, BLACK, 0.16)
    )
    brush.polygon(
        [(-0.4, 0.1), (0.4, 0.1), (0.28, 0.28), (-0.28, 0.28)], mix(stem, BLACK, 0.1)
    )
    cap = [
        (
            -0.92 * math.cos(step / 30 * math.pi),
            0.12 - 0.96 * math.sin(step / 30 * math.pi),
        )
        for step in range(31)
    ]
    brush.polygon([*cap, (0.5, 0.22), (-0.5, 0.22)], brush.dark)
    brush.polygon([(x * 0.94 - 0.04, y * 0.94) for x, y in cap], brush.accent)
    for x, y, size in (
        (-0.42, -0.3, 0.16),
        (0.12, -0.56, 0.18),
        (0.5, -0.16, 0.13),
        (-0.04, -0.12, 0.1),
        (-0.68, 0.0, 0.08),
    ):
        brush.ellipse(x, y, size, size * 0.86, stem)


def draw_chest(brush: Brush) -> None:
    """A treasure chest."""
    brush.box(-0.86, -0.04, 0.86, 0.9, brush.accent)
    brush.box(-0.86, 0.5, 0.86, 0.9, brush.dark)
    brush.ellipse(0, -0.08, 0.88, 0.56, brush.dark)
    brush.ellipse(-0.02, -0.12, 0.84, 0.5, brush.accent)
    brush.box(-0.9, -0.12, 0.9, 0.1, GOLD)
    for x in (-0.62, 0.62):
        brush.box(x - 0.09, -0.44, x + 0.09, 0.9, mix(GOLD, BLACK, 0.22))
    brush.box(-0.2, -0.16, 0.2, 0.36, mix(GOLD, BLACK, 0.36))
    brush.box(-0.16, -0.12, 0.16, 0.32, GOLD)
    brush.ellipse(0, 0.04, 0.06, 0.06, BLACK)
    brush.polygon([(-0.04, 0.06), (0.04, 0.06), (0.06, 0.24), (-0.06, 0.24)], BLACK)


def draw_ship(brush: Brush) -> None:
    """A sailing ship."""
    brush.line([(0.0, 0.5), (0.0, -1.0)], 0.07, mix(WOOD, BLACK, 0.4))
    sail = (248, 238, 216)
    brush.polygon([(-0.06, -0.86), (-0.72, 0.3), (-0.06, 0.3)], sail)
    brush.polygon(
        [(0.08, -0.7), (0.56, -0.2), (0.6, 0.3), (0.08, 0.3)], mix(sail, BLACK, 0.14)
    )
    brush.polygon([(0.0, -1.0), (0.34, -0.9), (0.0, -0.8)], (206, 54, 66))
    brush.polygon(
        [(-0.95, 0.42), (0.95, 0.42), (0.6, 0.95), (-0.56, 0.95)], brush.accent
    )
    brush.polygon([(-0.86, 0.56), (0.86, 0.56), (0.6, 0.95), (-0.56, 0.95)], brush.dark)
    brush.box(-0.97, 0.36, 0.97, 0.48, GOLD)
    for x in (-0.42, 0, 0.42):
        brush.ellipse(x, 0.7, 0.07, 0.07, GOLD)


def draw_cactus(brush: Brush) -> None:
    """A saguaro with a flower."""
    arms = (
        [(-0.1, 0.42), (-0.56, 0.42), (-0.56, -0.08)],
        [(0.1, 0.14), (0.54, 0.14), (0.54, -0.4)],
    )
    for tone, width in ((brush.dark, 0.28), (brush.accent, 0.2)):
        for arm in arms:
            brush.line(arm, width, tone)
            for x, y in arm[1:]:
                brush.ellipse(x, y, width / 2, width / 2, tone)
    brush.ellipse(0, -0.68, 0.24, 0.26, brush.accent)
    brush.box(-0.24, -0.7, 0.24, 1.0, brush.accent)
    brush.box(0.06, -0.66, 0.24, 1.0, brush.dark)
    for x in (-0.12, 0.0):
        brush.line([(x, -0.76), (x, 0.96)], 0.03, brush.light)
    brush.ellipse(0, -0.94, 0.14, 0.1, (244, 116, 156))


def star_points(
    x: float, y: float, outer: float, inner: float, points: int = 5
) -> list[Point]:
    """The corners of a star, beginning at the top, clockwise."""
    corners = []
    for step in range(points * 2):
        radius = inner if step % 2 else outer
        angle = step * math.pi / points
        corners.append((x + radius * math.sin(angle), y - radius * math.cos(angle)))
    return corners


MOTIFS: Mapping[str, Callable[[Brush], None]] = {
    "tree": draw_tree,
    "sword": draw_sword,
    "potion": draw_potion,
    "shield": draw_shield,
    "coin": draw_coin,
    "gem": draw_gem,
    "castle": draw_castle,
    "house": draw_house,
    "crown": draw_crown,
    "key": draw_key,
    "heart": draw_heart,
    "star": draw_star,
    "mushroom": draw_mushroom,
    "chest": draw_chest,
    "ship": draw_ship,
    "cactus": draw_cactus,
}
GROUNDED = frozenset({"tree", "castle", "house", "mushroom", "chest", "cactus", "ship"})
