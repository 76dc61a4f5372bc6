"""Substitution: what ${name} gives, typed and inside a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest.node import Node
from pipeline.manifest.substitution import (
    LEFT_OUT,
    BadTemplate,
    Scope,
    Template,
    Unbound,
    parse_template,
    render_text,
    render_value,
)

NODES = {
    "n": Node(7, 1, "7"),
    "price": Node(1.5, 1, "1.50"),
    "ok": Node(value=True, mark=1),
    "word": Node("oak", 1),
}


def render(text, scope=None):
    template = parse_template(text, Node(text, 1))
    return render_value(template, scope or Scope(NODES, {}), "")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${n}", 7),
        ("${ok}", True),
        ("${word}", "oak"),
        ("x-${n}", "x-7"),
        ("${word}${word}", "oakoak"),
        ("v${price}", "v1.50"),
        ("is ${ok}", "is true"),
        ("$$${n}", "$7"),
        ("$${n}", "${n}"),
        ("costs $5", "costs $5"),
        ("a $ b", "a $ b"),
        ("$$", "$"),
        ("$", "$"),
    ],
)
def test_a_text_becomes(text, value):
    found = render(text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["${", "${a", "${}", "${ a}", "${a\n}", "${a${b}}"])
def test_a_substitution_that_cannot_be_read_is_refused(text):
    with pytest.raises(BadTemplate):
        parse_template(text, Node(text, 1))


@pytest.mark.parametrize(
    ("cell", "wanted", "value"),
    [
        ("7", "number", 7),
        ("0042", "number", 42),
        (" 1.5 ", "number", 1.5),
        ("1e3", "number", 1000.0),
        ("1e999", "number", "1e999"),
        ("seven", "number", "seven"),
        ("TRUE", "boolean", True),
        ("no", "boolean", False),
        ("0", "boolean", False),
        ("maybe", "boolean", "maybe"),
        ("7", "string", "7"),
        ("true", "string", "true"),
        (" ref:style ", "file", "ref:style"),
        ("", "number", LEFT_OUT),
        ("  ", "string", LEFT_OUT),
    ],
)
def test_a_csv_cell_takes_the_type_that_the_model_wants(cell, wanted, value):
    template = parse_template("${c}", Node("${c}", 1))
    scope = Scope({}, {"c": cell}, are_cells_typed=False)

    found = render_value(template, scope, wanted)

    assert found == value
    assert type(found) is type(value)


def test_a_cell_is_never_substituted_again():
    assert render("a ${c}", Scope(NODES, {"c": "${word} $$"})) == "a ${word} $$"


def test_a_row_comes_before_the_variables():
    assert render("${word}", Scope(NODES, {"word": "elm"})) == "elm"


@pytest.mark.parametrize("value", [None, [1], {"a": 1}])
def test_what_is_no_text_cannot_stand_in_one(value):
    with pytest.raises(Unbound):
        render("a ${c}", Scope({}, {"c": value}))


@given(st.text())
def test_an_escaped_text_comes_back_as_it_was(text):
    template = parse_template(text.replace("$", "$$"), Node(text, 1))

    assert template == text


@given(st.lists(st.one_of(st.just("n"), st.just("word"), st.none())))
def test_parts_are_joined_in_their_order(names):
    text = "".join("-" if name is None else f"${{{name}}}" for name in names)
    template = parse_template(text, Node(text, 1))
    values = {"n": "7", "word": "oak", None: "-"}

    assert render_text(template, Scope(NODES, {})) == "".join(values[n] for n in names)
    assert isinstance(template, Template) == any(names)
