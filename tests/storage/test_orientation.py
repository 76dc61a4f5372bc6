"""Pictures that are stored turned: they are noticed, and turned the same everywhere."""

import hashlib
import io

import pytest
from PIL import Image

from pipeline.assets.checks.png import PngCheck
from pipeline.storage import orientation
from pipeline.storage.orientation import (
    CannotTurn,
    find_appearance,
    turn_upright,
)

RED, BLUE = (250, 10, 10), (10, 10, 250)


def picture(kind, turned=6, *, mode="RGB", size=(6, 4), **named):
    """A picture whose first pixel as stored is blue, the rest red."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (0, 0, size[0] // 2, size[1] // 2))
    exif = Image.Exif()
    if turned:
        exif[0x0112] = turned
    file = io.BytesIO()
    image = image.convert(mode)
    if image.has_transparency_data:
        image.putalpha(100)
    image.save(file, kind, exif=exif, **named)
    return file.getvalue()


def corners(content):
    """Which corner is blue, and the size."""
    with Image.open(io.BytesIO(content)) as image:
        right, bottom = image.width - 1, image.height - 1
        whole = image.convert("RGB")
    where = {
        name
        for name, at in {
            "top left": (0, 0),
            "top right": (right, 0),
            "bottom left": (0, bottom),
            "bottom right": (right, bottom),
        }.items()
        if whole.crop((*at, at[0] + 1, at[1] + 1)).tobytes()[2] > 150
    }
    return where, whole.size


# --- noticed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("TIFF", "image/tiff"),
    ],
)
def test_a_turned_picture_is_noticed_whatever_its_type(kind, media_type):
    found = find_appearance(io.BytesIO(picture(kind)), media_type)
    upright = find_appearance(io.BytesIO(picture(kind, 1)), media_type)

    assert (found.orientation, found.is_turned) == (6, True)
    assert not upright.is_turned


@pytest.mark.parametrize(
    ("kind", "media_type", "mode", "has_alpha"),
    [
        ("PNG", "image/png", "RGBA", True),
        ("PNG", "image/png", "LA", True),
        ("PNG", "image/png", "RGB", False),
        ("WEBP", "image/webp", "RGBA", True),
        ("WEBP", "image/webp", "RGB", False),
    ],
)
def test_an_alpha_channel_is_noticed(kind, media_type, mode, has_alpha):
    content = picture(kind, 0, mode=mode, lossless=True)

    assert find_appearance(io.BytesIO(content), media_type).has_alpha is has_alpha


def test_a_transparent_colour_of_a_palette_is_noticed():
    file = io.BytesIO()
    Image.new("P", (4, 4)).save(file, "PNG", transparency=0)

    assert find_appearance(file, "image/png").has_alpha


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"\xff\xd8\xff Exif\0\0 and no picture", "image/jpeg"),
        (b"RIFF....WEBP and no picture", "image/webp"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\x89PNG\r\n\x1a\n eXIf and no picture", "image/png"),
        (b"glTF", "model/gltf-binary"),
    ],
)
def test_what_cannot_be_read_is_taken_for_upright(content, media_type):
    found = find_appearance(io.BytesIO(content), media_type)

    assert not found.is_turned
    assert not found.has_alpha


# --- turned ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turned", "corner", "size"),
    [
        (2, "top right", (60, 40)),
        (3, "bottom right", (60, 40)),
        (4, "bottom left", (60, 40)),
        (5, "top left", (40, 60)),
        (6, "top right", (40, 60)),
        (7, "bottom right", (40, 60)),
        (8, "bottom left", (40, 60)),
    ],
)
def test_every_orientation_is_turned_upright(turned, corner, size):
    content = turn_upright(picture("JPEG", turned, size=(60, 40)))

    assert corners(content) == ({corner}, size)
    assert not find_appearance(io.BytesIO(content), "image/jpeg").is_turned


@pytest.mark.parametrize("turned", [0, 1, 9])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_upright_picture_keeps_its_bytes(kind, turned):
    content = picture(kind, turned)

    assert turn_upright(content) is content


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_other_pictures_become_a_png_that_is_whole(kind, mode):
    content = turn_upright(
        picture(kind, mode=mode, **({"lossless": True} if kind == "WEBP" else {}))
    )

    check = PngCheck()
    check.feed(content)
    assert check.finish() == (4, 6)
    assert corners(content) == ({"top right"}, (4, 6))
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == mode


def test_a_large_png_is_stored_in_several_blocks():
    content = turn_upright(picture("PNG", size=(300, 200)))

    assert len(content) > 300 * 200 * 3 > 2 * 0xFFFF
    assert corners(content) == ({"top right"}, (200, 300))


def test_the_bytes_are_the_same_everywhere():
    # They are part of a job's key: other bytes would be paid for again.
    png = turn_upright(picture("PNG"))
    photo = picture("JPEG", size=(60, 40), comment=b"made by nobody")

    assert hashlib.sha256(png).hexdigest() == PNG_DIGEST
    assert turn_upright(photo) == turn_upright(photo)
    assert turn_upright(photo) == turn_upright(picture("JPEG", size=(60, 40)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_colour_profile_is_kept_and_nothing_else_is_told(kind):
    content = turn_upright(picture(kind, icc_profile=b"a profile" * 20))

    with Image.open(io.BytesIO(content)) as image:
        assert image.info["icc_profile"] == b"a profile" * 20
        assert not image.getexif()


def test_a_transparent_colour_stays_transparent():
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 4), RED).save(file, "PNG", exif=exif, transparency=RED)

    with Image.open(io.BytesIO(turn_upright(file.getvalue()))) as image:
        assert image.getchannel("A").getextrema() == (0, 0)


# --- not turned -----------------------------------------------------------------------


def test_a_picture_of_more_than_8_bits_cannot_be_turned():
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("I;16", (6, 4)).save(file, "PNG", exif=exif)

    with pytest.raises(CannotTurn, match="I;16"):
        turn_upright(file.getvalue())


def test_a_picture_of_several_frames_cannot_be_turned():
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = [Image.new("RGB", (6, 4), colour) for colour in (RED, BLUE)]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], exif=exif)

    with pytest.raises(CannotTurn, match="several frames"):
        turn_upright(file.getvalue())


def test_what_cannot_be_decoded_cannot_be_turned():
    photo = picture("JPEG", size=(60, 40))

    with pytest.raises(CannotTurn, match="cannot be decoded"):
        turn_upright(photo[: len(photo) // 2])


def test_a_picture_that_is_too_large_is_not_decoded(monkeypatch):
    monkeypatch.setattr(orientation, "MOST_PIXELS", 23)

    with pytest.raises(CannotTurn, match="more than 23 pixels"):
        turn_upright(picture("JPEG"))


PNG_DIGEST = "f16acbb37a8b45e669f68b3d3d19c3f78bb6bdcaf02b2a383859170e06634764"
