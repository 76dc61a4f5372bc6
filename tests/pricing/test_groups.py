"""CostGroups: items of one price are one group, and nothing else parts them."""

import pytest

from pipeline.pricing import find_cost
from pipeline.pricing.groups import SAMPLES


def counts(groups):
    return sorted(group.count for group in groups.by_key.values())


def test_items_that_differ_in_what_costs_nothing_are_one_group(workshop, groups_of):
    workshop.write_items("oak", "elm", "fir")

    groups = groups_of()

    assert counts(groups) == [3]


def test_there_is_one_group_for_each_set_of_inputs_that_the_price_depends_on(
    workshop, style, groups_of
):
    workshop.write(
        "references: {style: style.png}\nitems:\n"
        "  - {id: a, prompt: a}\n"
        "  - {id: b, prompt: b, params: {numOutputs: 2}}\n"
        "  - {id: c, prompt: c, params: {numOutputs: 2}}\n"
        "  - {id: d, prompt: d, params: {numOutputs: 2, images: [ref:style]}}\n"
        "  - {id: e, prompt: e, params: {images: [ref:style]}}\n",
        files={"style.png": style},
    )

    groups = groups_of()

    assert counts(groups) == [1, 1, 1, 2]


def test_a_default_written_out_does_not_split_a_group(workshop, groups_of):
    schema = workshop.models("model_wan-2-7-image")
    default = schema.find_input("numOutputs").default
    assert default is not None
    workshop.write(
        "items:\n  - {id: a, prompt: a}\n"
        f"  - {{id: b, prompt: b, params: {{numOutputs: {default}}}}}\n"
    )

    groups = groups_of()

    assert counts(groups) == [2]


def test_where_some_inputs_are_flagged_the_others_do_not_count(
    workshop, groups_of, flagged
):
    flagged(numOutputs=True)
    workshop.write(
        "items:\n  - {id: a, prompt: a, params: {size: 1K}}\n"
        "  - {id: b, prompt: b, params: {size: 2K}}\n"
        "  - {id: c, prompt: c, params: {seed: 7}}\n"
        "  - {id: d, prompt: d, params: {numOutputs: 3}}\n"
    )

    groups = groups_of()

    assert counts(groups) == [1, 3]


def test_where_nothing_is_flagged_all_inputs_count_and_a_derived_seed_does_not(
    workshop, groups_of, flagged
):
    flagged()
    workshop.write(
        "items:\n  - {id: a, prompt: the same}\n  - {id: b, prompt: the same}\n"
        "  - {id: c, prompt: another}\n"
        "  - {id: d, prompt: the same, params: {seed: 7}}\n"
        "  - {id: e, prompt: the same, params: {size: 2K}}\n"
    )

    groups = groups_of()

    assert counts(groups) == [1, 1, 1, 2]


def test_where_only_exceptions_are_flagged_the_rest_counts(
    workshop, groups_of, flagged
):
    flagged(prompt=False)
    workshop.write(
        "items:\n  - {id: a, prompt: a}\n  - {id: b, prompt: b}\n"
        "  - {id: c, prompt: c, params: {size: 2K}}\n"
    )

    groups = groups_of()

    assert counts(groups) == [1, 2]


def test_models_are_never_one_group(workshop, groups_of):
    workshop.write(
        "items:\n  - {id: a, prompt: a}\n"
        "  - {id: b, prompt: a, model: model_wan-2-7-image-pro}\n"
    )

    groups = groups_of()

    assert {group.model_id for group in groups.by_key.values()} == {
        "model_wan-2-7-image",
        "model_wan-2-7-image-pro",
    }


async def test_what_is_done_is_in_no_group(workshop, groups_of):
    workshop.write_items("oak", "elm")
    await workshop.run()
    workshop.write_items("oak", "elm", "fir")

    await workshop.run()

    assert workshop.estimate.cost.items == 1
    assert len(workshop.api.quotes) == 2


def test_a_group_keeps_a_few_samples_and_counts_items_templates_and_files(
    workshop, groups_of
):
    numbers = ", ".join(map(str, range(20)))
    workshop.write(
        "items:\n  - id: tree-${n}\n    prompt: tree ${n}\n"
        f"    params: {{numOutputs: 2}}\n    matrix: {{n: [{numbers}]}}\n"
        "  - {id: oak, prompt: oak, params: {numOutputs: 2}}\n"
    )

    groups = groups_of()

    [group] = groups.by_key.values()
    assert len(group.samples) == SAMPLES
    assert group.count == groups.count == 21
    assert group.templates == {"tree-${n}": 20, "oak": 1}
    assert group.files == 42
    assert groups.find_sample("tree-0") is group.samples[0]
    assert groups.find_sample("oak") is None


@pytest.mark.parametrize("limit", [0, 2])
def test_what_a_limit_leaves_out_is_in_no_group(workshop, groups_of, limit):
    workshop.write_items("oak", "elm", "fir")

    assert groups_of(limit=limit).count == limit


async def test_more_prices_than_can_be_asked_for_are_left_for_later_and_said(
    workshop, groups_of, quotes, finish, monkeypatch
):
    monkeypatch.setattr("pipeline.pricing.groups.MOST_GROUPS", 1)
    workshop.write(
        "items:\n  - {id: a, prompt: a}\n"
        "  - {id: b, prompt: b, params: {numOutputs: 2}}\n"
        "  - {id: c, prompt: c}\n"
    )

    groups = groups_of()
    cost = await finish(lambda: find_cost(groups, quotes))

    assert (counts(groups), groups.beyond) == ([2], 1)
    assert cost.units == 12
    (problem,) = cost.problems
    assert problem.startswith("1 item has too many different inputs to price them")
