"""Mover: files get other names, nothing of others is replaced, nothing is lost."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.assets.mover import (
    check_free,
    clear_renamed,
    place_renamed,
)
from pipeline.assets.sidecar import SentFile, Source, load_origin, render_sidecar
from pipeline.errors import DownloadFailed, OutputError
from pipeline.job import Asset, AssetId, Job, JobKey, RemoteId
from pipeline.record import replace
from pipeline.storage.folder import Folder

ASSET = Asset(
    asset_id=AssetId("asset_1"),
    output_index=1,
    path="oak.png",
    sha256="0" * 64,
    size_bytes=3,
    media_type="image/png",
    width_px=1,
    height_px=1,
)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
JOB = Job(
    item_id="oak",
    attempt=1,
    job_key=JobKey("k"),
    request_key=JobKey("r"),
    model_id="m",
    request={},
    remote_id=RemoteId("job_1"),
    submitted_at=NOW,
    finished_at=NOW,
    saved_at=NOW,
    assets=(ASSET,),
)
SOURCE = Source(name="icons", file="icons.yaml", sha256="0" * 64, line=1)
SIDECAR = render_sidecar(JOB, ASSET, SOURCE, emulated=False)


@pytest.fixture
def output(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    for name, content in (("oak.png", b"oak"), ("oak.png.json", SIDECAR)):
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(params=["links", "copies"])
def way(request, monkeypatch):
    """With and without a file system that can give a file two names."""

    def refuse(*_arguments, **_named):
        raise OSError("not here")

    if request.param == "copies":
        monkeypatch.setattr(os, "link", refuse)
    return request.param


def place(output, old, new):
    for end in ("", ".json"):
        Folder(output).copy(old + end, new + end)


def names(output):
    return {
        path.relative_to(output).as_posix()
        for path in output.rglob("*")
        if path.is_file()
    }


def test_a_placed_file_has_both_names_until_it_is_cleared(output, way):
    place(output, "oak.png", "deep/fir.png")
    between = names(output)

    cleared = clear_renamed(Folder(output), {"oak.png": "deep/fir.png"})

    assert between == {"oak.png", "oak.png.json", "deep/fir.png", "deep/fir.png.json"}
    assert cleared == ["oak.png"]
    assert names(output) == {"deep/fir.png", "deep/fir.png.json"}
    assert (output / "deep/fir.png").read_bytes() == b"oak"


def test_each_step_may_be_repeated(output, way):
    for _ in range(2):
        place(output, "oak.png", "fir.png")
    for _ in range(2):
        clear_renamed(Folder(output), {"oak.png": "fir.png"})

    assert names(output) == {"fir.png", "fir.png.json"}


def test_a_file_that_differs_from_the_new_one_stays_with_its_sidecar(output, way):
    place(output, "oak.png", "fir.png")
    (output / "oak.png").unlink()
    (output / "oak.png").write_bytes(b"an artist's work")

    clear_renamed(Folder(output), {"oak.png": "fir.png"})

    assert names(output) == {"oak.png", "oak.png.json", "fir.png", "fir.png.json"}


def test_what_is_no_sidecar_of_ours_stays(output):
    place(output, "oak.png", "fir.png")
    (output / "oak.png.json").unlink()
    (output / "oak.png.json").write_bytes(b"my notes")

    clear_renamed(Folder(output), {"oak.png": "fir.png"})

    assert names(output) == {"oak.png.json", "fir.png", "fir.png.json"}


def test_a_sidecar_stays_until_there_is_a_new_one(output):
    (output / "oak.png").unlink()

    cleared = clear_renamed(Folder(output), {"oak.png": "fir.png"})

    assert cleared == []
    assert names(output) == {"oak.png.json"}


def test_a_name_that_others_have_is_not_free(output):
    (output / "fir.png").write_bytes(b"somebody's painting")

    with pytest.raises(DownloadFailed, match="was not made by pipeline"):
        check_free(Folder(output), "oak.png", "fir.png")


def test_a_name_that_has_the_same_file_is_free(output, way):
    place(output, "oak.png", "fir.png")

    check_free(Folder(output), "oak.png", "fir.png")


def test_nothing_is_placed_outside_of_the_output_folder(output, tmp_path):
    (output / "away").symlink_to(tmp_path)

    with pytest.raises(OutputError, match="outside"):
        Folder(output).copy("oak.png", "away/fir.png")

    assert not (tmp_path / "fir.png").exists()


def test_what_lies_behind_a_link_that_leads_out_is_not_cleared(output, tmp_path):
    (tmp_path / "oak.png").write_bytes(b"oak")
    (output / "away").symlink_to(tmp_path)
    place(output, "oak.png", "fir.png")

    clear_renamed(Folder(output), {"away/oak.png": "fir.png"})

    assert (tmp_path / "oak.png").exists()


def test_two_names_of_one_file_where_case_does_not_count_are_not_cleared(
    output, monkeypatch
):
    """Such a file system shows the renamed file under its old name as well."""
    place(output, "oak.png", "Oak.png")
    for end in ("", ".json"):
        (output / f"oak.png{end}").unlink()
    exists = {"oak.png": "Oak.png", "oak.png.json": "Oak.png.json"}
    real = os.stat

    def stat(path, *arguments, **named):
        name = exists.get(Path(path).name, Path(path).name)
        return real(Path(path).with_name(name), *arguments, **named)

    removed = []
    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "unlink", removed.append)

    clear_renamed(Folder(output), {"oak.png": "Oak.png"})

    assert removed == []
    monkeypatch.undo()
    assert names(output) == {"Oak.png", "Oak.png.json"}


# --- what a sidecar says besides the job ----------------------------------------------


def test_a_moved_sidecar_keeps_what_the_old_one_said(tmp_path):
    sent = SentFile(
        input="images",
        name="style",
        path="refs/style.png",
        sha256="5" * 64,
        upright=False,
        asset_id="asset_style",
    )
    told = replace(SOURCE, variables={"biome": "forest"}, references=(sent,))
    (tmp_path / "oak.png").write_bytes(b"oak")
    (tmp_path / "oak.png.json").write_bytes(
        render_sidecar(JOB, ASSET, told, emulated=True)
    )

    place_renamed(
        Folder(tmp_path), [(JOB, ASSET)], {"oak.png": "fir.png"}, SOURCE, emulated=False
    )

    details = load_origin(tmp_path, "fir.png")
    assert details.variables == {"biome": "forest"}
    assert details.references == (sent,)
    assert details.emulated


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"schema": "other"}'])
def test_a_sidecar_that_says_nothing_has_no_details(tmp_path, content):
    if content is not None:
        (tmp_path / "oak.png.json").write_bytes(content)

    details = load_origin(tmp_path, "oak.png")

    assert (details.variables, details.references, details.emulated) == ({}, (), False)
