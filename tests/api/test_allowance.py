"""Allowance: what part of a limit on requests several machines come to."""

import pytest

from pipeline.api.allowance import SAME_REFUSAL_S, Allowance

LIMIT = 100


def test_before_the_first_refusal_the_whole_limit_is_allowed():
    assert Allowance().of(LIMIT, 0.0) == LIMIT


def test_a_refusal_takes_a_part_of_what_was_sent_and_a_minute_gives_a_tenth_back():
    allowance = Allowance().after_refusal(LIMIT, 80, 1000.0)

    assert [allowance.of(LIMIT, 1000.0 + 60 * n) for n in range(6)] == [
        68,
        78,
        88,
        98,
        100,
        100,
    ]


def test_refusals_of_requests_that_left_together_count_once():
    allowance = Allowance().after_refusal(LIMIT, 80, 1000.0)

    again = allowance.after_refusal(LIMIT, 80, 1000.0 + SAME_REFUSAL_S / 2)
    later = allowance.after_refusal(LIMIT, 80, 1000.0 + SAME_REFUSAL_S)

    assert again == allowance
    assert later.reduced < allowance.reduced


@pytest.mark.parametrize("used", [0, 1, 5])
def test_a_tenth_is_always_allowed(used):
    assert Allowance().after_refusal(LIMIT, used, 0.0).of(LIMIT, 0.0) == 10
    assert Allowance().after_refusal(1, used, 0.0).of(1, 0.0) == 1


def test_a_clock_that_was_set_back_takes_nothing_away():
    allowance = Allowance().after_refusal(LIMIT, 80, 1000.0)

    assert allowance.of(LIMIT, 0.0) == 68


@pytest.mark.parametrize(
    "shares", [[95, 0], [90, 5, 5], [70, 10, 10, 10]], ids=["two", "three", "four"]
)
def test_shares_become_equal_whatever_they_were(shares):
    """All send what they are allowed; whoever comes when it is full is refused."""
    all_of_them = [
        Allowance(reduced=max(float(share), 1.0), refused_at=0.0) for share in shares
    ]
    for minute in range(1, 60):
        now = 60.0 * minute
        rates = [one.of(95, now) for one in all_of_them]
        if sum(rates) > LIMIT:
            all_of_them = [
                one.after_refusal(95, rate, now)
                for one, rate in zip(all_of_them, rates, strict=True)
            ]

    rates = [one.of(95, 3600.0) for one in all_of_them]
    assert max(rates) - min(rates) <= 10
    assert sum(rates) > LIMIT / 2
