"""Model: what a record says, and how inputs are sent."""

from typing import Any

import pytest
from doubles.tables import PRO, WAN, make_file, make_model

from pipeline.models.record import load_shipped_model, parse_model, shipped_model_ids
from pipeline.models.schema import json_equal

# --- records --------------------------------------------------------------------


def test_the_shipped_models_are_the_two_of_wan():
    assert shipped_model_ids() == ("model_wan-2-7-image", "model_wan-2-7-image-pro")
    assert load_shipped_model("model_other") is None
    assert load_shipped_model("../model_tables/model_wan-2-7-image") is None


def test_a_shipped_table_is_read_whole():
    assert list(WAN.inputs) == [
        "prompt",
        "images",
        "size",
        "numOutputs",
        "imageSetMode",
        "thinkingMode",
        "seed",
    ]
    assert (WAN.source, WAN.has_seed) == ("shipped", True)
    images = WAN.inputs["images"]
    assert (images.is_array, images.is_file, images.kind) == (True, True, "image")
    assert images.max_length == 9
    assert "4K" in PRO.inputs["size"].allowed_values
    assert "4K" not in WAN.inputs["size"].allowed_values


def test_a_captured_record_with_unknown_keys_is_read():
    schema = make_model(
        {
            "name": "prompt",
            "type": "string",
            "maxLength": 32000,
            "required": {"always": True},
            "promptSpark": True,
            "costImpact": False,
        },
        {"name": "mask", "type": "file", "maxSize": 1000, "parent": True},
    )

    assert schema.inputs["prompt"].required
    assert schema.inputs["prompt"].cost_impact is False
    assert schema.inputs["mask"].kind == "image"
    assert schema.inputs["mask"].cost_impact is None


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        (True, True),
        (False, False),
        (None, False),
        ({"always": True}, True),
        ({"always": False}, False),
        ({"ifDefined": {"a": "x"}}, False),
        ("yes", False),
    ],
)
def test_only_a_true_always_makes_an_input_required(required, expected):
    schema = make_model({"name": "a", "type": "string", "required": required})

    assert schema.inputs["a"].required is expected


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {},
        {"id": ""},
        {"id": "m"},
        {"id": "m", "inputs": {}},
        {"id": "m", "inputs": [1]},
        {"id": "m", "inputs": [{"type": "string"}]},
    ],
)
def test_what_is_no_model_is_refused(record):
    with pytest.raises(ValueError, match="model"):
        parse_model(record, source="live")


# --- sending --------------------------------------------------------------------


def test_bare_values_become_lists_and_whole_floats_integers():
    style = make_file()

    sent = WAN.sendable({"images": style, "seed": 1000.0, "prompt": "x", "new": 2.0})

    assert sent == {"images": [style], "seed": 1000, "prompt": "x", "new": 2.0}
    assert isinstance(sent["seed"], int)


def test_sending_leaves_the_given_params_alone():
    params: dict[str, Any] = {"images": ["asset_1"], "seed": 1.0}

    WAN.sendable(params)

    assert params == {"images": ["asset_1"], "seed": 1.0}


def test_a_default_written_out_is_the_same_request():
    given: dict[str, Any] = {"prompt": "x", "size": "2K", "numOutputs": 1.0}
    given["thinkingMode"] = True

    assert WAN.normalised(given) == WAN.normalised({"prompt": "x"}) == {"prompt": "x"}


def test_one_is_not_the_default_true():
    assert WAN.normalised({"thinkingMode": 1}) == {"thinkingMode": 1}


@pytest.mark.parametrize(
    ("params", "count"),
    [({}, 1), ({"numOutputs": 3}, 3), ({"numOutputs": "3"}, 1), ({"numOutputs": 0}, 1)],
)
def test_the_number_of_outputs_is_at_least_one(params, count):
    assert WAN.output_count(params) == count
    assert make_model().output_count({}) == 1


def test_values_are_compared_as_json_does():
    assert json_equal([1, {"a": 2.0}], [1.0, {"a": 2}])
    assert not json_equal([1], [True])
    assert not json_equal({"a": 1}, {"a": 1, "b": 1})
    assert not json_equal("1", 1)
