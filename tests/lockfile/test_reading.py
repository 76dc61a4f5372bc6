"""Reading a lock file: faults are told with their line and the next step."""

import os

import pytest
from doubles.locked_jobs import (
    SHOWN,
    fault_of,
    make_asset,
    make_job,
    read,
    render,
    write,
)

from pipeline.errors import ExitCode, LockError
from pipeline.lockfile import read_lock

posix_only = pytest.mark.skipif(os.name != "posix", reason="links need POSIX")


# --- round trip ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        SHOWN.replace("\n", "\r\n"),
        "\ufeff" + SHOWN,
        SHOWN.replace("\n\n", "\n"),
        SHOWN.replace("\n", "\n\n"),
        SHOWN.removesuffix("\n"),
        "# mine\n"
        + SHOWN.replace("  derived_seed: 7\n", "  # mine\n  derived_seed: 7\n\n"),
    ],
    ids=["crlf", "bom", "no blank lines", "more blank lines", "no last", "comments"],
)
def test_what_editors_do_to_a_file_does_no_harm(path, text):
    assert read(path, text) == read(path, SHOWN)


# --- faults --------------------------------------------------------------------------


def line_of(text, fragment):
    [number] = [
        number
        for number, line in enumerate(text.splitlines(), start=1)
        if fragment in line
    ]
    return number


@pytest.mark.parametrize(
    ("old", "new", "fragment", "told"),
    [
        ("lock: 1", "lock: 2", "lock: 2", "newer version"),
        ("lock: 1", "lock: 0", "lock: 0", "out of range"),
        ("lock: 1", "lock: on", "lock: on", "must be quoted"),
        ("lock: 1", "lock: true", "lock: true", "whole number"),
        ("lock: 1", "name: icons", "name: icons", "not a lock file of pipeline"),
        ("project: proj_1\n", "", "items:", "'project:' is expected here"),
        ("items:", "item:", "item:", "'items:' is expected here"),
        ("- id: oak", "- id: ../oak", "../oak", "must be quoted"),
        ("- id: oak", '- id: "../oak"', "../oak", "'id' cannot be"),
        ("- id: oak", '- id: "o\\\\k"', "o\\\\k", "'id' cannot be"),
        ("- id: oak", '- id: "\\u001b[31m"', "31m", "'id' cannot be"),
        ("- id: oak", "- id: 1", "- id: 1", "quote it"),
        ("- id: oak", "- id: oak # mine", "# mine", "must be quoted"),
        ("- id: oak", "  id: oak", "id: oak", "begin with '- id:'"),
        ("- id: oak", "- model: oak", "- model: oak", "begin with 'id'"),
        ("model: model_x\n  job_key: koak", "job_key: koak", "id: oak", "no 'model'"),
        ("job: job_oak", "seeds: 1", "seeds: 1", "unknown key 'seeds'"),
        ("  job: job_oak", "  jobs:", "  jobs:", "not a 'key: value'"),
        ("job: job_oak", 'job: "a/b"', "a/b", "'job' cannot be an id"),
        ("job: job_oak", 'job: "a b"', "a b", "'job' cannot be an id"),
        ("job: job_oak", 'job: ".."', '".."', "'job' cannot be an id"),
        ("job: job_oak", 'job: "ab', '"ab', "not quoted as in JSON"),
        ("job: job_oak", 'job: "\\ud800"', "ud800", "half a character"),
        ("job: job_oak", "job: 12", "job: 12", "quote it"),
        ("job: job_oak", f'job: "{"x" * 257}"', "xxx", "cannot be an id"),
        ("job_key: koak", f"job_key: {'x' * 1001}", "xxx", "longer than 1000"),
        ("job_key: koak", 'job_key: ""', 'job_key: ""', "is empty"),
        ("job_key: koak", f"job_key: {'x' * 9000}", "xxx", "longer than 8192 bytes"),
        ("derived_seed: 7", "derived_seed: 7.5", "7.5", "must be quoted"),
        ("derived_seed: 7", 'seed: "7"', '"7"', "whole number"),
        ("derived_seed: 7", "seed: 9223372036854775808", "9223", "out of range"),
        ("derived_seed: 7", "seed: 99999999999999999999", "9999", "must be quoted"),
        ("derived_seed: 7", "derived_seed: 7\n  derived_seed: 8", "seed: 8", "'derived_seed' appears twice"),
        ("derived_seed: 7", "derived_seed: 7\n    id: x", "    id: x", "not a 'key: value'"),
        ("derived_seed: 7", "derived_seed: 7\nother: 8", "other: 8", "does not belong"),
        ("derived_seed: 7", "derived_seed: 7\n\tx: 8", "x: 8", "control character"),
        ("derived_seed: 7", "derived_seed: 7\n  seed: 8", "id: oak", "cannot have both"),
        ('cost: "3"', "cost: 3", "cost: 3", "quoted number"),
        ('cost: "3"', 'cost: "-3"', "-3", "quoted number"),
        ('cost: "3"', 'cost: "1e9"', "1e9", "quoted number"),
        ("  assets:\n", "", "  - id: asset", "not a 'key: value'"),
        ("  assets:\n", "  assets: x\n", "assets: x", "unknown key 'assets'"),
        ("size_bytes: 1000", "size_bytes: -1", "size_bytes: -1", "out of range"),
        ("size_bytes: 1000", "size_bytes: true", "size_bytes", "whole number"),
        ("    size_bytes: 1000\n", "", "id: asset_oak_1", "no 'size_bytes'"),
        ("width_px: 512", "width_px: null", "null", "must be quoted"),
        ("width_px: 512", "output_index: 0", "id: asset_oak_1", "output 0 comes"),
        ("sha256: 4", "sha256: x", "sha256", "64 hex digits"),
        ("path: oak-1.png", 'path: "../oak.png"', "../oak", "name of an asset"),
        ("path: oak-1.png", 'path: "/oak.png"', "/oak.png", "name of an asset"),
        ("path: oak-1.png", "path: a/../../oak.png", "a/..", "name of an asset"),
        ("path: oak-1.png", 'path: "a\\\\oak.png"', "a\\\\oak", "name of an asset"),
        ("path: oak-1.png", 'path: "a\\noak.png"', "a\\noak", "name of an asset"),
        ("path: oak-1.png", 'path: ".git/x.png"', ".git", "name of an asset"),
        ("path: oak-1.png", "path: ledger.sqlite3.png", "ledger", "name of an asset"),
        ("path: oak-1.png", "path: con.png", "con.png", "name of an asset"),
        ("path: oak-1.png", "path: oak", "path: oak", "name of an asset"),
        ("path: oak-1.png", "path: oak-1.png\n    role: main", "role: main", "must be preview"),
        ("path: oak-1.png", 'path: oak-1.png\n    save: "webp"', "save:", "must be a JSON object"),
        ("...\n", "...\n- id: x\n", "- id: x", "after the end"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_the_next_step(
    path, old, new, fragment, told
):
    content = SHOWN.replace(old, new, 1)

    error = fault_of(path, content)

    assert error.message.startswith(f"{path}:{line_of(content, fragment)}: ")
    assert told in error.message
    assert error.message.isprintable()
    assert len(error.message) < len(str(path)) + 250
    assert error.hint
    assert error.exit_code is ExitCode.USAGE


def test_all_names_that_a_run_gives_are_allowed(path):
    names = ["oak.png", "trees/report/oak.png", "oak-1-12.webp", "x.-1.png", "-1.bin"]
    names.append(f"{'a/' * 60}{'b' * 120}-12.png")
    files = tuple(make_asset(index=i, path=p) for i, p in enumerate(names, start=1))

    [found] = read(path, render([make_job(files=files)]))[1]

    assert [asset.path for asset in found.assets] == names


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", ":1: this is not a lock file"),
        (b"\x00\x01\x02", ":1: the line has a control character"),
        (b"\x89PNG\r\n\x1a\n", ":1: the line is not UTF-8"),
        (SHOWN.encode("utf-16"), ":1: the line is not UTF-8"),
        (SHOWN.encode().replace(b"koak", b"\xff"), ":9: the line is not UTF-8"),
        (b"x" * 10_000_000, ":1: the line is longer"),
        (b"version: 1\nitems: []\n", ":1: this is not a lock file"),
    ],
    ids=["empty", "nul", "png", "utf-16", "latin-1", "one line", "a manifest"],
)
def test_junk_is_told(path, content, told):
    assert told in fault_of(path, content).message


def test_a_file_that_is_cut_off_anywhere_is_told(path):
    for size in range(len(SHOWN) - len("\n") - 1):
        error = fault_of(path, SHOWN[:size])

        assert f"{path}:" in error.message
        assert error.hint


def test_whole_blocks_that_are_cut_off_are_told_as_such(path):
    cut = SHOWN.partition('- id: "on"')[0]

    error = fault_of(path, cut)

    assert "is cut off" in error.message
    assert f":{line_of(SHOWN, 'oak-1.png')}: " in error.message


@pytest.mark.parametrize(
    "marker", ["<<<<<<< HEAD", "||||||| 1a2b3c", "=======", ">>>>>>> other"]
)
@pytest.mark.parametrize("line", [0, 2, 6, 12, 29])
def test_a_conflict_marker_is_told_with_its_line(path, marker, line):
    lines = SHOWN.splitlines()
    lines.insert(line, marker)

    error = fault_of(path, "\n".join(lines))

    assert error.message == f"{path}:{line + 1}: there is an unresolved merge conflict"
    assert "keep the blocks of both sides" in error.hint
    assert "paid for again" in error.hint


def test_one_item_with_two_jobs_is_told(path):
    jobs = [make_job("elm"), make_job("oak"), make_job("oak", remote_id="JOB_oak")]

    error = fault_of(path, render(jobs))

    assert "item oak appears twice, with different jobs" in error.message
    assert "delete one" in error.hint


def test_one_job_that_stands_twice_is_one(path):
    jobs = [make_job("elm"), make_job("oak"), make_job("oak", 0), make_job("elm")]

    assert read(path, render(jobs))[1] == jobs[:2]


def test_blocks_may_be_in_any_order_and_names_differ_by_case_alone(path):
    """Left behind by a merge, and by an item that was renamed."""
    jobs = [make_job("oak"), make_job("elm"), make_job("Oak")]

    assert read(path, render(jobs))[1] == jobs


def test_what_comes_before_a_fault_is_given_as_it_is_read(path):
    """The reader streams: its jobs may be used only after the last."""
    path.write_text(render([make_job("elm")]).replace("...\n", "- id: 1\n"))
    _, jobs = read_lock(path)

    assert next(jobs).item_id == "elm"
    with pytest.raises(LockError):
        next(jobs)


def test_a_fault_of_the_header_is_told_at_once(path):
    path.write_text("lock: 9\n")

    with pytest.raises(LockError, match="newer"):
        read_lock(path)


def test_another_header_meanwhile_is_told(path):
    write(path, [make_job()])
    _, jobs = read_lock(path)
    path.write_text(render([make_job()], project="proj_2"))

    with pytest.raises(LockError, match="changed while it was read"):
        list(jobs)


@posix_only
@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "unreadable"])
def test_what_is_no_file_is_told_and_not_waited_for(path, kind):
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "unreadable":
        path.symlink_to(path)

    with pytest.raises(LockError) as raised:
        read_lock(path)

    assert str(path) in raised.value.message
    assert raised.value.hint
