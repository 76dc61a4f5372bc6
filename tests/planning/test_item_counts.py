"""Items are counted, although a plan has their takes and steps one by one."""

import pytest

from pipeline.job import Item
from pipeline.planning.item_counts import ItemCounts


def item(item_id, base="", **named):
    return Item(
        item_id=item_id,
        base_id=base,
        template_id=item_id,
        model_id="model_any",
        params={},
        file="icons.yaml",
        line=1,
        **named,
    )


TAKES = [item("oak"), item("oak@2", "oak", take=2), item("elm")]
STEPS = [
    item("hero", has_steps=True),
    item("fox"),
    item("hero+cutout", "hero", parents=("hero",)),
    item("hero+large", "hero", parents=("hero+cutout",), is_last_step=True),
]


@pytest.mark.parametrize(
    ("jobs", "count"), [([], 0), (TAKES, 2), (STEPS, 2), (TAKES + STEPS, 4)]
)
def test_takes_and_steps_are_of_one_item(jobs, count):
    counts = ItemCounts()
    for job in jobs:
        counts.add(job)

    assert (counts.total, counts.jobs) == (count, len(jobs))
    assert counts.total == count  # asking changes nothing


def test_an_item_has_the_rank_of_the_worst_of_them():
    counts = ItemCounts()
    for job, rank in zip(TAKES + STEPS, (3, 1, 3, 3, 0, 3, 2), strict=True):
        counts.add(job, rank)

    assert counts.by_rank == {1: 1, 3: 1, 2: 1, 0: 1}
