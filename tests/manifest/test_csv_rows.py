"""CSV: the habits of spreadsheets and of people, and the row as it would be right."""

import io

import pytest

from pipeline.manifest.csv_rows import cell_place, read_csv
from pipeline.manifest.row import BadRows


def rows_of(text: str | bytes) -> list[list[object]]:
    data = text.encode() if isinstance(text, str) else text
    return [list(row.values.values()) for row in read_csv(io.BytesIO(data))]


def fault_of(text: str | bytes) -> str:
    with pytest.raises(BadRows) as caught:
        rows_of(text)
    bad = caught.value
    return f"{bad.line}:{bad.column}: {bad.message}; {bad.hint}"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_empty_columns_at_the_end_are_no_columns(end):
    text = end.join(["a,b,,", "1,2,,", "3,4", "5,6, ,", "7,,,", ",,,"])

    assert rows_of(text) == [["1", "2"], ["3", "4"], ["5", "6"], ["7", ""]]


def test_a_cell_behind_the_last_column_is_a_mistake():
    assert fault_of("a,b,,\n1,2,,3\n").startswith("2:6: this row has 4 cells, the head")


def test_a_column_without_a_name_between_others_is_a_mistake():
    assert fault_of("a,,b\n1,,2\n").startswith("1:3: a column has no name")


# The wrong row under `a,b`, where it is wrong, and the row as it would be right.
QUOTES = [
    ('oak, "An oak"', "2:5", 'oak,"An oak"'),
    ('oak,\t"An oak"', "2:5", 'oak,"An oak"'),
    ('oak,\u00a0"An oak"', "2:5", 'oak,"An oak"'),
    (' "oak", "An oak, tall"', "2:1", '"oak","An oak, tall"'),
    ('oak, "say ""hi"", you"', "2:5", 'oak,"say ""hi"", you"'),
    ('oak,"An oak" ', "2:1", "oak,An oak"),
    ('oak,"An oak"!', "2:1", 'oak,"""An oak""!"'),
    ('oak,"a "big" tree"', "2:1", 'oak,"a ""big"" tree"'),
    ("oak", "2:1", "oak,"),
    ("oak,tall, old, green", "2:10", 'oak,"tall, old, green"'),
]  # fmt: skip


@pytest.mark.parametrize(("row", "place", "right"), QUOTES)
def test_a_wrong_row_is_shown_as_it_would_be_right(row, place, right):
    fault = fault_of(f"a,b\n{row}\nelm,x\n")

    assert fault.startswith(f"{place}: ")
    assert fault.endswith(f"write: {right}")
    assert len(rows_of(f"a,b\n{right}\n")[0]) == 2


def test_a_blank_before_a_quote_in_the_header_is_refused_too():
    assert fault_of('a, "b"\n1,2\n').endswith('write: a,"b"')


@pytest.mark.parametrize(
    ("row", "cell"),
    [
        ('oak,"He said, ""hi"""', 'He said, "hi"'),
        ('oak,"  ""x"""', '  "x"'),
        ('oak,a 5" sword', 'a 5" sword'),
        ('oak, a 5" sword', ' a 5" sword'),
        ('oak,"one\n ""two"", three"', 'one\n "two", three'),
    ],
)
def test_quotes_that_are_right_stay(row, cell):
    assert rows_of(f"a,b\n{row}\n") == [["oak", cell]]


def test_a_quote_inside_a_cell_does_not_move_the_places_behind_it():
    assert cell_place('a 5" sword,x, y\n', 2, 1) == (2, 12)
    assert cell_place('"a ""b"", c",x\n', 2, 1) == (2, 14)
    assert cell_place('"a\nb",x\n', 2, 1) == (3, 4)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a;b\n1;2\n", "1:1: the columns are separated by ';', not by commas; save the"),
        ("a;b,c;d\n1;2\n", "1:1: the columns are separated by ';', not by commas"),
        ("a\tb\n1\t2\n", "1:1: the columns are separated by tabs, not by commas"),
        ("a|b\n1|2\n", "1:1: the columns are separated by '|', not by commas"),
        ("sep=;\na;b\n", "1:1: this line is for Excel alone; remove it"),
        ("sep=,\na,b\n", "1:1: this line is for Excel alone; remove it"),
        ("a,slug:b\n1,2\n", "1:3: a column's name cannot begin with 'slug:'"),
        ("a,b\n1,2\n".encode("utf-16"), "1:1: the file is UTF-16; save the file as"),
        ("a,b\n1,2\n".encode("utf-16-le"), "1:1: the file looks like UTF-16; save"),
        ("a,b\n1,2\n".encode("utf-16-be"), "1:1: the file looks like UTF-16; save"),
        ("a,b\n1,bäume\n".encode("cp1252"), "2:4: byte 0xe4 is not UTF-8; save the fi"),
        ('a,b\n1,"2\n', "2:1: a quote in this row is never closed; close it, or write"),
    ],
)  # fmt: skip
def test_other_kinds_of_file_are_named(text, fault):
    assert fault_of(text).startswith(fault)


def test_a_header_may_have_a_semicolon():
    assert rows_of("a; b,c,d\n1,2,3\n") == [["1", "2", "3"]]
