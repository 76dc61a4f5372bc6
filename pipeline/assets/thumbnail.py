"""A picture or a video → a small WebP picture of it. Blocking.

Broken and hostile files are refused, never passed on: :class:`NotAnImage` says why.
"""

import io
import threading
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.assets.checks.media import MEDIA_FORMATS, can_check_media
from pipeline.assets.checks.png import NotAnImage, check_size
from pipeline.storage.media_type import PICTURE_TYPES

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

DRAWN_TYPE = "image/webp"
EDGE_PX = 400  # of the longer edge: a card of 200 px on a screen with two for one
_QUALITY = 80
_LOSSLESS_PX = 128  # smaller pictures are pixel art or icons, and small anyway
_FREE_PX = 4_000_000  # larger pictures are decoded one at a time, for the memory's sake
_MOST_PROFILE_BYTES = 4096  # of a colour profile: it is worth that, and no more
_MODES = frozenset({"RGB", "RGBA"})  # what WebP holds
_PROFILED = frozenset({"RGB", "RGBA", "P"})  # others have profiles of other colours
_SCALES = {"F": 255.0, "I": 1 / 257, "I;16": 1 / 257}  # to 8 bits
_MOST_FRAMES = 100  # packets of a video of which one has to give a picture

_one_at_a_time = threading.Lock()


def can_draw(media_type: str) -> bool:
    """Whether a file of this type can have a thumbnail here."""
    return media_type in PICTURE_TYPES or (
        media_type in MEDIA_FORMATS
        and media_type.startswith("video/")
        and can_check_media()
    )


def draw_thumbnail(file: BinaryIO, media_type: str, *, edge_px: int = EDGE_PX) -> bytes:
    """A small WebP, upright, with the alpha of the picture.

    Args:
        file: Open for reading, at its beginning.
        media_type: One for which :func:`can_draw` holds.
        edge_px: The most pixels of its longer edge.

    Raises:
        NotAnImage: It cannot be decoded, or has more pixels than is plausible.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is stricter than Pillow's
            if media_type in PICTURE_TYPES:
                return _draw_picture(file, edge_px)
            return _draw_video(file, media_type, edge_px)
    except NotAnImage:
        raise
    except Exception as error:
        # On bad bytes decoders raise all kinds of errors: OSError, SyntaxError, and
        # more.
        raise NotAnImage(f"cannot be decoded: {error}") from error


def _draw_picture(file: BinaryIO, edge_px: int) -> bytes:
    from PIL import Image, ImageOps  # noqa: PLC0415 - 60 ms

    with Image.open(file) as image:
        check_size(image.size)
        # A JPEG is decoded at a half, a quarter or an eighth of its size.
        image.draft("RGB", (edge_px, edge_px))
        with _room_for(image.size):
            is_coloured = image.mode in _PROFILED
            profile = image.info.get("icc_profile") if is_coloured else None
            is_small = max(image.size) <= _LOSSLESS_PX
            small = _shrunk(image, edge_px)
            # After it is small: turning all of it would take as much memory again.
            small.getexif().update(image.getexif())
            return _encoded(
                ImageOps.exif_transpose(small), profile=profile, lossless=is_small
            )


def _draw_video(file: BinaryIO, media_type: str, edge_px: int) -> bytes:
    import av  # noqa: PLC0415 - an optional extra, and 100 ms

    with av.open(file, "r", format=MEDIA_FORMATS[media_type]) as container:
        if not container.streams.video:
            raise NotAnImage("a video without pictures")
        stream = container.streams.video[0]
        check_size((stream.width, stream.height))
        with _room_for((stream.width, stream.height)):
            for count, packet in enumerate(container.demux(stream)):
                for frame in packet.decode():
                    return _encoded(_shrunk(_image_of(frame), edge_px))
                if count >= _MOST_FRAMES:
                    break
    raise NotAnImage("a video without pictures")


def _image_of(frame: Any) -> "Picture":
    image: Picture = frame.to_image()
    return image


def _room_for(size: tuple[int, int]) -> AbstractContextManager[object]:
    """Wait for the memory that a large picture takes."""
    return _one_at_a_time if size[0] * size[1] > _FREE_PX else nullcontext()


def _shrunk(image: "Picture", edge_px: int) -> "Picture":
    """A copy of at most ``edge_px``, in a mode that WebP holds."""
    from PIL import Image  # noqa: PLC0415

    image.load()
    if image.mode in _SCALES:
        scale = _SCALES[image.mode]
        image = image.point(lambda value: value * scale + 0).convert("L")
    if image.mode not in _MODES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "RGB" and "transparency" in image.info:
        image = image.convert("RGBA")
    small = image.copy() if max(image.size) <= edge_px else image
    small.thumbnail((edge_px, edge_px), Image.Resampling.HAMMING)
    return small


def _encoded(
    image: "Picture", *, profile: bytes | None = None, lossless: bool = False
) -> bytes:
    kept = profile if profile and len(profile) <= _MOST_PROFILE_BYTES else b""
    made = io.BytesIO()
    image.save(
        made,
        "WEBP",
        quality=_QUALITY,
        lossless=lossless,
        method=2,
        icc_profile=kept,
        exif=b"",
    )
    return made.getvalue()
