"""Whatever stands in the file, it is read or refused, and never a traceback."""

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.errors import ManifestError
from pipeline.manifest import expand, load_manifest, source, validate_manifest

HEAD = "version: 1\nmodel: model_wan-2-7-image\n"

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)
)
WORDS = st.sampled_from(
    [
        "version",
        "name",
        "model",
        "params",
        "references",
        "vars",
        "items",
        "id",
        "prompt",
        "matrix",
        "rows",
        "include",
        "exclude",
        "images",
        "seed",
        "size",
        "ref:a",
        "item:b",
        "file:c",
        "${a}",
        "${",
        "$$",
        "oak",
        "1K",
        "asset_1",
        "a",
        "b",
    ]
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)
ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "id": VALUES | WORDS,
        "prompt": VALUES | WORDS,
        "params": VALUES,
        "matrix": VALUES | st.dictionaries(WORDS, st.lists(SCALARS, max_size=3)),
        "rows": VALUES,
        "vars": VALUES,
        "model": VALUES,
    },
)
MANIFESTS = st.fixed_dictionaries(
    {"version": st.just(1) | SCALARS, "items": st.lists(ITEMS, max_size=3) | VALUES},
    optional={
        "model": st.just("model_wan-2-7-image") | VALUES,
        "params": VALUES,
        "references": VALUES,
        "vars": VALUES,
        "name": VALUES,
    },
)
# Pieces that a YAML parser finds interesting.
TEXTS = st.lists(
    st.sampled_from(
        [
            *"-:?[]{}&*!|>'\"%@`#,~<\t\r\n .$\\\0é🌳\u2028\ufeff",
            *("\n  ", "a", "items: ", "*a", "&a ", "<<: ", "!!int ", "---\n", "...\n"),
            *("012", "- ", "${a}", "1e9"),
        ]
    ),
    max_size=40,
).map("".join)


def read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.yaml"
        path.write_bytes(data)
        error = ManifestError(())
        try:
            manifest, count = validate_manifest(path)
        except ManifestError as exc:
            error = exc
        else:
            assert count == manifest.item_count >= 1
            return
    assert error.faults
    assert all(fault.line >= 1 and fault.column >= 1 for fault in error.faults)
    assert len(str(error).splitlines()) == len(error.faults)


@given(st.binary(max_size=200))
@example(b"\xff\xfe")
@example(b"%YAML 9.9\n---\na: b")
def test_any_bytes(data):
    read(data)


@given(TEXTS)
@example("? ")
@example("- &a [*a]")
@example("{a: b}: c")
def test_any_yaml_text(text):
    read(text.encode())


@given(TEXTS)
def test_any_yaml_text_under_a_good_head(text):
    read((HEAD + "items:\n  - id: oak\n    prompt: x\n" + text).encode())


@given(TEXTS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_yaml_text_without_the_c_loader(monkeypatch, text):
    monkeypatch.setattr(source, "_LOADER", yaml.SafeLoader)

    read((HEAD + "items:\n  - id: oak\n    prompt: x\n" + text).encode())


@given(MANIFESTS)
@settings(max_examples=300)
def test_any_values(manifest):
    read(yaml.safe_dump(manifest, allow_unicode=True).encode())


@given(st.binary(max_size=100), st.sampled_from(["a.csv", "a.jsonl"]))
def test_any_rows(data, name):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(b"slug,b\n" + data if "csv" in name else data)
        path = Path(folder) / "m.yaml"
        path.write_text(
            f"{HEAD}items: [{{id: '${{slug}}', prompt: 'x ${{b}}', rows: {name}}}]\n",
            encoding="utf-8",
        )
        try:
            manifest = load_manifest(path)
            assert sum(1 for _ in expand(manifest)) == manifest.item_count
        except ManifestError:
            return


@pytest.mark.parametrize("char", ["{", "[", "- ", "? ", "a: "])
def test_deep_nesting_is_refused(char):
    read((char * 100_000).encode())


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True),
        min_size=1,
    )
)
def test_the_count_is_known_before_the_items_are_made(axes):
    item_id = "-".join(f"${{{name}}}" for name in axes)
    item = {"id": f"x-{item_id}", "prompt": "x", "matrix": axes}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.yaml"
        path.write_text(HEAD + yaml.safe_dump({"items": [item]}), encoding="utf-8")
        manifest = load_manifest(path)

        ids = [item.item_id for item in expand(manifest)]

    assert len(set(ids)) == len(ids) == manifest.item_count
