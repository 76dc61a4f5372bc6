"""A finished file → its width and height, or the reason why it is no whole image.

Blocking; Pillow is imported when the first image is checked.
"""

import warnings
from pathlib import Path

MAX_PIXELS = 150_000_000  # nine times the largest size on offer; beyond is a bomb
_PILLOW_TYPES = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/tiff",
        "image/bmp",
        "image/avif",
    }
)


class NotAnImage(Exception):
    """The file is damaged, cut short or too large to be what it says."""


def measure_image(path: Path, media_type: str) -> tuple[int, int] | None:
    """Decode the whole file.

    ``verify()`` finds a PNG without its end, ``load()`` a picture cut in half: a PNG
    wants both, the rest the second (``verify()`` passes half a JPEG).

    Returns:
        Width and height in pixels; None for a type that is not decoded here.

    Raises:
        NotAnImage: It cannot be decoded whole.
    """
    if media_type not in _PILLOW_TYPES:
        return None
    from PIL import Image  # noqa: PLC0415 - 60 ms that most commands do without

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is stricter than Pillow's
            if media_type == "image/png":
                with Image.open(path) as image:
                    _check_size(image.size)
                    image.verify()
            with Image.open(path) as image:
                _check_size(image.size)
                image.load()
                return image.size
    except NotAnImage:
        raise
    except Exception as error:
        # On bad bytes decoders raise what they like: OSError, SyntaxError, and more.
        raise NotAnImage(f"does not decode: {error}") from error


def _check_size(size: tuple[int, int]) -> None:
    width_px, height_px = size
    if width_px * height_px > MAX_PIXELS:
        raise NotAnImage(f"{width_px} x {height_px} pixels are more than can be right")
