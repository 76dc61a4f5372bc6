"""A finished file → its width and height, or the reason why it is not a valid image.

Blocking. A PNG is checked as it arrives (:mod:`pipeline.assets.checks.png`) or from its
file; everything else is decoded by Pillow, which is imported on first use.
"""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pipeline.assets.checks.png import NotAnImage, PngCheck, check_size
from pipeline.storage.atomic_file import CHUNK_SIZE_BYTES
from pipeline.storage.media_type import PICTURE_TYPES
from pipeline.storage.store import Content

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

PNG = "image/png"
DECODED_TYPES = PICTURE_TYPES - {PNG}


def measure_image(content: Content, media_type: str) -> tuple[int, int] | None:
    """Check the whole file.

    Returns:
        Width and height in pixels; None for a type that is not checked here.

    Raises:
        NotAnImage: It is not a complete image.
    """
    if media_type == PNG:
        return _measure_png(content)
    if media_type in DECODED_TYPES:
        return _decode(content)
    return None


def _measure_png(content: Content) -> tuple[int, int]:
    check = PngCheck()
    with content.open("rb", buffering=0) as file:
        while block := file.read(CHUNK_SIZE_BYTES):
            check.feed(block)
    return check.finish()


def _decode(content: Content) -> tuple[int, int]:
    with decoded(content) as image:
        return image.size


@contextmanager
def decoded(content: Content) -> Iterator["Picture"]:
    """A picture, all of it: ``load()`` finds truncation, ``verify()`` does not.

    Raises:
        NotAnImage: It cannot be decoded, or has more pixels than is plausible.
    """
    # 60 ms, and most commands do not need it.
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    with ExitStack() as opened:
        try:
            file = opened.enter_context(content.open("rb"))
            with warnings.catch_warnings():
                # Our own limit is stricter than Pillow's.
                warnings.simplefilter("ignore")
                image = opened.enter_context(Image.open(file))
                check_size(image.size)
                image.load()
        except NotAnImage:
            raise
        except UnidentifiedImageError as error:
            raise NotAnImage("cannot be decoded: not a known picture") from error
        except Exception as error:
            # On bad bytes decoders raise all kinds of errors: OSError, SyntaxError,
            # and more.
            raise NotAnImage(f"cannot be decoded: {error}") from error
        yield image
