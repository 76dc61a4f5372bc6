"""Thumbnails: small, upright, with their alpha; broken and hostile files are refused."""

import io
import struct
import zlib

import pytest
from doubles.media import sound_of, video_of
from PIL import Image, ImageCms, ImageOps

from pipeline.assets.checks.png import NotAnImage
from pipeline.assets.thumbnail import EDGE_PX, can_draw, draw_thumbnail

ORIENTATION = 0x0112


def saved(image, kind, **options):
    target = io.BytesIO()
    image.save(target, kind, **options)
    target.seek(0)
    return target


def drawn(file, media_type="image/png"):
    made = Image.open(io.BytesIO(draw_thumbnail(file, media_type)))
    made.load()
    assert made.format == "WEBP"
    return made


def corners(width=480, height=240):
    """Red at the top left, and nowhere else."""
    image = Image.new("RGB", (width, height), "white")
    image.paste("red", (0, 0, width // 2, height // 2))
    return image


def red_corner(image):
    width, height = image.size
    spots = {
        (x, y): image.convert("RGB").getpixel(
            (width // 4 + x * width // 2, height // 4 + y * height // 2)
        )
        for x in (0, 1)
        for y in (0, 1)
    }
    (found,) = [spot for spot, (r, g, _) in spots.items() if r > 200 and g < 60]
    return found


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "PNG"),
        ("L", "PNG"),
        ("1", "PNG"),
        ("P", "GIF"),
        ("I;16", "PNG"),
        ("CMYK", "JPEG"),
        ("F", "TIFF"),
        ("RGB", "AVIF"),
        ("RGB", "BMP"),
    ],
)
def test_a_picture_of_any_kind_becomes_a_small_webp(mode, kind):
    made = drawn(saved(Image.new(mode, (900, 300)), kind), f"image/{kind.lower()}")

    assert (made.size, made.mode) == ((EDGE_PX, 133), "RGB")


def test_a_thumbnail_can_be_smaller():
    file = saved(Image.new("RGB", (900, 300)), "PNG")

    made = Image.open(io.BytesIO(draw_thumbnail(file, "image/png", edge_px=96)))

    assert made.size == (96, 32)


def test_a_small_picture_keeps_its_size_and_every_pixel():
    image = Image.effect_noise((64, 64), 90).convert("RGB")

    made = drawn(saved(image, "PNG"))

    assert made.size == (64, 64)
    assert made.tobytes() == image.tobytes()


@pytest.mark.parametrize(
    "image",
    [
        Image.new("RGBA", (900, 900), (255, 0, 0, 64)),
        Image.new("LA", (900, 900), (120, 64)),
    ],
    ids=["RGBA", "LA"],
)
def test_alpha_is_kept(image):
    made = drawn(saved(image, "PNG"))

    assert made.mode == "RGBA"
    assert made.getchannel("A").getextrema() == (64, 64)


def test_a_transparent_colour_is_kept_as_alpha():
    file = saved(Image.new("RGB", (50, 50), "red"), "PNG", transparency=(255, 0, 0))

    assert drawn(file).getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_picture_that_is_stored_turned_is_upright(kind, turn):
    exif = Image.Exif()
    exif[ORIENTATION] = turn
    file = saved(corners(), kind, exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(file.getvalue())))

    made = drawn(file, f"image/{kind.lower()}")

    assert red_corner(made) == red_corner(upright)
    assert (made.width > made.height) == (upright.width > upright.height)
    assert not made.getexif()


def test_a_colour_profile_is_kept_but_not_one_of_other_colours():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = saved(Image.new("RGB", (9, 9)), "PNG", icc_profile=profile)
    grey = saved(Image.new("L", (9, 9)), "PNG", icc_profile=profile)

    assert drawn(plain).info["icc_profile"] == profile
    assert "icc_profile" not in drawn(grey).info


def test_of_an_animation_the_first_picture_is_shown():
    frames = [Image.new("RGB", (200, 200), colour) for colour in ("red", "blue")]
    file = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])

    made = drawn(file, "image/gif")

    assert not getattr(made, "is_animated", False)
    assert made.getpixel((50, 50))[0] > 200


@pytest.mark.parametrize("kind", ["mp4", "mov", "webm"])
def test_of_a_video_its_first_picture_is_shown(kind):
    media_type = {"mov": "video/quicktime"}.get(kind, f"video/{kind}")

    assert can_draw(media_type)
    assert drawn(io.BytesIO(video_of(kind)), media_type).size == (64, 48)


def header_of(width, height):
    """A PNG that claims a size, and holds nothing."""
    body = struct.pack(">4sIIBBBBB", b"IHDR", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk


PICTURE = saved(Image.effect_noise((300, 300), 90), "PNG").getvalue()


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", "image/png"),
        (b"\0" * 5000, "image/png"),
        (PICTURE[:2000], "image/png"),
        (PICTURE, "video/mp4"),
        (header_of(60_000, 60_000), "image/png"),
        (header_of(0, 10), "image/png"),
        (b"RIFF\xff\xff\xff\xffWEBPVP8 ", "image/webp"),
        (video_of("mp4")[:600], "video/mp4"),
        (b"#EXTM3U\nfile:///etc/passwd", "video/mp4"),
        (sound_of("wav"), "video/webm"),
    ],
    ids=[
        "empty",
        "zeros",
        "cut off",
        "another type",
        "a bomb",
        "no pixels",
        "a head alone",
        "a video cut off",
        "a playlist",
        "a sound",
    ],
)
def test_what_cannot_be_decoded_is_refused(content, media_type):
    with pytest.raises(NotAnImage):
        draw_thumbnail(io.BytesIO(content), media_type)


@pytest.mark.parametrize(
    "media_type", ["audio/mpeg", "text/plain", "model/gltf-binary", "image/svg+xml", ""]
)
def test_other_files_have_no_picture(media_type):
    assert not can_draw(media_type)
