"""Text in which every character can be seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.console.text import printable
from pipeline.report.markdown import code
from pipeline.visible import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("an oak, größer, 樫", "an oak, größer, 樫"),
        ("a\u202eb", "a\\u202eb"),  # turns what follows around
        ("a\u200bb", "a\\u200bb"),  # no width
        ("a\x1b[31m", "a\\x1b[31m"),
        ("a\U000e0041", "a\\U000e0041"),  # a tag
        ("a\nb", "a\\nb"),
    ],
)
def test_what_has_no_sign_has_an_escape(text, shown):
    assert visible(text) == shown


def test_what_is_kept_stays():
    assert visible("a\n\tb\r", keep="\n\t") == "a\n\tb\\r"


@given(text=st.text())
def test_all_of_any_text_can_be_seen(text):
    assert visible(text).isprintable()


@pytest.mark.parametrize("show", [printable, code, visible])
def test_terminals_and_reports_show_the_same(show):
    assert "a\\u202eb" in show("a\u202eb").replace("&#92;", "\\")
