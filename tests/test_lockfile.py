"""Lock file: what is written is read, merges do no harm, and faults are told clearly."""

import hashlib
import logging
import os
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import ExitCode, LockError, OutputError
from pipeline.job import Asset, Job, JobStatus
from pipeline.lockfile import (
    LockHeader,
    keep_details,
    lock_path,
    read_lock,
    render_lock,
    write_lock,
)
from pipeline.lockfile.values import MAX_LINE_BYTES, MAX_TEXT_CHARS
from pipeline.manifest.item_id import check_id
from pipeline.record import replace

SERVICE = "https://api.example/v1"
HEADER = LockHeader(service=SERVICE, project="proj_1")
posix_only = pytest.mark.skipif(os.name != "posix", reason="links need POSIX")


def make_asset(item_id="oak", index=1, **named):
    fields = {
        "asset_id": f"asset_{item_id}_{index}",
        "output_index": index,
        "path": f"{item_id}-{index}.png",
        "sha256": hashlib.sha256(f"{item_id}{index}".encode()).hexdigest(),
        "size_bytes": 1000,
        "media_type": "image/png",
        "width_px": 512,
        "height_px": 256,
    }
    return Asset(**fields | named)


def make_job(item_id="oak", assets=1, **named):
    """As the reader gives it: in a lock, all of an item is the lock's own."""
    files = named.pop("files", None)
    if files is None:
        files = tuple(make_asset(item_id, number + 1) for number in range(assets))
    remote_assets = named.pop("remote_assets", tuple(asset.asset_id for asset in files))
    fields = {
        "item_id": item_id,
        "attempt": 1,
        "job_key": f"k{item_id}",
        "request_key": f"r{item_id}",
        "model_id": "model_x",
        "status": JobStatus.SUCCEEDED if remote_assets else JobStatus.SUBMITTED,
        "request": {},
        "seed": 7 if item_id == "oak" else sum(item_id.encode()),
        "derived_seed": True,
        "remote_id": f"job_{item_id}".replace("/", "."),
        "base_url": SERVICE,
        "project_id": "proj_1",
        "charged": Decimal(3),
        "remote_assets": remote_assets,
        "assets": files,
    }
    return Job(**fields | named)


def render(jobs, service=SERVICE, project="proj_1"):
    return "".join(render_lock(jobs, base_url=service, project_id=project))


def write(path, jobs):
    return write_lock(path, jobs, base_url=SERVICE, project_id="proj_1")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "icons.yaml.lock"


def read(path, content=None):
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
    header, jobs = read_lock(path)
    return header, list(jobs)


def fault_of(path, content):
    with pytest.raises(LockError) as raised:
        read(path, content)
    return raised.value


# --- the text -----------------------------------------------------------------------

SHOWN = """\
# Made by pipeline: what is paid for. Commit it together with the manifest.
lock: 1
service: "https://api.example/v1"
project: proj_1
items:

- id: oak
  model: model_x
  job_key: koak
  request_key: roak
  derived_seed: 7
  cost: "3"
  job: job_oak
  assets:
  - id: asset_oak_1
    media_type: image/png
    width_px: 512
    height_px: 256
    sha256: 419f22cb13331067c27594b3b9dc9191e36fa99415f43af11bb81789b17730cd
    size_bytes: 1000
    path: oak-1.png

- id: "on"
  model: model_x
  job_key: kon
  request_key: ron
  job: job_on

...
"""


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


def test_a_header_may_hold_any_text(path):
    header = LockHeader(service='x: "y" # \u2028', project="")

    assert read(path, render([], header.service, header.project))[0] == header


@pytest.mark.parametrize(
    ("charged", "kept"),
    [
        ("7.25", "7.25"),
        ("0", "0"),
        ("1E+2", "100"),
        ("0.10", "0.10"),
        ("1E+400", None),
        ("NaN", None),
        ("-1", None),
        (None, None),
    ],
)
def test_units_are_kept_as_decimal_text(path, charged, kept):
    job = make_job(charged=None if charged is None else Decimal(charged))

    [found] = read(path, render([job]))[1]

    assert str(found.charged) == str(kept)


# --- round trip ---------------------------------------------------------------------

SAFE_IDS = st.from_regex(r"[A-Za-z0-9._-]{1,12}(/[A-Za-z0-9._-]{1,8})?", fullmatch=True)
ITEM_IDS = SAFE_IDS.filter(lambda text: check_id(text) is None)
REMOTE_IDS = st.text(min_size=1, max_size=60).filter(
    lambda text: (
        text.isprintable()
        and text.strip(".")
        and not any(char.isspace() or char in "/?#%\\" for char in text)
    )
)
FOREIGN = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_TEXT_CHARS
)
COUNTS = st.integers(0, 10**7)  # beyond, nothing is written or read


@st.composite
def an_asset(draw, item_id, index):
    return Asset(
        asset_id=draw(REMOTE_IDS),
        output_index=index,
        path=f"{item_id}-{index}.{draw(st.sampled_from(['png', 'jpg', 'bin']))}",
        sha256=draw(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        size_bytes=draw(COUNTS),
        media_type=draw(st.sampled_from(["image/png", "", "image/svg+xml", "on"])),
        width_px=draw(st.none() | COUNTS),
        height_px=draw(st.none() | COUNTS),
    )


@st.composite
def a_job(draw, item_id):
    indexes = sorted(draw(st.sets(st.integers(1, 9), max_size=3)))
    files = tuple(draw(an_asset(item_id, index)) for index in indexes)
    seed = draw(st.none() | st.integers(-(2**63) + 1, 2**63 - 1))
    return make_job(
        item_id,
        files=files,
        job_key=draw(FOREIGN),
        request_key=draw(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        model_id=draw(FOREIGN),
        seed=seed,
        derived_seed=seed is not None and draw(st.booleans()),
        remote_id=draw(REMOTE_IDS),
        charged=draw(st.none() | st.decimals(0, 10**9, places=3)),
        remote_assets=draw(
            st.just(tuple(asset.asset_id for asset in files))
            | st.lists(REMOTE_IDS, min_size=1, max_size=4).map(tuple)
        ),
    )


MANY = st.sets(ITEM_IDS, max_size=4).flatmap(
    lambda names: st.tuples(*(a_job(name) for name in sorted(names)))
)


@given(jobs=MANY, service=FOREIGN, project=FOREIGN)
def test_what_is_rendered_is_read(tmp_path_factory, jobs, service, project):
    path = tmp_path_factory.getbasetemp() / "round-trip.lock"

    header, found = read(path, render(jobs, service, project))

    assert header == LockHeader(service=service, project=project)
    assert found == [replace(job, base_url=service, project_id=project) for job in jobs]


def from_yaml(item, service, project):
    files = item.get("assets") or []
    index, assets = 0, []
    for one in files:
        index = one.get("output_index", index + 1)
        assets.append(
            Asset(
                asset_id=one["id"],
                output_index=index,
                path=one["path"],
                sha256=one["sha256"],
                size_bytes=one["size_bytes"],
                media_type=one["media_type"],
                width_px=one.get("width_px"),
                height_px=one.get("height_px"),
            )
        )
    ids = tuple(item.get("job_asset_ids") or [one["id"] for one in files])
    return make_job(
        item["id"],
        files=tuple(assets),
        remote_assets=ids,
        model_id=item["model"],
        job_key=item["job_key"],
        request_key=item["request_key"],
        remote_id=item["job"],
        seed=item.get("seed", item.get("derived_seed")),
        derived_seed="derived_seed" in item,
        charged=Decimal(item["cost"]) if "cost" in item else None,
        base_url=service,
        project_id=project,
    )


@given(jobs=MANY)
def test_yaml_reads_the_same_values(jobs):
    record = yaml.safe_load(render(jobs))

    service, project = record["service"], record["project"]
    found = [from_yaml(item, service, project) for item in record["items"] or []]
    assert record["lock"] == 1
    assert found == list(jobs)


WORDS = [
    "on", "Off", "y", "N", "yes", "NO", "true", "False", "null", "Null", "~", "1.0",
    "1", "-1", "+1", "0x1f", "0o17", "0b1", "017", "1e5", "1E5", "12e34", "1_000",
    ".5", "5.", "1.5e3", ".inf", ".nan", "2026-01-01", "-x", "-", "--", "---", "...",
    "=", "<<", "a: b", "a #b", "a b", " a", "a ", "'a'", '"a"', "{a}", "[a]", "&a",
    "*a", "!a", "%a", "@a", "`a`", "|", ">", "?", "? a", ":", "a:", "#a", "a,b", "é",
    "\U0001f600", "\t", "\n", "\r\n", "\x00", "\x1b[31m", "\x7f", "\x85", "\xa0",
    "\u2028", "\u202e", "\ufeff", "\uffff", "12:30:00", "0", "00", "1a", "0a", "nan",
    "inf", "1__", "a" * MAX_TEXT_CHARS, "\x01" * MAX_TEXT_CHARS,
    "\U0001f600" * MAX_TEXT_CHARS,
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS, ids=lambda word: ascii(word)[:20])
def test_what_yaml_would_misread_is_quoted(path, word):
    text = render([make_job(model_id=word)])

    assert yaml.safe_load(text)["items"][0]["model"] == word
    assert yaml.load(text, yaml.CBaseLoader)["items"][0]["model"] == word
    assert read(path, text)[1][0].model_id == word
    assert max(map(len, text.encode().splitlines())) < MAX_LINE_BYTES


@given(text=st.from_regex(r"[A-Za-z0-9._/+-]{1,10}", fullmatch=True))
@example(text="1e5")
def test_no_number_or_word_stands_unquoted(text):
    rendered = render([make_job(model_id=text)])

    assert yaml.safe_load(rendered)["items"][0]["model"] == text
    # YAML 1.2 takes more for numbers than the loader of 1.1 does.
    if f"  model: {text}\n" in rendered:
        with pytest.raises(ValueError, match=r"could not convert|invalid"):
            float(text) if text.lower() not in {"nan", "inf", "infinity"} else int(text)


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


# --- what is left out ---------------------------------------------------------------


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


# --- faults -------------------------------------------------------------------------


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


# --- writing ------------------------------------------------------------------------


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


# --- details of files ---------------------------------------------------------------


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


# --- merging ------------------------------------------------------------------------


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


# --- many ---------------------------------------------------------------------------


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
