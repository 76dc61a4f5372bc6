"""Rebuild: sidecars alone remember what was paid for."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pipeline.assets.sidecar import Source, render_sidecar
from pipeline.errors import OutputError
from pipeline.job import Asset, AssetId, Job, JobKey, JobStatus, RemoteId
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import IN_MEMORY, Ledger
from pipeline.output.rebuild import find_saved_jobs, open_for_writing, rebuild
from pipeline.record import replace

NOON = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SOURCE = Source(name="icons", file="manifests/icons.yaml", sha256="0" * 64, line=7)


def make_asset(path, index=1):
    return Asset(
        asset_id=AssetId(f"asset_{path}"),
        output_index=index,
        path=path,
        sha256="ab" * 32,
        size_bytes=7,
        media_type="image/png",
        width_px=512,
        height_px=256,
    )


def make_job(item_id, *paths, attempt=1, remote_id=None):
    return Job(
        item_id=item_id,
        attempt=attempt,
        job_key=JobKey(f"key-{item_id}"),
        request_key=JobKey(f"request-{item_id}"),
        model_id="model_x",
        status=JobStatus.SAVED,
        request={"prompt": "ünï", "seed": 7},
        seed=7,
        derived_seed=True,
        remote_id=RemoteId(remote_id or f"job_{item_id}"),
        base_url="https://api.example/v1",
        project_id="proj_1",
        author_id="apiu_1",
        charged=Decimal("7.25"),
        submitted_at=NOON,
        finished_at=NOON + timedelta(seconds=1),
        saved_at=NOON + timedelta(seconds=2),
        remote_assets=tuple(AssetId(f"asset_{path}") for path in paths),
        echo={"size": None},
        assets=tuple(make_asset(path, index) for index, path in enumerate(paths, 1)),
    )


@pytest.fixture
def save(tmp_path):
    """Leave a job's assets and sidecars, as a run does."""

    def write(job):
        for asset in job.assets:
            path = tmp_path / asset.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"content")
            sidecar = render_sidecar(job, asset, SOURCE, emulated=False)
            path.with_name(path.name + ".json").write_bytes(sidecar)
        return job

    return write


@pytest.fixture
def ledger():
    with Ledger(IN_MEMORY) as open_ledger:
        yield open_ledger


def test_a_job_comes_back_as_it_was_saved(tmp_path, ledger, save):
    job = save(make_job("oak", "oak.png"))

    assert rebuild(ledger, tmp_path) == 1

    [found] = ledger.find_jobs_of("oak")
    assert found == replace(job, row_id=1)


def test_a_pointer_in_the_place_of_a_sidecar_stops_before_anything_is_paid(
    tmp_path, ledger, save
):
    save(make_job("oak", "oak.png"))
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64
    (tmp_path / "oak.png.json").write_text(f"{text}\nsize 900\n")

    with pytest.raises(OutputError, match="a Git LFS pointer") as caught:
        rebuild(ledger, tmp_path)

    assert "git lfs pull" in caught.value.hint
    assert ledger.count_by_status() == {}


def test_outputs_of_one_job_come_back_together_and_in_order(tmp_path, save):
    paths = [f"sub/oak-{number}.png" for number in range(1, 12)]
    save(make_job("sub/oak", *paths))

    [job] = find_saved_jobs(tmp_path)

    assert [asset.path for asset in job.assets] == paths
    assert [asset.output_index for asset in job.assets] == [*range(1, 12)]


def test_attempts_of_an_item_keep_their_order_and_count_from_one(
    tmp_path, ledger, save
):
    save(make_job("oak", "oak-1.png", attempt=7, remote_id="job_late"))
    save(make_job("oak", "oak.png", attempt=2, remote_id="job_early"))

    rebuild(ledger, tmp_path)

    found = ledger.find_jobs_of("oak")
    assert [(job.attempt, job.remote_id) for job in found] == [
        (2, "job_late"),
        (1, "job_early"),
    ]


def test_what_the_ledger_knows_is_not_recorded_twice(tmp_path, ledger, save):
    save(make_job("oak", "oak.png"))
    rebuild(ledger, tmp_path)
    save(make_job("elm", "elm.png"))

    assert rebuild(ledger, tmp_path) == 1
    assert rebuild(ledger, tmp_path) == 0
    assert ledger.count_by_status() == {JobStatus.SAVED: 2}


def test_an_asset_that_is_gone_is_still_paid_for(tmp_path, ledger, save):
    save(make_job("oak", "oak.png"))
    (tmp_path / "oak.png").unlink()

    assert rebuild(ledger, tmp_path) == 1


def test_a_sidecar_that_is_gone_takes_only_its_asset(tmp_path, save):
    save(make_job("oak", "oak-1.png", "oak-2.png"))
    (tmp_path / "oak-1.png.json").unlink()

    [job] = find_saved_jobs(tmp_path)

    assert [asset.path for asset in job.assets] == ["oak-2.png"]
    assert len(job.remote_assets) == 2


@pytest.mark.parametrize("name", ["a copy.png", "copies/oak.png", "zzz.png"])
def test_a_copy_is_no_second_output(tmp_path, ledger, save, name):
    save(make_job("oak", "oak.png"))
    copy = tmp_path / f"{name}.json"
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes((tmp_path / "oak.png.json").read_bytes())

    assert rebuild(ledger, tmp_path) == 1
    assert [asset.path for asset in ledger.find_jobs_of("oak")[0].assets] == ["oak.png"]


def test_a_moved_asset_is_still_paid_for(tmp_path, ledger, save):
    save(make_job("oak", "oak.png"))
    (tmp_path / "oak.png.json").rename(tmp_path / "renamed.png.json")

    assert rebuild(ledger, tmp_path) == 1
    assert ledger.find_jobs_of("oak")[0].job_key == "key-oak"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"not json",
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"schema": "scenario-pipeline/sidecar/99"}',
        b'{"schema": 1}',
    ],
    ids=lambda content: repr(content[:20]),
)
def test_a_foreign_file_is_passed_over(tmp_path, ledger, save, content):
    (tmp_path / "a.json").write_bytes(content)
    save(make_job("oak", "oak.png"))

    assert rebuild(ledger, tmp_path) == 1


def test_a_sidecar_of_a_later_schema_is_passed_over(tmp_path, ledger, save):
    save(make_job("oak", "oak.png"))
    path = tmp_path / "oak.png.json"
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps(record | {"schema": "scenario-pipeline/sidecar/2"}))

    assert rebuild(ledger, tmp_path) == 0


def test_a_sidecar_with_more_keys_is_read(tmp_path, ledger, save):
    save(make_job("oak", "oak.png"))
    path = tmp_path / "oak.png.json"
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps(record | {"rating": 5}))

    assert rebuild(ledger, tmp_path) == 1


def test_what_is_unfinished_is_no_sidecar(tmp_path, ledger, save):
    save(make_job("oak", ".partial/oak.png"))
    (tmp_path / "folder.json").mkdir()

    assert rebuild(ledger, tmp_path) == 0


def test_an_empty_folder_leaves_the_ledger_empty(tmp_path, ledger):
    assert rebuild(ledger, tmp_path) == 0
    assert ledger.find_facts() == Facts()


def test_a_missing_ledger_is_rebuilt_when_it_is_opened(tmp_path, save):
    save(make_job("oak", "oak.png"))

    with open_for_writing(tmp_path) as ledger:
        assert ledger.count_by_status() == {JobStatus.SAVED: 1}


@pytest.mark.parametrize("content", [b"not a database" * 500, b"x" * 4096])
def test_a_damaged_ledger_is_put_aside_and_rebuilt(tmp_path, save, content):
    save(make_job("oak", "oak.png"))
    (tmp_path / "ledger.sqlite3").write_bytes(content)

    with open_for_writing(tmp_path) as ledger:
        assert ledger.count_by_status() == {JobStatus.SAVED: 1}

    [aside] = tmp_path.glob("ledger.sqlite3.damaged-*")
    assert aside.read_bytes() == content
