"""Item ids: which are safe as file names anywhere, and which are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.manifest.item_id import TakenNames, check_id


@pytest.mark.parametrize(
    "item_id", ["oak", "a/b/c", "Oak_2.v1-x", "x" * 120, "console", "reports/a", "-a"]
)
def test_a_safe_id_is_taken_as_it_is(item_id):
    assert check_id(item_id) is None


@given(st.text(max_size=30))
def test_what_is_accepted_stays_inside_the_folder(text):
    if check_id(text) is None:
        assert not text.startswith("/")
        assert all(part not in {"", ".", ".."} for part in text.split("/"))
        assert text.isascii()


def test_names_are_taken_once_without_regard_to_case():
    names = TakenNames(2)

    assert names.take("oak", 3, is_output=False) is None
    assert names.take("Oak", 5, is_output=False) == (3, False)
    assert names.take("elm-1", 6, is_output=True) is None
    assert names.take("ELM-1", 7, is_output=False) == (6, True)


def test_the_table_grows_beyond_what_was_expected():
    names = TakenNames(1)

    for number in range(10_000):
        assert names.take(f"item-{number}", number, is_output=False) is None

    assert names.take("item-77", 1, is_output=False) == (77, False)
