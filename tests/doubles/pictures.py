"""Small pictures."""

import io
from functools import cache

from PIL import Image


@cache
def png_bytes(colour: str = "teal", width: int = 8, height: int = 6) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(target, "PNG")
    return target.getvalue()


@cache
def png_of(asset_id: str) -> bytes:
    """A small picture that no other asset has."""
    number = sum(map(ord, asset_id)) * 7919
    target = io.BytesIO()
    image = Image.new("RGB", (8, 6), (number % 256, number // 256 % 256, 90))
    image.putpixel((0, 0), tuple(asset_id.encode()[-3:]))
    image.save(target, "PNG")
    return target.getvalue()
