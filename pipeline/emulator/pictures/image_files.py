"""Reads the headers of image files, and converts images to other formats."""

import io
from dataclasses import dataclass

FORMAT_TYPES = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
OUTPUT_FORMATS = {
    "png": "PNG",
    "jpeg": "JPEG",
    "jpg": "JPEG",
    "webp": "WEBP",
    "gif": "GIF",
    "tif": "TIFF",
    "tiff": "TIFF",
}
WITH_ALPHA = frozenset({"png", "webp", "tif", "tiff"})
MEDIA_TYPES_BY_FORMAT = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "tif": "image/tiff",
    "tiff": "image/tiff",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What the header of an image says.

    Attributes:
        media_type: The media type, such as ``image/png``.
        width_px: The width, at least 1.
        height_px: The height, at least 1.
    """

    media_type: str
    width_px: int
    height_px: int


def read_image_facts(data: bytes) -> ImageFacts | None:
    """What the header of an image file says; None if it cannot be read."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - 60 ms to import

    try:
        with Image.open(io.BytesIO(data)) as image:
            media_type = FORMAT_TYPES.get(image.format or "")
            width_px, height_px = image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None
    if media_type is None:
        return None
    return ImageFacts(media_type=media_type, width_px=width_px, height_px=height_px)


def convert_image(
    data: bytes, target: str, *, width_px: int = 0, quality: int = 80
) -> bytes:
    """The same image in another format, and in another width if one is given.

    Raises:
        KeyError: ``target`` is not in :data:`OUTPUT_FORMATS`.
    """
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    with Image.open(io.BytesIO(data)) as source:
        keeps_alpha = "A" in source.getbands() and target in WITH_ALPHA
        image = source.convert("RGBA" if keeps_alpha else "RGB")
    if width_px:
        height_px = max(round(image.height * width_px / image.width), 1)
        image = image.resize((width_px, height_px))
    target_file = io.BytesIO()
    image.save(target_file, OUTPUT_FORMATS[target], quality=quality)
    return target_file.getvalue()
