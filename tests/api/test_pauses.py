"""Pace: pauses of the submits, and how few of them are surprised by one."""

import anyio
import pytest
from doubles.clock import FakeClock
from doubles.paced import queued, submit, take

from pipeline.api.allowance import WINDOW_S
from pipeline.api.rate_limiter import (
    PERMIT_S,
    SURPRISED_AFTER,
    UNANSWERED_S,
    Priority,
    RateLimiter,
)
from pipeline.errors import RateLimited


@pytest.fixture
def clock():
    return FakeClock()


# --- pauses ---------------------------------------------------------------------


async def test_a_pause_holds_submits_alone(clock):
    rate_limiter = RateLimiter(clock, limit=50)
    rate_limiter.pause(90)
    left = []

    async def leave():
        await rate_limiter.wait_to_submit()
        await rate_limiter.begin_submit()
        left.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        await clock.advance(50)
        await take(rate_limiter, 30, Priority.LIST)
        assert (left, rate_limiter.is_holding, rate_limiter.paused_s) == (
            [],
            True,
            40.0,
        )
        await clock.advance(50)

    assert left == [90.0]
    assert not rate_limiter.is_holding


async def test_what_is_about_to_leave_when_a_pause_begins_does_not(clock):
    rate_limiter = RateLimiter(clock)
    await rate_limiter.wait_to_submit()

    rate_limiter.pause(600)

    with pytest.raises(RateLimited) as caught:
        await rate_limiter.begin_submit()
    assert caught.value.retry_after_s == 600.0


async def test_what_waits_for_its_turn_when_a_pause_begins_waits_for_its_end(clock):
    rate_limiter = RateLimiter(clock, limit=1)
    await take(rate_limiter, 1)
    left = []

    async def leave():
        await rate_limiter.wait_to_submit()
        left.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        await clock.advance(1)
        rate_limiter.pause(300)
        async with queued(rate_limiter, clock, Priority.READ) as read:
            await clock.advance(200)
            assert read == [(Priority.READ, WINDOW_S)]  # its turn is not lost either
        await clock.advance(200)

    assert left == [301.0]


async def test_a_shorter_pause_does_not_end_a_longer_one(clock):
    rate_limiter = RateLimiter(clock)

    rate_limiter.pause(900)
    rate_limiter.pause(5)

    assert rate_limiter.paused_s == 900


async def test_who_plans_hears_of_a_pause_and_of_who_waits_for_it(clock):
    rate_limiter = RateLimiter(clock)
    heard = []

    async def listen():
        while True:
            await rate_limiter.wait_for_change()
            heard.append((rate_limiter.paused_s, rate_limiter.is_holding))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        rate_limiter.pause(60)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(rate_limiter.wait_to_submit)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert heard == [(60.0, False), (60.0, True)]


async def test_a_pause_is_known_to_the_next_process_and_to_others(clock, state):
    others = RateLimiter(clock, state=state)
    RateLimiter(clock, state=state).pause(900)
    clock.jump(100)

    later = RateLimiter(clock, state=state)
    later.look()
    others.look()

    assert later.paused_s == others.paused_s == 800


# --- few surprises ----------------------------------------------------------------


async def test_few_submits_are_unanswered_as_long_as_a_cooldown_may_come(clock):
    rate_limiter = RateLimiter(clock, first_posts=2)
    await submit(rate_limiter, 2)

    with anyio.move_on_after(0.01) as scope:
        await rate_limiter.wait_to_submit()
    assert scope.cancelled_caught

    rate_limiter.end_submit(is_accepted=True)
    await submit(rate_limiter, 1)


async def test_every_submit_that_waits_for_an_answer_has_its_turn(clock):
    rate_limiter = RateLimiter(clock, first_posts=1)
    await submit(rate_limiter)
    left = []

    async def leave(number):
        await rate_limiter.wait_to_submit()
        left.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(leave, number)
        for count in range(5):
            await anyio.wait_all_tasks_blocked()
            assert len(left) == count
            rate_limiter.end_submit(is_accepted=True)

    assert sorted(left) == list(range(5))


async def test_once_many_were_accepted_many_may_be_unanswered(clock):
    rate_limiter = RateLimiter(clock, first_posts=2)
    for _ in range(SURPRISED_AFTER):
        await submit(rate_limiter)
        rate_limiter.end_submit(is_accepted=True)

    await submit(rate_limiter, 20)


async def test_after_a_cooldown_one_tries_for_all(clock, state):
    rate_limiter = RateLimiter(clock, state=state, first_posts=2)
    rate_limiter.pause(10)
    clock.jump(10)

    for careful in (rate_limiter, RateLimiter(clock, state=state, first_posts=2)):
        await submit(careful)
        with anyio.move_on_after(0.01) as scope:
            await careful.wait_to_submit()
        assert scope.cancelled_caught


async def test_a_submit_that_hangs_does_not_hold_up_the_others(clock):
    rate_limiter = RateLimiter(clock, first_posts=1)
    await submit(rate_limiter)
    left = []

    async def leave():
        await rate_limiter.wait_to_submit()
        left.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        await clock.advance(UNANSWERED_S)

    assert left == [UNANSWERED_S]


async def test_one_that_waited_for_its_turn_and_hangs_does_not_hold_up_the_others(
    clock,
):
    rate_limiter = RateLimiter(clock, limit=2, first_posts=1)
    await take(rate_limiter, 2)
    left = []

    async def leave():
        await rate_limiter.wait_to_submit()
        left.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        for _ in range(2):  # the second begins while the first has not left
            tasks.start_soon(leave)
            await anyio.wait_all_tasks_blocked()
        await clock.advance(WINDOW_S + UNANSWERED_S)
        tasks.cancel_scope.cancel()

    assert left == [WINDOW_S, WINDOW_S + UNANSWERED_S]


async def test_a_turn_that_was_not_used_does_not_stay_good(clock):
    rate_limiter = RateLimiter(clock, limit=2)
    await rate_limiter.wait_to_submit()
    await take(rate_limiter, 1)
    clock.jump(PERMIT_S + 0.1)

    with anyio.move_on_after(0.01) as scope:
        await rate_limiter.begin_submit()

    assert scope.cancelled_caught
