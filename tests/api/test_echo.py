"""Echo: what the service says was asked for, against what was."""

import pytest

from pipeline.api.echo import Habits, echo_difference, same_value
from pipeline.job import JsonValue

SENT: dict[str, JsonValue] = {"prompt": "an oak", "size": "1024*1024", "seed": 7}


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


# --- a job that may have come of a submit -----------------------------------------------


@pytest.mark.parametrize(
    ("sent", "echo", "derived_seed", "fits"),
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
        (SENT, {"seed": 7, "prompt": "an oak", "size": "2K"}, False, False),
        (SENT, {"seed": 7, "prompt": "AN OAK"}, True, True),
        (SENT, {"seed": 7, "prompt": "an elm"}, True, False),
        (SENT, {"seed": 7, "prompt": "an elm"}, False, False),
        (SENT, {"seed": 7}, True, True),
        (SENT, {"prompt": "an oak"}, False, True),
        (SENT, {}, True, True),
        (SENT, {"prompt": "asset_GTrL3mq4", "seed": 7}, False, True),
        (SENT, {"prompt": " an  oak ", "size": "1024x1024", "seed": 7}, False, True),
        ({"prompt": "cafe\u0301"}, {"prompt": "caf\u00e9"}, False, True),
        ({"prompt": "a" * 40}, {"prompt": "a" * 30}, False, True),
        ({"prompt": "an oak tree"}, {"prompt": "an oak"}, False, False),
        ({"prompt": "!"}, {"prompt": "?"}, False, False),
    ],
    ids=repr,
)
def test_a_job_fits_unless_an_input_contradicts_it(sent, echo, derived_seed, fits):
    assert Habits().compare(sent, echo).fits(derived_seed=derived_seed) is fits


@pytest.mark.parametrize(
    "echo",
    [SENT | {"seed": 99}, SENT | {"prompt": "nicer"}, SENT | {"size": "2K"}],
    ids=["seed", "prompt", "size"],
)
def test_what_the_service_is_seen_to_change_contradicts_nothing(echo):
    habits = Habits()
    habits.note(SENT, echo)

    other = SENT | {"seed": 8, "prompt": "an elm"}
    changed = next(name for name in SENT if echo[name] != SENT[name])
    shown = other | {changed: "something else"}

    assert habits.compare(other, shown).fits(derived_seed=False)


def test_what_is_archived_or_trimmed_is_no_habit_of_changing():
    habits = Habits()
    habits.note(SENT, {"prompt": "asset_GTrL3mq4", "size": "1024x1024", "seed": "7"})

    assert not any(habits.changes(name) for name in SENT)


def test_seed_and_prompt_count_more_than_all_the_rest():
    sent = SENT | {f"input_{number}": number for number in range(9)}
    rest = {name: value for name, value in sent.items() if name.startswith("input_")}
    habits = Habits()

    assert habits.compare(sent, {"seed": 7}).score > habits.compare(sent, rest).score
    assert (
        habits.compare(sent, sent).score
        > habits.compare(sent, {**sent, "prompt": "An oak!"}).score
        > habits.compare(sent, {"seed": 7}).score
    )
    assert habits.compare(sent, {}).score == 0


# --- what was made of it -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("echo", "difference"),
    [
        ({}, None),
        (SENT, {}),
        (SENT | {"modelId": "m", "thinking": True}, {}),
        (SENT | {"seed": "7"}, {}),
        (SENT | {"prompt": "asset_GTrL3mq4SXWyMxkOHRxlpw"}, {}),
        (SENT | {"size": "512*512"}, {"size": "512*512"}),
        ({"prompt": "an oak", "seed": 7}, {"size": None}),
    ],
    ids=[
        "no echo",
        "the same",
        "additions",
        "number as text",
        "archived",
        "changed",
        "dropped",
    ],
)
def test_a_difference_names_what_was_changed_or_dropped(echo, difference):
    assert echo_difference(SENT, echo) == difference


def test_an_input_that_was_sent_as_null_is_not_dropped():
    assert echo_difference({"mask": None, "a": 1}, {"a": 1}) == {}
