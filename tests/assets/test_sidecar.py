"""Sidecar: what it says, what it never says, and that it can be read back."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.assets.sidecar import (
    NoSidecar,
    PointerSidecar,
    Source,
    find_sent_files,
    load_sidecar,
    parse_sidecar,
    render_sidecar,
)
from pipeline.job import (
    Asset,
    AssetId,
    Job,
    JobKey,
    JobStatus,
    JsonValue,
    ReferenceAsset,
    RemoteId,
)
from pipeline.record import replace

NOON = datetime(2026, 11, 3, 12, 0, 0, 925_000, tzinfo=UTC)
SOURCE = Source(name="icons", file="manifests/icons.yaml", sha256="m" * 64, line=7)
ASSET = Asset(
    asset_id=AssetId("asset_2"),
    output_index=2,
    path="trees/oak-2.png",
    sha256="a" * 64,
    size_bytes=1234,
    media_type="image/png",
    width_px=64,
    height_px=48,
)
JOB = Job(
    item_id="trees/oak",
    attempt=3,
    job_key=JobKey("k" * 64),
    request_key=JobKey("r" * 64),
    model_id="model_wan-2-7-image",
    status=JobStatus.SAVED,
    request={"prompt": "an oak", "seed": 7, "images": ["asset_up_1"]},
    seed=7,
    derived_seed=True,
    remote_id=RemoteId("job_1"),
    base_url="https://api.example/v1",
    project_id="proj_1",
    author_id="apiu_us",
    charged=Decimal("6.5"),
    sent_at=NOON,
    submitted_at=NOON,
    finished_at=NOON.replace(minute=1),
    saved_at=NOON.replace(minute=2),
    remote_assets=(AssetId("asset_1"), AssetId("asset_2")),
    echo={"size": "2K"},
    assets=(ASSET,),
)


def rendered(job=JOB, asset=ASSET, *, emulated=False):
    return render_sidecar(job, asset, SOURCE, emulated=emulated)


def test_every_key_that_was_promised_is_there():
    record = json.loads(rendered())

    promised = (
        "schema manifest item_id job_key model_id request echo job_id asset_id"
        " output_index seed cost sha256 size_bytes media_type width_px height_px"
        " submitted_at finished_at saved_at attempts tool base_url"
    )
    assert set(promised.split()) <= set(record)
    assert set(record["manifest"]) == {"name", "file", "sha256", "line"}
    assert set(record["cost"]) == {"quoted", "charged", "addons"}


def test_the_values_are_those_of_job_and_asset():
    record = json.loads(rendered())

    assert record["job_id"] == "job_1"
    assert (record["asset_id"], record["output_index"]) == ("asset_2", 2)
    assert record["request"] == JOB.request
    assert record["echo"] == {"size": "2K"}
    assert record["cost"]["charged"] == 6.5
    assert record["attempts"] == 3
    assert record["submitted_at"] == "2026-11-03T12:00:00.925Z"


def test_it_is_text_that_a_person_can_read_and_git_can_compare():
    text = rendered().decode()

    assert text.endswith("}\n")
    assert '\n  "item_id": "trees/oak"' in text


def test_it_holds_no_url_but_that_of_the_service():
    text = rendered().decode()

    assert text.count("https://") == 1
    assert "Signature" not in text


@pytest.mark.parametrize("emulated", [True, False])
def test_it_says_whether_the_emulator_made_it(emulated):
    assert json.loads(rendered(emulated=emulated))["emulated"] is emulated


def reference(name, *, upright=False):
    return ReferenceAsset(
        name=name,
        path=Path(f"/art/{name}.png"),
        sha256=name * 64,
        size_bytes=3,
        media_type="image/png",
        file=f"refs/{name}.png",
        upright=upright,
    )


def test_it_names_references_by_path_and_hash_beside_their_asset_ids():
    params: dict[str, Any] = {
        "prompt": "an oak",
        "images": [reference("a"), "asset_given", reference("b", upright=True)],
        "mask": reference("c"),
        "shots": [{"image": reference("d")}],
    }
    request: dict[str, JsonValue] = {
        "prompt": "an oak",
        "images": ["asset_a", "asset_given", "asset_b"],
        "mask": "asset_c",
        "shots": [{"image": "asset_d"}],
    }
    source = replace(SOURCE, references=find_sent_files(params, request))

    record = json.loads(render_sidecar(JOB, ASSET, source, emulated=False))

    first, turned, _, nested = record["references"]
    assert first == {
        "input": "images",
        "name": "a",
        "path": "refs/a.png",
        "sha256": "a" * 64,
        "upright": False,
        "asset_id": "asset_a",
    }
    assert (turned["upright"], turned["asset_id"]) == (True, "asset_b")
    assert (nested["input"], nested["asset_id"]) == ("shots", "asset_d")


@pytest.mark.parametrize("sent", [{}, {"images": None}, {"images": ["asset_a"]}])
def test_an_asset_id_that_is_not_known_is_null(sent):
    params = {"images": [reference("a"), reference("b")]}

    assert [one.asset_id for one in find_sent_files(params, sent)] == [None, None]


def test_it_keeps_the_variables_with_their_types():
    source = replace(SOURCE, variables={"biome": "forest", "size": 3, "wet": True})

    record = json.loads(render_sidecar(JOB, ASSET, source, emulated=False))

    assert record["variables"] == {"biome": "forest", "size": 3, "wet": True}


def test_a_sidecar_from_before_these_keys_is_still_read():
    record = json.loads(rendered())
    del record["variables"], record["references"]

    assert parse_sidecar(json.dumps(record).encode(), ASSET.path) == remembered(JOB)


def test_a_pointer_in_its_place_is_no_sidecar(tmp_path):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64
    (tmp_path / "oak.png.json").write_text(f"{text}\nsize 900\n")

    with pytest.raises(PointerSidecar, match="a Git LFS pointer"):
        load_sidecar(tmp_path, "oak.png")


def remembered(job):
    """What of a job a sidecar keeps: not the intent, which the service's time ends."""
    return replace(job, row_id=0, sent_at=None)


def test_what_is_read_back_is_what_was_written():
    assert parse_sidecar(rendered(), ASSET.path) == remembered(JOB)


def test_rendering_what_was_read_back_gives_the_same_bytes():
    again = parse_sidecar(rendered(), ASSET.path)

    assert render_sidecar(again, again.assets[0], SOURCE, emulated=False) == rendered()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
MOMENTS = st.none() | st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
).map(lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000))
UNITS = st.none() | st.decimals(0, 10_000, places=2)
SIZES = st.none() | st.integers(1, 10_000)


@given(
    request=st.dictionaries(st.text(max_size=8), JSON, max_size=4),
    item_id=st.text(min_size=1, max_size=30),
    charged=UNITS,
    moment=MOMENTS,
    seed=st.none() | st.integers(0, 2**31 - 1),
    width_px=SIZES,
)
def test_any_job_survives_the_way_to_disk_and_back(  # noqa: PLR0917
    request, item_id, charged, moment, seed, width_px
):
    asset = replace(ASSET, width_px=width_px)
    job = replace(
        JOB,
        request=request,
        item_id=item_id,
        charged=charged,
        submitted_at=moment,
        finished_at=moment,
        seed=seed,
        assets=(asset,),
    )

    again = parse_sidecar(rendered(job, asset), asset.path)

    assert again == remembered(job)


def test_no_echo_is_read_back_as_no_difference():
    job = replace(JOB, echo=None)

    assert parse_sidecar(rendered(job), ASSET.path).echo == {}


FOREIGN = {
    "empty": b"",
    "object": b"{}",
    "list": b"[]",
    "null": b"null",
    "no UTF-8": b"\xff\xfe",
    "of another tool": b'{"schema": "theirs/1"}',
    "deep": b"[" * 100_000,
    "newer": rendered().replace(b"sidecar/1", b"sidecar/99"),
    "wrong type": rendered().replace(b'"job_1"', b"17"),
    "cut": rendered()[:-20],
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_another_json_file_is_no_sidecar(content):
    with pytest.raises(NoSidecar):
        parse_sidecar(content, "oak.png")
