"""Pace: pauses of the submits, and how few of them are surprised by one."""

import anyio
import pytest
from doubles.clock import FakeClock
from doubles.paced import queued, submit, take

from pipeline.api.pace_state import WINDOW_S, PaceState
from pipeline.api.pacing import PERMIT_S, SURPRISED_AFTER, UNANSWERED_S, Pace, Worth
from pipeline.errors import RateLimited


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def state(tmp_path):
    return PaceState(tmp_path / "state" / "project.pace")


# --- pauses ---------------------------------------------------------------------


async def test_a_pause_holds_submits_alone(clock):
    pace = Pace(clock, limit=50)
    pace.pause(90)
    left = []

    async def leave():
        await pace.wait_to_submit()
        await pace.begin_submit()
        left.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        await clock.advance(50)
        await take(pace, 30, Worth.LIST)
        assert (left, pace.is_holding, pace.paused_s) == ([], True, 40.0)
        await clock.advance(50)

    assert left == [90.0]
    assert not pace.is_holding


async def test_what_is_about_to_leave_when_a_pause_begins_does_not(clock):
    pace = Pace(clock)
    await pace.wait_to_submit()

    pace.pause(600)

    with pytest.raises(RateLimited) as caught:
        await pace.begin_submit()
    assert caught.value.retry_after_s == 600.0


async def test_what_waits_for_its_turn_when_a_pause_begins_waits_for_its_end(clock):
    pace = Pace(clock, limit=1)
    await take(pace, 1)
    left = []

    async def leave():
        await pace.wait_to_submit()
        left.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        await clock.advance(1)
        pace.pause(300)
        async with queued(pace, clock, Worth.READ) as read:
            await clock.advance(200)
            assert read == [(Worth.READ, WINDOW_S)]  # its turn is not lost either
        await clock.advance(200)

    assert left == [301.0]


async def test_a_shorter_pause_does_not_end_a_longer_one(clock):
    pace = Pace(clock)

    pace.pause(900)
    pace.pause(5)

    assert pace.paused_s == 900


async def test_who_plans_hears_of_a_pause_and_of_who_waits_for_it(clock):
    pace = Pace(clock)
    heard = []

    async def listen():
        while True:
            await pace.wait_for_change()
            heard.append((pace.paused_s, pace.is_holding))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await anyio.wait_all_tasks_blocked()
        pace.pause(60)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(pace.wait_to_submit)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()

    assert heard == [(60.0, False), (60.0, True)]


async def test_a_pause_is_known_to_the_next_process_and_to_others(clock, state):
    others = Pace(clock, state=state)
    Pace(clock, state=state).pause(900)
    clock.jump(100)

    later = Pace(clock, state=state)
    later.look()
    others.look()

    assert later.paused_s == others.paused_s == 800


# --- few surprises ----------------------------------------------------------------


async def test_few_submits_are_unanswered_as_long_as_a_cooldown_may_come(clock):
    pace = Pace(clock, first_posts=2)
    await submit(pace, 2)

    with anyio.move_on_after(0.01) as scope:
        await pace.wait_to_submit()
    assert scope.cancelled_caught

    pace.end_submit(is_accepted=True)
    await submit(pace, 1)


async def test_every_submit_that_waits_for_an_answer_has_its_turn(clock):
    pace = Pace(clock, first_posts=1)
    await submit(pace)
    left = []

    async def leave(number):
        await pace.wait_to_submit()
        left.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(leave, number)
        for count in range(5):
            await anyio.wait_all_tasks_blocked()
            assert len(left) == count
            pace.end_submit(is_accepted=True)

    assert sorted(left) == list(range(5))


async def test_once_many_were_accepted_many_may_be_unanswered(clock):
    pace = Pace(clock, first_posts=2)
    for _ in range(SURPRISED_AFTER):
        await submit(pace)
        pace.end_submit(is_accepted=True)

    await submit(pace, 20)


async def test_after_a_cooldown_one_tries_for_all(clock, state):
    pace = Pace(clock, state=state, first_posts=2)
    pace.pause(10)
    clock.jump(10)

    for careful in (pace, Pace(clock, state=state, first_posts=2)):
        await submit(careful)
        with anyio.move_on_after(0.01) as scope:
            await careful.wait_to_submit()
        assert scope.cancelled_caught


async def test_a_submit_that_hangs_does_not_hold_up_the_others(clock):
    pace = Pace(clock, first_posts=1)
    await submit(pace)
    left = []

    async def leave():
        await pace.wait_to_submit()
        left.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        await clock.advance(UNANSWERED_S)

    assert left == [UNANSWERED_S]


async def test_one_that_waited_for_its_turn_and_hangs_does_not_hold_up_the_others(
    clock,
):
    pace = Pace(clock, limit=2, first_posts=1)
    await take(pace, 2)
    left = []

    async def leave():
        await pace.wait_to_submit()
        left.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        for _ in range(2):  # the second begins while the first has not left
            tasks.start_soon(leave)
            await anyio.wait_all_tasks_blocked()
        await clock.advance(WINDOW_S + UNANSWERED_S)
        tasks.cancel_scope.cancel()

    assert left == [WINDOW_S, WINDOW_S + UNANSWERED_S]


async def test_a_turn_that_was_not_used_does_not_stay_good(clock):
    pace = Pace(clock, limit=2)
    await pace.wait_to_submit()
    await take(pace, 1)
    clock.jump(PERMIT_S + 0.1)

    with anyio.move_on_after(0.01) as scope:
        await pace.begin_submit()

    assert scope.cancelled_caught
