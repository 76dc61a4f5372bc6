"""Source: what a scalar means, where it stands, what is refused."""

import gc
from typing import Any

import pytest
import yaml

from pipeline.manifest import source
from pipeline.manifest.faults import Faults
from pipeline.manifest.node import Node, unpack_mark
from pipeline.manifest.node_reader import NodeReader
from pipeline.manifest.source import MAX_FILE_BYTES, parse_source


def parse(text: str | bytes) -> Any:
    faults = Faults("m.yaml")
    data = text if isinstance(text, bytes) else text.encode()
    root, _ = parse_source(data, faults)
    faults.raise_any()
    assert root is not None
    return root


def plain(node: Node) -> Any:
    if isinstance(node.value, list):
        return [plain(element) for element in node.value]
    if isinstance(node.value, dict):
        return {key: plain(entry) for key, entry in node.value.items()}
    return node.value


def fault_of(text: str | bytes) -> str:
    faults = Faults("m.yaml")
    data = text if isinstance(text, bytes) else text.encode()
    parse_source(data, faults)
    assert len(faults) == 1
    return str(faults.all()[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        ("1.50", 1.5),
        (".5", 0.5),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-10-02", "2026-10-02"),
        ("0b11", "0b11"),
        ("1.2.3", "1.2.3"),
        ("-", "-"),
        ("1024*1024", "1024*1024"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("''", ""),
        ("${name}", "${name}"),
    ],
)
def test_a_scalar_means_what_it_looks_like(text, value):
    found = parse(f"a: {text}\n") if text != "-" else parse("a: '-'\n")

    entry = found.value["a"]
    assert entry.value == value
    assert type(entry.value) is type(value)


def test_a_number_remembers_how_it_is_written():
    assert parse("a: 1.50").value["a"].text == "1.50"


@pytest.mark.parametrize("text", ["012", "-007", "00", "012.5", "01e3"])
def test_a_number_with_a_leading_zero_is_refused(text):
    assert "is ambiguous" in fault_of(f"a: {text}")


@pytest.mark.parametrize(
    "text", [".nan", ".inf", "-.INF", "1e999", "9" * 30, "9" * 5000]
)
def test_a_number_that_cannot_be_sent_is_refused(text):
    assert "is not a number that can be sent" in fault_of(f"a: {text}")


def test_every_value_and_key_knows_its_place():
    root = parse("a:\n  - b: x\n    c: 🌳 y\n  - [1, {d: 2}]\n")

    first, second = root.value["a"].value
    assert unpack_mark(first.value["b"].mark) == (2, 8)
    assert unpack_mark(first.value["c"].key_mark) == (3, 5)
    assert unpack_mark(second.value[1].value["d"].mark) == (4, 13)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_of_any_system_count_the_same(line_end):
    root = parse(line_end.join(["a: 1", "b: 2", "c: 3"]))

    assert unpack_mark(root.value["c"].mark) == (3, 4)


def test_a_needle_is_found_inside_a_block_text():
    text = "a: |\n  first\n  a ${b} c\n"
    root = parse(text)

    reader = NodeReader(text, Faults("m.yaml"))
    assert unpack_mark(reader.mark_of(root.value["a"], "${b}")) == (3, 5)
    assert reader.mark_of(root.value["a"], "${z}") == root.value["a"].mark


def test_an_alias_has_the_value_of_its_anchor():
    root = parse("a: &x [1, 2]\nb: *x\nc: {d: *x}\n")

    assert plain(root) == {"a": [1, 2], "b": [1, 2], "c": {"d": [1, 2]}}
    assert unpack_mark(root.value["b"].key_mark) == (2, 1)
    assert unpack_mark(root.value["a"].key_mark) == (1, 1)


def test_a_file_that_is_too_large_is_not_parsed():
    assert "larger than 64 MiB" in fault_of(b"#" * (MAX_FILE_BYTES + 1))


def test_a_scalar_that_is_too_long_is_refused():
    assert "longer than 1,048,576 characters" in fault_of("a: " + "x" * 1_100_000)


def test_many_tags_end_the_reading():
    faults = Faults("m.yaml")

    parse_source(b"- !x []\n" * 10_000, faults)

    assert faults.is_full


def test_the_garbage_collector_runs_again_afterwards():
    assert gc.isenabled()
    parse("a: 1")
    assert gc.isenabled()

    gc.disable()
    try:
        parse("a: 1")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_loader_without_c_reads_the_same(monkeypatch):
    text = "a: &x [1, no, 012]\nb: *x\n? c\n: {d: 'x', e: 1e3}\n"
    with_c, without_c = Faults("m.yaml"), Faults("m.yaml")
    first: Any
    second: Any
    first, _ = parse_source(text.encode(), with_c)

    monkeypatch.setattr(source, "_LOADER", yaml.SafeLoader)
    second, _ = parse_source(text.encode(), without_c)

    assert first is not None
    assert second is not None
    assert with_c.all() == without_c.all()
    assert plain(first).keys() == plain(second).keys()
    assert unpack_mark(first.value["b"].mark) == unpack_mark(second.value["b"].mark)
