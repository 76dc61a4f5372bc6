"""Record: strange and hostile records are read as far as they can be."""

import json
from typing import Any

import pytest
from doubles.tables import make_file, make_model
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models.checks import check_inputs
from pipeline.models.record import KINDS, output_kinds, parse_model


def messages(schema, params):
    return [problem.message for problem in check_inputs(schema, params)]


# --- types ----------------------------------------------------------------------------------


def test_an_input_of_an_unknown_type_stops_nothing_and_is_not_checked():
    schema = make_model(
        {"name": "prompt", "type": "string", "required": True},
        {"name": "tint", "type": "colour", "allowedValues": ["red"], "max": 3},
        {"name": "odd", "type": {"of": "string"}},
        {"name": "bare"},
    )

    given = {"prompt": "a", "tint": {"r": 1}, "odd": [1], "bare": make_file()}

    assert messages(schema, given) == []
    assert schema.sendable({"tint": 2.0}) == {"tint": 2.0}
    assert schema.unchecked == ("tint (colour)", "odd (no type)", "bare (no type)")
    assert messages(schema, {"tint": 1}) == ["'prompt' is missing: model_x requires it"]


def test_a_list_of_an_unknown_type_is_still_sent_as_a_list():
    schema = make_model({"name": "tints", "type": "colour_array"})

    assert schema.sendable({"tints": "red"}) == {"tints": ["red"]}


def test_inputs_that_cannot_be_named_are_passed_over():
    schema = make_model(7, None, {"type": "string"}, {"name": "a", "type": "string"})

    assert list(schema.inputs) == ["a"]


# --- rules ----------------------------------------------------------------------------------


def test_numbers_written_as_text_count():
    rules = {"min": "0.5", "max": "10", "step": "0.5"}
    schema = make_model({"name": "a", "type": "number", **rules})

    assert messages(schema, {"a": 10.5}) == ["'a' must be at most 10, not 10.5"]
    assert messages(schema, {"a": 0.6}) == ["'a' goes in steps of 0.5, not 0.6"]
    assert messages(schema, {"a": 1}) == []


@pytest.mark.parametrize("odd", [None, {}, [], "many", True, -1, {"value": 3}])
def test_a_limit_of_an_unknown_form_does_not_count(odd):
    limits = dict.fromkeys(("minLength", "maxLength", "maxSize"), odd)
    ranges = dict.fromkeys(("step", "allowedValues", "kind"), odd)
    schema = make_model(
        {"name": "text", "type": "string", **limits, **ranges},
        {"name": "files", "type": "file_array", **limits},
    )

    given = {"text": "some text", "files": ["asset_1", make_file()]}

    if odd is True:  # True is no number
        assert schema.inputs["text"].max_length is None
    assert messages(schema, given) == []


def test_a_file_of_several_kinds_may_be_of_any():
    schema = make_model({"name": "a", "type": "file", "kind": ["image", "video"]})

    assert messages(schema, {"a": make_file("video/mp4")}) == []


def test_allowed_values_are_read_in_the_type_of_the_input():
    schema = make_model(
        {"name": "duration", "type": "string", "allowedValues": [3, 5]},
        {"name": "scale", "type": "number", "allowedValues": ["2", "4"]},
        {
            "name": "style",
            "type": "string",
            "allowedValues": [{"value": "ink", "label": "Ink"}, {"value": "oil"}],
        },
        {"name": "free", "type": "string", "allowedValues": ["a", {"label": "B"}]},
    )

    given = {"duration": "5", "scale": 4, "style": "oil", "free": "anything"}

    assert messages(schema, given) == []
    assert messages(schema, {"style": "lead"}) == ["'style' does not take 'lead'"]
    assert messages(schema, {"duration": 5}) == [
        "'duration' takes text, not the number 5"
    ]


def test_a_condition_on_an_absent_input_needs_no_value():
    rule = {"conditional": {"values": {"b": [None]}}}
    schema = make_model(
        {"name": "a", "type": "string", "required": rule},
        {"name": "b", "type": "string"},
    )

    assert messages(schema, {}) == [
        "'a' is missing: it is required because 'b' is null"
    ]


def test_infinity_is_no_number():
    schema = make_model({"name": "a", "type": "number", "step": 1})

    assert messages(schema, {"a": float("inf")}) == ["'a' must be a number, not inf"]


def test_an_infinite_default_is_no_number_of_outputs():
    record = {"name": "numOutputs", "type": "number", "default": float("inf")}

    assert make_model(record).output_count({}) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner)
    ),
    max_leaves=6,
)
KEYS = (
    "type",
    "allowedValues",
    "min",
    "max",
    "step",
    "minLength",
    "maxLength",
    "kind",
    "maxSize",
    "required",
    "default",
    "costImpact",
    "inputs",
)
TYPES = ("string", "number_array", "file", "inputs_array", "model_array", "boolean")


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)),
    st.sampled_from(TYPES),
    JSON,
)
def test_no_descriptor_and_no_value_ever_causes_a_crash(rules, known, value):
    described = {**rules, "name": "a"}
    for entry in (described, {**described, "type": known}):
        schema = parse_model({"id": "m", "inputs": [entry]}, source="live")

        for problem in check_inputs(schema, {"a": value}):
            assert problem.message
        schema.sendable({"a": value})
        schema.normalised({"a": value})
        schema.priced({"a": value})
        schema.output_count({"numOutputs": value})


# --- objects --------------------------------------------------------------------------------

SHOTS = {
    "name": "shots",
    "type": "inputs_array",
    "maxLength": 2,
    "inputs": [
        {"name": "prompt", "type": "string", "required": {"always": True}},
        {"name": "image", "type": "file", "kind": "image"},
        {"name": "seconds", "type": "number", "max": 5},
        {"name": "tags", "type": "string_array"},
    ],
}


def test_the_objects_of_a_list_are_checked_too():
    shots: list[Any] = [
        {"prompt": "a", "seconds": 9},
        {"image": "house.png", "second": 1, "tags": None},
    ]

    problems = check_inputs(make_model(SHOTS), {"shots": shots})

    assert [(problem.path, problem.message) for problem in problems] == [
        (("shots", 0, "seconds"), "'seconds' must be at most 5, not 9"),
        (
            ("shots", 1, "image"),
            "'image' takes a file; 'house.png' is not an asset id",
        ),
        (("shots", 1, "second"), "unknown input 'second' in 'shots'"),
        (("shots", 1, "tags"), "'tags' has no value"),
        (("shots", 1), "'prompt' is missing: 'shots' requires it"),
    ]
    assert not any(problem.missing for problem in problems)


def test_an_object_is_sent_with_lists_where_the_service_wants_them():
    schema = make_model(SHOTS)

    sent = schema.sendable({"shots": {"prompt": "a", "tags": "x", "seconds": 2.0}})

    assert sent == {"shots": [{"prompt": "a", "tags": ["x"], "seconds": 2}]}


def test_objects_that_the_service_does_not_describe_are_sent_as_they_are():
    schema = make_model({"name": "shots", "type": "inputs_array"})

    assert messages(schema, {"shots": [{"whatever": 1}]}) == []
    assert messages(schema, {"shots": ["text"]}) == [
        "'shots' takes a group of inputs, not the text 'text'"
    ]


# --- LoRAs ----------------------------------------------------------------------------------

BASE = (
    {"name": "loras", "type": "model_array"},
    {"name": "lorasScale", "type": "number_array", "min": 0, "max": 2},
)


def test_a_base_model_takes_loras_with_a_scale_for_each():
    schema = make_model(*BASE)

    assert messages(schema, {"loras": ["model_a"], "lorasScale": [1]}) == []
    assert messages(schema, {"loras": "model_a", "lorasScale": 0.5}) == []
    assert messages(schema, {"loras": ["model_a", "model_b"]}) == []
    assert messages(schema, {"loras": ["model_a", "model_b"], "lorasScale": 1}) == [
        "'lorasScale' has 1 values, but 'loras' 2"
    ]
    assert messages(schema, {"lorasScale": [1, 1]}) == [
        "'lorasScale' has 2 values, but 'loras' 0"
    ]


@pytest.mark.parametrize(
    ("record", "bases"),
    [
        ({"type": "flux.1-lora", "parentModelId": "model_b"}, "model_b"),
        ({"type": "zimage-lora", "compliantModelIds": ["b", 7, "c"]}, "b, c"),
        ({"type": "flux.1-composition"}, ""),
        ({"type": "custom"}, None),
        ({"type": ["lora"]}, None),
        ({"type": "flux.2-dev-lora", "custom": True}, None),
    ],
)
def test_a_lora_is_known_by_its_record(record, bases):
    inputs = {} if bases is not None else {"inputs": []}
    schema = parse_model({"id": "model_l", **inputs, **record}, source="live")

    assert schema.lora_of == bases


# --- kinds ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capabilities", "kinds"),
    [
        (["txt2img", "img2img"], ("image",)),
        (["controlnet", "img2img_texture", "inpaint"], ("image",)),
        (["img23d"], ("3d",)),
        (["3d23d", "txt23d"], ("3d",)),
        (["txt2audio"], ("audio",)),
        (["img2txt", "txt2txt"], ("text",)),
        (["txt2video", "txt2img"], ("image", "video")),
        (["txt2img", "dance"], ()),
        ([], ()),
        ("txt2img", ()),
        ([None, {"a": 1}], ()),
        (None, ()),
    ],
)
def test_what_a_model_makes_follows_from_its_capabilities(capabilities, kinds):
    record = json.loads(json.dumps({"capabilities": capabilities}))

    assert output_kinds(record) == kinds
    schema = parse_model({"id": "m", "inputs": [], **record}, source="live")
    assert schema.makes == (kinds[0] if len(kinds) == 1 else "")
    assert set(kinds) <= set(KINDS)
