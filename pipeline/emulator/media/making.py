"""Makes the bytes of a file that is not painted, and says what is in it.

The result depends on nothing but the description and the bytes of its sources.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from pipeline.emulator.identity import random_of
from pipeline.emulator.input_values import number_of
from pipeline.emulator.media.glb import make_glb
from pipeline.emulator.media.h264 import BLOCK_PX, encode_pictures
from pipeline.emulator.media.image_tools import cut_out, enlarge, make_map, snap_pixels
from pipeline.emulator.media.mp3 import BITS_PER_S, FRAME_S, SAMPLE_RATE_HZ, make_frames
from pipeline.emulator.media.mp4 import make_mp4
from pipeline.emulator.pictures.canvas import MadeFile
from pipeline.emulator.pictures.png_files import encode_png

if TYPE_CHECKING:
    from PIL.Image import Image

SOFTWARE = "scenario-pipeline emulator"
QUALITY = 88
GREY = (120, 120, 130)
UNREADABLE_SIDE_PX = 64
VIDEO_SIDE_PX = 256
FRAMES_PER_S = 12
PICTURES_PER_S = 2
REPEATS = FRAMES_PER_S // PICTURES_PER_S
CLOSEST_SHARE = 0.7  # how much of the picture a video shows at its end
DEFAULT_S, LONGEST_S = 5.0, 30.0
TEXTURE_SIDE_PX = 256
MOST_FACES = 20_000
DEFAULT_COLOURS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file, and the ``properties`` of its asset besides the size in bytes."""

    data: bytes
    properties: Mapping[str, object]


def make_file(content: MadeFile, sources: Sequence[bytes]) -> Made:
    """Make a file.

    Args:
        content: What to make.
        sources: The bytes of its sources, in order. A picture that cannot be read
            becomes a grey one.
    """
    return MAKERS[content.output.recipe](content, sources)


def _make_text(content: MadeFile, _sources: Sequence[bytes]) -> Made:
    properties = {
        "charCount": len(content.text),
        "wordCount": len(content.text.split()),
    }
    return Made(data=content.text.encode(), properties=properties)


def _make_companion(content: MadeFile, _sources: Sequence[bytes]) -> Made:
    companion = {"prompt": content.text, "seed": content.seed}
    return Made(data=json.dumps(companion, indent=2).encode(), properties={})


def _make_cutout(content: MadeFile, sources: Sequence[bytes]) -> Made:
    return _image(cut_out(_opened(sources)), content.output.variant)


def _make_enlarged(content: MadeFile, sources: Sequence[bytes]) -> Made:
    size = (content.width_px, content.height_px)
    return _image(enlarge(_opened(sources), size), content.output.variant)


def _make_pixels(content: MadeFile, sources: Sequence[bytes]) -> Made:
    colours = int(_option(content, "colors", DEFAULT_COLOURS))
    snapped = snap_pixels(_opened(sources), min(max(colours, 2), 256))
    return _image(snapped, content.output.variant)


def _make_map(content: MadeFile, sources: Sequence[bytes]) -> Made:
    return _image(make_map(_opened(sources), content.output.variant), "png")


def _make_video(content: MadeFile, sources: Sequence[bytes]) -> Made:
    picture = _opened(sources).convert("RGB")
    count = max(round(_duration_s(content) * PICTURES_PER_S), 1)
    share = VIDEO_SIDE_PX / max(picture.size)
    size = tuple(
        max(round(side * share / BLOCK_PX), 1) * BLOCK_PX for side in picture.size
    )
    video = encode_pictures(
        [_view(picture, size, number / count) for number in range(count)], REPEATS
    )
    duration_s = count / PICTURES_PER_S
    audio = make_frames(duration_s, _chance_of(content))
    properties = {
        "width": video.width_px,
        "height": video.height_px,
        "duration": duration_s,
        "frameRate": FRAMES_PER_S,
        "nbFrames": len(video.frames),
        "codecName": "h264",
    }
    data = make_mp4(video, audio, frames_per_s=FRAMES_PER_S)
    return Made(data=data, properties=properties)


def _make_audio(content: MadeFile, _sources: Sequence[bytes]) -> Made:
    frames = make_frames(_duration_s(content), _chance_of(content))
    properties = {
        "duration": round(len(frames) * FRAME_S, 3),
        "sampleRate": SAMPLE_RATE_HZ,
        "channels": 1,
        "bitrate": BITS_PER_S,
        "codecName": "mp3",
    }
    return Made(data=b"".join(frames), properties=properties)


def _make_mesh(content: MadeFile, sources: Sequence[bytes]) -> Made:
    texture = _opened(sources).convert("RGB")
    texture.thumbnail((TEXTURE_SIDE_PX, TEXTURE_SIDE_PX))
    model = make_glb(
        encode_png(texture, software=SOFTWARE),
        _chance_of(content),
        most_faces=int(_option(content, "faceLimit", MOST_FACES)),
    )
    properties = {
        "format": "glb",
        "vertexCount": model.vertices,
        "faceCount": model.faces,
        "hasUVs": True,
    }
    return Made(data=model.data, properties=properties)


MAKERS: Mapping[str, Callable[[MadeFile, Sequence[bytes]], Made]] = {
    "cutout": _make_cutout,
    "upscale": _make_enlarged,
    "pixels": _make_pixels,
    "map": _make_map,
    "video": _make_video,
    "audio": _make_audio,
    "3d": _make_mesh,
    "text": _make_text,
    "companion": _make_companion,
}


def _opened(sources: Sequence[bytes]) -> "Image":
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    try:
        image = Image.open(io.BytesIO(sources[0]))
        image.load()
    except (IndexError, OSError, ValueError, SyntaxError):
        return Image.new("RGB", (UNREADABLE_SIDE_PX, UNREADABLE_SIDE_PX), GREY)
    return image


def _view(picture: "Image", size: tuple[int, ...], position: float) -> "Image":
    # The camera moves in, from 0 at the beginning of the video to 1 at its end.
    share = 1 - (1 - CLOSEST_SHARE) * position
    width, height = picture.width * share, picture.height * share
    left, top = (picture.width - width) / 2, (picture.height - height) / 2
    box = (left, top, left + width, top + height)
    return picture.resize((size[0], size[1]), box=box)


def _image(image: "Image", image_format: str) -> Made:
    properties = {"width": image.width, "height": image.height}
    if image_format == "png" and image.mode == "RGB":
        return Made(data=encode_png(image, software=SOFTWARE), properties=properties)
    target = io.BytesIO()
    if image_format == "jpeg":
        image = image.convert("RGB")
    settings = {"compress_level": 1} if image_format == "png" else {"quality": QUALITY}
    image.save(target, image_format.upper(), **settings)
    return Made(data=target.getvalue(), properties=properties)


def _duration_s(content: MadeFile) -> float:
    asked_s = _option(content, "durationSeconds", DEFAULT_S)
    asked_s = _option(content, "duration", asked_s)
    return min(max(asked_s, FRAME_S), LONGEST_S)


def _option(content: MadeFile, name: str, default: float) -> float:
    return number_of(dict(content.options).get(name), default)


def _chance_of(content: MadeFile) -> Random:
    return random_of(content.text, content.seed, content.index)
