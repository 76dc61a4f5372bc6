"""Which items the patterns of ``--select`` include."""

import pytest

from pipeline.planning.selection import Selection


@pytest.mark.parametrize(
    ("glob", "included"),
    [
        ("hero", ["hero", "hero@2", "hero+cut"]),
        ("hero@1", ["hero"]),
        ("hero@2", ["hero@2"]),
        ("hero@*", ["hero", "hero@2"]),
        ("hero+*", ["hero+cut"]),
        ("her", []),
    ],
)
def test_a_pattern_names_items_takes_and_steps(glob, included):
    selection = Selection(globs=(glob,))
    ids = ["hero", "hero@2", "hero+cut", "heroine"]

    assert [one for one in ids if selection.includes(one)] == included


def test_without_a_pattern_everything_is_included():
    assert Selection().includes("hero@2")
