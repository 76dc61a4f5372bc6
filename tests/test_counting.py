"""Counts in messages: one is singular, in the noun and in the verb."""

from decimal import Decimal

import pytest

from pipeline.counting import choose, items_and_jobs, plural


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 items"), (1, "1 item"), (2, "2 items"), (10_000, "10,000 items")],
)
def test_one_is_singular(count, text):
    assert plural(count, "item") == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 item has failed"), (2, "2 items have failed")],
)
def test_the_verb_agrees(count, text):
    assert f"{plural(count, 'item has', 'items have')} failed" == text


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (Decimal(1), "1 unit"),
        (Decimal("0.5"), "0.5 units"),
        (Decimal("1E+3"), "1,000 units"),
        (Decimal("1234.5"), "1,234.5 units"),
    ],
)
def test_units_are_counted_alike_and_never_in_powers_of_ten(units, text):
    assert plural(units, "unit") == text


def test_a_word_is_chosen_by_the_count():
    assert [choose(count, "is", "are") for count in (0, 1, 2)] == ["are", "is", "are"]


@pytest.mark.parametrize(
    ("items", "jobs", "text"),
    [
        (4, 4, "4 items"),
        (1, 1, "1 item"),
        (1, 2, "1 item, 2 jobs"),
        (0, 0, "0 items"),
        (2000, 4000, "2,000 items, 4,000 jobs"),
    ],
)
def test_jobs_are_named_where_items_have_several(items, jobs, text):
    assert items_and_jobs(items, jobs) == text
