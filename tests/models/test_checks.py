"""What is wrong with inputs, said with its place and a hint."""

from typing import Any

import pytest
from doubles.tables import PRO, WAN, make_file, make_model
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models.checks import check_inputs
from pipeline.models.record import parse_model
from pipeline.models.wording import suggestion


def messages(schema, **params):
    return [problem.message for problem in check_inputs(schema, params)]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"size": "2048*1152", "numOutputs": 4, "seed": 0},
        {"images": ["asset_1", make_file()]},
        {"images": make_file("image/webp"), "seed": 2147483647},
        {"images": "asset_GTrL3mq4SXWyMxkOHRxlpw", "thinkingMode": False},
        {"seed": 7.0},
        {"images": []},
    ],
)
def test_sound_inputs_have_no_problem(params):
    assert check_inputs(WAN, {"prompt": "x", **params}) == []


@pytest.mark.parametrize(
    ("params", "path", "message", "hint"),
    [
        ({"sead": 1}, ("sead",), "unknown input 'sead'", "did you mean 'seed'?"),
        ({"Seed": 1}, ("Seed",), "unknown input 'Seed'", "did you mean 'seed'?"),
        ({"seed": None}, ("seed",), "'seed' has no value", "leave the input out"),
        ({"seed": True}, ("seed",), "takes a number, not true", ""),
        ({"seed": [1]}, ("seed",), "takes a number, not a list", "write one value"),
        ({"seed": -1}, ("seed",), "at least 0", ""),
        ({"seed": 2**31}, ("seed",), "at most 2147483647", ""),
        ({"seed": 0.5}, ("seed",), "a whole number, not 0.5", ""),
        ({"numOutputs": 5}, ("numOutputs",), "at most 4, not 5", ""),
        ({"thinkingMode": "no"}, ("thinkingMode",), "true or false", "write true or"),
        ({"thinkingMode": 0}, ("thinkingMode",), "true or false, not the number 0", ""),
        ({"prompt": 5}, ("prompt",), "takes text", 'put it in quotes: "5"'),
        ({"size": "2048x1152"}, ("size",), "'2048x1152'", "did you mean '2048*1152'?"),
        ({"size": "1024×768"}, ("size",), "does not take", "did you mean '1024*768'?"),  # noqa: RUF001 - people type it
        ({"size": "2k"}, ("size",), "does not take '2k'", "did you mean '2K'?"),
        ({"size": 1024}, ("size",), "takes text", ""),
        (
            {"images": ["asset_1", "a.png"]},
            ("images", 1),
            "not an asset id",
            "file:a.png",
        ),
        ({"images": ["asset_/x"]}, ("images", 0), "not an asset id", ""),
        ({"images": ["asset_" + "x" * 256]}, ("images", 0), "not an asset id", ""),
        ({"images": ["data:image/png;base64,x"]}, ("images", 0), "", "save the file"),
        ({"images": [["asset_1"]]}, ("images", 0), "a file, not a list", ""),
        ({"images": ["asset_1"] * 10}, ("images",), "at most 9 values", ""),
        ({"images": make_file("text/plain")}, ("images",), "is text/plain", ""),
        ({"dryRun": True}, ("dryRun",), "starts a paid job", "pipeline plan"),
        ({"dryrun": "api"}, ("dryrun",), "starts a paid job", "pipeline plan"),
    ],
)
def test_each_problem_has_its_path_and_hint(params, path, message, hint):
    [problem] = check_inputs(WAN, {"prompt": "x", **params})

    assert problem.path == path
    assert message in problem.message
    assert hint in problem.hint


def test_all_problems_are_told_at_once():
    problems = check_inputs(WAN, {"seed": -1, "size": "9K", "sead": 1})

    assert [problem.path for problem in problems] == [
        ("seed",),
        ("size",),
        ("sead",),
        ("prompt",),
    ]
    assert [problem.missing for problem in problems] == [False, False, False, True]
    assert problems[2].at_key


def test_a_misspelt_input_is_not_also_missing():
    assert len(check_inputs(WAN, {"promtp": "x"})) == 1


@pytest.mark.parametrize("size", ["4K", "4096*4096", "2304*4096", "4096*3072"])
def test_4k_sizes_do_not_go_together_with_images(size):
    assert messages(PRO, prompt="x", size=size) == []
    [message] = messages(PRO, prompt="x", size=size, images=["asset_1"])
    assert f"size {size} cannot be combined with images" in message
    assert messages(PRO, prompt="x", size="2K", images=["asset_1"]) == []
    assert messages(PRO, prompt="x", size=size, images=[]) == []


def test_without_a_schema_only_what_no_model_takes_is_found():
    params: dict[str, Any] = {"any": [1], "dryRun": True, "none": None}
    problems = check_inputs(None, params)

    assert [problem.path for problem in problems] == [("dryRun",), ("none",)]


def test_an_input_may_be_required_by_another():
    schema = make_model(
        {"name": "image", "type": "file", "required": {"ifDefined": {"mask": "m"}}},
        {"name": "mask", "type": "file"},
        {
            "name": "prompt",
            "type": "string",
            "required": {"ifNotDefined": {"image": {"message": "m"}}},
        },
        {
            "name": "strength",
            "type": "number",
            "required": {"conditional": {"values": {"mode": ["edit", "mix"]}}},
        },
        {"name": "mode", "type": "string"},
    )

    assert messages(schema, prompt="x") == []
    assert messages(schema, image="asset_1") == []
    assert messages(schema) == [
        "'prompt' is missing: it is required because 'image' is not given"
    ]
    assert messages(schema, prompt="x", mask="asset_1") == [
        "'image' is missing: it is required because 'mask' is given"
    ]
    assert messages(schema, prompt="x", mode="mix") == [
        "'strength' is missing: it is required because 'mode' is 'mix'"
    ]
    assert messages(schema, prompt="x", mode="other") == []


@pytest.mark.parametrize(
    ("operator", "params", "count"),
    [
        ("and", {"a": "1"}, 0),
        ("and", {"a": "1", "b": "2"}, 1),
        ("or", {"a": "1"}, 1),
        ("or", {"a": "2"}, 0),
    ],
)
def test_conditions_combine_as_the_operator_says(operator, params, count):
    rule = {"values": {"a": ["1"], "b": ["2"]}, "operator": operator}
    schema = make_model(
        {"name": "c", "type": "string", "required": {"conditional": rule}},
        {"name": "a", "type": "string"},
        {"name": "b", "type": "string"},
    )

    assert len(messages(schema, **params)) == count


@pytest.mark.parametrize(
    ("value", "count"), [(0.3, 0), (0.35, 1), (1, 0), (-0.1, 1), (1.1, 1)]
)
def test_decimal_steps_are_counted_in_decimals(value, count):
    schema = make_model(
        {"name": "a", "type": "number", "min": 0, "max": 1, "step": 0.1}
    )

    assert len(messages(schema, a=value)) == count


@pytest.mark.parametrize(
    ("descriptor", "value", "count"),
    [
        ({"type": "string", "maxLength": 3}, "abcd", 1),
        ({"type": "string", "maxLength": 4}, "abcd", 0),
        ({"type": "string", "minLength": 5}, "abcd", 1),
        ({"type": "string_array", "maxLength": 1}, ["abcd", "e"], 1),
        ({"type": "string_array", "maxLength": 1}, ["abcd"], 0),
        ({"type": "string_array", "minLength": 1}, [], 1),
        ({"type": "string_array"}, [1], 1),
        ({"type": "number_array", "max": 3}, [1, 4], 1),
        ({"type": "number_array"}, 1, 0),
        ({"type": "model"}, "model_x", 0),
        ({"type": "model_array"}, [5], 1),
        ({"type": "inputs_array"}, [{"a": 1}], 0),
        ({"type": "inputs_array"}, ["a"], 1),
        ({"type": "file", "kind": "video"}, make_file(), 1),
        ({"type": "file", "kind": "video"}, make_file("video/mp4"), 0),
        ({"type": "file", "kind": "3d"}, make_file("application/octet-stream"), 0),
        ({"type": "file", "maxSize": 9}, make_file(size_bytes=10), 1),
    ],
)
def test_each_type_has_its_limits(descriptor, value, count):
    schema = make_model({"name": "a", **descriptor})

    assert len(messages(schema, a=value)) == count


def test_a_suggestion_names_the_nearest_or_lists_a_few():
    assert suggestion("siez", ["seed", "size"]) == "did you mean 'size'?"
    assert suggestion("zzz", ["seed", "size"]) == "known: seed, size"
    assert suggestion("zzz", []) == ""
    assert suggestion("zzz", [f"x{n}" for n in range(20)]).endswith("x11, …")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*WAN.inputs, "x", "dryRun"]), JSON))
def test_any_inputs_are_checked_without_an_error(params):
    problems = check_inputs(WAN, params)

    assert all(problem.message for problem in problems)


@given(st.dictionaries(st.text(max_size=5), JSON) | JSON)
def test_any_record_is_read_or_refused(record):
    with pytest.raises(ValueError, match=r".*"):
        parse_model(record, source="live")


@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.text()},
            optional={
                "type": st.sampled_from(["string", "file_array", "number"]),
                "min": JSON,
                "maxLength": JSON,
                "required": JSON,
                "default": JSON,
                "allowedValues": JSON,
                "kind": JSON,
                "maxSize": JSON,
            },
        )
    )
)
def test_any_descriptor_is_read_or_refused(inputs):
    try:
        schema = parse_model({"id": "m", "inputs": inputs}, source="live")
    except ValueError:
        return
    check_inputs(schema, dict.fromkeys(schema.inputs, 1))


def test_a_table_with_a_mad_number_of_outputs_is_held_to_a_thousand():
    number: dict[str, Any] = {"name": "numOutputs", "type": "number"}
    record = {"id": "m", "inputs": [number | {"default": 10**18}]}

    assert parse_model(record, source="live").output_count({}) == 1000
