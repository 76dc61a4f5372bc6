"""Any model: schemas that nobody has seen, at a service that shares no code with ours."""

import os
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from doubles.clock import ScaledClock
from doubles.media import glb_of, sound_of, video_of
from doubles.other_service import PUBLIC, OtherService
from doubles.pictures import png_bytes

from pipeline import Credentials, ExitCode, Settings, run
from pipeline.errors import ServiceUnreachable, UsageError
from pipeline.models.catalog import CACHE_VARIABLE, ModelCache
from pipeline.operations.models import find_models
from pipeline.operations.verify import verify
from pipeline.settings import (
    BASE_URL_VARIABLE,
    KEY_VARIABLE,
    SECRET_VARIABLE,
    Service,
)
from pipeline.storage.folder import Folder

LONG_AGO = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
QUICK = Settings(settle_s=1.0, output_s=2.0, poll_min_s=0.05, poll_max_s=0.05)
PNG = png_bytes("red", 8, 6)
MAKES: dict[str, tuple[list[str], Any, set[str]]] = {
    "image": (["img2img"], [PNG], {"x.png"}),
    "maps": (["img2img"], [PNG, png_bytes("blue", 8, 6)], {"x-1.png", "x-2.png"}),
    "video": (["img2video"], [video_of("mp4")], {"x.mp4"}),
    "film": (["txt2video"], [PNG, video_of("webm")], {"x.webm", "x.preview.png"}),
    "sound": (["txt2audio"], [sound_of("mp3")], {"x.mp3"}),
    "model": (["img23d"], [PNG, glb_of()], {"x.glb", "x.preview.png"}),
    "odd": (["dance"], [PNG, glb_of()], {"x.glb", "x.preview.png"}),
    "text": (["img2txt"], {"caption": "a red field"}, {"x.txt"}),
    "tags": (["img2txt"], {"tags": ["red"], "n": 1}, {"x.json"}),
}
KINDS = {
    b"ftyp": ("video", "video/mp4"),
    b"\x1aE\xdf\xa3": ("video", "video/webm"),
    b"ID3": ("audio", "audio/mpeg"),
    b"glTF": ("3d", "application/octet-stream"),
}


PLAIN_TYPES = (
    "string",
    "number",
    "boolean",
    "file",
    "file_array",
    "string_array",
)
ODD_TYPES = ("number_array", "inputs_array", "model_array", "colour", "matrix")


def described(rng: random.Random, depth: int = 0) -> tuple[dict[str, Any], Any]:
    """An input that nobody has seen, and what a manifest gives for it."""
    name = "".join(rng.choices("abcdefghijklmnopqrstuvwxyzABCXYZ", k=9))
    kind = rng.choice(PLAIN_TYPES if depth else PLAIN_TYPES + ODD_TYPES)
    entry: dict[str, Any] = {"name": name, "type": kind}
    value: Any = {
        "string": "some words",
        "number": 3,
        "boolean": True,
        "file": "file:a.png",
        "file_array": rng.choice(["file:a.png", ["ref:red", "file:a.png"]]),
        "string_array": rng.choice(["one", ["one", "two"]]),
        "number_array": [1, 2.5],
        "model_array": "model_ink",
        "colour": {"r": 1, "g": 0.5},
        "matrix": [[1, 0], [0, 1]],
    }.get(kind)
    if kind == "inputs_array":
        fields = [described(rng, depth + 1) for _ in range(3)]
        entry["inputs"] = [one for one, _ in fields]
        value = [{one["name"]: given for one, given in fields}]
    if kind == "number":
        entry |= {"min": "0", "max": 9, "step": None}
    if kind == "string" and rng.random() < 0.5:
        entry["allowedValues"] = [{"value": "some words"}, {"value": "others"}]
    entry |= rng.choice(
        [{"required": {"always": True}}, {"required": True}, {"kind": "image"}, {}]
    )
    entry |= {"uiHint": {"deep": [1]}, "maxSize": rng.choice([{}, "big", 10**9])}
    return entry, value


@pytest.fixture
async def service():
    async with OtherService(kinds=KINDS).serving() as running:
        yield running


@pytest.fixture
def make(service, tmp_path):
    """Run a manifest of one item ``x`` at the service."""
    (tmp_path / "a.png").write_bytes(PNG)

    async def run_item(model_id, params, **more):
        manifest = {
            "version": 1,
            "name": "things",
            "model": model_id,
            "references": {"red": "a.png"},
            "items": [{"id": "x", "params": params}],
        }
        path = tmp_path / "things.yaml"
        path.write_text(yaml.safe_dump(manifest))
        return await run(
            path,
            output=tmp_path / "out",
            credentials=Credentials(
                key="k", secret="s3cret", base_url=service.base_url
            ),
            settings=more.pop("settings", QUICK),
        )

    return run_item


def saved(folder) -> set[str]:
    names = {path.name for path in folder.iterdir() if path.is_file()}
    return {name for name in names if f"{name}.json" in names}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("made", MAKES)
async def test_a_model_that_nobody_has_seen_runs_from_a_manifest_without_code(
    service, make, tmp_path, made, seed
):
    rng = random.Random(f"{made} {seed}")
    capabilities, outputs, expected = MAKES[made]
    inputs = [described(rng) for _ in range(rng.randint(1, 9))]
    model_id = f"model_unseen-{made}"
    service.models[model_id] = {
        "id": model_id,
        "type": "custom",
        "capabilities": capabilities,
        "inputs": [entry for entry, _ in inputs],
    }
    service.makes[model_id] = outputs
    params = {entry["name"]: value for entry, value in inputs}

    result = await make(model_id, params)
    again = await make(model_id, params)

    assert (result.exit_code, result.counts) == (ExitCode.OK, {"saved": 1})
    assert again.counts["done"] == 1
    assert result.cost.charged == 4
    [(submitted_to, body)] = service.submits
    assert submitted_to == model_id
    assert body.keys() == params.keys()
    assert saved(tmp_path / "out") == expected
    assert {one.finding for one in verify(Folder(tmp_path / "out"))} == {"ok"}


async def test_a_model_without_a_schema_is_not_paid_for_unless_asked(service, make):
    service.models["model_bare"] = {"id": "model_bare", "type": "custom"}

    with pytest.raises(UsageError, match="inputs of model_bare are unknown") as raised:
        await make("model_bare", {"prompt": "x"})

    assert "--unchecked" in raised.value.hint
    assert service.submits == []


async def test_a_hostile_schema_crashes_nothing(service, make, monkeypatch):
    monkeypatch.setenv(BASE_URL_VARIABLE, service.base_url)
    service.models["model_bad"] = {
        "id": "model_bad",
        "type": {"custom": True},
        "name": ["x" * 5000],
        "capabilities": [{"img": 1}, "\x1b[31m2img"],
        "inputs": [
            {"name": "\x1b[2J" + "n" * 3000, "type": "string\x1b[31m"},
            {"name": "a", "type": "number", "min": 10**400, "max": "-1e999"},
            {"name": "numOutputs", "type": "number", "default": 10**300},
            {"name": "b", "type": "string", "required": {"conditional": {"values": 3}}},
            {"name": "b", "type": "file", "allowedValues": {"a": 1}},
            [],
        ],
        "performanceStats": {"variants": [{"costPerAssetMinCU": "free"}, 7]},
    }
    service.makes["model_bad"] = [PNG]

    result = await make("model_bad", {"a": 1})

    assert result.counts == {"saved": 1}
    assert len(service.submits) == 1
    [bad] = (await find_models("bad")).models
    assert (bad.kinds, bad.least_units, bad.plan) == ((), None, "")


# --- which models there are -----------------------------------------------------------------


@pytest.fixture
def listed(service, monkeypatch):
    monkeypatch.setenv(BASE_URL_VARIABLE, service.base_url)
    image = {"name": "image", "type": "file"}
    stats = {
        "variants": [{"costPerAssetMinCU": 100, "costPerAssetMaxCU": 105}, {"x": 1}]
    }
    service.models |= {
        "model_tripo": {
            "id": "model_tripo",
            "name": "Tripo P1",
            "type": "custom",
            "capabilities": ["img23d"],
            "accessRestrictions": 25,
            "inputs": [image, {"name": "clips", "type": "file_array", "kind": "video"}],
            "performanceStats": stats,
        },
        "model_klein": {
            "id": "model_klein",
            "type": "custom",
            "tags": ["fast"],
            "capabilities": ["txt2img", "img2video"],
            "accessRestrictions": 0,
            "inputs": [],
        },
        "model_ink": {
            "id": "model_ink",
            "type": "flux.2-dev-lora",
            "capabilities": ["txt2img"],
        },
        "model_strange": {"id": "model_strange", "accessRestrictions": 33},
    }
    return service


async def test_all_pages_are_listed_and_details_are_read_of_those_shown(listed):
    found = await find_models()

    assert [one.model_id for one in found.models] == [
        "model_klein",
        "model_strange",
        "model_tripo",
    ]
    klein, strange, tripo = found.models
    assert (klein.kinds, klein.plan, klein.files) == (("image", "video"), "free", ())
    assert (strange.kinds, strange.plan, strange.files) == ((), "33", None)
    assert (tripo.kinds, tripo.plan, tripo.name) == (("3d",), "starter", "Tripo P1")
    assert [(one.name, one.kind, one.is_list) for one in tripo.files or ()] == [
        ("image", "image", False),
        ("clips", "video", True),
    ]
    assert (tripo.least_units, tripo.most_units) == (100, 105)
    assert listed.requests.count(("GET", "/v1/models")) == 2
    assert listed.authorizations == {PUBLIC}


async def test_only_those_shown_cost_a_request_and_none_does_on_the_same_day(listed):
    found = await find_models(limit=1)
    again = await find_models(limit=1)

    assert (len(found.models), found.count) == (1, 3)
    assert again == found
    assert [path for _, path in listed.requests] == [
        "/v1/models",
        "/v1/models",
        "/v1/models/model_klein",
    ]


@pytest.mark.parametrize(
    ("query", "kind", "ids"),
    [
        ("", "video", ["model_klein"]),
        ("", "3d", ["model_tripo"]),
        ("", "lora", ["model_ink"]),
        ("FAST klein", "", ["model_klein"]),
        ("tripo fast", "", []),
        ("ink", "image", []),
    ],
)
async def test_words_and_kinds_choose_among_them(listed, query, kind, ids):
    found = await find_models(query, kind=kind)

    assert [one.model_id for one in found.models] == ids


async def test_with_credentials_these_are_sent(listed, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "someKey")
    monkeypatch.setenv(SECRET_VARIABLE, "someSecret")

    await find_models()

    [authorization] = listed.authorizations
    assert authorization.startswith("Basic ")


async def test_a_list_of_another_day_is_used_where_the_service_is_away(
    listed, monkeypatch
):
    found = await find_models(limit=1)
    kept = Path(os.environ[CACHE_VARIABLE])
    async with OtherService().serving() as nobody:
        gone = nobody.base_url
    old = ModelCache(kept, Service(base_url=listed.base_url))
    new = ModelCache(kept, Service(base_url=gone))
    for name in ("public models", "model_klein"):
        found_before = old.find(name)
        assert found_before is not None
        new.keep(name, found_before[0], LONG_AGO)
    monkeypatch.setenv(BASE_URL_VARIABLE, gone)

    later = await find_models(limit=1, clock=ScaledClock())

    assert (later.models, later.count) == (found.models, found.count)
    assert "used the list from 2026-01-02 03:04 UTC" in later.notes[0]
    monkeypatch.setenv(BASE_URL_VARIABLE, gone.replace("/v1", "/v2/v1"))
    with pytest.raises(ServiceUnreachable):
        await find_models(clock=ScaledClock())
