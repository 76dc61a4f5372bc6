"""QuickClock: time passes when nobody has anything else to do, and not before."""

import asyncio
import threading

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from doubles.quick_clock import QuickClock

ROUNDS = 20  # how often the loop goes idle while a thread is at work
LIMIT_S = 30.0  # for anything that is waited for


@pytest.fixture
def clock():
    return QuickClock()


@pytest.fixture
async def work():
    """A call that wakes the loop again and again, and lets it wait in between."""
    loop = asyncio.get_running_loop()

    def call():
        for _ in range(ROUNDS):
            woken = threading.Event()
            loop.call_soon_threadsafe(woken.set)
            assert woken.wait(LIMIT_S)

    return call


async def test_a_task_runs_until_it_waits_for_time(clock):
    steps = []

    async def take_steps():
        for step in range(100):
            steps.append(step)
            await anyio.lowlevel.checkpoint()
        await clock.sleep(1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take_steps)
        await clock.settle()
        assert len(steps) == 100
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("run", [asyncio.to_thread, anyio.to_thread.run_sync])
async def test_time_stands_still_while_a_thread_is_at_work(clock, work, run):
    ended_s = []

    async def work_in_a_thread():
        await run(work)
        ended_s.append(clock.monotonic_s())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work_in_a_thread)
        tasks.start_soon(clock.sleep, 1)
        await clock.advance(2)

    assert ended_s == [0]
    assert clock.monotonic_s() == 2


async def test_time_stands_still_until_the_thread_of_a_cancelled_task_ends(clock, work):
    ended = []
    begun = threading.Event()

    def work_and_end():
        begun.set()
        work()
        ended.append(True)

    task = asyncio.create_task(asyncio.to_thread(work_and_end))
    await asyncio.sleep(0)
    assert begun.wait(LIMIT_S)
    task.cancel()

    await clock.settle()

    assert task.cancelled()
    assert ended == [True]


async def test_it_asks_after_threads_that_the_loop_does_not_know(clock, work):
    ended = threading.Event()
    loop = asyncio.get_running_loop()

    def work_and_wake():
        work()
        ended.set()
        loop.call_soon_threadsafe(lambda: None)

    clock.is_busy = lambda: not ended.is_set()
    thread = threading.Thread(target=work_and_wake)
    thread.start()

    await clock.settle()

    assert ended.is_set()
    thread.join()


async def test_it_fails_where_nobody_waits_for_time(clock):
    with pytest.raises(AssertionError, match="none of them for time"):
        await clock.run_until(anyio.Event())


def test_it_runs_on_no_other_loop(clock):
    with pytest.raises(AssertionError, match="hook"):
        asyncio.run(clock.settle())
