"""An original picture and a SaveSpec → the file that is saved. Blocking.

The same original, spec and making give the same bytes, with the same version of Pillow.
A picture that already is what the spec wants is left as it is. The colour profile is
kept and the orientation applied; other metadata of a picture that is encoded again is
not kept.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.assets.checks.image import decoded
from pipeline.assets.checks.png import NotAnImage
from pipeline.assets.embedding import MEDIA_TYPES, CannotHold, Making, embed, render_xmp
from pipeline.record import Struct
from pipeline.save_spec import LOSSY_FORMATS, Fit, SaveSpec

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

DEFAULT_QUALITY = 90
LOWEST_QUALITY = 5  # of the search for a small enough file
_WHITE = (255, 255, 255)
_UNIFORM = 8  # of 255: borders of a lossy original are not exactly of one colour
_PALETTES = (256, 128, 64, 32, 16, 8)  # colours of a PNG that has to be smaller
_ORIENTATION = 0x0112  # the Exif tag
_PILLOW_NAMES = {"png": "PNG", "webp": "WEBP", "jpeg": "JPEG", "avif": "AVIF"}
# The colours of a profile, for pictures of each mode.
_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY", "LA": b"GRAY"}


class Processed(Struct, frozen=True, kw_only=True):
    """What became of a picture.

    Attributes:
        content: The bytes to save; None to save the original as it is.
        notes: What the user should know, in sentences without a full stop.
        shortfall: Why it could not be processed and is saved as it came; or "".
    """

    content: bytes | None = None
    notes: tuple[str, ...] = ()
    shortfall: str = ""


def process(path: Path, media_type: str, spec: SaveSpec, making: Making) -> Processed:
    """Make the file that is saved.

    If nothing makes it as small as ``max_bytes``, it is as small as it gets.

    Args:
        path: A whole picture.
        media_type: Its type, one of ``PICTURE_TYPES``.
        spec: What to do with it.
        making: What ``embed`` writes into the file.

    Raises:
        OSError: The file cannot be read.
    """
    notes: list[str] = []
    work = _Work(path, media_type, spec, making, notes)
    try:
        return Processed(content=work.carry_out(), notes=tuple(notes))
    except (NotAnImage, CannotHold) as error:
        return Processed(notes=tuple(notes), shortfall=str(error))
    except MemoryError:
        return Processed(notes=tuple(notes), shortfall="there is too little memory")


class _Work:
    """One picture on its way.

    Args:
        path: The original.
        media_type: Its type.
        spec: What to do with it.
        making: What is embedded.
        notes: Collects what the user should know.
    """

    def __init__(
        self,
        path: Path,
        media_type: str,
        spec: SaveSpec,
        making: Making,
        notes: list[str],
    ) -> None:
        self._path = path
        self._media_type = media_type
        self._spec = spec
        self._making = making
        self._notes = notes
        own = media_type.removeprefix("image/")
        self._own = own
        self._target = spec.format or (own if own in _PILLOW_NAMES else "png")

    def carry_out(self) -> bytes | None:
        """The bytes to save; None for those of the original."""
        spec = self._spec
        cannot_embed = spec.embed and self._media_type not in MEDIA_TYPES
        content = self._encode_if_needed(must=self._must_be_encoded or cannot_embed)
        if content is not None:
            return content
        if spec.embed:
            content = self._embed_only()
        size_bytes = self._path.stat().st_size if content is None else len(content)
        if spec.max_bytes is not None and size_bytes > spec.max_bytes:
            return self._encode_if_needed(must=True)
        return content

    @property
    def _must_be_encoded(self) -> bool:
        spec = self._spec
        has_quality = spec.quality is not None and self._target in LOSSY_FORMATS
        return has_quality or bool(spec.format and spec.format != self._own)

    def _embed_only(self) -> bytes:
        if self._media_type not in MEDIA_TYPES:
            raise CannotHold(f"nothing can be embedded in a {self._own} file")
        return embed(self._path.read_bytes(), self._media_type, self._making)

    def _encode_if_needed(self, *, must: bool) -> bytes | None:
        """The picture, encoded; None if it may stay as it is."""
        spec = self._spec
        if not must and not spec.trim and spec.resize is None:
            return None
        with decoded(self._path) as original:
            if _is_animated(original):
                self._notes.append("it is an animation, and is saved as it came")
                return None
            image = _upright(original)
            shown = _shaped(image, spec)
            if shown is image and not must:
                return None
            profile = _profile_of(original, shown)
            return self._encode(shown, profile)

    def _encode(self, image: "Picture", profile: bytes | None) -> bytes:
        target = self._target
        if target == "jpeg" and image.mode in {"LA", "RGBA"}:
            if image.getchannel("A").getextrema() != (255, 255):
                text = "its transparent parts are white now: JPEG has no transparency"
                self._notes.append(text)
            image = _flattened(image)
        if target in {"webp", "avif"} and image.mode in {"L", "LA"}:
            image = image.convert("RGBA" if image.mode == "LA" else "RGB")
        if profile and profile[16:20] != _SPACES[image.mode]:
            profile = None  # of greys
        if target == "png":
            return self._encode_png(image, profile)
        quality = self._spec.quality or DEFAULT_QUALITY
        return _find_quality(
            self._spec.max_bytes,
            quality,
            lambda q: self._save(image, profile, **_options(target, q)),
        )

    def _encode_png(self, image: "Picture", profile: bytes | None) -> bytes:
        """With all colours, or the most of ``_PALETTES`` that are small enough."""
        max_bytes = self._spec.max_bytes
        content = self._save(image, profile)
        if max_bytes is None or len(content) <= max_bytes:
            return content
        smallest, left = self._save(image, profile, optimize=True), 0
        for colours in _PALETTES:
            if len(smallest) <= max_bytes:
                break
            reduced = self._save(_reduced(image, colours), profile, optimize=True)
            if len(reduced) < len(smallest):
                smallest, left = reduced, colours
        if left:
            self._notes.append(f"its colours are reduced to {left}, to be smaller")
        return smallest

    def _save(self, image: "Picture", profile: bytes | None, **options: Any) -> bytes:
        if self._spec.embed and self._target == "avif":
            options["xmp"] = render_xmp(self._making)
        file = io.BytesIO()
        try:
            image.save(
                file, _PILLOW_NAMES[self._target], icc_profile=profile, **options
            )
        except Exception as error:
            # Encoders, too, raise all kinds of errors, such as for a size.
            text = f"it cannot be saved as {self._target}: {error}"
            raise NotAnImage(text) from error
        content = file.getvalue()
        if self._spec.embed and self._target != "avif":
            content = embed(content, f"image/{self._target}", self._making)
        return content


# --- the picture --------------------------------------------------------------


def _upright(image: "Picture") -> "Picture":
    """The picture turned as its Exif orientation says: L, LA, RGB or RGBA."""
    image = _turned(image)
    if image.mode in {"P", "PA", "1"} or "transparency" in image.info:
        has_alpha = image.mode == "PA" or "transparency" in image.info
        return image.convert("RGBA" if has_alpha else "RGB")
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value / 257).convert("L")
    if image.mode == "CMYK":
        return _without_inks(image)
    if image.mode not in _SPACES:
        return image.convert("RGB")
    return image


def _is_animated(image: "Picture") -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - a broken frame raises all kinds of errors
        return True


def _turned(image: "Picture") -> "Picture":
    from PIL import ImageOps  # noqa: PLC0415

    try:
        if image.getexif().get(_ORIENTATION, 1) != 1:
            return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - broken Exif raises all kinds of errors
        return image
    return image


def _without_inks(image: "Picture") -> "Picture":
    """CMYK → sRGB, by its profile if it has a sound one."""
    from PIL import ImageCms  # noqa: PLC0415

    profile = image.info.get("icc_profile")
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


def _profile_of(original: "Picture", shown: "Picture") -> bytes | None:
    """The colour profile of the original, if it is for such colours as are shown."""
    profile = original.info.get("icc_profile")
    is_whole = isinstance(profile, bytes) and profile[16:20] == _SPACES[shown.mode]
    return profile if is_whole else None


def _shaped(image: "Picture", spec: SaveSpec) -> "Picture":
    """Trimmed and resized; the same object if nothing changes."""
    if spec.trim:
        box = _find_content(image)
        if box is not None and box != (0, 0, *image.size):
            image = image.crop(box)
    if spec.resize is not None:
        image = _resized(image, spec.resize, spec.fit)
    return image


def _find_content(image: "Picture") -> tuple[int, int, int, int] | None:
    """What is inside the transparent or uniform borders; None if nothing is."""
    from PIL import Image, ImageChops  # noqa: PLC0415

    if image.mode in {"LA", "RGBA"}:
        alpha = image.getchannel("A")
        if alpha.getextrema() != (255, 255):
            return alpha.getbbox()
    plain = image.convert("RGB")
    border = Image.new("RGB", plain.size, plain.getpixel((0, 0)))
    difference = ImageChops.difference(plain, border)
    return difference.point(lambda value: 255 * (value > _UNIFORM)).getbbox()


def _resized(image: "Picture", box: tuple[int, int], fit: Fit) -> "Picture":
    if fit is Fit.FILL:
        return _scaled(image, box)
    if fit is Fit.COVER:
        return _covering(image, box)
    contained = _scaled(image, contained_size(image.size, box))
    return _padded(contained, box) if fit is Fit.PAD else contained


def contained_size(size: tuple[int, int], box: tuple[int, int]) -> tuple[int, int]:
    """The largest size of the same shape inside a box; never larger than ``size``."""
    width, height = size
    scale = min(box[0] / width, box[1] / height, 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))


def covering_box(
    size: tuple[int, int], box: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The part in the middle of a picture that has the shape of a box."""
    width, height = size
    scale = min(width / box[0], height / box[1])
    part = (
        min(width, max(1, round(box[0] * scale))),
        min(height, max(1, round(box[1] * scale))),
    )
    left, top = (width - part[0]) // 2, (height - part[1]) // 2
    return left, top, left + part[0], top + part[1]


def _covering(image: "Picture", box: tuple[int, int]) -> "Picture":
    part = covering_box(image.size, box)
    if part != (0, 0, *image.size):
        image = image.crop(part)
    is_larger = image.width > box[0] or image.height > box[1]
    return _scaled(image, box) if is_larger else image


def _padded(image: "Picture", box: tuple[int, int]) -> "Picture":
    from PIL import Image  # noqa: PLC0415

    if image.size == box:
        return image
    canvas = Image.new("RGBA", box, (*_WHITE, 0))
    corner = (box[0] - image.width) // 2, (box[1] - image.height) // 2
    canvas.paste(image.convert("RGBA"), corner)
    return canvas


def _scaled(image: "Picture", size: tuple[int, int]) -> "Picture":
    from PIL import Image  # noqa: PLC0415

    if image.size == size:
        return image
    return image.resize(size, Image.Resampling.LANCZOS)


# --- the file -----------------------------------------------------------------


def _options(target: str, quality: int) -> dict[str, Any]:
    if target == "avif":
        # One thread: how the work is divided changes the bytes.
        return {"quality": quality, "max_threads": 1}
    if target == "jpeg":
        return {"quality": quality, "optimize": True, "comment": b""}
    return {"quality": quality, "method": 4}


def _flattened(image: "Picture") -> "Picture":
    from PIL import Image  # noqa: PLC0415

    canvas = Image.new("RGB", image.size, _WHITE)
    canvas.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return canvas


def _find_quality(
    max_bytes: int | None, quality: int, save: Callable[[int], bytes]
) -> bytes:
    """With the highest quality, up to the wanted one, that is small enough."""
    content = save(quality)
    if max_bytes is None or len(content) <= max_bytes:
        return content
    low, high = min(LOWEST_QUALITY, quality), quality
    best = save(low)
    while high - low > 1 and len(best) <= max_bytes:
        middle = (low + high) // 2
        content = save(middle)
        if len(content) <= max_bytes:
            low, best = middle, content
        else:
            high = middle
    return best


def _reduced(image: "Picture", colours: int) -> "Picture":
    from PIL import Image  # noqa: PLC0415

    full = image.convert("RGBA" if image.mode in {"LA", "RGBA"} else "RGB")
    return full.quantize(colours, method=Image.Quantize.FASTOCTREE)
