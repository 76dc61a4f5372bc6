"""ModelCatalog: the service's own table where it can be had, and what was said if not."""

import json
from datetime import timedelta
from typing import Any

import pytest
from doubles.clock import FakeClock
from doubles.tables import shipped_model

from pipeline.errors import AccessDenied, BudgetReached, Unavailable
from pipeline.models.catalog import (
    CACHE_VARIABLE,
    ModelCache,
    ModelCatalog,
    cache_folder,
    describe_source,
    find_drift,
)
from pipeline.models.record import load_shipped_model, parse_model
from pipeline.settings import Service

WAN = "model_wan-2-7-image"
OWN = "model_our-own"
SERVICE = Service(base_url="https://api.example/v1", project_id="proj_1")
RECORD: dict[str, Any] = {
    "id": OWN,
    "name": "Our own",
    "inputs": [
        {"name": "prompt", "type": "string", "required": {"always": True}},
        {"name": "steps", "type": "number", "min": 1, "max": 50, "default": 28},
    ],
}


class Asked:
    """A service that answers with records, or an error, and counts."""

    def __init__(self, *records, error=None):
        self.records = {record["id"]: record for record in records}
        self.error = error
        self.ids = []

    def __call__(self, model_id):
        self.ids.append(model_id)
        if self.error is not None:
            raise self.error
        return self.records.get(model_id)


def test_inputs_of_an_unknown_type_are_named(catalog_of):
    inputs = [*RECORD["inputs"], {"name": "tint", "type": "colour"}]
    catalog = catalog_of(Asked(RECORD | {"inputs": inputs}))

    assert catalog.find(OWN).inputs["tint"].type == "colour"
    assert catalog.find(OWN).has_seed is False
    assert catalog.notes == [
        f"{OWN}: inputs of an unknown type are sent unchecked: tint (colour)"
    ]


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def cache(tmp_path):
    return ModelCache(tmp_path / "cache", SERVICE)


@pytest.fixture
def catalog_of(clock, cache):
    """A catalog as a new process would have it."""

    def make(read=None, cache=cache, **named):
        return ModelCatalog(read=read, cache=cache, now=clock.utc_now, **named)

    return make


OFFLINE = Unavailable("no route to the service")


# --- where a table comes from ---------------------------------------------------------------


def test_the_service_is_asked_and_its_table_is_used(catalog_of, clock):
    asked = Asked(RECORD)
    catalog = catalog_of(asked)

    schema = catalog.find(OWN)

    assert schema.source == "live"
    assert schema.read_at == clock.utc_now()
    assert schema.find_input("steps").maximum == 50
    assert catalog.notes == []
    assert describe_source(schema) == "the service's table, read 2026-03-01 12:00 UTC"


def test_a_model_is_asked_for_once_whatever_became_of_it(catalog_of):
    asked = Asked(RECORD)
    catalog = catalog_of(asked)

    for _ in range(3):
        catalog.find(OWN)
        catalog.find("model_nobody-has")

    assert asked.ids == [OWN, "model_nobody-has"]
    assert len(catalog.notes) == 1


def test_a_table_is_kept_for_a_day(catalog_of, clock):
    asked = Asked(RECORD)
    first = catalog_of(asked).find(OWN)
    clock.jump(86_399)
    catalog = catalog_of(asked)

    again = catalog.find(OWN)

    assert asked.ids == [OWN]
    assert again == first
    assert catalog.notes == []


def test_a_table_of_today_is_asked_for_anew_where_it_must_be_fresh(catalog_of):
    asked = Asked(RECORD)
    catalog_of(asked).find(OWN)

    catalog_of(asked, is_fresh=True).find(OWN)

    assert asked.ids == [OWN, OWN]


def test_a_table_that_is_a_day_old_is_asked_for_anew(catalog_of, clock):
    catalog_of(Asked(RECORD)).find(OWN)
    clock.jump(86_400)
    steps = RECORD["inputs"][1] | {"max": 10}
    newer = RECORD | {"inputs": [RECORD["inputs"][0], steps]}
    asked = Asked(newer)

    schema = catalog_of(asked).find(OWN)

    assert asked.ids == [OWN]
    assert schema.find_input("steps").maximum == 10
    assert catalog_of().find(OWN).find_input("steps").maximum == 10


def test_a_table_from_the_future_is_asked_for_anew(catalog_of, clock, cache):
    cache.keep(OWN, RECORD, clock.utc_now() + timedelta(hours=1))
    asked = Asked(RECORD)

    catalog_of(asked).find(OWN)

    assert asked.ids == [OWN]


@pytest.mark.parametrize(
    "error",
    [
        OFFLINE,
        AccessDenied("wrong key", status=401),
        BudgetReached("no credit (HTTP 402)"),
    ],
    ids=["offline", "401", "402"],
)
def test_a_stale_table_is_used_where_the_service_cannot_be_asked(
    catalog_of, clock, error
):
    catalog_of(Asked(RECORD)).find(OWN)
    clock.jump(10 * 86_400)
    catalog = catalog_of(Asked(error=error))

    schema = catalog.find(OWN)

    assert schema.source == "cached"
    assert schema.find_input("steps").maximum == 50
    assert catalog.notes == [
        f"{OWN}: {error.message}; used the service's table from 2026-03-01 12:00 UTC"
    ]


def test_a_shipped_table_is_used_where_nothing_else_is_known(catalog_of):
    catalog = catalog_of(Asked(error=OFFLINE))

    schema = catalog.find(WAN)

    assert schema == load_shipped_model(WAN)
    assert schema.source == "shipped"
    [note] = catalog.notes
    assert "no route to the service" in note
    assert "the table shipped with this version" in note


def test_a_stale_table_comes_before_the_shipped_one(catalog_of, clock, cache):
    cache.keep(WAN, RECORD | {"id": WAN}, clock.utc_now() - timedelta(days=3))

    schema = catalog_of().find(WAN)

    assert schema.source == "cached"
    assert "steps" in schema.inputs


def test_offline_is_said_so_even_of_a_shipped_table(catalog_of):
    catalog = catalog_of()

    assert catalog.find(WAN).source == "shipped"
    assert catalog.notes == [
        f"{WAN}: the service was not asked; used the table shipped with this version"
    ]


def test_a_model_that_nobody_knows_is_none_and_no_note(catalog_of):
    catalog = catalog_of(Asked(error=OFFLINE))

    assert catalog.find(OWN) is None
    assert catalog.notes == []


def test_a_model_that_the_service_does_not_know_is_said_so(catalog_of):
    catalog = catalog_of(Asked())

    assert catalog.find(OWN) is None
    assert catalog.find(WAN) == load_shipped_model(WAN)
    assert catalog.notes == [
        f"{OWN}: the service does not know this model",
        f"{WAN}: the service does not know this model",
    ]


# --- records that cannot be read ------------------------------------------------------------


@pytest.mark.parametrize(
    "inputs",
    [
        "none",
        [7],
        [{"type": "string"}],
    ],
)
def test_a_record_that_cannot_be_read_is_neither_used_nor_kept(
    catalog_of, cache, inputs
):
    catalog = catalog_of(Asked(RECORD | {"id": WAN, "inputs": inputs}))

    schema = catalog.find(WAN)

    assert schema.source == "shipped"
    assert "the service's record cannot be read" in catalog.notes[0]
    assert cache.find(WAN) is None


@pytest.mark.parametrize("limit", [10**400, 1e308, -(10**30)])
def test_a_limit_of_any_size_is_no_crash(catalog_of, limit):
    entry = {"name": "steps", "type": "number", "max": limit, "min": limit}
    catalog = catalog_of(Asked(RECORD | {"inputs": [entry]}))

    assert "steps" in catalog.find(OWN).inputs


def test_another_model_s_record_is_neither_used_nor_kept(catalog_of, cache):
    def read(_model_id):
        return RECORD

    catalog = catalog_of(read)

    assert catalog.find(WAN).source == "shipped"
    assert "cannot be read" in catalog.notes[0]
    assert cache.find(WAN) is None


# --- the cache ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        Service(base_url="https://other.example/v1", project_id="proj_1"),
        Service(base_url="https://api.example/v1", project_id="proj_2"),
        Service(base_url="https://api.example/v1"),
    ],
    ids=["service", "project", "no project"],
)
def test_a_table_of_another_service_or_project_is_never_shown(
    catalog_of, tmp_path, other
):
    catalog_of(Asked(RECORD)).find(OWN)

    catalog = catalog_of(cache=ModelCache(tmp_path / "cache", other))

    assert catalog.find(OWN) is None
    assert catalog_of().find(OWN) is not None


def test_a_model_id_never_becomes_a_path(cache, clock, tmp_path):
    hostile = "../../../escape"

    cache.keep(hostile, RECORD | {"id": hostile}, clock.utc_now())

    assert cache.find(hostile) is not None
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.parent for path in files] == [tmp_path / "cache" / "models"]


def test_a_cache_that_cannot_be_written_does_not_matter(catalog_of, tmp_path):
    (tmp_path / "file").touch()
    cache = ModelCache(tmp_path / "file", SERVICE)
    catalog = catalog_of(Asked(RECORD), cache=cache)

    assert catalog.find(OWN).source == "live"
    assert catalog.notes == []


def damaged(kept):
    return {
        "empty": b"",
        "cut": kept[: len(kept) // 2],
        "no UTF-8": b"\xff" * 50,
        "a list": b"[1]",
        "a number": b"1",
        "another schema": kept.replace(b"model/1", b"model/9"),
        "another model": kept.replace(OWN.encode(), b"model_other"),
        "no time": kept.replace(b'"read_at": "2026', b'"read_at": "once upon'),
        "a number for a time": kept.replace(b'"read_at": "', b'"read_at": 1, "x": "'),
        "no model": kept.replace(b'"model": {', b'"model": 7, "x": {'),
        "very deep": b"[" * 100_000,
    }


@pytest.mark.parametrize("fault", damaged(b""))
def test_a_damaged_entry_is_as_none_and_is_replaced(catalog_of, tmp_path, cache, fault):
    catalog_of(Asked(RECORD)).find(OWN)
    [path] = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    path.write_bytes(damaged(path.read_bytes())[fault])
    asked = Asked(RECORD)

    schema = catalog_of(asked).find(OWN)

    assert schema.source == "live"
    assert asked.ids == [OWN]
    assert cache.find(OWN) is not None


def test_a_kept_record_that_is_no_model_is_as_none(catalog_of, cache, clock):
    cache.keep(OWN, RECORD | {"inputs": "none"}, clock.utc_now())
    asked = Asked(RECORD)

    assert catalog_of(asked).find(OWN).source == "live"
    assert asked.ids == [OWN]


def test_what_is_kept_names_its_service_and_date(catalog_of, tmp_path):
    catalog_of(Asked(RECORD)).find(OWN)

    [path] = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    kept = json.loads(path.read_bytes())
    assert kept["base_url"] == SERVICE.base_url
    assert kept["project_id"] == "proj_1"
    assert kept["read_at"].startswith("2026-03-01T12:00")
    assert kept["model"] == RECORD


def test_the_folder_is_the_user_s_choice_or_the_system_s(tmp_path):
    assert cache_folder({CACHE_VARIABLE: str(tmp_path)}) == tmp_path
    found = cache_folder({})
    assert found is not None
    assert found.name == "scenario-pipeline"


# --- drift ----------------------------------------------------------------------------------


def parsed(*inputs):
    return parse_model({"id": OWN, "inputs": list(inputs)}, source="live")


def test_a_table_that_differs_from_the_shipped_one_is_used_and_said_so(catalog_of):
    shipped = shipped_model(WAN)
    inputs = [
        {"name": name, "type": entry.type}
        for name, entry in shipped.inputs.items()
        if name != "thinkingMode"
    ]
    record = {"id": WAN, "inputs": [*inputs, {"name": "mood", "type": "string"}]}
    catalog = catalog_of(Asked(record))

    schema = catalog.find(WAN)

    assert schema.source == "live"
    assert "mood" in schema.inputs
    [note] = catalog.notes
    assert "used the service's table, which differs from the one shipped" in note
    assert "no input 'thinkingMode'" in note
    assert "new input 'mood'" in note


def test_a_drift_is_told_of_a_kept_table_too(catalog_of):
    record = RECORD | {"id": WAN}
    first = catalog_of(Asked(record))
    first.find(WAN)

    second = catalog_of()
    second.find(WAN)

    assert second.notes == first.notes != []


def test_the_same_table_is_no_drift(catalog_of):
    shipped = shipped_model(WAN)

    assert find_drift(shipped, shipped) == []


@pytest.mark.parametrize(
    ("before", "after", "drift"),
    [
        ({"max": 4}, {"max": 8}, ["'a' maximum is 8, not 4"]),
        ({"min": 0}, {"min": 1}, ["'a' minimum is 1, not 0"]),
        ({"default": 1}, {"default": 2}, ["'a' default is 2, not 1"]),
        ({"maxLength": 9}, {"maxLength": 5}, ["'a' max length is 5, not 9"]),
        ({"required": True}, {}, ["'a' required is False, not True"]),
        ({}, {"required": True}, ["'a' required is True, not False"]),
        (
            {"allowedValues": [1, 2]},
            {"allowedValues": [2, 3]},
            ["'a' also takes 3", "'a' no longer takes 1"],
        ),
        ({"allowedValues": [1, 2]}, {"allowedValues": [2, 1]}, []),
        ({"allowedValues": [1, 2]}, {}, []),
        ({}, {"max": 8, "costImpact": True}, []),
    ],
)
def test_a_drift_is_described_and_what_was_not_said_is_none(before, after, drift):
    entry = {"name": "a", "type": "number"}

    assert find_drift(parsed(entry | before), parsed(entry | after)) == drift


def test_a_change_of_type_is_a_drift():
    text = parsed({"name": "a", "type": "string"})
    texts = parsed({"name": "a", "type": "string_array"})

    assert find_drift(text, texts) == ["'a' type is string_array, not string"]
