"""Pace: requests by worth, in one window, which other processes share."""

import math
from itertools import pairwise

import anyio
import pytest
from doubles.clock import FakeClock
from doubles.paced import queued, take

from pipeline.api.allowance import WINDOW_S
from pipeline.api.rate_limiter import (
    AGE_PER_PRIORITY_S,
    FIRST_HOLD_S,
    LONGEST_HOLD_S,
    Priority,
    RateLimiter,
    rate_limiter_of,
)
from pipeline.api.rate_limiter_state import RateLimiterState, StateBusy
from pipeline.settings import DEFAULT_RPM, Credentials, Settings


@pytest.fixture
def clock():
    return FakeClock()


# --- the window ---------------------------------------------------------------


async def test_the_limit_is_held_in_every_window(clock):
    rate_limiter = RateLimiter(clock, limit=5)

    async with queued(rate_limiter, clock, *[Priority.READ] * 12) as left:
        await clock.advance(4 * WINDOW_S)

    moments = [moment for _, moment in left]
    assert moments == [0.0] * 5 + [WINDOW_S] * 5 + [2 * WINDOW_S] * 2


async def test_what_was_not_used_is_not_saved_up(clock):
    rate_limiter = RateLimiter(clock, limit=5)
    clock.jump(1000)

    async with queued(rate_limiter, clock, *[Priority.READ] * 6) as left:
        await clock.advance(WINDOW_S / 2)
        assert len(left) == 5


async def test_without_a_limit_nothing_waits_and_no_file_is_touched(clock, tmp_path):
    rate_limiter = RateLimiter(
        clock, state=RateLimiterState(tmp_path / "state" / "project.pace")
    )

    await take(rate_limiter, 10_000)

    assert clock.slept_s == []
    assert not (tmp_path / "state").exists()


async def test_who_gives_up_waiting_takes_nothing(clock):
    rate_limiter = RateLimiter(clock, limit=1)
    await take(rate_limiter, 1)

    async with queued(rate_limiter, clock, Priority.READ):
        pass
    async with queued(rate_limiter, clock, Priority.READ) as left:
        await clock.advance(WINDOW_S)
        assert len(left) == 1


# --- priority --------------------------------------------------------------------


async def test_what_is_worth_more_goes_first(clock):
    rate_limiter = RateLimiter(clock, limit=1)
    await take(rate_limiter, 1)

    async with queued(rate_limiter, clock, *reversed(Priority)) as left:
        await clock.advance(6 * WINDOW_S)

    assert [priority for priority, _ in left] == list(Priority)


async def test_those_of_one_worth_go_in_the_order_they_came(clock):
    rate_limiter = RateLimiter(clock, limit=1)
    order = []

    async def leave(number):
        await rate_limiter.wait_for_turn(Priority.READ)
        order.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(leave, number)
        await clock.advance(5 * WINDOW_S)

    assert order == list(range(5))


async def test_what_can_wait_does_not_wait_for_ever(clock):
    rate_limiter = RateLimiter(clock, limit=1)
    await take(rate_limiter, 1)
    left = []

    async def leave(priority):
        await rate_limiter.wait_for_turn(priority)
        left.append(priority)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave, Priority.OTHER)
        await clock.advance(AGE_PER_PRIORITY_S * Priority.OTHER + 1)
        for _ in range(3):
            tasks.start_soon(leave, Priority.SUBMIT)
        await clock.advance(5 * WINDOW_S)

    assert left == [Priority.OTHER, *[Priority.SUBMIT] * 3]


async def test_one_that_comes_later_and_is_worth_more_overtakes_who_is_next(clock):
    rate_limiter = RateLimiter(clock, limit=1)
    await take(rate_limiter, 1)

    async with queued(rate_limiter, clock, Priority.OTHER, Priority.SUBMIT) as left:
        await clock.advance(WINDOW_S + 1)
        assert left == [(Priority.SUBMIT, WINDOW_S)]


# --- what is told to plan by ------------------------------------------------------


async def test_requests_are_scarce_once_half_of_the_window_is_used(clock):
    rate_limiter = RateLimiter(clock, limit=10)
    seen = []
    for _ in range(6):
        seen.append(rate_limiter.is_scarce)
        await take(rate_limiter, 1)
    clock.jump(WINDOW_S)

    assert seen == [False] * 5 + [True]
    assert not rate_limiter.is_scarce
    assert not RateLimiter(clock).is_scarce


async def test_the_rate_is_what_other_processes_leave(clock, state):
    other, ours = (
        RateLimiter(clock, limit=60, state=state),
        RateLimiter(clock, limit=60, state=state),
    )
    await take(other, 20)
    await take(ours, 1)

    assert ours.rate_per_s == pytest.approx(40 / WINDOW_S)
    assert RateLimiter(clock).rate_per_s is None


# --- refusals -------------------------------------------------------------------


async def test_after_a_refusal_only_a_part_of_the_requests_before_is_allowed(clock):
    rate_limiter = RateLimiter(clock, limit=20)
    await take(rate_limiter, 12)
    await clock.advance(40)

    rate_limiter.note_refusal()
    async with queued(rate_limiter, clock, *[Priority.READ] * 20) as left:
        await clock.advance(2 * WINDOW_S)

    moments = [moment for _, moment in left]
    spaces_s = [later - moment for moment, later in pairwise(moments)]
    assert moments[0] == WINDOW_S
    assert len(moments) >= 10  # of the twelve, and what has grown since
    assert min(spaces_s) > WINDOW_S / 20  # and never in a burst
    assert max(spaces_s) < WINDOW_S / 8


async def test_what_is_allowed_grows_again_up_to_the_limit(clock):
    rate_limiter = RateLimiter(clock, limit=10)
    await take(rate_limiter, 8)
    rate_limiter.note_refusal()
    rates = []

    for _ in range(6):
        await clock.advance(60)
        rates.append(round((rate_limiter.rate_per_s or 0.0) * WINDOW_S))

    assert rates == [7, 8, 9, 10, 10, 10]


async def test_after_a_refusal_nothing_leaves_for_a_moment(clock):
    rate_limiter = RateLimiter(clock, limit=10)
    rate_limiter.note_refusal()

    async with queued(rate_limiter, clock, Priority.READ) as left:
        assert rate_limiter.is_scarce
        await clock.advance(5)

    assert left == [(Priority.READ, FIRST_HOLD_S)]


async def test_other_processes_learn_of_a_refusal(clock, state):
    refused, other = (RateLimiter(clock, limit=20, state=state) for _ in range(2))
    await take(other, 4)
    await take(refused, 4)

    refused.note_refusal()

    async with queued(other, clock, Priority.READ) as left:
        await clock.advance(WINDOW_S - 1)
        assert left == []
        await clock.advance(2)
        assert len(left) == 1


async def test_everything_waits_where_the_refusal_says_how_long(clock):
    rate_limiter = RateLimiter(clock)
    rate_limiter.note_refusal(7.0)

    async with queued(rate_limiter, clock, Priority.SUBMIT) as left:
        await clock.advance(10)

    assert left == [(Priority.SUBMIT, 7.0)]
    await take(rate_limiter, 100)


async def test_reads_are_never_held_for_longer_than_a_minute(clock):
    rate_limiter = RateLimiter(clock)
    rate_limiter.note_refusal(100_000.0)

    async with queued(rate_limiter, clock, Priority.READ) as left:
        await clock.advance(LONGEST_HOLD_S)
        assert len(left) == 1


async def test_without_a_limit_of_ours_refusals_slow_down_more_and_more(clock):
    rate_limiter = RateLimiter(clock)
    waits = []
    for _ in range(6):
        rate_limiter.note_refusal()
        rate_limiter.note_refusal()  # one that was on its way
        began_s = clock.monotonic_s()
        async with queued(rate_limiter, clock, Priority.READ) as left:
            await clock.advance(60)
        waits.append(left[0][1] - began_s)
        clock.jump(-clock.monotonic_s() + left[0][1])

    assert waits == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    clock.jump(LONGEST_HOLD_S + 1)
    rate_limiter.note_refusal()
    async with queued(rate_limiter, clock, Priority.READ) as left:
        await clock.advance(FIRST_HOLD_S)
        assert len(left) == 1


# --- shared, or not -----------------------------------------------------------------


async def test_processes_share_one_window(clock, state):
    first, second = (RateLimiter(clock, limit=10, state=state) for _ in range(2))
    await take(first, 6)
    await take(second, 4)

    for rate_limiter in (first, second):
        async with queued(rate_limiter, clock, Priority.SUBMIT) as left:
            await clock.advance(1)
            assert left == []


async def test_a_file_that_others_hold_for_long_is_done_without(clock):
    class Held:
        def take(self, *_numbers):
            raise StateBusy

    rate_limiter = RateLimiter(clock, limit=10, state=Held())  # type: ignore[arg-type]

    async with queued(rate_limiter, clock, Priority.READ) as left:
        await clock.advance(5)
        assert len(left) == 1
        assert 0 < left[0][1] < 5


async def test_a_folder_that_cannot_be_used_is_said_once(clock, tmp_path):
    (tmp_path / "state").write_text("a file")
    rate_limiter = RateLimiter(
        clock, limit=3, state=RateLimiterState(tmp_path / "state" / "a.pace")
    )

    await take(rate_limiter, 3)
    rate_limiter.pause(90)
    rate_limiter.note_refusal()

    assert "counted for this run only" in rate_limiter.trouble
    assert rate_limiter.paused_s == 90
    async with queued(rate_limiter, clock, Priority.READ) as left:
        await clock.advance(WINDOW_S - 1)
        assert left == []


# --- which limit ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "rpm", "limit"),
    [
        ("https://api.cloud.scenario.com/v1", None, DEFAULT_RPM),
        ("https://api.cloud.scenario.com/v1", 300, 300),
        ("https://api.cloud.scenario.com/v1", 0, None),
        ("http://127.0.0.1:8765/v1", None, None),
        ("http://127.0.0.1:8765/v1", 95, 95),
    ],
)
def test_the_limit_is_for_services_elsewhere_unless_it_is_asked_for(
    clock, base_url, rpm, limit
):
    credentials = Credentials(key="k", secret="s", base_url=base_url)

    rate = rate_limiter_of(credentials, Settings(rpm=rpm), clock).rate_per_s

    assert (rate or math.nan) == pytest.approx(
        math.nan if limit is None else limit / WINDOW_S, nan_ok=True
    )
