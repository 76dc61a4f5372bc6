"""The folder of a gallery: only files that a gallery has written are touched."""

import errno
import json
import os
import shutil

import pytest
from filelock import FileLock

from pipeline.errors import LedgerBusy, OutputError, UsageError
from pipeline.output.gallery_folder import (
    INDEX_NAME,
    LOCK_NAME,
    find_gallery_files,
    holding_gallery,
    read_index,
)


def write(path, files):
    """One gallery of these files: name → content."""
    with holding_gallery(path) as folder:
        folder.begin(files)
        for name, content in files.items():
            if not folder.has(name):
                folder.write(name, content)
        folder.finish()


def names_in(path):
    return {
        one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file()
    } - {INDEX_NAME, LOCK_NAME}


def test_a_gallery_removes_what_an_earlier_one_left(tmp_path):
    write(tmp_path, {"a.js": b"1", "thumbnails/x.webp": b"2", "models/m.js": b"3"})

    write(tmp_path, {"a.js": b"new", "thumbnails/x.webp": b"2"})

    assert names_in(tmp_path) == {"a.js", "thumbnails/x.webp"}
    assert not (tmp_path / "models").exists()


def test_a_file_of_an_earlier_gallery_is_kept(tmp_path):
    write(tmp_path, {"thumbnails/a.webp": b"drawn"})

    with holding_gallery(tmp_path) as folder:
        assert folder.has("thumbnails/a.webp")
        assert not folder.has("thumbnails/b.webp")


@pytest.mark.parametrize("spoil", [b"", b"cut", b"longer than before"])
def test_a_file_that_was_cut_off_is_made_again(tmp_path, spoil):
    write(tmp_path, {"thumbnails/a.webp": b"drawn"})
    (tmp_path / "thumbnails/a.webp").write_bytes(spoil)

    write(tmp_path, {"thumbnails/a.webp": b"drawn"})

    assert (tmp_path / "thumbnails/a.webp").read_bytes() == b"drawn"


@pytest.mark.parametrize("name", ["notes.txt", "index.html", "sub/x.png", ".git/HEAD"])
def test_a_folder_with_other_things_is_refused(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"mine")

    with pytest.raises(UsageError, match="is not a gallery") as refused:
        write(tmp_path, {"index.html": b"ours"})

    assert "--out DIR" in refused.value.hint
    assert names_in(tmp_path) == {name}


def test_a_file_of_the_user_in_a_gallery_is_left_alone(tmp_path):
    write(tmp_path, {"a.js": b"1"})
    (tmp_path / "notes.txt").write_bytes(b"mine")

    write(tmp_path, {"b.js": b"2"})

    assert names_in(tmp_path) == {"b.js", "notes.txt"}


def test_a_file_of_the_user_is_never_replaced(tmp_path):
    write(tmp_path, {"a.js": b"1"})
    (tmp_path / "b.js").write_bytes(b"mine")

    with pytest.raises(UsageError, match="in the way"):
        write(tmp_path, {"b.js": b"2"})

    assert (tmp_path / "b.js").read_bytes() == b"mine"


def test_what_a_killed_command_wrote_is_known(tmp_path):
    with holding_gallery(tmp_path) as folder:
        folder.begin(["a.js", "b.js"])
        folder.write("a.js", b"1")  # killed here

    write(tmp_path, {"b.js": b"2"})

    assert names_in(tmp_path) == {"b.js"}


def test_what_an_interrupted_command_wrote_is_not_made_again(tmp_path):
    def write_until_interrupted():
        with holding_gallery(tmp_path) as folder:
            folder.begin(["a.js", "b.js"])
            folder.write("a.js", b"1")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_until_interrupted()

    with holding_gallery(tmp_path) as folder:
        assert (folder.has("a.js"), folder.has("b.js")) == (True, False)


def test_only_one_command_writes_a_gallery(tmp_path):
    with FileLock(tmp_path / LOCK_NAME), pytest.raises(LedgerBusy, match="is writing"):
        write(tmp_path, {"a.js": b"1"})


@pytest.mark.parametrize(
    "name",
    ["../canary", "/etc/passwd", "a/../../canary", "a\\..\\canary", "c:x", "", "."],
)
def test_an_index_that_was_edited_leads_to_no_other_file(tmp_path, name):
    gallery = tmp_path / "gallery"
    canary = tmp_path / "canary"
    canary.write_bytes(b"mine")
    write(gallery, {"a.js": b"1"})
    index = json.loads((gallery / INDEX_NAME).read_bytes())
    (gallery / INDEX_NAME).write_text(json.dumps(index | {name: 4}), encoding="utf-8")

    write(gallery, {"a.js": b"1"})

    assert canary.read_bytes() == b"mine"
    assert read_index(gallery) == {"a.js": 1}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("files/oak.png", ["files/oak.png.json"]),
        ("thumbnails/oak.webp", ["thumbnails/oak.webp.json"]),
        ("oak.png", []),
        ("notes.txt", []),
        ("sub/index.html", []),
    ],
    ids=["asset", "asset in the place of a thumbnail", "picture", "text", "page"],
)
def test_an_index_that_was_edited_lists_no_file_that_no_gallery_writes(
    tmp_path, name, more
):
    gallery = tmp_path / "gallery"
    write(gallery, {"a.js": b"1"})
    for one in (name, *more):
        (gallery / one).parent.mkdir(exist_ok=True)
        (gallery / one).write_bytes(b"mine")
    index = json.loads((gallery / INDEX_NAME).read_bytes())
    (gallery / INDEX_NAME).write_text(json.dumps(index | {name: 4}), encoding="utf-8")

    write(gallery, {"a.js": b"2"})

    assert names_in(gallery) == {"a.js", name, *more}
    with pytest.raises(UsageError, match="in the way"):
        write(gallery, {name: b"ours"})
    assert (gallery / name).read_bytes() == b"mine"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"a": "x"}', b"\xff", b"[" * 9999]
)
def test_an_index_that_cannot_be_read_lists_nothing(tmp_path, content):
    (tmp_path / INDEX_NAME).write_bytes(content)

    assert read_index(tmp_path) == {}


def test_nothing_is_written_or_removed_through_a_link(tmp_path):
    gallery, other = tmp_path / "gallery", tmp_path / "other"
    other.mkdir()
    write(gallery, {"thumbnails/a.webp": b"1"})
    (gallery / "thumbnails/a.webp").unlink()
    (gallery / "thumbnails").rmdir()
    (gallery / "thumbnails").symlink_to(other)
    (other / "a.webp").write_bytes(b"1")

    with pytest.raises(OutputError, match="leads outside"):
        write(gallery, {"thumbnails/b.webp": b"2"})
    write(gallery, {"x.js": b"3"})

    assert names_in(other) == {"a.webp"}


def test_a_copy_is_a_second_name_where_that_can_be(tmp_path):
    source = tmp_path / "oak.png"
    source.write_bytes(b"oak")
    with holding_gallery(tmp_path / "copy") as folder:
        folder.begin(["files/oak.png"])
        folder.copy(source, "files/oak.png")
        folder.finish()

    assert (tmp_path / "copy/files/oak.png").samefile(source)
    assert names_in(tmp_path / "copy") == {"files/oak.png"}


def test_a_copy_follows_a_file_that_was_replaced(tmp_path):
    source, copy = tmp_path / "oak.png", tmp_path / "copy/files/oak.png"
    for content in (b"old", b"new", b"new"):
        source.unlink(missing_ok=True)
        source.write_bytes(content)
        with holding_gallery(tmp_path / "copy") as folder:
            folder.begin(["files/oak.png"])
            folder.copy(source, "files/oak.png")
            folder.finish()

        assert copy.read_bytes() == content
    assert not (tmp_path / "copy/.partial").exists()


def test_where_a_file_cannot_have_two_names_it_is_copied(tmp_path, monkeypatch):
    source = tmp_path / "oak.png"
    source.write_bytes(b"oak")

    def refuse(*_names):
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    with holding_gallery(tmp_path / "copy") as folder:
        folder.begin(["files/oak.png"])
        folder.copy(source, "files/oak.png")
        folder.finish()

    copy = tmp_path / "copy/files/oak.png"
    assert copy.read_bytes() == b"oak"
    assert not copy.samefile(source)


def test_a_disk_that_is_full_is_no_missing_file(tmp_path, monkeypatch):
    source = tmp_path / "oak.png"
    source.write_bytes(b"oak")

    def fail(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(shutil, "copyfileobj", fail)
    with holding_gallery(tmp_path / "copy") as folder:
        folder.begin(["files/oak.png", "files/gone.png"])
        with pytest.raises(OutputError, match="No space left"):
            folder.copy(source, "files/oak.png")
        with pytest.raises(FileNotFoundError):
            folder.copy(tmp_path / "gone.png", "files/gone.png")


def test_the_files_of_every_gallery_in_a_folder_are_found(tmp_path):
    write(tmp_path / "gallery", {"index.html": b"1", "thumbnails/a.webp": b"2"})
    write(tmp_path / "shared/copy", {"data.js": b"3"})
    (tmp_path / "gallery/notes.txt").write_bytes(b"mine")
    (tmp_path / "gallery/.partial").mkdir()
    (tmp_path / "gallery/.partial/x").write_bytes(b"unfinished")
    names = {
        one.relative_to(tmp_path).as_posix()
        for one in tmp_path.rglob("*")
        if one.is_file()
    }

    assert names - find_gallery_files(names, tmp_path) == {"gallery/notes.txt"}
