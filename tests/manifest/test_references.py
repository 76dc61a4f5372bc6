"""References: files are found, typed by content, hashed, and kept inside."""

import hashlib
import io
import os
import sys

import pytest
from PIL import Image

from pipeline.manifest import references
from pipeline.manifest.references import MAX_REFERENCE_BYTES, BadPath, ReferenceFiles
from pipeline.storage.orientation import turn_upright

PNG = b"\x89PNG\r\n\x1a\n and more"


def test_a_file_is_hashed_and_typed_by_content(tmp_path):
    (tmp_path / "style.txt").write_bytes(PNG)

    asset = ReferenceFiles(tmp_path, allow_outside=False).load("style.txt", name="s")

    assert asset.name == "s"
    assert asset.path == (tmp_path / "style.txt").resolve()
    assert asset.sha256 == hashlib.sha256(PNG).hexdigest()
    assert (asset.size_bytes, asset.media_type) == (len(PNG), "image/png")


def test_a_file_is_read_once(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    files = ReferenceFiles(tmp_path, allow_outside=False)
    first = files.load("a.png")
    (tmp_path / "a.png").unlink()

    assert files.load("a.png") is first


@pytest.mark.parametrize("text", ["../a.png", "x/../../a.png"])
def test_a_file_outside_is_refused_unless_allowed(tmp_path, text):
    (tmp_path / "a.png").write_bytes(PNG)
    folder = tmp_path / "manifests"
    (folder / "x").mkdir(parents=True)

    with pytest.raises(BadPath, match="outside"):
        ReferenceFiles(folder, allow_outside=False).load(text)
    assert ReferenceFiles(folder, allow_outside=True).load(text).size_bytes == len(PNG)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_does_not_lead_outside(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "link.png").symlink_to(tmp_path / "a.png")

    with pytest.raises(BadPath, match="outside"):
        ReferenceFiles(folder, allow_outside=False).load("link.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(BadPath, match="not a regular file"):
        ReferenceFiles(tmp_path, allow_outside=False).load("pipe.png")


def test_a_file_that_is_too_large_is_refused(tmp_path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(MAX_REFERENCE_BYTES + 1)

    with pytest.raises(BadPath, match="larger than 100 MiB"):
        ReferenceFiles(tmp_path, allow_outside=False).load("a.png")


@pytest.mark.parametrize("text", ["", "a\0b", "x" * 5000, "nope.png"])
def test_what_is_no_path_is_refused(tmp_path, text):
    with pytest.raises(BadPath):
        ReferenceFiles(tmp_path, allow_outside=False).load(text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9\n"
            % (b"a" * 64),
            "is a Git LFS pointer, not the file itself",
        ),
        (b"/annex/objects/MD5E-s5--0123.png\n", "is a git-annex pointer"),
    ],
)
def test_a_pointer_is_no_reference(tmp_path, content, message):
    (tmp_path / "hero.png").write_bytes(content)

    with pytest.raises(BadPath, match=message) as caught:
        ReferenceFiles(tmp_path, allow_outside=False).load("hero.png")

    assert caught.value.hint.startswith("fetch it with: git ")


# --- pictures that a service may see otherwise ----------------------------------------


def photo(turned=6):
    exif = Image.Exif()
    exif[0x0112] = turned
    file = io.BytesIO()
    Image.new("RGB", (60, 40), "teal").save(file, "JPEG", exif=exif)
    return file.getvalue()


def cut_out():
    file = io.BytesIO()
    Image.new("RGBA", (6, 4)).save(file, "PNG")
    return file.getvalue()


def test_an_upright_reference_is_what_will_be_sent(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photo())

    asset = ReferenceFiles(tmp_path, allow_outside=False).load(
        "photo.jpg", name="style", upright=True
    )

    sent = turn_upright(photo())
    assert sent != photo()
    assert asset.sha256 == hashlib.sha256(sent).hexdigest()
    assert (asset.size_bytes, asset.media_type) == (len(sent), "image/jpeg")
    assert (asset.file, asset.upright) == ("photo.jpg", True)


def test_a_picture_that_is_upright_already_is_the_same_request(tmp_path):
    (tmp_path / "a.jpg").write_bytes(photo(1))
    files = ReferenceFiles(tmp_path, allow_outside=False)

    plain, upright = files.load("a.jpg"), files.load("a.jpg", upright=True)

    assert plain.sha256 == upright.sha256
    assert files.notes == ()


def test_a_turned_photo_and_an_alpha_channel_are_noted_once(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photo())
    (tmp_path / "logo.png").write_bytes(cut_out())
    files = ReferenceFiles(tmp_path, allow_outside=False)

    for name in ("", "style"):
        files.load("photo.jpg", name=name)
        files.load("logo.png", name=name)

    turned, transparent = files.notes
    assert turned.startswith("photo.jpg is stored turned: the service may see it lying")
    assert "{NAME: {file: photo.jpg, upright: true}}" in turned
    assert transparent.startswith("logo.png has an alpha channel")


def test_nothing_is_noted_of_a_photo_that_is_turned_upright(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photo())
    files = ReferenceFiles(tmp_path, allow_outside=False)

    files.load("photo.jpg", upright=True)

    assert files.notes == ()


def test_a_note_names_a_few_files_and_counts_the_rest(tmp_path):
    files = ReferenceFiles(tmp_path, allow_outside=False)
    for number in range(1005):
        (tmp_path / f"{number}.png").write_bytes(cut_out())
        files.load(f"{number}.png")

    (note,) = files.notes
    assert note.startswith("0.png, 1.png, 2.png and 1,002 more have an alpha channel")


@pytest.mark.parametrize(
    ("content", "said"),
    [(PNG, "cannot be turned upright: it cannot be decoded"), (b"text", "cannot be")],
)
def test_what_cannot_be_turned_is_refused_with_what_to_do(tmp_path, content, said):
    (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(BadPath, match=said) as caught:
        ReferenceFiles(tmp_path, allow_outside=False).load("a.png", upright=True)

    assert "remove `upright: true`" in caught.value.hint


def test_a_picture_that_is_too_large_once_it_is_upright_is_refused(
    tmp_path, monkeypatch
):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "a.png", exif=exif)
    monkeypatch.setattr(references, "MAX_REFERENCE_BYTES", 7000)

    with pytest.raises(BadPath, match="once it is upright"):
        ReferenceFiles(tmp_path, allow_outside=False).load("a.png", upright=True)


def test_a_name_in_another_normal_form_is_told_apart(tmp_path):
    (tmp_path / "café.png").write_bytes(PNG)

    with pytest.raises(BadPath) as caught:
        ReferenceFiles(tmp_path, allow_outside=False).load("cafe\u0301.png")

    assert "U+00E9, here it is U+0065 U+0301" in caught.value.hint
