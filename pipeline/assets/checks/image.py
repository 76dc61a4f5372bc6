"""A finished file → its width and height, or the reason why it is not a valid image.

Blocking. A PNG is checked as it arrives (:mod:`pipeline.assets.checks.png`) or from its
file; everything else is decoded by Pillow, which is imported on first use.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.assets.checks.png import NotAnImage, PngCheck, check_size
from pipeline.storage.atomic_file import CHUNK_SIZE_BYTES
from pipeline.storage.media_type import PICTURE_TYPES

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

PNG = "image/png"
DECODED_TYPES = PICTURE_TYPES - {PNG}


def measure_image(path: Path, media_type: str) -> tuple[int, int] | None:
    """Check the whole file.

    Returns:
        Width and height in pixels; None for a type that is not checked here.

    Raises:
        NotAnImage: It is not a complete image.
    """
    if media_type == PNG:
        return _measure_png(path)
    if media_type in DECODED_TYPES:
        return _decode(path)
    return None


def _measure_png(path: Path) -> tuple[int, int]:
    check = PngCheck()
    with path.open("rb", buffering=0) as file:
        while block := file.read(CHUNK_SIZE_BYTES):
            check.feed(block)
    return check.finish()


def _decode(path: Path) -> tuple[int, int]:
    with decoded(path) as image:
        return image.size


@contextmanager
def decoded(path: Path) -> Iterator["Picture"]:
    """A picture, all of it: ``load()`` finds truncation, ``verify()`` does not.

    Raises:
        NotAnImage: It cannot be decoded, or has more pixels than is plausible.
    """
    from PIL import Image  # noqa: PLC0415 - 60 ms, and most commands do not need it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is stricter than Pillow's
            image = Image.open(path)
            try:
                check_size(image.size)
                image.load()
            except BaseException:
                image.close()
                raise
    except NotAnImage:
        raise
    except Exception as error:
        # On bad bytes decoders raise all kinds of errors: OSError, SyntaxError, and
        # more.
        raise NotAnImage(f"cannot be decoded: {error}") from error
    with image:
        yield image
