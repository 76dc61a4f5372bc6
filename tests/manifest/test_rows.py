"""Rows: what a file of rows gives, and where each cell stands."""

import pytest

from pipeline.manifest.row import MAX_RECORD_BYTES, BadRows, Row
from pipeline.manifest.rows import RowsFile


@pytest.fixture
def rows_of(tmp_path):
    def read(content: bytes, name: str = "a.csv") -> list[Row]:
        path = tmp_path / name
        path.write_bytes(content)
        return list(RowsFile(path, name, name.endswith("l")).read())

    return read


def test_every_cell_of_a_csv_is_text(rows_of):
    rows = rows_of(b"slug,n,ok\noak,1,true\n")

    assert rows[0].values == {"slug": "oak", "n": "1", "ok": "true"}


def test_quoted_cells_hold_commas_quotes_and_line_ends(rows_of):
    rows = rows_of(b'a,b\n"x, ""y""","one\ntwo"\nz,w\n')

    assert [row.values for row in rows] == [
        {"a": 'x, "y"', "b": "one\ntwo"},
        {"a": "z", "b": "w"},
    ]
    assert [row.line for row in rows] == [2, 4]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_spreadsheets_habits_do_no_harm(rows_of, mark, end):
    rows = rows_of(mark + end.join([b" slug , n", b"oak,1", b"", b",", b"elm,2"]))

    assert [row.values["slug"] for row in rows] == ["oak", "elm"]
    assert [row.line for row in rows] == [2, 5]


def test_a_cells_place_is_its_line_and_character(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('a,b,c\n"é, x","one\ntwo",z\n'.encode())
    file = RowsFile(path, "a.csv", is_typed=False)

    row = next(file.read())

    assert [file.place(row, name) for name in "abc"] == [(2, 1), (2, 8), (3, 6)]


def test_json_lines_keep_their_types(rows_of):
    rows = rows_of(b'{"a": 1, "b": [true, null]}\n\n{"a": 1.5}\n', "a.jsonl")

    assert [row.values for row in rows] == [{"a": 1, "b": [True, None]}, {"a": 1.5}]
    assert [row.line for row in rows] == [1, 3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1e999}', "too large"),
        (b'{"a": 99999999999999999999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"a": -Infinity}', "not a JSON value"),
        (b"null", "one JSON object"),
        (b'{"a": "\xff"}', "not UTF-8"),
    ],
)
def test_json_that_no_request_can_carry_is_refused(rows_of, content, message):
    with pytest.raises(BadRows, match=message) as caught:
        rows_of(content, "a.jsonl")

    assert caught.value.line == 1


def test_a_line_without_end_is_not_read_whole(tmp_path):
    path = tmp_path / "a.csv"
    # Sparse: it takes no room on the disk, and would take it in memory.
    with path.open("wb") as file:
        file.write(b"a,b\n")
        file.truncate(256 * 1024 * 1024)
    rows = RowsFile(path, "a.csv", is_typed=False).read()

    with pytest.raises(BadRows, match=f"longer than {MAX_RECORD_BYTES:,} bytes"):
        next(rows)


def test_a_file_that_vanishes_is_a_fault(tmp_path):
    rows = RowsFile(tmp_path / "none.csv", "none.csv", is_typed=False).read()

    with pytest.raises(BadRows, match="cannot be read"):
        next(rows)


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ('{"a": oak}', 7, "a value is missing here, or a text has no double quotes"),
        ("{'a': 1}", 2, "a key in double quotes is missing here"),
        ('{"a": 1 "b": 2}', 9, "a comma is missing here"),
        ('{"a" 1}', 6, "a colon is missing here"),
        ('{"a": "oak}', 7, "the text that begins here is never closed"),
        ('{"a": "o\tk"}', 9, "a tab or line end inside a text; write"),
        ('{"a": "\\q"}', 8, "a backslash begins an escape sequence, and this is none"),
        ('{"a": 1} {"a": 2}', 10, "more text follows the object"),
    ],
)
def test_json_that_is_not_valid_is_told_in_plain_words(line, column, message, rows_of):
    with pytest.raises(BadRows) as caught:
        rows_of(line.encode(), "a.jsonl")

    assert caught.value.column == column
    assert caught.value.message.startswith(f"not valid JSON: {message}")
