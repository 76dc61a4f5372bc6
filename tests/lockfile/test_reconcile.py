"""A ledger and the lock file beside the manifest: each learns from the other.

What would be paid for is read in plans and in the service's counters.
"""

import logging
import os

import pytest
from doubles.checkout import OTHER, SERVICE, check_out, items_in, learn, planned, write
from doubles.outcome import Outcome
from doubles.pictures import png_bytes
from doubles.workshop import BASE_URL

from pipeline.errors import LockError, OutputError, UsageError
from pipeline.job import RemoteId
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.lockfile import read_lock, render_lock
from pipeline.lockfile.reconcile import find_lock_file, learn_lock
from pipeline.manifest import load_manifest
from pipeline.output.folder import holding_output
from pipeline.record import replace
from pipeline.settings import Service

posix_only = pytest.mark.skipif(os.name != "posix", reason="pipes need POSIX")


# --- locks that are not for us -------------------------------------------------------


@pytest.mark.parametrize(
    "service", [OTHER, Service(base_url=BASE_URL, project_id="proj_2")]
)
async def test_a_lock_of_another_service_or_project_stops_before_anything_is_paid(
    workshop, lock_file, service
):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    before = lock_file.read_bytes()
    check_out(workshop)

    with pytest.raises(UsageError, match="not to"):
        learn(workshop, lock_file, service)
    with pytest.raises(UsageError, match="not to"):
        planned(workshop, lock_file, service)

    assert lock_file.read_bytes() == before


async def test_a_rehearsal_s_lock_is_neither_learned_nor_written(
    workshop, lock_file, caplog
):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    text = lock_file.read_text().replace(BASE_URL, "http://127.0.0.1:8765/v1")
    lock_file.write_text(text)
    check_out(workshop)

    other = Service(base_url="http://127.0.0.1:9999/v1", project_id="")
    with caplog.at_level(logging.WARNING):
        learn(workshop, lock_file, other)
    write(workshop, lock_file, service=other)

    assert workshop.attempts("oak") == []
    assert lock_file.read_text() == text
    assert "belongs to http://127.0.0.1:8765/v1" in caplog.text
    assert planned(workshop, lock_file, other) == {"oak": "submit"}


async def test_a_rehearsal_s_lock_stops_a_real_run_before_anything_is_paid(
    workshop, lock_file
):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    text = lock_file.read_text().replace(BASE_URL, "http://127.0.0.1:8765/v1")
    lock_file.write_text(text)
    check_out(workshop)

    with pytest.raises(UsageError, match="from a rehearsal") as caught:
        learn(workshop, lock_file)
    with pytest.raises(UsageError, match="from a rehearsal"):
        planned(workshop, lock_file)

    assert "delete it" in caught.value.hint
    assert lock_file.read_text() == text


def test_the_emulator_s_work_is_in_no_lock(workshop, lock_file):
    workshop.write_items("oak")
    manifest = load_manifest(workshop.folder / "icons.yaml", models=workshop.models)

    assert find_lock_file(manifest, emulate=True) is None
    assert find_lock_file(manifest, emulate=False) == lock_file


CONFLICT = "<<<<<<< HEAD\n{0}=======\n{0}>>>>>>> theirs\n"


async def test_conflict_markers_stop_everything_and_nothing_is_recorded(
    workshop, lock_file
):
    workshop.write_items("ash", "elm", "oak")
    await workshop.run()
    write(workshop, lock_file)
    text = lock_file.read_text()
    block = text[text.index("- id: oak") : text.rindex("...")]
    lock_file.write_text(text.replace(block, CONFLICT.format(block)))
    check_out(workshop)

    with pytest.raises(LockError, match="merge conflict") as caught:
        learn(workshop, lock_file)
    with pytest.raises(LockError, match="merge conflict"):
        planned(workshop, lock_file)

    assert int(caught.value.exit_code) == 2
    assert isinstance(caught.value, UsageError)
    assert f"{lock_file}:" in caught.value.message
    assert workshop.statuses() == {}
    with Ledger(workshop.output / LEDGER_NAME, read_only=True) as ledger:
        assert ledger.find_facts().lock_sha256 is None


async def test_a_lock_that_is_cut_off_is_not_half_learned(workshop, lock_file):
    workshop.write_items("ash", "elm", "oak")
    await workshop.run()
    write(workshop, lock_file)
    text = lock_file.read_text()
    lock_file.write_text(text[: text.index("- id: oak") - 1])
    check_out(workshop)

    with pytest.raises(LockError, match="cut off"):
        learn(workshop, lock_file)

    assert workshop.statuses() == {}


@posix_only
def test_a_pipe_in_the_lock_s_place_is_not_waited_for(workshop, lock_file):
    workshop.write_items("oak")
    os.mkfifo(lock_file)

    with pytest.raises(LockError, match="is not a file"):
        learn(workshop, lock_file)
    with pytest.raises(LockError, match="is not a file"):
        planned(workshop, lock_file)


def test_a_folder_in_the_lock_s_place_is_a_fault_of_the_lock(workshop, lock_file):
    workshop.write_items("oak")
    lock_file.mkdir()

    with pytest.raises(LockError, match="is not a file"):
        learn(workshop, lock_file)


# --- writing -------------------------------------------------------------------------


async def test_a_lock_has_what_is_paid_for_and_no_orphans(workshop, lock_file):
    workshop.write_items("oak", "elm", "fir", "yew")
    workshop.api.script("yew", Outcome(ends="failure", error="no luck"))
    await workshop.run()

    write(workshop, lock_file, orphans=["elm", "nobody"])

    assert items_in(lock_file) == ["fir", "oak"]
    [_, oak] = read_lock(lock_file)[1]
    assert oak.remote_id == workshop.job("oak").remote_id
    assert oak.charged == 6
    assert [asset.path for asset in oak.assets] == ["oak.png"]


async def test_an_orphan_of_the_lock_leaves_it(workshop, lock_file):
    workshop.write_items("oak", "elm")
    await workshop.run()
    write(workshop, lock_file)

    write(workshop, lock_file, orphans=["elm"])

    assert items_in(lock_file) == ["oak"]


async def test_a_lock_that_says_the_same_is_not_written_again(workshop, lock_file):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    os.utime(lock_file, (1, 1))
    number = lock_file.stat().st_ino

    learn(workshop, lock_file)
    write(workshop, lock_file)

    assert lock_file.stat().st_mtime == 1
    assert lock_file.stat().st_ino == number


def test_where_nothing_is_paid_for_there_is_no_lock(workshop, lock_file):
    write(workshop, lock_file)

    assert not lock_file.exists()


async def test_a_fresh_checkout_that_fetched_nothing_yet_keeps_the_files_in_the_lock(
    workshop, lock_file
):
    workshop.write_items("oak", "elm")
    await workshop.run()
    write(workshop, lock_file)
    before = lock_file.read_bytes()
    check_out(workshop)

    learn(workshop, lock_file)
    write(workshop, lock_file)

    assert lock_file.read_bytes() == before


async def test_what_was_merged_into_the_lock_during_a_run_is_not_lost(
    workshop, lock_file
):
    workshop.write_items("oak", "elm")
    await workshop.run()
    write(workshop, lock_file)
    merged = lock_file.read_bytes()
    check_out(workshop)
    lock_file.unlink()
    workshop.write_items("fir")
    await workshop.run()
    lock_file.write_bytes(merged)  # a colleague's, pulled while we ran

    write(workshop, lock_file)

    assert items_in(lock_file) == ["elm", "fir", "oak"]
    assert workshop.attempts("oak")[0].remote_id == "job_1"


async def test_a_lock_that_was_broken_during_a_run_is_not_overwritten(
    workshop, lock_file
):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    broken = lock_file.read_text().replace("- id: oak", "<<<<<<< HEAD\n- id: oak")
    lock_file.write_text(broken)

    with pytest.raises(LockError):
        write(workshop, lock_file)

    assert lock_file.read_text() == broken


async def test_a_lock_that_cannot_be_written_is_a_fault_of_the_output(
    workshop, tmp_path
):
    workshop.write_items("oak")
    await workshop.run()

    with pytest.raises(OutputError, match="cannot write"):
        write(workshop, tmp_path / "missing" / "icons.yaml.lock")


def test_learning_needs_no_service_where_the_ledger_has_one(workshop, lock_file):
    text = (
        f'lock: 1\nservice: "{OTHER.base_url}"\nproject: ""\nitems:\n'
        "- id: oak\n  model: m\n  job_key: k\n  request_key: r\n  job: job_1\n...\n"
    )
    lock_file.write_text(text)
    with holding_output(workshop.output, SERVICE) as (ledger, _):
        with pytest.raises(UsageError, match="not to"):
            learn_lock(ledger, lock_file)

        assert ledger.find_jobs_of("oak") == []


# --- what a merge may bring ----------------------------------------------------------


@pytest.fixture
async def merged(workshop, lock_file):
    """The lock file tells of another job of the oak than the one whose file is here."""
    workshop.write_items("oak")
    await workshop.run()
    ours = workshop.job("oak")
    theirs = replace(ours, remote_id=RemoteId("job_theirs"), assets=())
    text = "".join(render_lock([theirs], base_url=BASE_URL, project_id=""))
    lock_file.write_text(text)
    return ours


async def test_a_file_that_is_here_is_not_replaced_by_another_job_of_its_request(
    workshop, lock_file, merged
):
    edited = png_bytes("crimson", 64, 48)
    assert len(edited) != merged.assets[0].size_bytes  # so the plan reads the file
    (workshop.output / "oak.png").write_bytes(edited)

    assert planned(workshop, lock_file) == {"oak": "done"}


async def test_the_lock_names_the_job_whose_file_is_here(workshop, lock_file, merged):
    learn(workshop, lock_file)

    write(workshop, lock_file)

    jobs = list(read_lock(lock_file)[1])
    assert [job.remote_id for job in jobs] == [merged.remote_id]


async def test_a_file_that_is_not_the_one_that_was_locked_is_told_of(
    workshop, lock_file, caplog
):
    workshop.write_items("oak")
    await workshop.run()
    write(workshop, lock_file)
    locked = workshop.job("oak").assets[0].sha256
    text = lock_file.read_text().replace(locked, "ab" * 32)
    lock_file.write_text(text)

    with caplog.at_level(logging.WARNING):
        write(workshop, lock_file)

    assert "oak.png differs from the locked file" in caplog.text
