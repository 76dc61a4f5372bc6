"""Atomic files: whole and in place, or not there."""

import asyncio
import errno
import hashlib
import os
import stat
import threading
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from pipeline.errors import ExitCode, OutputError
from pipeline.storage.atomic_file import (
    CHUNK_SIZE_BYTES,
    PARTIAL_FOLDER,
    PartialFile,
    put_in_place,
    remove_partial_files,
    storage_errors,
    sync_folders,
    write_in_place,
)
from pipeline.storage.media_type import HEAD_SIZE_BYTES

posix_only = pytest.mark.skipif(os.name != "posix", reason="links need POSIX")


def files_below(folder):
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir()
    )


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


# --- PartialFile --------------------------------------------------------------------


@pytest.mark.parametrize(
    "sizes",
    [[], [0], [1], [5, 5], [CHUNK_SIZE_BYTES, CHUNK_SIZE_BYTES + 1, 3], [4095, 2]],
    ids=str,
)
async def test_a_partial_file_holds_and_hashes_what_was_written(tmp_path, sizes):
    chunks = [os.urandom(size) for size in sizes]
    content = b"".join(chunks)

    async with PartialFile(tmp_path) as partial:
        for chunk in chunks[:-1]:
            await partial.write([chunk])
        digest = await partial.finish(chunks[-1:])

    assert partial.path.read_bytes() == content
    assert digest == hashlib.sha256(content).hexdigest()
    assert partial.size_bytes == len(content)
    assert partial.head == content[:HEAD_SIZE_BYTES]
    assert partial.path.parent == tmp_path / PARTIAL_FOLDER


async def test_what_is_synced_is_on_the_disk_and_closed_before_the_block_is_left(
    tmp_path,
):
    async with PartialFile(tmp_path) as partial:
        await partial.write([b"abc"])
        await partial.finish([])
        assert partial.path.read_bytes() == b"abc"
        assert partial._writer.closed


async def test_the_last_write_is_followed_by_a_sync_and_only_then_by_the_close(
    tmp_path, monkeypatch
):
    synced = []
    fsync = os.fsync

    def note(descriptor):
        synced.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    async with PartialFile(tmp_path) as partial:
        await partial.write([b"abc"])
        assert synced == []
        await partial.finish([b"de", b"f"])

    assert synced == [6]


@pytest.mark.parametrize("piece_bytes", [1, 1000, (1 << 16) - 1, 1 << 16, 1 << 20])
async def test_small_pieces_are_joined_and_large_ones_are_not_copied(
    tmp_path, piece_bytes
):
    seen = []
    count = min(3000, 3 * CHUNK_SIZE_BYTES // piece_bytes)
    pieces = [os.urandom(piece_bytes) for _ in range(count)]

    async with PartialFile(tmp_path, seen.append) as partial:
        digest = await partial.finish(pieces)

    assert digest == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert partial.path.read_bytes() == b"".join(seen) == b"".join(pieces)
    if piece_bytes >= 1 << 16:
        assert all(left is right for left, right in zip(seen, pieces, strict=True))
    else:
        assert len(seen) == -(-count * piece_bytes // CHUNK_SIZE_BYTES)
        assert max(map(len, seen)) < CHUNK_SIZE_BYTES + piece_bytes


@pytest.mark.parametrize("is_last", [False, True])
async def test_a_write_under_way_is_waited_for_when_cancelled(tmp_path, is_last):
    begun, may_go_on, ended = threading.Event(), threading.Event(), []

    def watch(_block):
        begun.set()
        may_go_on.wait(10)
        ended.append(True)

    async def write():
        async with PartialFile(tmp_path, watch) as partial:
            await (partial.finish([b"x"]) if is_last else partial.write([b"x"]))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(write)
        await anyio.to_thread.run_sync(begun.wait, 10)
        tasks.cancel_scope.cancel()
        asyncio.get_running_loop().call_later(0, may_go_on.set)

    assert ended == [True]
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()], ids=repr)
async def test_an_error_removes_the_partial_file(tmp_path, error):
    with pytest.raises(type(error)):  # noqa: PT012 - the block is what is tested
        async with PartialFile(tmp_path) as partial:
            await partial.write([b"abc"])
            raise error

    assert files_below(tmp_path) == []


async def test_pieces_are_one_block_for_the_watcher_in_the_thread_that_writes(tmp_path):
    seen = []

    def watch(block):
        seen.append((block, threading.current_thread() is threading.main_thread()))

    async with PartialFile(tmp_path, watch) as partial:
        await partial.write([b"ab", b"", b"c"])
        await partial.finish([b"def"])

    assert seen == [(b"abc", False), (b"def", False)]
    assert partial.path.read_bytes() == b"abcdef"
    assert (partial.head, partial.size_bytes) == (b"abcdef", 6)


async def test_what_the_watcher_refuses_is_not_kept(tmp_path):
    def watch(_block):
        raise ValueError("no picture")

    with pytest.raises(ValueError, match="no picture"):
        async with PartialFile(tmp_path, watch) as partial:
            await partial.write([b"abc"])

    assert files_below(tmp_path) == []


@pytest.mark.parametrize("is_begun", [False, True])
async def test_a_write_that_outlives_its_file_writes_nowhere(tmp_path, is_begun):
    """A cancelled one goes on in its thread, when the block has been left."""
    errors = []
    begun, may_go_on = threading.Event(), threading.Event()

    def watch(_block):
        begun.set()
        may_go_on.wait(10)

    async with PartialFile(tmp_path, watch) as partial:
        writer = partial._writer
        if is_begun:
            may_go_on.set()
            await partial.write([b"abc"])
            begun.clear()
            may_go_on.clear()
        writing = threading.Thread(
            target=lambda: collect(errors, writer.writelines, [b"x"])
        )
        writing.start()
        begun.wait(10)
    may_go_on.set()
    writing.join(10)

    assert [type(error) for error in errors] == [ValueError]
    assert partial.path.exists() == is_begun
    assert not is_begun or partial.path.read_bytes() == b"abc"


def collect(errors, call, *arguments):
    try:
        call(*arguments)
    except Exception as error:  # noqa: BLE001 - for the test to look at
        errors.append(error)


async def test_partial_files_do_not_meet(tmp_path):
    async with PartialFile(tmp_path) as one, PartialFile(tmp_path) as other:
        assert one.path != other.path


async def test_an_output_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(OutputError, match="cannot write") as caught:
        async with PartialFile(tmp_path / "file") as partial:
            await partial.write([b"x"])

    assert caught.value.exit_code is ExitCode.STORAGE
    assert "space" in caught.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
async def test_a_full_disk_is_an_output_error(tmp_path):
    partial = PartialFile(tmp_path)
    async with partial:
        await partial.write([b"x"])
        # The descriptor is exchanged for one that never has room.
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, partial._writer.fileno())
        os.close(full)
        with pytest.raises(OutputError, match="No space left"):
            await partial.finish([b"x" * (CHUNK_SIZE_BYTES + 1)])


@posix_only
async def test_a_disk_that_takes_a_part_of_a_block_is_an_output_error(tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with PartialFile(tmp_path) as partial:
        resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK_SIZE_BYTES, before[1]))
        try:
            with pytest.raises(OutputError, match="too large"):
                await partial.write([bytes(CHUNK_SIZE_BYTES + 1)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


@posix_only
async def test_no_file_of_ours_is_writable_by_others(tmp_path, open_umask):
    async with PartialFile(tmp_path) as partial:
        await partial.finish([b"x"])
    one = put_in_place(partial.path, tmp_path, "a.png")
    other = write_in_place(b"x", tmp_path, "b.json")

    for path in (one, other):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


# --- in place -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["oak.png", "a/b/oak.png", "ü ✓.png", "a.b/c"])
def test_a_file_is_put_under_its_name(tmp_path, name):
    path = write_in_place(b"content", tmp_path, name)

    assert path == tmp_path / name
    assert path.read_bytes() == b"content"
    assert files_below(tmp_path) == [name]
    sync_folders([path])


def test_a_file_that_was_there_is_replaced_whole(tmp_path):
    write_in_place(b"a longer content", tmp_path, "a")

    write_in_place(b"new", tmp_path, "a")

    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_partial_file_moves_and_leaves_nothing(tmp_path):
    partial = tmp_path / PARTIAL_FOLDER / "x"
    partial.parent.mkdir()
    partial.write_bytes(b"content")

    put_in_place(partial, tmp_path, "sub/oak.png")

    assert files_below(tmp_path) == ["sub/oak.png"]


@pytest.mark.parametrize("name", ["../oak.png", "a/../../oak.png", "/oak.png"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    output = tmp_path / "output"
    if name.startswith("/"):
        name = str(tmp_path / "oak.png")

    with pytest.raises(OutputError, match="outside"):
        write_in_place(b"x", output, name)

    assert files_below(tmp_path) == []


@posix_only
@pytest.mark.parametrize("name", ["link/oak.png", "link/sub/oak.png", "link/a/b/c.png"])
def test_a_link_out_of_the_folder_is_not_followed(tmp_path, name):
    output, outside = tmp_path / "output", tmp_path / "outside"
    output.mkdir()
    outside.mkdir()
    (output / "link").symlink_to(outside)

    with pytest.raises(OutputError, match="outside") as caught:
        write_in_place(b"x", output, name)

    assert "link" in caught.value.hint
    assert list(outside.iterdir()) == []
    assert (output / "link").is_symlink()
    assert files_below(output) == []


@posix_only
def test_a_link_within_the_folder_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    write_in_place(b"x", tmp_path, "link/a")

    assert (tmp_path / "real" / "a").read_bytes() == b"x"


@posix_only
def test_an_output_folder_may_be_a_link_itself(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "output").symlink_to(tmp_path / "real")

    write_in_place(b"x", tmp_path / "output", "a")

    assert (tmp_path / "real" / "a").read_bytes() == b"x"


@posix_only
def test_a_link_in_the_file_s_place_is_replaced_and_its_target_left(tmp_path):
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    output = tmp_path / "output"
    output.mkdir()
    (output / "a").symlink_to(target)

    write_in_place(b"new", output, "a")

    assert target.read_bytes() == b"precious"
    assert not (output / "a").is_symlink()


@pytest.mark.parametrize("in_the_way", ["a", "a/b"])
def test_what_is_in_the_way_is_an_output_error_and_stays(tmp_path, in_the_way):
    if in_the_way == "a":
        (tmp_path / "a").write_bytes(b"precious")  # a file where a folder should be
    else:
        (tmp_path / "a" / "b" / "c").mkdir(parents=True)  # a folder where a file should

    with pytest.raises(OutputError):
        write_in_place(b"x", tmp_path, "a/b")

    assert files_below(tmp_path / PARTIAL_FOLDER) == []
    assert (tmp_path / in_the_way).exists()


def test_a_folder_that_is_gone_cannot_be_synced(tmp_path):
    if os.name == "posix":
        with pytest.raises(OutputError):
            sync_folders([tmp_path / "gone" / "a"])


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / PARTIAL_FOLDER).mkdir()
    (tmp_path / PARTIAL_FOLDER / "x").write_bytes(b"half")
    (tmp_path / "oak.png").write_bytes(b"whole")

    remove_partial_files(tmp_path)
    remove_partial_files(tmp_path)  # nothing there is fine

    assert [path.name for path in tmp_path.iterdir()] == ["oak.png"]


def test_only_the_system_s_errors_are_about_storage(tmp_path):
    with (
        pytest.raises(OutputError, match=f"cannot write {tmp_path}: No space left"),
        storage_errors(tmp_path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(ValueError, match="bug"), storage_errors(tmp_path):
        raise ValueError("bug")
