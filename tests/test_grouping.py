"""Grouped: what is ready together shares a hop; nobody hears early, nothing is lost."""

import asyncio
import threading

import anyio
import pytest

from pipeline.grouping import Grouped


class Bench:
    """Notes the groups; waits in the first one for ``may_go_on``."""

    def __init__(self, most=32, then=None) -> None:
        self.grouped = Grouped(self.work, then=then or self.end_group, most=most)
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.groups = []
        self.done = []
        self.threads = set()
        self.at_work = 0

    def work(self, item):
        self.at_work += 1
        assert self.at_work == 1, "two groups at a time"
        self.threads.add(threading.current_thread())
        if item == "first":
            self.begun.set()
            assert self.may_go_on.wait(10)
        self.done.append(item)
        self.at_work -= 1
        if isinstance(item, Exception):
            raise item
        return str(item)

    def end_group(self, results):
        self.groups.append(list(results))

    async def do_all(self, items):
        """The first item alone, then all others while it is at work."""
        outcomes = {}

        async def do(item):
            try:
                outcomes[item] = await self.grouped.do(item)
            except Exception as error:  # noqa: BLE001 - for the test to look at
                outcomes[item] = error

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(do, "first")
            await asyncio.to_thread(self.begun.wait, 10)
            for item in items:
                tasks.start_soon(do, item)
            await anyio.wait_all_tasks_blocked()
            self.may_go_on.set()
        return outcomes


async def test_one_item_is_done_in_a_thread():
    bench = Bench()

    assert await bench.grouped.do(1) == "1"
    assert threading.main_thread() not in bench.threads
    assert bench.groups == [["1"]]


async def test_what_is_ready_together_is_one_group_in_order():
    bench = Bench()

    outcomes = await bench.do_all(range(5))

    assert bench.groups == [["first"], ["0", "1", "2", "3", "4"]]
    assert outcomes == {"first": "first"} | {item: str(item) for item in range(5)}


async def test_a_group_has_an_upper_size():
    bench = Bench(most=2)

    await bench.do_all(range(5))

    assert bench.groups == [["first"], ["0", "1"], ["2", "3"], ["4"]]


async def test_an_item_that_fails_fails_alone():
    bench, error = Bench(), ValueError("bad")

    outcomes = await bench.do_all([1, error, 2])

    assert (outcomes[1], outcomes[error], outcomes[2]) == ("1", error, "2")
    assert bench.groups == [["first"], ["1", "2"]]


async def test_an_end_of_the_group_that_fails_fails_all_that_had_not_failed():
    broken, error = OSError("disk"), ValueError("bad")

    def fail(results):
        if "first" not in results:
            raise broken

    bench = Bench(then=fail)

    outcomes = await bench.do_all([1, error, 2])

    assert outcomes["first"] == "first"
    assert (outcomes[1], outcomes[error], outcomes[2]) == (broken, error, broken)


async def test_nobody_hears_before_the_end_of_the_group():
    heard_in_time = []
    bench = Bench(then=lambda _results: heard_in_time.append(list(heard)))
    heard = []

    async def do(item):
        heard.append(await bench.grouped.do(item))

    async with anyio.create_task_group() as tasks:
        for item in range(3):
            tasks.start_soon(do, item)

    assert heard_in_time[0] == []
    assert sorted(heard) == ["0", "1", "2"]


async def test_one_wake_up_of_the_event_loop_is_enough_for_a_group(monkeypatch):
    bench = Bench()
    loop, wake_ups = asyncio.get_running_loop(), []
    real = loop.call_soon_threadsafe

    def count(*arguments, **named):
        wake_ups.append(1)
        return real(*arguments, **named)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.grouped.do, "first")
        await asyncio.to_thread(bench.begun.wait, 10)
        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        for item in range(20):
            tasks.start_soon(bench.grouped.do, item)
        await anyio.wait_all_tasks_blocked()
        bench.may_go_on.set()

    assert len(wake_ups) == 2


async def test_what_is_cancelled_is_done_all_the_same_and_waited_for():
    bench = Bench()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.grouped.do, "first")
        await asyncio.to_thread(bench.begun.wait, 10)
        tasks.start_soon(bench.grouped.do, "second")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        bench.may_go_on.set()

    assert bench.done == ["first", "second"]


async def test_a_task_that_was_torn_down_holds_up_nobody():
    bench = Bench()
    first = asyncio.create_task(bench.grouped.do("first"))
    await asyncio.to_thread(bench.begun.wait, 10)
    second = asyncio.create_task(bench.grouped.do("second"))
    third = asyncio.create_task(bench.grouped.do("third"))
    await asyncio.sleep(0)
    second.cancel()  # by asyncio, past every shield
    with pytest.raises(asyncio.CancelledError):
        await second
    bench.may_go_on.set()

    assert (await first, await third) == ("first", "third")
    assert bench.done == ["first", "second", "third"]
