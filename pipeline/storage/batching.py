"""Batcher: the calls of many tasks → few thread hops; what is ready goes together.

A hop to a thread and back costs two wake-ups, and threads that run beside each other
take the interpreter from each other: for short pieces of work that is more than the
work itself. Here one batch is in one thread at a time, and the event loop is woken
once for all of it. Trade-off: items wait for each other, and nobody hears of an end
before the end of the batch; work that waits long for a disk wants threads of its own.
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
    """Does some short work in a thread: ``await batcher.run(item)``.

    Args:
        work: What is done with each item; blocking. Items of one batch in the order
            in which they came.
        after_batch: Called after each batch with what came of its items, those that
            failed left out, before anybody hears of it; blocking. What it raises goes
            to all of them.
        max_batch_size: Items of one batch.
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
        """What ``work`` returns for the item.

        Cancelled before its batch has begun, it is not done; later, it is waited for.

        Raises:
            Exception: Whatever ``work`` or ``after_batch`` raises.
            RuntimeError: No thread could be had.
        """
        call = _Call(item, asyncio.get_running_loop())
        self._ready.append(call)
        if self._is_working:
            try:
                await call.begun
            except BaseException:
                if call in self._ready:
                    self._ready.remove(call)
                else:  # it began at the same moment
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
            hop = loop.run_in_executor(None, self._carry_out, items)
        except RuntimeError as error:  # no thread to be had: nobody shall wait for it
            batch += self._ready
            self._ready.clear()
            for call in batch:
                call.begin()
                call.end(error)
            return
        self._is_working = True
        hop.add_done_callback(lambda _hop: self._end(batch, hop))
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
        hop: "asyncio.Future[list[R | Exception]]",
    ) -> None:
        self._is_working = False
        outcomes: Sequence[object]
        if hop.cancelled():
            outcomes = [RuntimeError("the threads were shut down")] * len(batch)
        elif (failure := hop.exception()) is not None:
            outcomes = [failure] * len(batch)
        else:
            outcomes = hop.result()
        for call, outcome in zip(batch, outcomes, strict=True):
            call.end(outcome)
        if self._ready:
            self._begin()


class _Call(Generic[T]):
    """One item and who waits for it.

    Attributes:
        begun: Its batch is at work.
        done: What came of it.
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
    """Give what :func:`outcome_of` found to who waits for it; on the event loop."""
    if waiting.done():  # its task was torn down with the loop
        return
    if isinstance(outcome, BaseException):
        waiting.set_exception(outcome)
    else:
        waiting.set_result(outcome)


def outcome_of(call: Callable[[], R]) -> R | Exception:
    """What a call returns or raises, in a form that a future takes."""
    try:
        return call()
    except StopIteration as error:  # no future takes it
        return RuntimeError(f"unexpected {error!r}")
    except Exception as error:  # noqa: BLE001 - goes to the task that asked
        return error
