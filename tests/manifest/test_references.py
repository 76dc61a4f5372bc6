"""References: files are found, typed by content, hashed, and kept inside."""

import hashlib
import os
import sys

import pytest

from pipeline.manifest.references import MAX_REFERENCE_BYTES, BadPath, ReferenceFiles

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
