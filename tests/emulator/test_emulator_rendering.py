"""Rendering: exact sizes, the same bytes every time, files that can be read."""

import io

import pytest
from PIL import Image

from pipeline.emulator.pictures.canvas import Picture, StoredFile, size_px
from pipeline.emulator.pictures.palettes import palette_of
from pipeline.emulator.pictures.rendering import render_picture
from pipeline.emulator.profiles.assets import AssetsProfile


def picture(**changes):
    values = {
        "prompt": "an oak tree at dusk",
        "seed": 5,
        "index": 0,
        "width_px": 160,
        "height_px": 120,
        "image_format": "png",
        **changes,
    }
    return Picture(**values)


def opened(data):
    Image.open(io.BytesIO(data)).verify()
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", [(160, 120), (65, 301), (3, 2), (1, 1)])
def test_file_has_the_size_and_format_asked_for(image_format, size):
    width, height = size
    data = render_picture(
        picture(image_format=image_format, width_px=width, height_px=height), {}
    )
    image = opened(data)
    assert image.size == size
    assert image.format == image_format.upper()


def test_same_picture_is_the_same_bytes():
    assert render_picture(picture(), {}) == render_picture(picture(), {})


@pytest.mark.parametrize(
    "change", [{"prompt": "an oak"}, {"seed": 6}, {"index": 1}], ids=str
)
@pytest.mark.parametrize("side", [160, 8])
def test_prompt_seed_and_index_each_change_the_picture(change, side):
    plain = picture(width_px=side, height_px=side)
    changed = picture(width_px=side, height_px=side, **change)
    assert render_picture(plain, {}) != render_picture(changed, {})


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "word " * 400,
        "unbroken" * 200,
        "日本語 \u2603 prompt\nwith lines",
        "a sword",
        "potion",
        "shield",
        "coin",
        "gem",
        "castle at night",
        "house",
        "crown",
        "key",
        "heart",
        "star",
        "mushroom in a swamp",
        "chest in a cave",
        "ship at sea",
        "cactus in the desert",
        "volcano",
        "snow mountain at dawn",
        "space",
        "storm over a meadow",
    ],
)
def test_every_prompt_can_be_painted(prompt):
    assert opened(render_picture(picture(prompt=prompt), {})).size == (160, 120)


def test_references_are_seen(png):
    painted = picture(references=(picture(prompt="a ruby"),))
    upload = StoredFile(name="a", width_px=40, height_px=30)
    stored = picture(references=(upload,))
    alone = render_picture(picture(), {})
    teal = render_picture(stored, {upload: png()})
    red = render_picture(stored, {upload: png(colour="red")})
    broken = render_picture(stored, {upload: b"no image"})
    assert len({alone, teal, red, broken, render_picture(painted, {})}) == 5


@pytest.mark.parametrize(
    ("size", "pixels"),
    [
        ("1K", (1024, 1024)),
        ("2K", (2048, 2048)),
        ("4K", (4096, 4096)),
        ("2048*1152", (2048, 1152)),
        ("7*9", (7, 9)),
        ("", (1024, 1024)),
        ("huge", (1024, 1024)),
    ],
)
def test_size_words_become_pixels(size, pixels):
    assert size_px({"size": size}, (), AssetsProfile()) == pixels


def test_knobs_make_images_small():
    assert size_px({"size": "2048*1152"}, (), AssetsProfile(pixels_divisor=64)) == (
        32,
        18,
    )
    assert size_px({"size": "2048*1152"}, (), AssetsProfile(fixed_size_px=4)) == (4, 4)


def test_size_words_may_follow_the_reference():
    profile = AssetsProfile(sizes_follow_reference=True)
    wide = StoredFile(name="a", width_px=400, height_px=100)
    assert size_px({"size": "1K"}, (wide,), profile) == (2048, 512)
    assert size_px({"size": "1024*1024"}, (wide,), profile) == (1024, 1024)
    unknown = StoredFile(name="b")
    assert size_px({"size": "1K"}, (unknown,), profile) == (1024, 1024)


def test_palette_follows_the_words():
    assert palette_of("a ruby red potion").motif == "potion"
    assert palette_of("a castle at night").sky.is_dark
    assert palette_of("snowy peaks").ground.is_jagged
    assert not palette_of("a golden key").is_landscape
