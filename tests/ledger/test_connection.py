"""The file of a ledger: opened, committed to, read beside a writer, and refused."""

import os
import shutil
import sqlite3

import pytest

from pipeline.errors import LedgerError, OutputError, RunError
from pipeline.job import JobStatus
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import Ledger
from pipeline.ledger.migrations import CURRENT_VERSION

S = JobStatus


def only(ledger, item_id="oak"):
    [job] = ledger.find_jobs_of(item_id)
    return job


def test_a_closed_ledger_is_one_file_and_opens_again(path, live, new_job):
    with Ledger(path) as ledger:
        live(ledger, new_job(), S.SAVED)

    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with Ledger(path) as ledger:
        assert only(ledger).status is S.SAVED


def test_every_commit_is_an_fsync(path):
    with Ledger(path) as ledger:
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_empty_file_becomes_a_ledger(path, live, new_job):
    path.touch()

    with Ledger(path) as ledger:
        live(ledger, new_job(), S.SUBMITTING)

    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (
            CURRENT_VERSION,
        )
    connection.close()


def test_a_reader_sees_what_is_committed_while_a_writer_is_open(path, live, new_job):
    with Ledger(path) as ledger, Ledger(path, read_only=True) as reader:
        live(ledger, new_job("a"), S.SUBMITTING)
        assert len(reader.find_jobs_of("a")) == 1

        ledger.begin()
        live(ledger, new_job("b"), S.SUBMITTING)
        assert reader.find_jobs_of("b") == []
        ledger.commit()
        assert len(reader.find_jobs_of("b")) == 1


def test_a_reader_cannot_write(path, new_job):
    with (
        Ledger(path),
        Ledger(path, read_only=True) as reader,
        pytest.raises(OutputError),
    ):
        reader.record_submitting(new_job())


def test_what_was_rolled_back_never_was(path, live, new_job):
    with Ledger(path) as ledger:
        ledger.begin()
        live(ledger, new_job(), S.SUBMITTING)
        ledger.roll_back()
        ledger.roll_back()  # outside of a transaction: nothing

        assert ledger.find_jobs_of("oak") == []


def test_a_kill_before_the_commit_leaves_nothing_of_it(path, tmp_path, live, new_job):
    killed = tmp_path / "killed"
    killed.mkdir()
    with Ledger(path) as ledger:
        live(ledger, new_job("before"), S.SUBMITTING)
        ledger.begin()
        for number in range(2000):  # more than the page cache of a small transaction
            live(ledger, new_job(f"item-{number}", request={"p": "x" * 500}), S.SAVED)
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, killed)  # what a power cut would leave
        ledger.commit()

    with Ledger(killed / path.name) as ledger:
        assert ledger.count_by_status() == {S.SUBMITTING: 1}
        live(ledger, new_job("after"), S.SAVED)


def test_a_kill_after_the_commit_leaves_all_of_it(path, tmp_path, live, new_job):
    killed = tmp_path / "killed"
    killed.mkdir()
    with Ledger(path) as ledger:
        ledger.begin()
        live(ledger, new_job(), S.SUBMITTED)
        ledger.commit()
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, killed)

    with Ledger(killed / path.name) as ledger:
        assert only(ledger).status is S.SUBMITTED


@pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])
def test_a_ledger_of_a_newer_version_is_refused(path, read_only):
    Ledger(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {CURRENT_VERSION + 1}")
    connection.close()

    with pytest.raises(LedgerError, match="newer version") as caught:
        Ledger(path, read_only=read_only)

    assert "upgrade" in caught.value.hint
    assert str(path) in caught.value.message


def test_a_reader_shows_an_empty_file_as_an_empty_copy_and_leaves_it_alone(path):
    path.touch()

    with Ledger(path, read_only=True) as reader, reader.copy_in_memory() as copy:
        assert not reader.is_current
        assert copy.is_current
        assert copy.find_facts() == Facts()
        assert list(copy.find_commitments()) == []

    assert path.stat().st_size == 0


@pytest.mark.parametrize("read_only", [False, True], ids=["writer", "reader"])
@pytest.mark.parametrize(
    "content",
    [b"not a database" * 100, b"x" * 4096, b"SQLite format 3\0" + b"\xff" * 5000],
)
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(path, content, read_only):
    path.write_bytes(content)

    with pytest.raises(LedgerError, match="damaged") as caught:
        Ledger(path, read_only=read_only)

    assert str(path) in caught.value.message
    assert caught.value.exit_code == 11
    assert path.read_bytes() == content


def test_a_damaged_page_is_found_when_it_is_read(path, live, new_job):
    with Ledger(path) as ledger:
        ledger.begin()
        for number in range(200):
            live(ledger, new_job(f"item-{number}", request={"p": "x" * 900}), S.SAVED)
        ledger.commit()
    content = bytearray(path.read_bytes())
    content[40_000:120_000] = b"\xee" * 80_000
    path.write_bytes(content)

    with (
        pytest.raises(LedgerError, match="damaged"),
        Ledger(path) as ledger,
    ):
        list(ledger.find_jobs_in(*S))


def test_a_folder_that_is_missing_is_a_fault_of_the_output(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        Ledger(tmp_path / "missing" / "ledger.sqlite3")


def test_a_file_where_the_folder_should_be_is_a_fault_of_the_output(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OutputError):
        Ledger(tmp_path / "file" / "ledger.sqlite3")


def test_a_folder_where_the_file_should_be_is_a_fault_of_the_output(tmp_path):
    with pytest.raises(OutputError):
        Ledger(tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere"
)
def test_a_folder_that_is_not_writable_is_a_fault_of_the_output(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)

    with pytest.raises(OutputError):
        Ledger(folder / "ledger.sqlite3")


def test_a_reader_makes_no_file(path):
    with pytest.raises(RunError):
        Ledger(path, read_only=True)

    assert not path.exists()


@pytest.mark.parametrize("name", ["a b", "ü✓", "a%20b", "a?mode=rwc", "a#b"])
def test_a_folder_may_have_any_name(tmp_path, name, live, new_job):
    folder = tmp_path / name
    folder.mkdir()
    with Ledger(folder / "ledger.sqlite3") as ledger:
        live(ledger, new_job(), S.SAVED)

    with Ledger(folder / "ledger.sqlite3", read_only=True) as reader:
        assert only(reader).status is S.SAVED
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_ledger_that_ended_well_is_not_read_through(path, now):
    with Ledger(path) as ledger:
        ledger.check()
        ledger.record_run_ended(ledger.record_run_started(now), now, 0)
        ledger.check()
        ledger.record_run_started(now)
        ledger.check()
