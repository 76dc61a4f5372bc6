"""Renders a picture to the bytes of its file: a painted scene with a caption.

The result depends on nothing but the picture. The words of the prompt determine the
scene, and the seed and the index determine the view. The prompt is written below the
scene, thumbnails of the reference images lie on top of it, and a corner says which
output it is.
"""

import io
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.emulator.identity import canonical_digest, random_of
from pipeline.emulator.pictures.canvas import Content, Picture
from pipeline.emulator.pictures.emblems import paint_emblem
from pipeline.emulator.pictures.landscapes import paint_landscape
from pipeline.emulator.pictures.light import glow
from pipeline.emulator.pictures.motifs import GROUNDED, MOTIFS, Brush
from pipeline.emulator.pictures.palettes import (
    BLACK_INK,
    Palette,
    mix,
    palette_of,
)
from pipeline.emulator.pictures.png_files import encode_flat_png, encode_png

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

SOFTWARE = "scenario-pipeline emulator"
CANVAS_SIDE_PX = 1536
LARGEST_CANVAS_PX = 2304
SKETCH_SIDE_PX = 320
SMALLEST_SCENE_PX = 64
QUALITY = 88
MOST_LINES = 3
FONT_SHARES = (0.075, 0.062, 0.05, 0.042, 0.036)
PRINT_SHARE = 0.165
MOST_PRINTS = 9
PRINTS_PER_ROW = 6
PAPER = (250, 248, 240)


def render_picture(picture: Picture, files: Mapping[Content, bytes]) -> bytes:
    """The file of a picture.

    Args:
        picture: What it shows.
        files: The bytes of its references, except of those that are painted. A file
            that is missing or unreadable becomes a grey thumbnail.

    Returns:
        The file, of exactly the picture's width, height and format.
    """
    if min(picture.width_px, picture.height_px) < SMALLEST_SCENE_PX:
        return _render_small(picture)
    image = paint_scene(picture, picture.width_px, picture.height_px)
    _lay_prints(image, picture, files)
    _write_caption(image, picture)
    return _encode(image, picture.image_format)


def paint_scene(
    picture: Picture, width_px: int, height_px: int, *, canvas_px: int = CANVAS_SIDE_PX
) -> "Image":
    """The scene alone, without words, of this size.

    It is painted on a canvas whose longer side is ``canvas_px``, and then scaled. That
    makes edges smooth, and a large picture costs no more than a small one.
    """
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    palette = palette_of(picture.prompt)
    chance = random_of(picture.prompt, picture.seed, picture.index)
    longest = max(width_px, height_px)
    if longest > canvas_px:
        # Steps do not show in a large picture: paint it as it is, or double it exactly.
        scale = 1 / -(-longest // LARGEST_CANVAS_PX)
    else:
        scale = canvas_px / longest
    size = (max(round(width_px * scale), 8), max(round(height_px * scale), 8))
    image = Image.new("RGB", size)
    if palette.is_landscape:
        paint_landscape(image, palette, chance)
    else:
        paint_emblem(image, palette, chance)
    if palette.motif:
        _place_motif(image, palette, chance)
    if size == (width_px, height_px):
        return image
    kernel = Image.Resampling.NEAREST if scale < 1 else Image.Resampling.BILINEAR
    return image.resize((width_px, height_px), kernel)


def _place_motif(image: "Image", palette: Palette, chance: random.Random) -> None:
    from PIL import ImageDraw  # noqa: PLC0415 - 60 ms to import

    width, height = image.size
    side = min(width, height)
    draw = ImageDraw.Draw(image, "RGB")
    if not palette.is_landscape:
        centre = (width / 2, height * 0.44)
        radius = side * 0.26
    else:
        radius = side * (0.25 + chance.random() * 0.03)
        centre = (width * (0.44 + chance.random() * 0.12), height * 0.78 - radius)
        light = mix(palette.sky.body, palette.accent, 0.25)
        strength = 0.5 if palette.sky.is_dark else 0.35
        glow(image, centre, radius * 2.1, light, strength)
        if palette.motif in GROUNDED and palette.motif != "ship":
            ground = mix(palette.ground.near, BLACK_INK, 0.3)
            x, y = centre[0], centre[1] + radius * 0.99
            draw.ellipse(
                (
                    x - radius * 0.95,
                    y - radius * 0.1,
                    x + radius * 0.95,
                    y + radius * 0.1,
                ),
                fill=ground,
            )
    MOTIFS[palette.motif](Brush(draw, centre, radius, palette.accent))


def _lay_prints(
    image: "Image", picture: Picture, files: Mapping[Content, bytes]
) -> None:
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    side = min(image.size)
    print_px = max(round(side * PRINT_SHARE), 16)
    border = max(print_px // 16, 1)
    for number, reference in enumerate(picture.references[:MOST_PRINTS]):
        inner = print_px - 2 * border
        shown = _thumbnail(reference, files, inner)
        paper = Image.new("RGBA", (print_px, print_px + 2 * border), (*PAPER, 255))
        paper.paste(shown, (border, border))
        angle = ((number * 37) % 11) - 5
        turned = paper.rotate(angle, Image.Resampling.BICUBIC, expand=True)
        row, column = divmod(number, PRINTS_PER_ROW)
        x = round(side * 0.035 + column * print_px * 0.9)
        y = round(side * 0.035 + row * print_px * 0.8)
        shadow = Image.new("RGBA", turned.size, (0, 0, 0, 90))
        image.paste(
            shadow,
            (x + border, y + border),
            turned.getchannel("A").point([round(level * 0.35) for level in range(256)]),
        )
        image.paste(turned, (x, y), turned)


def _thumbnail(
    reference: Content, files: Mapping[Content, bytes], side_px: int
) -> "Image":
    from PIL import Image, ImageOps  # noqa: PLC0415 - 60 ms to import

    if isinstance(reference, Picture):
        longest = max(reference.width_px, reference.height_px)
        shown = paint_scene(
            reference,
            max(round(reference.width_px * side_px / longest), 1),
            max(round(reference.height_px * side_px / longest), 1),
            canvas_px=SKETCH_SIDE_PX,
        )
    else:
        try:
            with Image.open(io.BytesIO(files.get(reference, b""))) as source:
                source.draft("RGB", (side_px * 2, side_px * 2))
                shown = source.convert("RGB")
        except (OSError, ValueError, SyntaxError):
            shown = Image.new("RGB", (side_px, side_px), (120, 120, 130))
    return ImageOps.fit(shown, (side_px, side_px))


def _write_caption(image: "Image", picture: Picture) -> None:
    from PIL import Image, ImageDraw  # noqa: PLC0415 - 60 ms to import

    width, height = image.size
    side = min(width, height)
    margin = round(side * 0.045)
    small = _font(side * 0.024)
    draw = ImageDraw.Draw(image)
    font, lines = _fit_text(draw, picture.prompt, width - 2 * margin, side)
    line_px = round(font.size * 1.2) if hasattr(font, "size") else 12
    block_px = line_px * len(lines)
    foot_px = round(side * 0.05)
    scrim_px = min(block_px + foot_px + margin * 3, height)
    # Darken the bottom gradually, so that the words are readable on any scene.
    mask = (
        Image.linear_gradient("L")
        .resize((1, scrim_px))
        .point([min(round(level * 1.25), 225) for level in range(256)])
    )
    scrim = mask.resize((width, scrim_px), Image.Resampling.NEAREST)
    image.paste(BLACK_INK, (0, height - scrim_px, width, height), scrim)
    y = height - foot_px - margin // 2 - block_px
    shadow = max(round(side * 0.003), 1)
    for line in lines:
        draw.text((margin + shadow, y + shadow), line, font=font, fill=BLACK_INK)
        draw.text((margin, y), line, font=font, fill=PAPER)
        y += line_px
    label = f"seed {picture.seed}  \u00b7  output {picture.index + 1}"
    foot_y = height - foot_px
    draw.text((margin, foot_y), label, font=small, fill=(214, 214, 220))
    note = "emulated"
    note_px = draw.textlength(note, font=small)
    position = (width - margin - note_px, foot_y)
    draw.text(position, note, font=small, fill=(214, 214, 220))


def _fit_text(
    draw: "ImageDraw", text: str, width_px: float, side_px: int
) -> tuple["FreeTypeFont | ImageFont", list[str]]:
    words = text.split() or [""]
    for share in FONT_SHARES:
        font = _font(side_px * share)
        lines = _wrap(draw, words, font, width_px)
        if len(lines) <= MOST_LINES:
            return font, lines
    kept = lines[:MOST_LINES]
    kept[-1] = kept[-1][: max(len(kept[-1]) - 1, 0)].rstrip() + "\u2026"
    return font, kept


def _wrap(
    draw: "ImageDraw",
    words: list[str],
    font: "FreeTypeFont | ImageFont",
    width_px: float,
) -> list[str]:
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or draw.textlength(longer, font=font) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
        while draw.textlength(lines[-1], font=font) > width_px and len(lines[-1]) > 1:
            line = lines[-1]
            share = width_px / draw.textlength(line, font=font)
            cut = max(min(int(len(line) * share), len(line) - 1), 1)
            lines[-1:] = [line[:cut], line[cut:]]
        if len(lines) > MOST_LINES + 1:
            break
    return lines


def _font(size_px: float) -> "FreeTypeFont | ImageFont":
    from PIL import ImageFont  # noqa: PLC0415 - 60 ms to import

    return ImageFont.load_default(size=max(round(size_px), 6))


def _render_small(picture: Picture) -> bytes:
    digest = bytes.fromhex(
        canonical_digest([picture.prompt, picture.seed, picture.index])
    )
    colour = (digest[0], digest[1], digest[2])
    size = (picture.width_px, picture.height_px)
    if picture.image_format == "png":
        return encode_flat_png(*size, colour, software=SOFTWARE)
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    return _encode(Image.new("RGB", size, colour), picture.image_format)


def _encode(image: "Image", image_format: str) -> bytes:
    if image_format == "png":
        return encode_png(image, software=SOFTWARE)
    target = io.BytesIO()
    image.save(target, image_format.upper(), quality=QUALITY)
    return target.getvalue()
