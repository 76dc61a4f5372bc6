"""Standing: what is in the place of a saved file, by its size and by its content."""

import hashlib
import io

import pytest
from PIL import Image

from pipeline.assets.checks.standing import Standing, find_standing
from pipeline.job import Asset, AssetId
from pipeline.storage.folder import Folder

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9\n" % (
    b"a" * 64
)


def picture(size_px=64, kind="PNG", colour="red"):
    file = io.BytesIO()
    image = Image.effect_noise((size_px, size_px), 60).convert("RGB")
    image.paste(colour, (0, 0, 2, 2))
    image.save(file, kind)
    return file.getvalue()


SAVED = picture()
VIDEO = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 8


@pytest.fixture
def standing_of(tmp_path):
    def look(content, saved=SAVED, media_type="image/png", **options):
        path = tmp_path / "oak.png"
        if content is not None:
            path.write_bytes(content)
        asset = Asset(
            asset_id=AssetId("asset_1"),
            output_index=1,
            path="oak.png",
            sha256=hashlib.sha256(saved).hexdigest(),
            size_bytes=len(saved),
            media_type=media_type,
            width_px=64,
            height_px=64,
        )
        return find_standing(Folder(tmp_path), asset, **options)[0]

    return look


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SAVED, Standing.WHOLE),
        (None, Standing.MISSING),
        (b"", Standing.MISSING),
        (LFS, Standing.POINTER),
        (b"/annex/objects/MD5E-s5--0123.png\n", Standing.POINTER),
        (SAVED[:-1], Standing.BROKEN),
        (SAVED[: len(SAVED) // 2], Standing.BROKEN),
        (SAVED[:20], Standing.BROKEN),
        (SAVED[:3], Standing.BROKEN),
        (bytes(len(SAVED) - 1), Standing.BROKEN),
        (b"<html>sign in</html>", Standing.BROKEN),
        (SAVED.replace(b"\r\n", b"\n"), Standing.BROKEN),  # a checkout's work
        (SAVED.replace(b"\n", b"\r\n"), Standing.BROKEN),
        (picture(16), Standing.EDITED),
        (picture(128), Standing.EDITED),
        (picture(32, "JPEG"), Standing.EDITED),
        (picture(32, "WEBP"), Standing.EDITED),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Standing.EDITED),
        (b"8BPS\0\1" + bytes(2 * len(SAVED)), Standing.EDITED),
        (b"a longer text " * len(SAVED), Standing.EDITED),
    ],
)
def test_a_picture_is_judged_by_what_it_shows(standing_of, content, expected):
    assert standing_of(content) is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (VIDEO, Standing.WHOLE),
        (VIDEO[:-1], Standing.BROKEN),
        (VIDEO + b"more", Standing.EDITED),
        (LFS, Standing.POINTER),
    ],
)
def test_what_is_no_picture_is_cut_off_when_it_is_shorter(
    standing_of, content, expected
):
    assert standing_of(content, VIDEO, "video/mp4") is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SAVED, Standing.WHOLE),
        (bytes(len(SAVED)), Standing.BROKEN),
        (SAVED[:100] + bytes(len(SAVED) - 100), Standing.BROKEN),
        (SAVED[:-20] + b"?" + SAVED[-19:], Standing.BROKEN),
    ],
)
def test_the_same_size_is_enough_unless_the_hash_is_asked_for(
    standing_of, content, expected
):
    assert standing_of(content) is Standing.WHOLE
    assert standing_of(content, by_hash=True) is expected


def test_by_hash_an_edit_of_the_same_size_is_an_edit(standing_of):
    flat = b"BM" + picture(8, "BMP")[2:]
    other = picture(8, "BMP", "blue")
    assert len(flat) == len(other)

    assert standing_of(other, flat, "image/bmp") is Standing.WHOLE
    assert standing_of(other, flat, "image/bmp", by_hash=True) is Standing.EDITED


def test_a_file_that_goes_while_it_is_looked_at_is_missing(standing_of, monkeypatch):
    def fail(_store, _name):
        raise FileNotFoundError("gone")

    monkeypatch.setattr(Folder, "open", fail)

    assert standing_of(SAVED) is Standing.MISSING
