"""Batcher: the calls of many tasks → few thread calls; what is ready shares one.

A thread call costs two wake-ups, and threads that run side by side compete for the
interpreter. For short pieces of work that costs more than the work itself. Here only
one batch runs at a time, in one thread, and wakes the event loop once. Trade-off: items
wait for each other, and no caller gets its result before the batch ends. Work that
waits long for a disk should have threads of its own.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import anyio

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Runs short pieces of work in a thread: ``await batcher.run(item)``.

    Args:
        work: Called with each item; blocking. The items of a batch are done in order of
            arrival.
        after_batch: Called after each batch with the results of the items that did not
            fail, before any caller gets its result; blocking. What it raises, all of
            them raise.
        max_batch_size: The most items in one batch.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        *,
        after_batch: Callable[[Sequence[R]], None] | None = None,
        max_batch_size: int = 32,
    ) -> None:
        self._work = work
        self._after_batch = after_batch
        self._max_batch_size = max_batch_size
        self._ready: deque[_Call[T]] = deque()
        self._is_working = False

    async def run(self, item: T) -> R:
        """Return what ``work`` returns for the item.

        If cancelled before its batch begins, the item is dropped; after that, the
        cancellation waits until it is done.

        Raises:
            Exception: Whatever ``work`` or ``after_batch`` raises.
            RuntimeError: No thread could be started.
        """
        call = _Call(item, asyncio.get_running_loop())
        self._ready.append(call)
        if self._is_working:
            try:
                await call.begun
            except BaseException:
                if call in self._ready:
                    self._ready.remove(call)
                else:  # its batch began at the same moment
                    with anyio.CancelScope(shield=True):
                        await asyncio.wait([call.done])
                raise
        else:
            self._begin()
        with anyio.CancelScope(shield=True):
            result: R = await call.done
        return result

    def _begin(self) -> None:
        count = min(len(self._ready), self._max_batch_size)
        batch = [self._ready.popleft() for _ in range(count)]
        items = [call.item for call in batch]
        loop = asyncio.get_running_loop()
        try:
            thread_call = loop.run_in_executor(None, self._carry_out, items)
        except RuntimeError as error:  # no thread can be started: nobody may wait
            batch += self._ready
            self._ready.clear()
            for call in batch:
                call.begin()
                call.end(error)
            return
        self._is_working = True
        thread_call.add_done_callback(lambda _call: self._end(batch, thread_call))
        for call in batch:
            call.begin()

    def _carry_out(self, items: Sequence[T]) -> list[R | Exception]:
        outcomes = [outcome_of(partial(self._work, item)) for item in items]
        if self._after_batch is not None:
            results = [one for one in outcomes if not isinstance(one, Exception)]
            failure = outcome_of(partial(self._after_batch, results))
            if isinstance(failure, Exception):
                outcomes = [
                    one if isinstance(one, Exception) else failure for one in outcomes
                ]
        return outcomes

    def _end(
        self,
        batch: Sequence["_Call[T]"],
        thread_call: "asyncio.Future[list[R | Exception]]",
    ) -> None:
        self._is_working = False
        outcomes: Sequence[object]
        if thread_call.cancelled():
            outcomes = [RuntimeError("the threads were shut down")] * len(batch)
        elif (failure := thread_call.exception()) is not None:
            outcomes = [failure] * len(batch)
        else:
            outcomes = thread_call.result()
        for call, outcome in zip(batch, outcomes, strict=True):
            call.end(outcome)
        if self._ready:
            self._begin()


class _Call(Generic[T]):
    """One item, and the futures its caller waits for.

    Attributes:
        begun: Set when its batch begins.
        done: Its result or exception.
    """

    __slots__ = ("begun", "done", "item")

    def __init__(self, item: T, loop: asyncio.AbstractEventLoop) -> None:
        self.item = item
        self.begun: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[Any] = loop.create_future()

    def begin(self) -> None:
        if not self.begun.done():
            self.begun.set_result(None)

    def end(self, outcome: object) -> None:
        settle(self.done, outcome)


def settle(waiting: "asyncio.Future[Any]", outcome: object) -> None:
    """Pass what :func:`outcome_of` returned to the waiter; on the event loop."""
    if waiting.done():  # its task was cancelled with the loop
        return
    if isinstance(outcome, BaseException):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)


def outcome_of(call: Callable[[], R]) -> R | Exception:
    """What a call returns or raises, in a form that a future accepts."""
    try:
        return call()
    except StopIteration as error:  # a future does not accept it
        return RuntimeError(f"unexpected {error!r}")
    except Exception as error:  # noqa: BLE001 - raised in the task that asked
        return error
