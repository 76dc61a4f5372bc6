"""Limits: what docs/reference/manifest.md allows is read, and one more is refused."""

import io
from collections.abc import Callable

import pytest
from openpyxl import Workbook

from pipeline.errors import ManifestError
from pipeline.manifest import load_manifest, validate_manifest
from pipeline.manifest.row import BadRows
from pipeline.manifest.rows import RowsFile

HEAD = "version: 1\nmodel: model_wan-2-7-image\n"
ITEMS = HEAD + "items:\n"
MIB = 1024 * 1024
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def of_id(size: int) -> str:
    parts = ["x" * 119] * (size // 120)
    rest = size - sum(len(part) + 1 for part in parts)
    return "/".join([*parts, "y" * rest]) if rest else "/".join(parts) + "y"


def items_of(item_id: str, more: str = "") -> str:
    return f"{ITEMS}  - id: {item_id}\n    prompt: x\n{more}"


def axes(count: int) -> str:
    names = [f"a{n}" for n in range(count)]
    return items_of(
        "oak", "    matrix:\n" + "".join(f"      {n}: [1]\n" for n in names)
    )


def entries(kind: str, count: int) -> str:
    values = ", ".join(map(str, range(count + 1)))
    lines = "".join(f"        - {{a: {n}}}\n" for n in range(count))
    return items_of(
        "oak-${a}", f"    matrix:\n      a: [{values}]\n      {kind}:\n{lines}"
    )


def nested(levels: int) -> str:
    # The manifest, items, an item and params are four levels.
    inner = levels - 4
    return items_of("oak", f"    params: {{images: {'[' * inner}{']' * inner}}}\n")


def aliased(count: int) -> str:
    # Each alias stands for a list and its 99 texts.
    text = f"x: &x [{', '.join(['a'] * 99)}]\ny: [{', '.join(['*x'] * (count // 100))}"
    return f"version: 1\nitems: []\n{text}{', *z' * (count % 100)}]\n".replace(
        "x: &x", "w: &z b\nx: &x"
    )


LIMITS: dict[str, tuple[Callable[[int], str], int, str]] = {
    "nesting": (nested, 50, "nested deeper than 50 levels"),
    "one text": (
        lambda n: items_of("oak").replace("prompt: x", f"prompt: {'x' * n}"),
        1_048_576,
        "longer than 1,048,576 characters",
    ),
    "a key": (lambda n: f"{items_of('oak')}{'k' * n}: 1\n", 1024, "a key is too long"),
    "axes": (axes, 50, "a matrix has at most 50 axes"),
    "include": (lambda n: entries("include", n), 1000, "include has at most 1,000"),
    "exclude": (lambda n: entries("exclude", n), 1000, "exclude has at most 1,000"),
    "an id": (lambda n: items_of(of_id(n)), 240, "is longer than 240 characters"),
    "a part": (lambda n: items_of("x" * n), 120, "has a part longer than 120"),
    "a name": (lambda n: f"name: {'n' * n}\n{items_of('oak')}", 64, "must be 1 to 64"),
    "aliases": (aliased, 1_000_000, "aliases expand to more than 1,000,000 values"),
    "a model id": (
        lambda n: items_of("oak").replace("model_wan-2-7-image", "m" * n),
        256,
        "is not a model id",
    ),
}


@pytest.mark.parametrize("limit", LIMITS)
def test_the_limit_is_allowed_and_one_more_is_refused(limit, tmp_path):
    make, most, message = LIMITS[limit]
    path = tmp_path / "m.yaml"

    said = []
    for size in (most, most + 1):
        path.write_text(make(size))
        try:
            validate_manifest(path)
            said.append("")
        except ManifestError as exc:
            said.append(str(exc))

    assert message not in said[0]
    assert message in said[1]


def test_a_manifest_has_at_most_64_mib(tmp_path):
    path = tmp_path / "m.yaml"
    text = items_of("oak").encode()
    path.write_bytes(text + b"#" * (64 * MIB - len(text)))
    assert load_manifest(path).item_count == 1

    with path.open("ab") as file:
        file.write(b"#")
    with pytest.raises(ManifestError, match="larger than 64 MiB"):
        load_manifest(path)


def test_a_manifest_makes_at_most_five_million_items(tmp_path):
    path = tmp_path / "m.yaml"
    matrix = f"      a: {list(range(2000))}\n      b: {list(range(2500))}\n"
    text = items_of("oak-${a}-${b}", f"    matrix:\n{matrix}")
    path.write_text(text)
    assert load_manifest(path).item_count == 5_000_000

    path.write_text(f"{text}  - {{id: one-more, prompt: x}}\n")
    with pytest.raises(ManifestError, match="this makes 5,000,001 items; at most"):
        load_manifest(path)


def test_a_reference_file_has_at_most_100_mib(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(
        items_of("oak", "    params: {images: ['file:a.png']}\n"), encoding="utf-8"
    )
    with (tmp_path / "a.png").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate(100 * MIB)
    assert validate_manifest(path)[1] == 1

    with (tmp_path / "a.png").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ManifestError, match=r"larger than 100 MiB"):
        validate_manifest(path)


def csv_of(size: int) -> bytes:
    return b"a,b\n" + b"x," + b"y" * (size - 3) + b"\n"


def quoted_csv_of(size: int) -> bytes:
    half = (size - 6) // 2
    return b'a,b\nx,"' + b"y" * half + b"\n" + b"z" * (size - 6 - half) + b'"\n'


def jsonl_of(size: int) -> bytes:
    return b'{"a": "' + b"y" * (size - 10) + b'"}\n'


def xlsx_of(size: int) -> bytes:
    book, target = Workbook(), io.BytesIO()
    sheet = book.worksheets[0]
    # A cell has at most 32,767 characters.
    lengths = [32_767] * (size // 32_767) + [size % 32_767]
    sheet.append([f"c{n}" for n in range(len(lengths))])
    sheet.append(["y" * length for length in lengths])
    book.save(target)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.csv", csv_of),
        ("a.csv", quoted_csv_of),
        ("a.jsonl", jsonl_of),
        ("a.xlsx", xlsx_of),
    ],
    ids=["csv", "quoted csv", "jsonl", "xlsx"],
)
def test_a_row_has_at_most_one_mib(name, make, tmp_path):
    path = tmp_path / name
    rows = RowsFile(path, name, name.endswith("l"))
    path.write_bytes(make(MIB))
    assert len(list(rows.read())) == 1

    path.write_bytes(make(MIB + 1))
    with pytest.raises(BadRows, match="a row is longer than 1,048,576 bytes"):
        list(rows.read())


def test_at_most_100_mistakes_are_shown(tmp_path):
    path = tmp_path / "m.yaml"

    for count in (100, 101):
        path.write_text(ITEMS + "".join(f"  - id: 'a{n} b'\n" for n in range(count)))
        with pytest.raises(ManifestError) as caught:
            validate_manifest(path)
        assert len(caught.value.faults) == 100
