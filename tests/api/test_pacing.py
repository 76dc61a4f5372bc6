"""RequestRate: evenly spaced, a small burst, lower when asked, and back again."""

import anyio
import pytest
from doubles.clock import FakeClock

from pipeline.api.pacing import RequestRate


async def spend(rate, clock, count):
    """Take ``count`` turns one after the other; seconds on the clock."""
    start_s = clock.monotonic_s()
    for _ in range(count):
        await rate.wait_for_turn()
    return clock.monotonic_s() - start_s


async def test_turns_are_spaced_at_the_rate(clock):
    clock.jump(10)
    rate = RequestRate(10, clock)

    assert await spend(rate, clock, 101) == pytest.approx(10, abs=0.11)


async def test_a_burst_is_a_tenth_of_a_second_s_worth(clock):
    clock.jump(10)
    rate = RequestRate(100, clock)

    assert await spend(rate, clock, 11) == 0
    assert await spend(rate, clock, 1) > 0


async def test_idleness_is_not_saved_up(clock):
    clock.jump(10)
    rate = RequestRate(100, clock)
    await spend(rate, clock, 50)
    clock.jump(1000)

    assert await spend(rate, clock, 111) == pytest.approx(1.0, abs=0.02)


async def test_many_tasks_share_one_rate():
    clock = FakeClock()
    clock.jump(10)
    rate = RequestRate(10, clock)
    turns_s = []

    async def take_turn():
        await rate.wait_for_turn()
        turns_s.append(clock.monotonic_s())

    async with anyio.create_task_group() as group:
        for _ in range(21):
            group.start_soon(take_turn)
        await clock.advance(10)

    assert turns_s == pytest.approx([10, *(10 + n / 10 for n in range(20))])


def test_asking_for_less_halves_the_rate_down_to_one(clock):
    clock.jump(100)
    rate = RequestRate(100, clock)
    seen = []
    for _ in range(9):
        rate.lower()
        seen.append(rate.rate_per_s)
        clock.jump(1)

    assert seen == [50, 25, 12.5, 6.25, 3.125, 1.5625, 1, 1, 1]


def test_refusals_that_were_on_their_way_count_once(clock):
    clock.jump(100)
    rate = RequestRate(100, clock)

    for _ in range(20):
        rate.lower()

    assert rate.rate_per_s == 50


def test_a_rate_below_one_is_never_raised_by_lowering(clock):
    clock.jump(100)
    rate = RequestRate(0.5, clock)

    rate.lower()

    assert rate.rate_per_s == 0.5


async def test_a_lowered_rate_recovers_within_a_minute_of_peace(clock):
    clock.jump(100)
    rate = RequestRate(100, clock)
    for _ in range(7):
        rate.lower()
        clock.jump(1)
    assert rate.rate_per_s == 1

    clock.jump(29)
    await rate.wait_for_turn()
    halfway = rate.rate_per_s
    clock.jump(31)
    await rate.wait_for_turn()

    assert halfway == pytest.approx(50, abs=1)
    assert rate.rate_per_s == 100
