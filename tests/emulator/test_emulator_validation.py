"""Validation: each descriptor's rule, and the refusal that names the input."""

import pytest

from pipeline.emulator.model_records import InputRecord, ModelRecord, load_models
from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.profiles.money import MoneyProfile
from pipeline.emulator.refusal import Refused
from pipeline.emulator.validation import validate_inputs

PLAIN = JobsProfile()


def model_with(*descriptors):
    return ModelRecord(
        model_id="model_x",
        inputs=tuple(
            InputRecord(name=rules["name"], type=rules["type"], rules=rules)
            for rules in descriptors
        ),
        record={},
    )


def check(model, body, profile=PLAIN, known=("asset_a",)):
    return validate_inputs(model, body, profile, lambda asset: asset in known)


WAN = load_models(PLAIN, MoneyProfile())["model_wan-2-7-image"]
PRO = load_models(PLAIN, MoneyProfile())["model_wan-2-7-image-pro"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "Input prompt is required"),
        ({"prompt": ""}, "Input prompt is required"),
        ({"prompt": 3}, "Input prompt must be a string"),
        ({"prompt": "x", "numOutputs": 0}, "Input numOutputs must be at least 1"),
        ({"prompt": "x", "numOutputs": 5}, "Input numOutputs must be at most 4"),
        (
            {"prompt": "x", "numOutputs": 1.5},
            "Input numOutputs must be a multiple of 1",
        ),
        ({"prompt": "x", "numOutputs": "2"}, "Input numOutputs must be a number"),
        ({"prompt": "x", "numOutputs": True}, "Input numOutputs must be a number"),
        ({"prompt": "x", "seed": -1}, "Input seed must be at least 0"),
        (
            {"prompt": "x", "thinkingMode": "yes"},
            "Input thinkingMode must be a boolean",
        ),
        ({"prompt": "x", "images": ["asset_b"]}, "Asset asset_b not found"),
        (
            {"prompt": "x", "images": ["asset_a"] * 10},
            "Input images must contain at most 9 items",
        ),
        (
            {"prompt": "x", "images": [1]},
            "Input images must be an array of the right type",
        ),
        ({"prompt": ["x"]}, "Input prompt must be a string"),
    ],
)
def test_broken_rule_is_refused_by_name(body, reason):
    with pytest.raises(Refused) as refused:
        check(WAN, body)
    assert refused.value.body["reason"] == reason


def test_size_is_a_closed_list_with_asterisks():
    with pytest.raises(Refused, match="Input size must be one of"):
        check(WAN, {"prompt": "x", "size": "2048x1152"})
    assert check(WAN, {"prompt": "x", "size": "2048*1152"}).accepted


def test_bare_value_for_an_array_is_dropped_without_a_word():
    checked = check(WAN, {"prompt": "x", "images": "asset_a"})
    assert checked.accepted == {"prompt": "x"}
    assert checked.dropped == {"images": "asset_a"}


def test_strict_arrays_refuse_a_bare_value():
    with pytest.raises(Refused, match="Input images must be an array"):
        check(
            WAN,
            {"prompt": "x", "images": "asset_a"},
            JobsProfile(strict_arrays=True),
        )


def test_nulls_count_as_absent():
    assert check(WAN, {"prompt": "x", "seed": None}).accepted == {"prompt": "x"}


@pytest.mark.parametrize("status", [400, 404])
def test_unknown_asset_answers_with_the_status_of_the_profile(status):
    with pytest.raises(Refused) as refused:
        check(
            WAN,
            {"prompt": "x", "images": ["asset_b"]},
            JobsProfile(unknown_asset_status=status),
        )
    assert refused.value.status == status


def test_unknown_field_is_dropped_or_refused():
    checked = check(WAN, {"prompt": "x", "sead": 1})
    assert checked.accepted == {"prompt": "x"}
    assert checked.dropped == {"sead": 1}
    with pytest.raises(Refused) as refused:
        check(WAN, {"prompt": "x", "sead": 1}, JobsProfile(unknown_field_status=400))
    assert refused.value.body["reason"] == "Input sead is not allowed"


def test_unknown_asset_may_be_passed_over():
    body = {"prompt": "x", "images": ["asset_b"]}
    assert check(WAN, body, JobsProfile(unknown_asset_status=0)).accepted == body


@pytest.mark.parametrize("size", ["4K", "4096*2304", "2304*4096"])
def test_large_size_with_images_is_refused(size):
    with pytest.raises(Refused, match="not available together with images"):
        check(PRO, {"prompt": "x", "size": size, "images": ["asset_a"]})
    assert check(PRO, {"prompt": "x", "size": size}).accepted


@pytest.mark.parametrize(
    ("required", "body", "reason"),
    [
        (True, {}, "Input mask is required"),
        ({"always": True}, {}, "Input mask is required"),
        ({"ifDefined": {"other": {"message": "Mask it"}}}, {"other": "a"}, "Mask it"),
        ({"ifDefined": {"other": "Mask it"}}, {"other": "a"}, "Mask it"),
        ({"ifNotDefined": {"other": ""}}, {}, "Input mask is required"),
        (
            {"conditional": {"values": {"other": ["a", "b"]}, "operator": "and"}},
            {"other": "b"},
            "Input mask is required",
        ),
    ],
)
def test_each_form_of_required_is_obeyed(required, body, reason):
    model = model_with(
        {"name": "mask", "type": "string", "required": required},
        {"name": "other", "type": "string"},
    )
    with pytest.raises(Refused) as refused:
        check(model, body)
    assert refused.value.body["reason"] == reason
    assert check(model, {**body, "mask": "m"}).accepted


@pytest.mark.parametrize(
    ("required", "body"),
    [
        (False, {}),
        ({"always": False}, {}),
        ({"ifDefined": {"other": ""}}, {}),
        ({"ifNotDefined": {"other": ""}}, {"other": "a"}),
        ({"conditional": {"values": {"other": ["a"]}}}, {"other": "b"}),
        ({"conditional": {}}, {}),
    ],
)
def test_required_that_does_not_apply_demands_nothing(required, body):
    model = model_with(
        {"name": "mask", "type": "string", "required": required},
        {"name": "other", "type": "string"},
    )
    assert check(model, body).accepted == body


def test_length_means_characters_for_text_and_items_for_arrays():
    model = model_with(
        {"name": "text", "type": "string", "minLength": 2, "maxLength": 3},
        {"name": "words", "type": "string_array", "minLength": 1, "maxLength": 2},
    )
    assert check(model, {"text": "abc", "words": ["long word", "b"]}).accepted
    for body in ({"text": "a"}, {"text": "abcd"}, {"words": []}, {"words": ["a"] * 3}):
        with pytest.raises(Refused):
            check(model, body)


def test_step_counts_from_the_minimum():
    rules = {"name": "width", "type": "number", "min": 672, "max": 1000, "step": 8}
    assert check(model_with(rules), {"width": 680}).accepted
    with pytest.raises(Refused, match="multiple of 8"):
        check(model_with(rules), {"width": 681})
