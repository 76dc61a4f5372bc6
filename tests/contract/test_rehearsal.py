"""A contract as knobs: what was seen is imitated, what cannot be is left alone."""

from typing import Any

import pytest

from pipeline.contract.contract_file import Contract
from pipeline.contract.rehearsal import knobs_of
from pipeline.emulator import EmulatorProfile
from pipeline.emulator.model_records import load_models


def contract_of(**seen):
    return Contract(
        base_url="x",
        model_id="model_x",
        seen={key.replace("__", "."): (value, "") for key, value in seen.items()},
    )


def test_nothing_seen_changes_nothing():
    assert knobs_of(contract_of()) == {}


@pytest.mark.parametrize(
    ("key", "seen", "knobs"),
    [
        ("limits__ceiling", 7, {"ceiling": 7}),
        ("limits__readable", 403, {"limits_status": 403}),
        ("list__lag", 10, {"list_lag_s": 7.5}),
        ("job__path", "queued > running > success", ("queued", 0.0)),
        ("quote__price", 3.5, {"unit_prices_cu": {"model_x": 3.5}}),
        ("quote__seed-large", "accepted", {"input_changes": {"seed": {"max": None}}}),
        ("model__plan", "cu-max", {"restricted_models": ("model_x",)}),
        ("date__skew", -300, {"date_skew_s": -300}),
    ],
)
def test_what_was_seen_is_imitated(key, seen, knobs):
    made: dict[str, Any] = knobs_of(contract_of(**{key: seen}))
    if isinstance(knobs, tuple):
        assert made["status_path"][0] == knobs
    else:
        assert knobs.items() <= made.items()
    EmulatorProfile.of(**made)


@pytest.mark.parametrize(
    ("key", "seen"),
    [
        ("limits__ceiling", -5),
        ("limits__ceiling", 0),
        ("limits__ceiling", 2.5),
        ("limits__ceiling", True),
        ("limits__ceiling", "many"),
        ("quote__price", -1),
        ("quote__price", 1e308),
        ("quote__by-size", float("inf")),
        ("quote__unknown-field", 99_999),
        ("quote__unknown-asset", 200),
        ("list__lag", 7),
        ("list__lag", "soon"),
        ("submit__status", 500),
        ("job__path", "success"),
        ("wan__format", "image/tiff"),
        ("cdn__altered", 200),
    ],
)
def test_what_cannot_be_imitated_is_left_alone(key, seen):
    assert knobs_of(contract_of(**{key: seen})) == {}


@pytest.mark.parametrize(
    "record",
    [{}, {"inputs": 7}, {"inputs": [7]}, {"inputs": [{"name": "prompt"}]}],
)
def test_model_without_inputs_is_left_out(record):
    contract = Contract(base_url="x", models={"model_y": record})
    assert knobs_of(contract) == {}


def test_models_are_served_as_their_records_say():
    inputs = [{"name": "text", "type": "string", "costImpact": True}]
    contract = Contract(base_url="x", models={"model_y": {"inputs": inputs}})
    profile = EmulatorProfile.of(**knobs_of(contract))
    models = load_models(profile.jobs, profile.money)
    assert models["model_y"].record["inputs"] == inputs


def test_every_knob_exists():
    from pipeline.contract import rehearsal

    seen: list[Any]
    seen = ["accepted", "shown", 1, 2, 302, 403, "a > b", "newest first", "same"]
    names = {
        name
        for make in rehearsal._KNOBS.values()
        for value in seen
        for name in make(value)
    }
    assert len(names) > 20
    assert names <= EmulatorProfile().flat().keys()
