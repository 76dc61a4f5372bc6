"""A saved picture and a CheckSpec → what its checks found, and its likeness. Blocking.

The likeness is a difference hash: the picture as 9 by 8 greys, and one bit for each two
neighbours that says which of them is lighter. It survives another size or format,
and does not see colours.

Source: N. Krawetz, "Kind of Like That", hackerfactor.com, 2013.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.assets.checks.image import decoded
from pipeline.save_spec import CheckResult, CheckSpec, Saving
from pipeline.storage.files import size_of
from pipeline.storage.media_type import PICTURE_TYPES
from pipeline.storage.store import Content

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

LIKENESS_BITS = 64
_LARGEST = 512  # pixels of an edge; what a check looks for is seen in a small copy too
_CLEAR = 128  # of 255: what has less alpha can be seen through
_LEAST_CLEAR = 1e-4  # the part of a picture that has to be so
_FLAT = 1.0  # standard deviation, of 255: less is one colour


def examine(
    content: Content, media_type: str, saving: Saving, *, compares: bool
) -> tuple[tuple[CheckResult, ...], str]:
    """Look at a saved picture; a file that is none has no checks.

    Args:
        content: The whole file.
        media_type: Its type.
        saving: What it is checked for. Similarity to others is left to the caller.
        compares: Whether its likeness is wanted.

    Returns:
        A result for each check, and the likeness as 16 hex digits, or "".

    Raises:
        NotAnImage: It cannot be decoded.
        OSError: It cannot be read.
    """
    results: list[CheckResult] = []
    if media_type not in PICTURE_TYPES:
        return (), ""
    most = saving.save.max_bytes
    if most is not None:
        with content.open("rb") as file:
            size_bytes = size_of(file)
        why = f"it has {size_bytes:,} bytes, more than {most:,}"
        results.append(
            CheckResult(name="max_bytes", why=why if size_bytes > most else "")
        )
    if saving.checks.is_empty and not compares:
        return tuple(results), ""
    with decoded(content) as image:
        results += _find_results(image, saving.checks)
        return tuple(results), likeness_of(image) if compares else ""


def likeness_of(image: "Picture") -> str:
    """The difference hash of a picture, as 16 hex digits; "" if it is all one grey."""
    from PIL import Image  # noqa: PLC0415 - 60 ms, and most commands do not need it

    grey = Image.new("L", image.size, 128)
    grey.paste(image.convert("L"), mask=_alpha_of(image))
    pixels = grey.resize((9, 8), Image.Resampling.BOX).tobytes()
    if len(set(pixels)) == 1:
        return ""
    bits = 0
    for row in range(8):
        for column in range(8):
            left, right = pixels[row * 9 + column : row * 9 + column + 2]
            bits = bits << 1 | (left > right)
    return f"{bits:016x}"


def similarity(left: str, right: str) -> float:
    """How alike two pictures are, by their likenesses: 0 to 1."""
    differing = (int(left, 16) ^ int(right, 16)).bit_count()
    return 1 - differing / LIKENESS_BITS


def _find_results(image: "Picture", spec: CheckSpec) -> Iterator[CheckResult]:
    if spec.alpha:
        yield CheckResult(name="alpha", why=_find_opaque(image))
    if spec.not_blank:
        yield CheckResult(name="not_blank", why=_find_blank(image))
    if spec.min_px is not None:
        edge = min(image.size)
        why = f"its shorter edge has {edge:,} px" if edge < spec.min_px else ""
        yield CheckResult(name="min_px", why=why)


def _find_opaque(image: "Picture") -> str:
    alpha = _alpha_of(image)
    if alpha is None:
        return "it has no transparency"
    clear = sum(alpha.histogram()[:_CLEAR])
    if not clear:
        return "nothing in it is transparent"
    if clear < _LEAST_CLEAR * image.width * image.height:
        return f"only {clear:,} of its pixels are transparent"
    return ""


def _find_blank(image: "Picture") -> str:
    from PIL import ImageStat  # noqa: PLC0415

    small = image.copy()
    if small.mode == "P":
        small = small.convert("RGBA" if "transparency" in small.info else "RGB")
    small.thumbnail((_LARGEST, _LARGEST))
    alpha = _alpha_of(small)
    if alpha is not None:
        if not any(alpha.histogram()[2:]):
            return "all of it is transparent"
        if ImageStat.Stat(alpha).stddev[0] >= _FLAT:
            return ""  # a shape, whatever its colour
    if max(ImageStat.Stat(small.convert("RGB")).stddev) < _FLAT:
        return "it is all one colour"
    return ""


def _alpha_of(image: "Picture") -> "Picture | None":
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return image.getchannel("A") if "A" in image.getbands() else None
