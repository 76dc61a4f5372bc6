"""Lock files merged by git: no item is lost, and no two jobs are mixed."""

import subprocess

import pytest
from doubles.locked_jobs import fault_of, make_job, read, render
from hypothesis import given
from hypothesis import strategies as st

from pipeline.job import JobStatus
from pipeline.record import replace


def merge(folder, base, ours, theirs, *options):
    for name, names in (("base", base), ("ours", ours), ("theirs", theirs)):
        text = names if isinstance(names, str) else render(map(make_job, names))
        (folder / name).write_text(text)
    done = subprocess.run(
        ["git", "merge-file", "-p", *options, "ours", "base", "theirs"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("a", "c"), ("c", "a"), ("ai", "ceg"), ("g", "i"), ("ae", "cg"), ("", "acegi")],
)
def test_items_added_in_different_places_merge_by_themselves(
    tmp_path, path, ours, theirs
):
    conflicts, text = merge(
        tmp_path, [*"bdfh"], sorted("bdfh" + ours), sorted("bdfh" + theirs)
    )

    assert conflicts == 0
    assert text == render(map(make_job, sorted("bdfh" + ours + theirs)))
    assert len(read(path, text)[1]) == len("bdfh" + ours + theirs)


def test_an_item_changed_here_and_another_there_merge_by_themselves(tmp_path, path):
    base = render(map(make_job, "abc"))

    conflicts, text = merge(
        tmp_path, base, base.replace("job_a", "job_x"), base.replace("job_c", "job_y")
    )

    assert conflicts == 0
    jobs = read(path, text)[1]
    assert [job.remote_id for job in jobs] == ["job_x", "job_b", "job_y"]


def both_sides(text):
    """What a person leaves who deletes the marker lines alone."""
    return "".join(
        line
        for line in text.splitlines(keepends=True)
        if not line.startswith(("<<<<<<<", "=======", ">>>>>>>"))
    )


def test_a_conflict_has_whole_blocks_on_either_side(tmp_path, path):
    conflicts, text = merge(tmp_path, [*"az"], ["a", "m1", "z"], ["a", "n1", "n2", "z"])

    assert conflicts == 1
    assert "merge conflict" in fault_of(path, text).message
    found = read(path, both_sides(text))[1]
    assert sorted(job.item_id for job in found) == ["a", "m1", "n1", "n2", "z"]


@pytest.mark.parametrize("assets", [0, 1, 2])
@pytest.mark.parametrize("shape", ["same request", "bare", "companions"])
def test_blocks_that_differ_least_are_not_mixed_by_a_conflict(
    tmp_path, path, assets, shape
):
    def block(name):
        job = make_job(name, assets)
        if shape == "same request":
            return replace(job, job_key="k", request_key="r")
        if shape == "bare":
            return replace(job, seed=None, derived_seed=False, charged=None)
        return replace(job, remote_assets=(f"extra_{name}", *job.remote_assets))

    a, m, n, z = map(block, "amnz")

    conflicts, text = merge(
        tmp_path, render([a, z]), render([a, m, z]), render([a, n, z])
    )

    assert conflicts == 1
    by_id = {job.item_id: job for job in read(path, both_sides(text))[1]}
    expected = {
        name: replace(
            job,
            status=JobStatus.SUCCEEDED if job.remote_assets else JobStatus.SUBMITTED,
        )
        for name, job in zip("amnz", (a, m, n, z), strict=True)
    }
    assert by_id == expected


NAMES = st.sets(st.sampled_from([f"{a}{b}" for a in "abc" for b in "123"]))


@given(base=NAMES, ours=NAMES, theirs=NAMES)
def test_a_merge_of_both_sides_loses_no_item(tmp_path_factory, base, ours, theirs):
    folder = tmp_path_factory.getbasetemp()

    _, text = merge(
        folder, sorted(base), sorted(base | ours), sorted(base | theirs), "--union"
    )

    found = {job.item_id for job in read(folder / "merged.lock", text)[1]}
    assert found == base | ours | theirs


def test_one_item_made_by_both_sides_is_a_conflict_or_a_fault(tmp_path, path):
    """Whatever becomes of it, no mixture of two jobs is taken for one."""
    ours = render([make_job("a"), make_job("m"), make_job("z")])
    theirs = ours.replace("job_m", "job_other").replace("asset_m_1", "asset_other")

    conflicts, text = merge(tmp_path, [*"az"], ours, theirs)

    assert conflicts
    assert fault_of(path, text).message.endswith("merge conflict")
    assert "appears twice" in fault_of(path, both_sides(text)).message
