"""CSV: the habits of spreadsheets and of people, and the row as it would be right."""

import io

import pytest

from pipeline.manifest.csv_rows import read_csv
from pipeline.manifest.csv_text import CsvText
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
    place = CsvText().place

    assert place('a 5" sword,x, y\n', 2, 1) == (2, 12)
    assert place('"a ""b"", c",x\n', 2, 1) == (2, 14)
    assert place('"a\nb",x\n', 2, 1) == (3, 4)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a|b\n1|2\n", "1:1: the columns are separated by '|'; save the file with comm"),
        ("sep=|\na|b\n", "1:1: this line does not name a separator that can be read; re"),
        ("a;b,c;d\n1;2\n", "2:3: this row has 2 cells, the header has 3"),
        ("a;b\n1;2;3\n", "2:5: this row has 3 cells, the header has 2; quote a cell that contains a semicolon"),
        ("a\tb\n1\t2\t3\n", "2:5: this row has 3 cells, the header has 2; quote a cell that contains a tab"),
        ("a,slug:b\n1,2\n", "1:3: a column's name cannot begin with 'slug:'"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "2:1: the file is UTF-16, but it has a bro"),
        (b"\xef\xbb\xbfa,b\n1,b\xe4ume\n", "2:4: byte 0xe4 is not UTF-8; save the file"),
        ("a,ä\n1,".encode() + b"b\xe4ume\n", "2:4: byte 0xe4 is not UTF-8; save the file"),
        (b"a,b\n1,b\xe4ume\n2," + "ä\n".encode(), "3:1: this line is UTF-8, but line 2 is not"),
        (b"a,b\n1,b\x81ume\n", "2:4: byte 0x81 is neither UTF-8 nor Windows-1252; save"),
        ("a,b\n1,Привет\n".encode("cp1251"), "2:3: this line is not UTF-8, and makes no sen"),
        ("a,b\n1,małpa\n".encode("cp1250"), "2:5: this line is not UTF-8, and makes no sense"),
        ("a,b\n1,日本\n".encode("euc-jp"), "2:3: this line is not UTF-8, and makes no sense"),
        ('a,b\n1,"2\n', "2:1: a quote in this row is never closed; close it, or write"),
    ],
)  # fmt: skip
def test_other_kinds_of_file_are_named(text, fault):
    assert fault_of(text).startswith(fault)


def test_a_header_may_have_a_semicolon():
    assert rows_of("a; b,c,d\n1,2,3\n") == [["1", "2", "3"]]


SEPARATORS = [",", ";", "\t"]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_columns_are_separated_by_commas_semicolons_or_tabs(separator):
    lines = [["slug", "prompt"], ["oak", f'"an ""oak"",{separator} tall"'], ["elm", ""]]
    text = "\n".join(separator.join(cells) for cells in lines)

    assert rows_of(text) == [["oak", f'an "oak",{separator} tall'], ["elm", ""]]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_the_line_for_excel_tells_the_separator(separator):
    text = f"\ufeffsep={separator}\r\na{separator}b,c\r\n1{separator}2\r\n"
    if separator == ",":
        text = text.replace("b,c", "b")

    assert rows_of(text) == [["1", "2"]]


@pytest.mark.parametrize(
    ("text", "columns"),
    [("a\tb, c\n1\t2\n", 2), ("a; b,c\n1,2\n", 2), ("a\n1\n", 1), ("a,b\t\n1,2\n", 2)],
)
def test_of_as_many_separators_tabs_count_and_then_commas(text, columns):
    assert [len(row) for row in rows_of(text)] == [columns]


def test_a_separator_inside_of_quotes_does_not_count():
    assert rows_of('"a; b; c",d\n1,2\n') == [["1", "2"]]


def test_the_place_of_a_cell_is_right_with_any_separator():
    (row,) = read_csv(io.BytesIO(b"a;b;c\n1,5;x, y;z\n"))

    places = [CsvText(row.separator).place(row.raw, row.line, n) for n in range(3)]

    assert places == [(2, 1), (2, 5), (2, 10)]


def test_a_wrong_row_is_shown_right_with_its_own_separator():
    assert fault_of('a;b\noak; "An oak"\n').endswith('write: oak;"An oak"')
    assert fault_of("a\tb\noak\n").endswith("write: oak\t")


TEXT = 'slug,prompt\noak,"Bäume, 5 € „früh“"\nelm,Crème brûlée\n'


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"],
)
def test_the_same_text_in_any_common_encoding_gives_the_same_rows(encoding):
    assert rows_of(TEXT.encode(encoding)) == [
        ["oak", "Bäume, 5 € „früh“"],
        ["elm", "Crème brûlée"],
    ]


def test_latin_1_is_read_as_it_is_meant():
    assert rows_of("a,b\n¿qué?,Ñandú «grande»\n".encode("latin-1")) == [
        ["¿qué?", "Ñandú «grande»"]
    ]


def test_what_is_assumed_about_an_encoding_is_said_once_with_a_sample():
    notes: list[str] = []

    assert len([*read_csv(io.BytesIO(TEXT.encode("cp1252")), notes.append)]) == 2

    (note,) = notes
    assert note.startswith("is not UTF-8, and is read as Western European text (")
    assert "line 2 says “Bäume" in note


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_nothing_is_said_of_an_encoding_that_is_certain(encoding):
    notes: list[str] = []

    assert len([*read_csv(io.BytesIO(TEXT.encode(encoding)), notes.append)]) == 2

    assert notes == []


def test_utf_16_is_read_in_pieces_and_counts_lines():
    rows = "".join(f"{number},ä{'x' * 99}\n" for number in range(2000))
    data = f"a,b\n{rows}".encode("utf-16")

    found = [*read_csv(io.BytesIO(data))]

    assert [found[0].line, found[-1].line] == [2, 2001]
    assert found[-1].values == {"a": "1999", "b": f"ä{'x' * 99}"}


def test_empty_lines_before_the_head_are_passed_over():
    assert rows_of("\n , \n\na,b\n1,2\n") == [["1", "2"]]


@pytest.mark.parametrize("name", ["a$", "a{b", "}"])
def test_a_column_that_no_variable_can_name_is_a_mistake(name):
    assert fault_of(f"b,{name}\n1,2\n").startswith(
        "1:3: a column's name has characters that ${…} cannot contain"
    )


def test_a_row_with_too_many_cells_and_quotes_is_not_guessed_at():
    told = fault_of('a,b\n"x", y, z\n')

    assert told.startswith("2:8: this row has 3 cells")
    assert "write:" not in told
