"""Excel: the same rows as the same CSV, and a clear word for what a CSV would not say."""

import contextlib
import io
import re
import sys
import zipfile
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from pipeline.errors import Fault, ManifestError
from pipeline.fingerprint import job_key
from pipeline.manifest import expand, load_manifest
from pipeline.manifest import xlsx_rows as xlsx
from pipeline.manifest.row import BadRows
from pipeline.manifest.rows import RowsFile

HEAD = "version: 1\nmodel: model_wan-2-7-image\nitems:\n"
ITEM = "  - id: ${slug:Item Name}\n    prompt: ${what}\n    params: {seed: '${seed}'}\n"


def book_of(*rows: list[Any]) -> Workbook:
    book = Workbook()
    assert book.active is not None
    for row in rows:
        book.active.append(row)
    return book


def bytes_of(book: Workbook) -> bytes:
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def with_sheet(content: bytes, old: str, new: str) -> bytes:
    """The same file with another XML of its first sheet."""
    target = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as one,
        zipfile.ZipFile(target, "w") as to,
    ):
        for entry in one.infolist():
            data = one.read(entry)
            if entry.filename == "xl/worksheets/sheet1.xml":
                assert re.search(old, data.decode())
                data = re.sub(old, new, data.decode()).encode()
            to.writestr(entry, data)
    return target.getvalue()


@pytest.fixture
def rows_of(tmp_path: Path):
    def read(content: Workbook | bytes) -> list[list[object]]:
        data = content if isinstance(content, bytes) else bytes_of(content)
        path = tmp_path / "a.xlsx"
        path.write_bytes(data)
        rows = RowsFile(path, "a.xlsx", is_typed=False).read()
        return [list(row.values.values()) for row in rows]

    return read


@pytest.fixture
def fault_of(rows_of):
    def read(content: Workbook | bytes) -> str:
        with pytest.raises(BadRows) as caught:
            rows_of(content)
        bad = caught.value
        fault = Fault(
            file="a.xlsx",
            line=bad.line,
            column=bad.column,
            message=bad.message,
            hint=bad.hint,
        )
        return str(fault)

    return read


def test_the_same_table_as_csv_makes_the_same_jobs(tmp_path):
    table: list[list[Any]] = [
        ["Item Name", "what", "seed", None],
        ["Oak (old)", "an oak\nin the wind", 5, None],
        [None, None, None, None],
        ["Elm", 'an "elm", 0.5 high', 7.0],
        ["Ash", "é 日本", None],
    ]  # fmt: skip
    (tmp_path / "a.xlsx").write_bytes(bytes_of(book_of(*table)))
    (tmp_path / "a.csv").write_text(
        'Item Name,what,seed,\nOak (old),"an oak\nin the wind",5,\n,,,\n'
        'Elm,"an ""elm"", 0.5 high",7,\nAsh,é 日本,,\n',
        encoding="utf-8",
    )

    keys = {}
    for name in ("a.csv", "a.xlsx"):
        path = tmp_path / "m.yaml"
        path.write_text(HEAD + ITEM + f"    rows: {name}\n", encoding="utf-8")
        items = list(expand(load_manifest(path)))
        keys[name] = [
            (one.item_id, job_key(one.model_id, dict(one.params))) for one in items
        ]

    assert [item_id for item_id, _ in keys["a.csv"]] == ["oak-old", "elm", "ash"]
    assert keys["a.csv"] == keys["a.xlsx"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "5"),
        (5.0, "5"),
        (-3, "-3"),
        (0.5, "0.5"),
        (0.1 + 0.2, "0.3"),
        (1e15, "1000000000000000"),
        (0.00001, "0.00001"),
        (True, "TRUE"),
        (False, "FALSE"),
        ("007", "007"),
        (" a ", " a "),
        ("=", "="),
    ],
)
def test_a_cell_is_the_text_that_a_csv_would_have(value, text, rows_of):
    assert rows_of(book_of(["a", "b"], ["x", value])) == [["x", text]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (date(2026, 11, 22), "the cell holds a date or a time"),
        (datetime(2026, 11, 22, 1, 2), "the cell holds a date or a time"),  # noqa: DTZ001 - as in Excel
        (time(1, 2), "the cell holds a date or a time"),
        (timedelta(hours=30), "the cell holds a date or a time"),
        ("#REF!", "the cell holds the error #REF!"),
        ("#N/A", "the cell holds the error #N/A"),
        ("=A2", "the cell's formula has never been calculated"),
    ],
)
def test_a_cell_that_is_no_text_is_told_with_its_name(value, message, fault_of):
    book = book_of(["a", "b"], [], ["x", "y"], ["x", value])

    assert fault_of(book).startswith(f"a.xlsx: cell B4: {message}; ")


@pytest.mark.parametrize(
    ("shape", "value", "shown"),
    [
        ("0%", 0.5, "as a percentage"),
        ("0.00%", 0.5, "as a percentage"),
        ("000", 7, "with zeros before it"),
        ("00000.0", 7, "with zeros before it"),
    ],
)
def test_a_number_that_is_shown_with_other_signs_is_refused(
    shape, value, shown, fault_of
):
    book = book_of(["a"], [value])
    book.worksheets[0]["A2"].number_format = shape

    assert fault_of(book).startswith(
        f"a.xlsx: cell A2: the cell shows its number {shown}"
    )


@pytest.mark.parametrize("shape", ["General", "0", "0.00", "#,##0", '0" 50%"', "@"])
def test_other_formats_of_numbers_do_no_harm(shape, rows_of):
    book = book_of(["a"], [7])
    book.worksheets[0]["A2"].number_format = shape

    assert rows_of(book) == [["7"]]


def test_a_formula_counts_as_its_value(rows_of):
    content = bytes_of(book_of(["a", "b"], ["x", "=1+1"]))

    formula = r"<f>1\+1</f><v ?/>"
    assert rows_of(with_sheet(content, formula, "<f>1+1</f><v>2</v>")) == [["x", "2"]]
    empty = with_sheet(
        content, rf'<c r="B2">{formula}', '<c r="B2" t="str"><f>1+1</f><v></v>'
    )
    assert rows_of(empty) == [["x", ""]]


def test_merged_cells_are_refused(fault_of):
    book = book_of(["a", "b"], ["x", "y"], ["x", "z"])
    book.worksheets[0].merge_cells("A2:A3")

    assert fault_of(book).startswith("a.xlsx: cell A2: cells A2:A3 are merged; undo")


def test_only_the_first_sheet_is_read(rows_of):
    book = book_of(["a"], ["x"])
    book.create_sheet("other").append(["b"])
    assert rows_of(book) == [["x"]]

    book.move_sheet("other", offset=-1)
    assert rows_of(book) == []


def test_a_sheet_that_claims_another_size_is_read_whole(rows_of):
    content = bytes_of(book_of(["a", "b"], ["x", "y"]))

    assert rows_of(
        with_sheet(content, r'<dimension ref="A1:B2" ?/>', '<dimension ref="A1"/>')
    ) == [["x", "y"]]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([], "a.xlsx: the sheet is empty; the first row names the columns"),
        ([["a", None, "b"], ["x"]], "a.xlsx: cell B1: a column has no name"),
        ([["a", "a"], ["x"]], "a.xlsx: cell B1: the column 'a' appears twice"),
        ([["a"], ["x", "y"]], "a.xlsx: cell B2: this cell is in a column that has no"),
        ([["a"] * 26 + ["b"], [""] * 26 + ["#REF!"]], "a.xlsx: cell B1: the column"),
    ],
)
def test_a_sheet_is_checked_as_a_csv_is(rows, fault, fault_of):
    assert fault_of(book_of(*rows)).startswith(fault)


def test_columns_behind_z_have_two_letters():
    fault = Fault(file="a.xlsx", line=2, column=28, message="x")

    assert str(fault) == "a.xlsx: cell AB2: x"


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"\xd0\xcf\x11\xe0" + bytes(600), b"a,b\n1,2\n"]
)
def test_what_is_no_excel_file_is_named_so(content, fault_of):
    assert fault_of(content).startswith("a.xlsx: this is not an Excel file that can be")


@pytest.mark.parametrize(
    "part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/styles.xml"]
)
@pytest.mark.parametrize("new", [b"", b"<a", b"<a/>"])
def test_an_excel_file_with_a_broken_part_is_no_bug(part, new, rows_of):
    target = io.BytesIO()
    content = bytes_of(book_of(["a"], ["x"]))
    with (
        zipfile.ZipFile(io.BytesIO(content)) as one,
        zipfile.ZipFile(target, "w") as to,
    ):
        for entry in one.infolist():
            to.writestr(entry, new if entry.filename == part else one.read(entry))

    with contextlib.suppress(BadRows):
        assert rows_of(target.getvalue()) in ([], [["x"]])


def test_a_file_that_is_large_when_unpacked_is_not_read(monkeypatch, fault_of):
    monkeypatch.setattr(xlsx, "MAX_UNPACKED_BYTES", 1024 * 1024)
    content = with_sheet(bytes_of(book_of(["a"])), "$", " " * 1024 * 1024)

    assert fault_of(content).startswith("a.xlsx: the file is larger than 1 MiB when")


def test_without_the_extra_the_message_says_how_to_get_it(monkeypatch, tmp_path):
    (tmp_path / "a.xlsx").write_bytes(bytes_of(book_of(["Item Name"], ["x"])))
    path = tmp_path / "m.yaml"
    path.write_text(HEAD + ITEM + "    rows: a.xlsx\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "openpyxl", None)

    with pytest.raises(ManifestError) as caught:
        load_manifest(path)

    assert str(caught.value).removeprefix(str(path)) == (
        ":7:11: rows: an Excel file needs the extra 'xlsx'; install it with:"
        ' pip install "scenario-pipeline[xlsx]"'
    )


def test_a_wrong_value_is_told_with_the_name_of_its_cell(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    book = book_of(["Item Name", "what", "seed"], ["x", "a tree", "much"])
    Path("a.xlsx").write_bytes(bytes_of(book))
    Path("m.yaml").write_text(HEAD + ITEM + "    rows: a.xlsx\n", encoding="utf-8")

    with pytest.raises(ManifestError) as caught:
        list(expand(load_manifest("m.yaml")))

    assert str(caught.value) == (
        "a.xlsx: cell C2: 'seed' takes a number, not the text 'much'"
    )


def test_blanks_beside_the_last_column_are_no_cells():
    book = book_of(["name", "what"], ["oak", "an oak", " "])

    rows = list(xlsx.read_xlsx(io.BytesIO(bytes_of(book))))

    assert [row.values for row in rows] == [{"name": "oak", "what": "an oak"}]
