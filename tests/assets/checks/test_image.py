"""image_check: what decodes whole is measured, what does not is refused."""

import io
import struct
import zlib

import pytest
from PIL import Image

from pipeline.assets.checks.image import measure_image
from pipeline.assets.checks.png import NotAnImage


def encoded(form, size=(32, 24)):
    target = io.BytesIO()
    image = Image.effect_noise(size, 90).convert("RGB")
    image.save(target, form)
    return target.getvalue()


@pytest.fixture
def measure(tmp_path):
    def check(content, media_type):
        path = tmp_path / "asset"
        path.write_bytes(content)
        return measure_image(path, media_type)

    return check


def bomb(width_px, height_px):
    """A PNG whose header promises more than its few bytes hold."""

    def chunk(name, body):
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width_px, height_px, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "gif", "tiff", "bmp"])
async def test_a_whole_image_is_measured(measure, form):
    assert measure(encoded(form), f"image/{form}") == (32, 24)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
async def test_half_an_image_is_refused(measure, form):
    content = encoded(form)

    with pytest.raises(NotAnImage):
        measure(content[: len(content) // 2], f"image/{form}")


async def test_a_png_without_its_end_is_refused(measure):
    with pytest.raises(NotAnImage):
        measure(encoded("png")[:-12], "image/png")


async def test_a_png_with_a_broken_checksum_is_refused(measure):
    content = bytearray(encoded("png"))
    content[60] ^= 0xFF

    with pytest.raises(NotAnImage):
        measure(bytes(content), "image/png")


@pytest.mark.parametrize("size", [(13_000, 12_000), (20_000, 20_000)])
async def test_a_decompression_bomb_is_refused_before_it_is_decoded(measure, size):
    """The first is below the size at which Pillow itself refuses."""
    with pytest.raises(NotAnImage, match=r"more than is plausible|exceeds limit"):
        measure(bomb(*size), "image/png")


async def test_a_large_but_possible_picture_is_not_taken_for_a_bomb(measure):
    image = Image.new("1", (10_000, 9_000))
    target = io.BytesIO()
    image.save(target, "PNG")

    assert measure(target.getvalue(), "image/png") == (10_000, 9_000)


@pytest.mark.parametrize("content", [b"", b"not an image at all", b"\x89PNG\r\n\x1a\n"])
async def test_bytes_that_are_no_image_are_refused(measure, content):
    with pytest.raises(NotAnImage):
        measure(content, "image/png")


async def test_what_is_no_picture_is_not_decoded(measure):
    assert measure(b"glTF...", "model/gltf-binary") is None
