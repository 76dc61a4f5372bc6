"""Pictures that are stored turned, or that have an alpha channel: found, and turned.

Cameras store a picture as the sensor saw it, and say in its EXIF data how to turn it.
Not every reader does that. The same bytes are turned into the same bytes everywhere:
they are part of a job's key, and another key would be paid for again.
"""

import io
import struct
import warnings
import zlib
from typing import BinaryIO, NamedTuple, NoReturn

MOST_PIXELS = 100_000_000  # of a picture that is turned: 400 MB in memory
JPEG_QUALITY = 95
_ORIENTATION = 0x0112  # EXIF 2.32, section 4.6.4
_UPRIGHT = 1
_HEAD_BYTES = 128 << 10  # EXIF data of at most 64 KiB is near the beginning
_JPEG_MARKS = (b"Exif\0\0", b"tiff:Orientation")
_OPENED = frozenset({"image/webp", "image/tiff", "image/avif"})  # Pillow has to look
_PNG_ALPHA = frozenset({4, 6})  # colour types; ISO/IEC 15948, section 11.2.2
_PNG_COLOURS = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}
_STORED_BYTES = 0xFFFF  # the most in one stored block; RFC 1951, section 3.2.4


class Appearance(NamedTuple):
    """What a reader may make something else of.

    Attributes:
        orientation: As in EXIF: 1 is upright, 2 to 8 are turned or mirrored.
        has_alpha: Whether it has an alpha channel, or a transparent colour.
    """

    orientation: int = _UPRIGHT
    has_alpha: bool = False

    @property
    def is_turned(self) -> bool:
        """Whether it is stored turned or mirrored."""
        return self.orientation != _UPRIGHT


UNTURNED = Appearance()


class CannotTurn(ValueError):
    """A picture that cannot be turned; ``str()`` says why."""


def find_appearance(file: BinaryIO, media_type: str) -> Appearance:
    """Look at the beginning of a picture; its pixels are not decoded.

    Args:
        file: The picture, open for reading.
        media_type: Of the file.

    Returns:
        Upright and without alpha for what cannot be read, and for other types.
    """
    file.seek(0)
    if media_type == "image/png":
        head = file.read(_HEAD_BYTES)
        has_alpha = head[25:26] != b"" and head[25] in _PNG_ALPHA
        has_alpha = has_alpha or b"tRNS" in head.partition(b"IDAT")[0]
        is_turned = b"eXIf" in head.partition(b"IDAT")[0]
        turned = _look(file).orientation if is_turned else _UPRIGHT
        return Appearance(orientation=turned, has_alpha=has_alpha)
    if media_type == "image/jpeg":
        head = file.read(_HEAD_BYTES)
        return _look(file) if any(mark in head for mark in _JPEG_MARKS) else UNTURNED
    return _look(file) if media_type in _OPENED else UNTURNED


def _look(file: BinaryIO) -> Appearance:
    from PIL import Image  # noqa: PLC0415 - 60 ms, and few pictures need it

    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                found = image.getexif().get(_ORIENTATION, _UPRIGHT)
                return Appearance(
                    orientation=found if found in range(2, 9) else _UPRIGHT,
                    has_alpha=image.has_transparency_data,
                )
    except Exception:  # noqa: BLE001 - decoders raise all kinds of errors on bad bytes
        return UNTURNED


def turn_upright(content: bytes) -> bytes:
    """A picture with its pixels turned as its EXIF data says, and without that data.

    A JPEG stays a JPEG, of quality 95; others become an uncompressed PNG, which every
    version of every library writes alike.

    Args:
        content: The picture's bytes.

    Returns:
        The new bytes, or the same ones if it is upright already.

    Raises:
        CannotTurn: It cannot be decoded, has more than ``MOST_PIXELS``, several frames,
            or pixels of more than 8 bits.
    """
    from PIL import Image, ImageOps  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is stricter than Pillow's
            with Image.open(io.BytesIO(content)) as image:
                if image.width * image.height > MOST_PIXELS:
                    _refuse(f"it has more than {MOST_PIXELS:,} pixels")
                orientation = image.getexif().get(_ORIENTATION, _UPRIGHT)
                image.load()  # turns a TIFF, and forgets how it was stored
                if orientation not in range(2, 9):
                    return content
                is_jpeg = image.format in {"JPEG", "MPO"}
                if not is_jpeg and getattr(image, "n_frames", 1) > 1:
                    _refuse("it has several frames")
                profile = image.info.get("icc_profile")
                turned = ImageOps.exif_transpose(image)
    except CannotTurn:
        raise
    except Exception as error:
        raise CannotTurn(f"it cannot be decoded: {error}") from error
    if is_jpeg:
        turned.info = {}  # Pillow would write a comment that it finds there
        made = io.BytesIO()
        turned.save(
            made,
            "JPEG",
            quality=JPEG_QUALITY,
            subsampling=0,
            icc_profile=profile,
        )
        return made.getvalue()
    has_colour_key = turned.mode in {"L", "RGB"} and turned.has_transparency_data
    if turned.mode in {"1", "P", "PA"} or has_colour_key:
        turned = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    if turned.mode not in _PNG_COLOURS:
        _refuse(f"its pixels are of the kind {turned.mode}")
    return _render_png(turned.mode, turned.size, turned.tobytes(), profile or b"")


def _refuse(why: str) -> NoReturn:
    raise CannotTurn(why)


def _render_png(
    mode: str, size: tuple[int, int], pixels: bytes, profile: bytes
) -> bytes:
    """A PNG whose rows are stored without compression."""
    width, height = size
    stride = len(pixels) // height
    rows = b"".join(
        b"\0" + pixels[at : at + stride] for at in range(0, len(pixels), stride)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, _PNG_COLOURS[mode], 0, 0, 0)
    named = b"ICC profile\0\0" + _stored(profile)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"iCCP", named) if profile else b"",
            _chunk(b"IDAT", _stored(rows)),
            _chunk(b"IEND", b""),
        )
    )


def _stored(data: bytes) -> bytes:
    """A zlib stream of stored blocks: compressors differ between versions."""
    parts = [b"\x78\x01"]
    for at in range(0, len(data), _STORED_BYTES):
        part = data[at : at + _STORED_BYTES]
        is_last = at + _STORED_BYTES >= len(data)
        parts += [struct.pack("<BHH", is_last, len(part), len(part) ^ 0xFFFF), part]
    return b"".join((*parts, struct.pack(">I", zlib.adler32(data))))


def _chunk(kind: bytes, data: bytes) -> bytes:
    size, check = struct.pack(">I", len(data)), zlib.crc32(kind + data)
    return size + kind + data + struct.pack(">I", check)
