"""``pipeline schema``: what it prints of a model, and for editors."""

import json
from pathlib import Path

import pytest
from doubles.tables import shipped_model

from pipeline.cli.main import run_command
from pipeline.cli.schema import WIDTH, allowed_words, lay_out, required_words
from pipeline.errors import ExitCode
from pipeline.models.record import parse_model, shipped_model_ids
from pipeline.version import __version__

COMMITTED = Path(__file__).parents[2] / "docs" / "manifest.schema.json"
WAN = "model_wan-2-7-image"


def input_of(**record):
    """The one input of a model's record, beside its name and type."""
    record = {"name": "x", "type": "string", **record}
    model = parse_model({"id": "model_x", "inputs": [record]}, source="live")
    return model.inputs["x"]


def cells_of(line):
    return [cell for cell in line.split("  ") if cell]


# --- for people ---------------------------------------------------------------


def test_without_a_model_it_lists_those_that_are_known(capsys):
    code = run_command(["schema"])

    lines = capsys.readouterr().out.splitlines()
    assert code is ExitCode.OK
    assert [line.split()[0] for line in lines] == list(shipped_model_ids())
    assert lines[0].endswith("  Wan 2.7 Image")


def test_the_first_line_says_which_model_and_where_the_table_is_from(capsys):
    run_command(["schema", WAN])

    first = capsys.readouterr().out.splitlines()[0]
    assert first == (
        f"{WAN}: Wan 2.7 Image, 7 inputs; shipped with version {__version__}"
    )


@pytest.mark.parametrize("model_id", shipped_model_ids())
def test_the_table_has_a_row_for_each_input_and_fits_a_terminal(model_id, capsys):
    run_command(["schema", model_id])

    out = capsys.readouterr().out
    lines = out.splitlines()
    heads = [line.split()[0] for line in lines[3:] if not line.startswith(" ")]
    assert lines[2].split() == [
        "input",
        "type",
        "required",
        "default",
        "allowed",
        "price",
    ]
    assert heads == list(shipped_model(model_id).inputs)
    assert max(map(len, lines)) <= WIDTH
    words = {word.strip(",") for word in out.split()}
    assert words >= set(shipped_model(model_id).inputs["size"].allowed_values)


def test_a_row_says_type_need_default_values_and_price(capsys):
    run_command(["schema", WAN])

    rows = {
        cells[0]: [cell.strip() for cell in cells[1:]]
        for line in capsys.readouterr().out.splitlines()[3:]
        if (cells := cells_of(line))
    }
    assert rows["prompt"] == ["string", "always", "-", "any text", "-"]
    assert rows["images"] == ["file_array", "no", "-", "image files, at most 9", "-"]
    assert rows["numOutputs"] == ["number", "no", "1", "1 to 4, whole", "-"]
    assert rows["thinkingMode"] == ["boolean", "no", "true", "true, false", "-"]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, "any text"),
        ({"type": "number"}, "any number"),
        ({"type": "model_array"}, "any model id"),
        ({"type": "inputs_array"}, "groups of inputs"),
        ({"type": "boolean"}, "true, false"),
        ({"minLength": 2, "maxLength": 800}, "2 to 800 characters"),
        ({"allowedValues": ["a", "b"]}, "a, b"),
        ({"type": "number", "min": 0.5}, "at least 0.5"),
        (
            {"type": "number", "min": 0, "max": 1, "step": 0.05},
            "0 to 1, in steps of 0.05",
        ),
        ({"type": "string_array", "minLength": 1}, "at least 1 value"),
        (
            {"type": "file", "kind": "video", "maxSize": 20_000_000},
            "video files, each at most 20 MB",
        ),
        (
            {"type": "file_array", "maxLength": 3, "maxSize": 10 << 20},
            "image files, each at most 10 MiB, at most 3",
        ),
        ({"type": "file", "maxSize": 1001}, "image files, each at most 1,001 bytes"),
    ],
)
def test_allowed_values_are_worded(record, words):
    assert allowed_words(input_of(**record)) == words


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (None, "no"),
        (True, "always"),
        ({"always": False}, "no"),
        ({"ifDefined": {"mask": "…"}}, "if 'mask' is given"),
        ({"ifNotDefined": {"a": "…"}}, "if 'a' is not given"),
        ({"ifNotDefined": {"a": "…", "b": "…"}}, "if neither 'a' nor 'b' is given"),
        (
            {"ifDefined": {"a": "", "b": ""}},
            "if 'a' is given; if 'b' is given",
        ),
        (
            {"conditional": {"values": {"mode": ["x", "y"], "n": 2}}},
            "if 'mode' is 'x' or 'y' and 'n' is 2",
        ),
        (
            {"conditional": {"operator": "or", "values": {"mode": "x", "n": 2}}},
            "if 'mode' is 'x'; if 'n' is 2",
        ),
    ],
)
def test_when_an_input_is_required_is_worded(rules, words):
    assert required_words(input_of(required=rules)) == words


@pytest.mark.parametrize("count", [1, 12])
def test_cells_are_wrapped_so_that_every_word_stays(count):
    long = "if 'a-long-name' is given; " * count
    rows = [("input", "required", "allowed"), ("x" * 40, long, "1, 2, " * count)]

    lines = lay_out(rows, WIDTH)

    assert max(map(len, lines)) <= WIDTH
    assert "".join(lines[1:]).count("given;") == count
    assert lines == [line.rstrip() for line in lines]


def test_an_unknown_model_is_refused_with_the_one_that_was_meant(capsys):
    code = run_command(["schema", "model_wan-2-7-imge"])

    said = capsys.readouterr()
    assert (code, said.out) == (ExitCode.USAGE, "")
    assert said.err == (
        "error: the inputs of model_wan-2-7-imge are unknown\n"
        f"  next: did you mean '{WAN}'?\n"
    )


def test_json_and_json_schema_do_not_go_together(capsys):
    code = run_command(["schema", "--json", "--json-schema"])

    assert code is ExitCode.USAGE
    assert "cannot be combined" in capsys.readouterr().err


# --- for programs -------------------------------------------------------------


def test_json_gives_an_object_for_each_input_and_then_the_model(capsys):
    run_command(["schema", WAN, "--json"])

    *inputs, last = map(json.loads, capsys.readouterr().out.splitlines())
    model = shipped_model(WAN)
    assert {line["event"] for line in inputs} == {"input"}
    assert [line["name"] for line in inputs] == list(model.inputs)
    size = next(line for line in inputs if line["name"] == "size")
    assert (size["type"], size["required"], size["default"]) == ("string", False, "2K")
    assert size["allowed"] == list(model.inputs["size"].allowed_values)
    assert size["cost_impact"] is None
    assert last == {
        "event": "schema",
        "model_id": WAN,
        "name": "Wan 2.7 Image",
        "source": "shipped",
        "origin": f"shipped with version {__version__}",
        "inputs": 7,
    }


def test_json_without_a_model_lists_the_models(capsys):
    run_command(["schema", "--json"])

    *models, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line["model_id"] for line in models] == list(shipped_model_ids())
    assert {(line["event"], line["source"]) for line in models} == {
        ("model", "shipped")
    }
    assert last == {"event": "schema", "models": len(models)}


# --- for editors --------------------------------------------------------------


def test_the_committed_schema_is_what_the_command_prints(capsys):
    code = run_command(["schema", "--json-schema"])

    assert code is ExitCode.OK
    assert capsys.readouterr().out == COMMITTED.read_text("utf-8")


def test_with_a_model_the_schema_knows_the_inputs_of_that_one(capsys):
    run_command(["schema", WAN, "--json-schema"])

    schema = json.loads(capsys.readouterr().out)
    assert f"{WAN}.params" in schema["$defs"]
    assert f"{WAN}-pro.params" not in schema["$defs"]
    assert schema["properties"]["model"]["anyOf"][0] == {"enum": [WAN]}


def test_in_a_narrow_terminal_each_value_has_a_line_of_its_own(capsys, monkeypatch):
    monkeypatch.setattr("pipeline.cli.schema.find_width", lambda: 40)

    run_command(["schema", WAN])

    lines = capsys.readouterr().out.splitlines()
    at = lines.index("prompt")
    assert lines[at + 1] == "  type: string"
    assert lines[at + 2] == "  required: always"
