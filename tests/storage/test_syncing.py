"""Syncing: a refusal is said once and nothing is lost; a broken disk is an error."""

import errno
import os
import stat

import pytest

from pipeline.errors import OutputError
from pipeline.ledger.ledger import Ledger
from pipeline.lockfile.writing import write_lock
from pipeline.output.folder import try_writing
from pipeline.storage.atomic_file import PartialFile, sync_folders, write_in_place
from pipeline.storage.folder import Folder
from pipeline.storage.syncing import take_unsynced

pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders are not synced")

REFUSALS = ["EINVAL", "ENOTSUP", "EOPNOTSUPP", "ENOTTY", "EPERM", "ENOSYS", "EACCES"]
TROUBLES = ["ENOSPC", "EIO", "EDQUOT"]


@pytest.fixture
def refuse(monkeypatch):
    """Let the file system answer the sync of a folder, or of anything, with an error."""

    def begin(name: str, *, files: bool = False) -> None:
        fsync = os.fsync

        def answer(descriptor):
            if files or stat.S_ISDIR(os.fstat(descriptor).st_mode):
                code = getattr(errno, name)
                raise OSError(code, os.strerror(code))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", answer)

    take_unsynced()
    yield begin
    take_unsynced()


@pytest.mark.parametrize("name", [*REFUSALS, "EBADF"])
def test_a_folder_that_cannot_be_synced_is_said_once(tmp_path, refuse, name):
    refuse(name)

    sync_folders([tmp_path / "a"])
    sync_folders([tmp_path / "b", tmp_path / "c"])

    said = str(take_unsynced())
    assert said.startswith(f"{tmp_path} cannot be synced (")
    assert os.strerror(getattr(errno, name)) in said
    assert take_unsynced() is None


@pytest.mark.parametrize("name", TROUBLES)
def test_a_broken_disk_is_an_error(tmp_path, refuse, name):
    refuse(name, files=True)

    with pytest.raises(OutputError):
        sync_folders([tmp_path / "a"])
    with pytest.raises(OutputError):
        write_in_place(b"x", tmp_path, "a")
    assert take_unsynced() is None
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_file_that_cannot_be_synced_is_written(tmp_path, refuse, name):
    refuse(name, files=True)

    write_in_place(b"sidecar", tmp_path, "a.json")
    async with PartialFile(tmp_path) as partial:
        await partial.finish([b"asset"])
    (tmp_path / "old.png").symlink_to(partial.path)  # a link is copied
    Folder(tmp_path).copy("old.png", "new.png")
    write_lock(tmp_path / "x.lock", [], base_url="https://a.example", project_id="")

    assert (tmp_path / "a.json").read_bytes() == b"sidecar"
    assert partial.path.read_bytes() == b"asset"
    assert (tmp_path / "new.png").read_bytes() == b"asset"
    assert take_unsynced() is not None


def test_a_folder_that_nobody_may_read_is_passed_over(tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    take_unsynced()
    monkeypatch.setattr(os, "open", refuse)
    sync_folders([tmp_path / "a"])

    assert "Permission denied" in str(take_unsynced())


@pytest.mark.parametrize(
    ("name", "level"), [("EINVAL", 0), ("ENOTSUP", 0), ("EIO", 2), (None, 2)]
)
def test_the_ledger_syncs_where_its_file_system_does(tmp_path, refuse, name, level):
    if name:
        refuse(name, files=True)

    with Ledger(tmp_path / "ledger.sqlite3") as ledger:
        found = ledger._connection.execute("PRAGMA synchronous").fetchone()

    assert found == (level,)
    assert (take_unsynced() is not None) == (level == 0)


@pytest.mark.parametrize("name", ["EINVAL", "ENOTTY"])
def test_trying_a_folder_says_what_a_refusal_means(tmp_path, refuse, name):
    assert try_writing(tmp_path) == ""

    refuse(name)

    assert "a power cut may lose the newest" in try_writing(tmp_path)
    assert list(tmp_path.iterdir()) == []
