"""Text: what may be shown on a terminal, and how numbers are said."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.console.text import columns, duration, one_line, printable, wrapped


@given(text=st.text())
def test_no_control_character_passes(text):
    for shown in (printable(text), one_line(text)):
        assert not [
            char
            for char in shown
            if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
            and char not in "\n\t"
        ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("an oak ✓ ünï", "an oak ✓ ünï"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("a\rb", "a\\rb"),
        ("a\x07\x08\x7f", "a\\x07\\x08\\x7f"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("a\tb\nc", "a\tb\nc"),
        ("", ""),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_text(text, shown):
    assert printable(text) == shown


@given(text=st.text(), length=st.integers(1, 50))
def test_a_line_is_one_and_no_longer_than_asked(text, length):
    line = one_line(text, length)

    assert "\n" not in line
    assert "\t" not in line
    assert len(line) <= length


@pytest.mark.parametrize(
    ("text", "length", "line"),
    [
        ("a\n  b\t c ", 10, "a b c"),
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("", 5, ""),
    ],
)
def test_a_line_is_flat_and_cut(text, length, line):
    assert one_line(text, length) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (185, "3:05 min"),
        (3599.4, "59:59 min"),
        (3599.6, "1:00 h"),
        (7800, "2:10 h"),
        (360_000, "100:00 h"),
    ],
)
def test_a_duration_is_said_in_the_unit_that_fits(seconds, text):
    assert duration(seconds) == text


LONG = "the service cannot be reached: retrying, 3 jobs in flight are safe"


@pytest.mark.parametrize("width", range(16, 70))
def test_lines_break_between_words(width):
    lines = wrapped(LONG, width).split("\n")

    assert all(columns(line) <= width for line in lines)
    assert " ".join(lines).split() == LONG.split()


def test_what_fits_stays_as_it_is():
    text = "  a   b\n\n  c"

    assert wrapped(text, 7) == text


def test_what_continues_a_line_is_indented():
    assert wrapped("  next: look at it", 12) == "  next: look\n    at it"


def test_only_a_word_longer_than_a_line_is_broken():
    assert wrapped("see abcdefghijkl now", 8) == "see\n  abcdef\n  ghijkl\n  now"


def test_wide_characters_take_two_columns():
    assert columns("樫の木") == 6
    assert wrapped("樫の木 樫の木", 8) == "樫の木\n  樫の木"


# --- commands at the end of a line


@pytest.mark.parametrize(
    ("line", "width", "lines"),
    [
        (
            "  next: go on: pipeline run a.yaml --emulate --output out/a --max-cost 9",
            40,
            [
                "  next: go on:",
                "    pipeline run a.yaml --emulate \\",
                "    --output out/a --max-cost 9",
            ],
        ),
        (
            "next: go on: pipeline run 'my trees.yaml' --select 'a *'",
            30,
            [
                "next: go on:",
                "  pipeline run \\",
                "  'my trees.yaml' \\",
                "  --select 'a *'",
            ],
        ),
        ("next: go on: pipeline run a.yaml", 40, ["next: go on: pipeline run a.yaml"]),
        (  # what follows is prose
            "found it: pipeline resolve adopts it, or look at it first",
            30,
            ["found it: pipeline resolve", "  adopts it, or look at it", "  first"],
        ),
    ],
)
def test_a_command_can_be_copied_from_a_narrow_terminal(line, width, lines):
    assert wrapped(line, width).split("\n") == lines
