"""The hint for an id that rows share names a column that tells them apart, or none."""

import pytest

from pipeline.errors import ManifestError

NO_COLUMN = (
    "no column has a different value in each row; add one and write it in the id"
)


@pytest.fixture
def hint_for(expand_text):
    def hint(item_id: str, content: str, name: str = "a.csv") -> str:
        text = f"items:\n  - id: {item_id}\n    prompt: x\n    rows: {name}\n"
        with pytest.raises(ManifestError) as caught:
            expand_text(text, {name: content.encode()})
        return caught.value.faults[0].hint

    return hint


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        ("a,b\nx,1\nx,2\n", "write id: oak-${b}"),
        ("a,b,slug\n1,2,x\n2,3,y\n", "write id: oak-${slug}"),
        ("a,b\n,1\nx,2\n", "write id: oak-${b}"),
        ("a,b\nX,1\nx,2\n", "write id: oak-${b}"),
        ("a,b\nx y,same\nz w,same\n", "write id: oak-${slug:a}"),
        ("a\nx y\nx-y\n", NO_COLUMN),
        ("a,b\nx,1\nx,1\n", NO_COLUMN),
        ("a,b\nx,\nx,1\n", NO_COLUMN),
        ("a\n日\n本\n", NO_COLUMN),
    ],
)
def test_only_a_column_that_tells_all_rows_apart_is_named(content, hint, hint_for):
    assert hint_for("oak", content) == hint


def test_an_id_with_a_column_that_repeats_gets_another(hint_for):
    content = "kind,n\ntree,1\ntree,2\n"

    assert hint_for("${kind}", content) == "write id: ${kind}-${n}"
    assert hint_for("${kind}", "kind\ntree\ntree\n") == NO_COLUMN


def test_values_of_json_lines_have_to_be_there_in_each_line(hint_for):
    content = '{"a": 1, "b": true, "c": "x"}\n{"b": false, "c": "y", "d": 5}\n'

    assert hint_for("oak", content, "a.jsonl") == "write id: oak-${c}"
