"""Writing a lock file: the documented text, and nothing replaced that need not be."""

import logging
import os
from pathlib import Path

import pytest
import yaml
from doubles.locked_jobs import (
    HEADER,
    SERVICE,
    SHOWN,
    make_asset,
    make_job,
    read,
    render,
    write,
)
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import OutputError
from pipeline.job import JobStatus
from pipeline.lockfile import keep_details, lock_path, read_lock, render_lock
from pipeline.lockfile.values import MAX_TEXT_CHARS
from pipeline.record import replace

posix_only = pytest.mark.skipif(os.name != "posix", reason="links need POSIX")


# --- the text ------------------------------------------------------------------------


def test_the_text_is_as_documented(path):
    bare = make_job("on", 0, seed=None, derived_seed=False, charged=None)
    jobs = [make_job(), bare]

    assert render(jobs) == SHOWN
    assert read(path, SHOWN) == (HEADER, jobs)


def test_it_is_beside_the_manifest():
    assert lock_path(Path("a/icons.yaml")) == Path("a/icons.yaml.lock")
    assert lock_path(Path("icons")) == Path("icons.lock")


def test_assets_that_were_not_saved_are_named_apart(path):
    job = make_job(remote_assets=("asset_other", "asset_oak_1"))

    text = render([job])

    assert "  job_asset_ids:\n  - asset_other\n  - asset_oak_1\n" in text
    assert read(path, text)[1] == [job]


def test_a_job_whose_files_are_not_there_yet_names_its_assets(path):
    job = make_job(assets=0, remote_assets=("asset_1", "asset_2"))

    assert read(path, render([job]))[1] == [job]
    assert job.status is JobStatus.SUCCEEDED


def test_outputs_keep_their_number_where_one_is_missing(path):
    files = (make_asset(index=2), make_asset(index=3), make_asset(index=7))
    job = make_job(files=files, remote_assets=("a1", "a2"))

    text = render([job])

    assert text.count("output_index") == 2
    assert read(path, text)[1] == [job]


@pytest.mark.parametrize("status", list(JobStatus))
def test_the_status_follows_from_what_is_known(path, status):
    """A SAVED job is one whose files have to be fetched, in another checkout."""
    jobs = [make_job("a", 0, status=status), make_job("b", 1, status=status)]

    found = read(path, render(jobs))[1]

    assert [job.status for job in found] == [JobStatus.SUBMITTED, JobStatus.SUCCEEDED]


def test_nothing_is_in_it_but_what_is_documented():
    job = make_job(
        request={"prompt": "SECRET"},
        author_id="SECRET",
        echo={"prompt": "SECRET"},
        seed=3,
    )

    assert "SECRET" not in render([job])


def test_a_lock_without_items_is_one(path):
    assert read(path, render([])) == (HEADER, [])
    assert yaml.safe_load(render([]))["items"] is None


# --- what is left out ----------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        replace(make_job("oak"), item_id="../oak"),
        make_job("oak", remote_id="job/../x"),
        make_job("oak", remote_id=None),
        make_job("oak", model_id=""),
        make_job("oak", model_id="x" * (MAX_TEXT_CHARS + 1)),
        make_job("oak", model_id="\ud800"),
        make_job("oak", seed=2**63),
        make_job("oak", files=(make_asset(path="../x.png"),)),
        make_job("oak", files=(make_asset(sha256="abc"),)),
        make_job("oak", files=(make_asset(size_bytes=-1),)),
        make_job("oak", files=(make_asset(index=2), make_asset(index=1))),
        make_job("oak", remote_assets=("a b",)),
    ],
)
def test_a_job_that_could_not_be_read_back_is_left_out_and_said(path, caplog, wrong):
    with caplog.at_level(logging.WARNING):
        text = render([make_job("elm"), wrong, make_job("yew")])

    assert [job.item_id for job in read(path, text)[1]] == ["elm", "yew"]
    assert len(caplog.records) == 1
    assert "is left out of the lock file: " in caplog.messages[0]


# --- writing -------------------------------------------------------------------------


def test_what_is_written_is_read(path):
    jobs = [make_job("elm"), make_job("oak", 2)]

    assert write(path, jobs)

    assert read(path) == (HEADER, jobs)
    assert path.read_bytes() == render(jobs).encode()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_same_content_is_not_written_again(path):
    write(path, [make_job()])
    os.utime(path, ns=(5, 5))
    inode = path.stat().st_ino

    written = write(path, [make_job()])

    assert not written
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (5, inode)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["a"], ["a", "b"]),
        (["a", "b"], ["a"]),
        (["a", "b"], ["b"]),
        (["b"], ["a", "b"]),
        (["a", "c"], ["a", "b", "c"]),
        (["a"], []),
    ],
)
def test_another_content_replaces_the_file(path, before, after):
    write(path, map(make_job, before))

    assert write(path, map(make_job, after))

    assert path.read_text() == render(map(make_job, after))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_longer_file_that_begins_the_same_is_replaced(path):
    path.write_text(render([make_job()]) + "# more\n")

    assert write(path, [make_job()])
    assert path.read_text() == render([make_job()])


def test_no_file_is_made_for_no_jobs(path):
    assert not write(path, [])
    assert list(path.parent.iterdir()) == []


class Broken(Exception):
    pass


@pytest.mark.parametrize("before", [None, ["a"], ["x"]])
def test_an_error_of_the_jobs_leaves_everything_as_it_was(path, before):
    if before is not None:
        write(path, map(make_job, before))
    content = path.read_bytes() if before else None

    def jobs():
        yield make_job("a")
        yield make_job("b")
        raise Broken

    with pytest.raises(Broken):
        write(path, jobs())

    assert (path.read_bytes() if path.exists() else None) == content
    assert len(list(path.parent.iterdir())) == (before is not None)


@posix_only
def test_a_link_is_replaced_and_not_followed(path):
    target = path.parent / "precious"
    target.write_text(render([make_job()]))
    os.utime(target, ns=(5, 5))
    path.symlink_to(target)

    write(path, [make_job(), make_job("yew")])

    assert not path.is_symlink()
    assert target.read_text() == render([make_job()])
    assert len(read(path)[1]) == 2


@posix_only
def test_nobody_else_may_write_the_file(path):
    before = os.umask(0)
    try:
        write(path, [make_job()])
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o644


def test_a_folder_that_cannot_be_written_is_told(path):
    with pytest.raises(OutputError) as raised:
        write(path / "missing" / "icons.yaml.lock", [make_job()])

    assert "cannot write" in raised.value.message
    assert "writable" in raised.value.hint


def test_a_folder_in_its_place_stays(path):
    path.mkdir()

    with pytest.raises(OutputError):
        write(path, [make_job()])

    assert path.is_dir()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


# --- details of files ----------------------------------------------------------------


def without_details(job):
    return replace(job, assets=())


def test_files_that_are_not_fetched_yet_do_not_vanish_from_the_lock():
    locked = [make_job("a"), make_job("b"), make_job("d", 2), make_job("e")]
    jobs = [
        make_job("a", remote_id="job_new", assets=0),
        make_job("b", 2),
        make_job("c", 0),
        without_details(locked[2]),
        without_details(make_job("f")),
    ]

    found = list(keep_details(jobs, iter(locked)))

    assert found == [jobs[0], jobs[1], jobs[2], locked[2], jobs[4]]


def test_a_job_whose_end_is_not_known_here_takes_it_from_the_lock():
    locked = make_job("a", 2)

    [found] = keep_details([make_job("a", 0)], iter([locked]))

    assert (found.assets, found.remote_assets) == (locked.assets, locked.remote_assets)


def test_the_lock_is_not_read_where_nothing_is_missing():
    jobs = [make_job("a"), make_job("b")]

    def locked():
        raise Broken
        yield

    assert list(keep_details(jobs, locked())) == jobs


@given(st.sets(st.sampled_from("abcdefgh")), st.sets(st.sampled_from("abcdefgh")))
def test_details_are_kept_for_every_item_that_both_have(names, locked_names):
    jobs = [without_details(make_job(name)) for name in sorted(names)]
    locked = map(make_job, sorted(locked_names))

    found = keep_details(jobs, locked)

    assert {job.item_id for job in found if job.assets} == names & locked_names


# --- many ----------------------------------------------------------------------------


def test_jobs_are_written_and_read_one_by_one(path):
    """Nothing is held: the reader starts before the writer's last job exists."""
    made = []

    def jobs():
        for number in range(2000):
            made.append(number)
            yield make_job(f"{number:06}")

    text = render_lock(jobs(), base_url=SERVICE, project_id="")
    next(text)
    next(text)

    assert len(made) == 1
    write(path, jobs())
    _, found = read_lock(path)
    assert next(found).item_id == "000000"
    assert sum(1 for _ in found) == 1999
