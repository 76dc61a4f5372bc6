"""Line ends: one text, however a checkout writes it, and what earlier versions sent."""

import json

import pytest

from pipeline.job import JsonValue
from pipeline.manifest.text import with_line_feeds

ROWS = "items:\n  - {id: '${id}', prompt: 'a ${what}', rows: %s}\n"
ENDS = ["\n", "\r\n", "\r"]


@pytest.mark.parametrize("end", ENDS)
def test_a_cell_has_line_feeds_whatever_the_file_has(expand_text, end):
    csv = f'id,what{end}x,"one{end}two{end}{end}three"{end}'
    if end == "\r":
        csv = f'id,what\nx,"one{end}two{end}{end}three"\n'

    (item,) = expand_text(ROWS % "a.csv", {"a.csv": csv.encode()})

    assert item.params["prompt"] == "a one\ntwo\n\nthree"


@pytest.mark.parametrize("end", ENDS)
def test_json_lines_have_them_also_where_they_are_escaped(expand_text, end):
    row = json.dumps({"id": "x", "what": f"one{end}two"})

    (item,) = expand_text(ROWS % "a.jsonl", {"a.jsonl": f"{row}\r\n".encode()})

    assert item.params["prompt"] == "a one\ntwo"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    "prompt",
    [
        "|\n      one\n      two\n",
        ">\n      one\n\n      two\n",
        '"one\\ntwo\\n"\n',
        '"one\\r\\ntwo\\r"\n',
        '"one\n\n      two\\n"\n',
        "'one\n\n      two\n\n      '\n",
    ],
)
def test_every_kind_of_yaml_text_has_them(expand_text, end, prompt):
    text = f"items:\n  - id: x\n    prompt: {prompt}".replace("\n", end)

    (item,) = expand_text(text)

    assert item.params["prompt"] == "one\ntwo\n"


@pytest.mark.parametrize("place", ["vars", "matrix", "params", "shared"])
def test_texts_from_elsewhere_have_them(expand_text, place):
    value = '"one\\r\\ntwo"'
    text = {
        "vars": f"items:\n  - {{id: x, prompt: '${{v}}', vars: {{v: {value}}}}}\n",
        "matrix": f"items:\n  - {{id: x, prompt: '${{v}}', matrix: {{v: [{value}]}}}}\n",
        "params": f"items:\n  - {{id: x, params: {{prompt: {value}}}}}\n",
        "shared": f"params: {{prompt: {value}}}\nitems:\n  - {{id: x}}\n",
    }[place]

    (item,) = expand_text(text)

    assert item.params["prompt"] == "one\ntwo"


def test_texts_inside_of_lists_and_mappings_have_them():
    value: JsonValue = ["a\r\nb", {"c": "d\re", "n": 1}, None, True, 1.5, "f"]

    assert with_line_feeds(value) == [
        "a\nb",
        {"c": "d\ne", "n": 1},
        None,
        True,
        1.5,
        "f",
    ]


def test_what_has_no_line_end_has_no_former_form(expand_text):
    (item,) = expand_text(ROWS % "a.csv", {"a.csv": b"id,what\r\nx,oak\r\n"})

    assert item.former_params == ()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_cell_s_former_form_is_known_on_every_machine(expand_text, end):
    csv = f'id,what{end}x,"one{end}two"{end}'.encode()

    (item,) = expand_text(
        'items:\n  - id: x\n    prompt: "a ${what}\\nb"\n    rows: a.csv\n',
        {"a.csv": csv},
    )

    assert item.params["prompt"] == "a one\ntwo\nb"
    assert [one["prompt"] for one in item.former_params] == ["a one\r\ntwo\nb"]


def test_an_escape_s_former_form_is_what_is_written(expand_text):
    (item,) = expand_text('items:\n  - {id: x, prompt: "one\\rtwo\\r\\nthree"}\n')

    assert [one["prompt"] for one in item.former_params] == ["one\rtwo\r\nthree"]
