"""Originals: kept by their hash, found again, and never taken for something else."""

import hashlib
import io

import pytest
from doubles.pictures import png_bytes

from pipeline.assets.originals import (
    ORIGINALS_FOLDER,
    find_original,
    keep_original,
    list_originals,
    original_name,
)
from pipeline.assets.receipt import Receipt
from pipeline.job import Asset, AssetId
from pipeline.output.names import is_own
from pipeline.storage.atomic_file import PARTIAL_FOLDER
from pipeline.storage.folder import Folder

CONTENT = png_bytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def recorded(*, original=SHA256, sha256="f" * 64, path="oak.webp"):
    return Asset(
        asset_id=AssetId("asset_1"),
        output_index=1,
        path=path,
        sha256=sha256,
        size_bytes=1,
        media_type="image/webp",
        width_px=1,
        height_px=1,
        original_sha256=original,
    )


@pytest.fixture
def kept(tmp_path):
    partial = tmp_path / PARTIAL_FOLDER / "one"
    partial.parent.mkdir()
    partial.write_bytes(CONTENT)
    receipt = Receipt(
        partial=partial,
        sha256=SHA256,
        size_bytes=len(CONTENT),
        media_type="image/png",
        kind="image",
        width_px=8,
        height_px=6,
    )
    keep_original(Folder(tmp_path), receipt)
    return tmp_path


def partials(folder):
    return list((folder / PARTIAL_FOLDER).iterdir())


def test_a_kept_original_comes_back_as_if_it_was_downloaded(kept):
    found = find_original(Folder(kept), recorded())

    assert found is not None
    assert _bytes_of(found) == CONTENT
    assert (found.sha256, found.size_bytes) == (SHA256, len(CONTENT))
    assert (found.media_type, found.width_px, found.height_px) == ("image/png", 8, 6)
    assert list(list_originals(Folder(kept))) == [(SHA256, len(CONTENT))]


def test_git_leaves_the_originals_alone(kept):
    assert (kept / ORIGINALS_FOLDER / ".gitignore").read_text() == "*\n"
    assert is_own(original_name(SHA256))


def test_the_saved_file_is_its_own_original_if_it_is_as_it_came(tmp_path):
    (tmp_path / "oak.png").write_bytes(CONTENT)
    asset = recorded(original="", sha256=SHA256, path="oak.png")

    found = find_original(Folder(tmp_path), asset)
    assert found is not None
    assert _bytes_of(found) == CONTENT
    assert (tmp_path / "oak.png").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"", b"another", CONTENT[:-1], CONTENT + b"x"])
def test_a_damaged_original_is_none(content, kept):
    (kept / original_name(SHA256)).write_bytes(content)

    assert find_original(Folder(kept), recorded()) is None
    assert partials(kept) == []


def test_an_edited_file_is_not_taken_for_the_original(tmp_path):
    (tmp_path / "oak.png").write_bytes(png_bytes("red"))
    asset = recorded(original="", sha256=SHA256, path="oak.png")

    assert find_original(Folder(tmp_path), asset) is None


def test_nothing_is_read_through_a_link_that_leads_outside(tmp_path):
    outside, output = tmp_path / "outside", tmp_path / "output"
    outside.mkdir()
    output.mkdir()
    (outside / SHA256).write_bytes(CONTENT)
    (output / ORIGINALS_FOLDER).symlink_to(outside)

    assert find_original(Folder(output), recorded()) is None
    assert list(list_originals(Folder(output))) == []


def test_other_files_in_the_folder_are_nobodys_originals(kept):
    (kept / ORIGINALS_FOLDER / "notes.txt").write_text("mine")
    (kept / ORIGINALS_FOLDER / ("a" * 64)).mkdir()

    assert [sha256 for sha256, _ in list_originals(Folder(kept))] == [SHA256]


def test_without_the_folder_there_are_none(tmp_path):
    assert list(list_originals(Folder(tmp_path))) == []
    assert find_original(Folder(tmp_path), recorded()) is None


def _bytes_of(receipt):
    with receipt.partial.open("rb") as file:
        return file.read()


def test_an_original_that_the_disk_does_not_give_is_none(kept, monkeypatch):
    def fail(_self, _name):
        file = io.BytesIO(CONTENT)
        file.read = broken  # type: ignore[method-assign]
        return file

    def broken(_size=-1):
        raise OSError("input/output error")

    monkeypatch.setattr(Folder, "open", fail)

    assert find_original(Folder(kept), recorded()) is None


def test_what_has_the_hash_of_an_original_but_is_no_picture_is_none(tmp_path):
    content = b"\x89PNG\r\n\x1a\n and no more"
    digest = hashlib.sha256(content).hexdigest()
    path = tmp_path / "oak.png"
    path.write_bytes(content)

    asset = recorded(original="", sha256=digest, path="oak.png")

    assert find_original(Folder(tmp_path), asset) is None
    assert not list((tmp_path / PARTIAL_FOLDER).iterdir())
