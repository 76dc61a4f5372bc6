"""Batcher: ready items share a thread call; none ends early, hangs or is lost."""

import asyncio
import threading

import anyio
import pytest

from pipeline.storage.batching import Batcher


class Bench:
    """Notes the batches; waits in the first one for ``may_go_on``."""

    def __init__(self, max_batch_size=32, after_batch=None) -> None:
        self.batcher = Batcher(
            self.work,
            after_batch=after_batch or self.end_batch,
            max_batch_size=max_batch_size,
        )
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.batches = []
        self.done = []
        self.threads = set()
        self.at_work = 0

    def work(self, item):
        self.at_work += 1
        assert self.at_work == 1, "two batches at a time"
        self.threads.add(threading.current_thread())
        if item == "first":
            self.begun.set()
            assert self.may_go_on.wait(10)
        self.done.append(item)
        self.at_work -= 1
        if isinstance(item, Exception):
            raise item
        return str(item)

    def end_batch(self, results):
        self.batches.append(list(results))

    async def do_all(self, items):
        """The first item alone, then all others while it is at work."""
        outcomes = {}

        async def do(item):
            try:
                outcomes[item] = await self.batcher.run(item)
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

    assert await bench.batcher.run(1) == "1"
    assert threading.main_thread() not in bench.threads
    assert bench.batches == [["1"]]


async def test_what_is_ready_together_is_one_batch_in_order():
    bench = Bench()

    outcomes = await bench.do_all(range(5))

    assert bench.batches == [["first"], ["0", "1", "2", "3", "4"]]
    assert outcomes == {"first": "first"} | {item: str(item) for item in range(5)}


async def test_a_batch_has_an_upper_size():
    bench = Bench(max_batch_size=2)

    await bench.do_all(range(5))

    assert bench.batches == [["first"], ["0", "1"], ["2", "3"], ["4"]]


async def test_an_item_that_fails_fails_alone():
    bench, error = Bench(), ValueError("bad")

    outcomes = await bench.do_all([1, error, 2])

    assert (outcomes[1], outcomes[error], outcomes[2]) == ("1", error, "2")
    assert bench.batches == [["first"], ["1", "2"]]


async def test_an_end_of_the_batch_that_fails_fails_all_that_had_not_failed():
    broken, error = OSError("disk"), ValueError("bad")

    def fail(results):
        if "first" not in results:
            raise broken

    bench = Bench(after_batch=fail)

    outcomes = await bench.do_all([1, error, 2])

    assert outcomes["first"] == "first"
    assert (outcomes[1], outcomes[error], outcomes[2]) == (broken, error, broken)


async def test_nobody_hears_before_the_end_of_the_batch():
    heard_in_time = []
    heard = []
    bench = Bench(after_batch=lambda _results: heard_in_time.append(list(heard)))

    async def do(item):
        heard.append(await bench.batcher.run(item))

    async with anyio.create_task_group() as tasks:
        for item in range(3):
            tasks.start_soon(do, item)

    assert heard_in_time[0] == []
    assert sorted(heard) == ["0", "1", "2"]


async def test_one_wake_up_of_the_event_loop_is_enough_for_a_batch(monkeypatch):
    bench = Bench()
    loop, wake_ups = asyncio.get_running_loop(), []
    real = loop.call_soon_threadsafe

    def count(*arguments, **named):
        wake_ups.append(1)
        return real(*arguments, **named)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(bench.batcher.run, "first")
        await asyncio.to_thread(bench.begun.wait, 10)
        monkeypatch.setattr(loop, "call_soon_threadsafe", count)
        for item in range(20):
            tasks.start_soon(bench.batcher.run, item)
        await anyio.wait_all_tasks_blocked()
        bench.may_go_on.set()

    assert len(wake_ups) == 2


async def test_what_has_begun_is_waited_for_and_what_has_not_is_not_done():
    bench = Bench()
    returned = []

    async def run(item):
        returned.append(await bench.batcher.run(item))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, "first")
        await asyncio.to_thread(bench.begun.wait, 10)
        tasks.start_soon(run, "second")
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        bench.may_go_on.set()

    assert bench.done == returned == ["first"]
    assert await bench.batcher.run("third") == "third"


@pytest.mark.parametrize("when", ["at first", "for the next batch"])
async def test_without_a_thread_everybody_hears_of_it_and_nobody_waits_for_ever(
    monkeypatch, when
):
    bench = Bench()
    loop, refused = asyncio.get_running_loop(), RuntimeError("can't start new thread")
    in_thread, begun = loop.run_in_executor, []

    def refuse(*arguments):
        begun.append(1)
        if when == "at first" or len(begun) > 1:
            raise refused
        return in_thread(*arguments)

    outcomes = {}

    async def run(item):
        try:
            outcomes[item] = await bench.batcher.run(item)
        except RuntimeError as error:
            outcomes[item] = error

    bench.may_go_on.set()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            monkeypatch.setattr(loop, "run_in_executor", refuse)
            for item in range(5):
                tasks.start_soon(run, item)
        monkeypatch.undo()
        assert await bench.batcher.run("later") == "later"

    first = refused if when == "at first" else "0"
    assert outcomes == {0: first} | dict.fromkeys(range(1, 5), refused)


async def test_an_error_that_no_future_takes_is_told_as_another():
    def stop(_item):
        raise StopIteration

    with anyio.fail_after(10), pytest.raises(RuntimeError, match="StopIteration"):
        await Batcher(stop).run(1)


async def test_a_task_that_was_torn_down_holds_up_nobody():
    bench = Bench()
    first = asyncio.create_task(bench.batcher.run("first"))
    await asyncio.to_thread(bench.begun.wait, 10)
    second = asyncio.create_task(bench.batcher.run("second"))
    third = asyncio.create_task(bench.batcher.run("third"))
    await asyncio.sleep(0)
    second.cancel()  # by asyncio, past every shield
    with pytest.raises(asyncio.CancelledError):
        await second
    bench.may_go_on.set()

    assert (await first, await third) == ("first", "third")
    assert bench.done == ["first", "third"]
