"""Echo: what the service says was asked for, against what was."""

import pytest

from pipeline.echo import agreement, echo_difference, same_request, same_value

SENT = {"prompt": "an oak", "size": "1024*1024", "seed": 7}


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        (7, 7, True),
        (7, 7.0, True),
        (7, "7", True),
        (7.5, "7.50", True),
        (7, "7.0", True),
        (7, "seven", False),
        (7, "", False),
        (7, None, False),
        (7, [7], False),
        (7, 8, False),
        (1, True, False),
        (True, True, True),
        (True, False, False),
        (True, "true", False),
        (False, 0, False),
        (None, None, True),
        (None, 0, False),
        ("a", "a", True),
        ("a", "A", False),
        ([1, "2"], [1.0, "2"], True),
        ([1, 2], ["1", "2"], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ([], [], True),
        ([1], "1", False),
        ([[1]], [["1"]], True),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": 1}, {"a": 2}, False),
        (7, 10**400, False),
        (7, "1" * 400, False),
        (7, "nan", False),
    ],
    ids=repr,
)
def test_values_are_the_same_as_far_as_an_echo_can_tell(ours, theirs, same):
    assert same_value(ours, theirs) is same


@pytest.mark.parametrize(
    ("sent", "echo", "derived_seed", "same"),
    [
        (SENT, SENT, False, True),
        (SENT, SENT, True, True),
        (SENT, SENT | {"extra": 1}, False, True),
        (SENT, SENT | {"seed": "7"}, False, True),
        (SENT, SENT | {"seed": 8}, True, False),
        (SENT, SENT | {"seed": 8}, False, False),
        # A derived seed is only this item's: but for the prompt, which an edit
        # changes too, the rest may be the service's doing.
        (SENT, {"seed": 7, "prompt": "an oak", "size": "2K"}, True, True),
        (SENT, {"seed": 7, "prompt": "AN OAK"}, True, False),
        (SENT, {"seed": 7, "prompt": "AN OAK"}, False, False),
        (SENT, {"seed": 7}, True, True),
        (SENT, {"seed": 7}, False, True),
        # Without a seed in the echo, all the rest has to be there and agree.
        (SENT, {"prompt": "an oak"}, False, False),
        ({"prompt": "an oak", "n": 2}, {"prompt": "an oak", "n": 2}, False, True),
        ({"prompt": "an oak", "n": 2}, {"prompt": "an oak"}, False, False),
        ({"prompt": "an oak"}, {"prompt": "an oak", "seed": 99}, False, True),
        ({"prompt": "an oak"}, {"prompt": "an elm", "seed": 99}, False, False),
        (SENT, {}, True, False),
        ({}, {}, False, False),
    ],
    ids=repr,
)
def test_a_job_is_ours_by_its_seed_or_by_everything(sent, echo, derived_seed, same):
    assert same_request(sent, echo, derived_seed=derived_seed) is same


def test_the_prompt_breaks_ties():
    same_prompt = {"prompt": "an oak", "size": "x", "seed": 8}
    same_rest = {"prompt": "an elm", "size": "1024*1024", "seed": 7}

    assert agreement(SENT, same_prompt) > agreement(SENT, same_rest)
    assert agreement(SENT, SENT) == 103
    assert agreement(SENT, same_rest) == 2
    assert agreement(SENT, {}) == 0


@pytest.mark.parametrize(
    ("echo", "difference"),
    [
        ({}, None),
        (SENT, {}),
        (SENT | {"modelId": "m", "thinking": True}, {}),
        (SENT | {"seed": "7"}, {}),
        (SENT | {"size": "512*512"}, {"size": "512*512"}),
        ({"prompt": "an oak", "seed": 7}, {"size": None}),
    ],
    ids=["no echo", "the same", "additions", "number as text", "changed", "dropped"],
)
def test_a_difference_names_what_was_changed_or_dropped(echo, difference):
    assert echo_difference(SENT, echo) == difference


def test_an_input_that_was_sent_as_null_is_not_dropped():
    assert echo_difference({"mask": None, "a": 1}, {"a": 1}) == {}
