"""The files of other kinds: edges that the models do not reach."""

import io
import random
from typing import Any

import av
import pytest
import trimesh
from PIL import Image, ImageChops

from pipeline.emulator.input_values import number_of
from pipeline.emulator.media.bits import BitWriter
from pipeline.emulator.media.glb import make_glb
from pipeline.emulator.media.h264 import _escaped, encode_pictures
from pipeline.emulator.media.image_tools import cut_out, make_map, snap_pixels
from pipeline.emulator.media.making import MAKERS, make_file
from pipeline.emulator.media.mp3 import FRAME_BYTES, make_frames
from pipeline.emulator.media.mp4 import make_mp4
from pipeline.emulator.outputs import MAPS, RECIPES, parse_output
from pipeline.emulator.pictures.canvas import MadeFile, StoredFile

SOURCE = StoredFile(name="a", width_px=4, height_px=4)


def made(word, sources=(), **changes):
    values = {"text": "an oak", "seed": 5, "index": 0, **changes}
    content = MadeFile(output=parse_output(word), sources=(SOURCE,), **values)
    return make_file(content, sources)


def png_of(size=(1, 1), mode="RGB", colour=0):
    target = io.BytesIO()
    Image.new(mode, size, colour).save(target, "PNG")
    return target.getvalue()


def test_bits_are_written_from_the_highest():
    bits = BitWriter()
    bits.put(0b101, 3)
    bits.put_golomb(0)  # 1
    bits.put_golomb(3)  # 00100
    assert bits.to_bytes() == bytes([0b10110010, 0])


@pytest.mark.parametrize(
    ("unit", "escaped"),
    [
        (b"\0\0\1", b"\0\0\3\1"),
        (b"\0\0\0\0", b"\0\0\3\0\0"),
        (b"\0\0\4", b"\0\0\4"),
        (b"\1\2\3", b"\1\2\3"),
    ],
)
def test_two_zeros_are_escaped(unit, escaped):
    assert _escaped(unit) == escaped


@pytest.mark.parametrize("size", [(16, 16), (16, 256), (256, 16)])
@pytest.mark.parametrize("repeats", [1, 16])
def test_video_of_any_shape_can_be_decoded(size, repeats):
    pictures = [Image.new("RGB", size, colour) for colour in ("black", "white", "red")]
    video = encode_pictures(pictures, repeats)
    data = make_mp4(video, make_frames(1, random.Random(1)), frames_per_s=12)

    with av.open(io.BytesIO(data), mode="r") as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]

    assert len(frames) == 3 * repeats
    for picture, frame in zip(pictures, frames[::repeats], strict=True):
        assert max(ImageChops.difference(frame, picture).tobytes()) < 6
    assert frames[repeats - 1].tobytes() == frames[0].tobytes()


def test_video_can_be_sought():
    pictures = [Image.new("L", (16, 16), level).convert("RGB") for level in (0, 255)]
    video = encode_pictures(pictures, 6)
    data = make_mp4(video, make_frames(1, random.Random(1)), frames_per_s=12)

    with av.open(io.BytesIO(data), mode="r") as container:
        container.seek(900_000)  # microseconds
        frame = next(container.decode(video=0))

    assert frame.to_image().getpixel((8, 8)) == (255, 255, 255)


@pytest.mark.parametrize("duration_s", [0, 0.024, 1, 30])
def test_frames_have_one_size_and_fill_the_time(duration_s):
    frames = make_frames(duration_s, random.Random(1))
    assert {len(frame) for frame in frames} == {FRAME_BYTES}
    assert len(frames) == max(round(duration_s / 0.024), 1)


@pytest.mark.parametrize("most_faces", [48, 49, 500, 20_000])
def test_3d_model_has_at_most_so_many_faces(most_faces):
    model = make_glb(png_of(), random.Random(2), most_faces=most_faces)
    mesh: Any = trimesh.load(io.BytesIO(model.data), file_type="glb", force="mesh")
    assert len(mesh.faces) == model.faces <= most_faces
    assert len(mesh.vertices) == model.vertices


def test_every_recipe_has_a_maker():
    assert set(MAKERS) == set(RECIPES) - {"image", "answer"} | {"companion"}


@pytest.mark.parametrize("word", sorted(set(MAKERS) - {"companion"}))
@pytest.mark.parametrize(
    "data",
    [b"", b"no image", png_of(), png_of(mode="P")],
    ids=["empty", "no-image", "one-pixel", "palette"],
)
def test_source_that_is_unreadable_or_tiny_still_makes_a_file(word, data):
    file = made(word, [data], width_px=3, height_px=2)
    assert file.data == made(word, [data], width_px=3, height_px=2).data
    assert file.data


@pytest.mark.parametrize(
    "options",
    [
        (("duration", "x"),),
        (("duration", "nan"),),
        (("duration", -1),),
        (("durationSeconds", "1e9"),),
    ],
)
def test_duration_stays_within_bounds(options):
    assert 0 < made("audio", options=options).properties["duration"] <= 30


def test_cutout_keeps_the_holes_of_its_source():
    image = Image.new("RGBA", (20, 20), (255, 255, 255, 255))
    image.paste((200, 0, 0, 255), (5, 5, 15, 15))
    image.putpixel((10, 10), (200, 0, 0, 0))
    alpha = cut_out(image).getchannel("A")
    assert alpha.getpixel((10, 10)) == 0
    assert alpha.getpixel((8, 8)) == 254


def test_pixel_art_keeps_alpha():
    image = Image.new("RGBA", (100, 100), (9, 9, 9, 0))
    assert snap_pixels(image, 8).getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("name", MAPS)
def test_map_shows_the_relief_of_the_picture(name):
    image = Image.new("RGB", (40, 40), "black")
    image.paste("white", (20, 0, 40, 40))
    flat = make_map(Image.new("RGB", (40, 40), "black"), name)
    assert make_map(image, name).tobytes() != flat.tobytes()


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), ("5", 5), ("2x", 2), ("inf", 7), ("nan", 7), ("wide", 7), (None, 7)],
)
def test_number_of_an_input_may_be_text(value, number):
    assert number_of(value, 7) == number
