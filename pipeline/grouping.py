"""Grouped: the calls of many tasks → few thread hops; what is ready goes together.

A hop to a thread and back costs two wake-ups, and threads that run beside each other
take the interpreter from each other: for short pieces of work that is more than the
work itself. Here one group is in one thread at a time, and the event loop is woken
once for all of it. Trade-off: nobody hears of an end before the end of the group.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import anyio

T = TypeVar("T")
R = TypeVar("R")


class Grouped(Generic[T, R]):
    """Does some short work in a thread: ``await grouped.do(item)``.

    Args:
        work: What is done with each item; blocking. Items of one group in the order
            in which they came.
        then: Called after each group with what came of its items, those that failed
            left out, before anybody hears of it; blocking. What it raises goes to all
            of them.
        most: Items of one group.
    """

    def __init__(
        self,
        work: Callable[[T], R],
        *,
        then: Callable[[Sequence[R]], None] | None = None,
        most: int = 32,
    ) -> None:
        self._work = work
        self._then = then
        self._most = most
        self._ready: deque[_Call[T]] = deque()
        self._is_working = False

    async def do(self, item: T) -> R:
        """What ``work`` returns for the item; it is done even when cancelled.

        Raises:
            Exception: Whatever ``work`` or ``then`` raises.
        """
        call = _Call(item, asyncio.get_running_loop().create_future())
        self._ready.append(call)
        if not self._is_working:
            self._begin_group()
        with anyio.CancelScope(shield=True):
            result: R = await call.done
        return result

    def _begin_group(self) -> None:
        count = min(len(self._ready), self._most)
        group = [self._ready.popleft() for _ in range(count)]
        self._is_working = True
        loop = asyncio.get_running_loop()
        hop = loop.run_in_executor(None, self._carry_out, [one.item for one in group])
        hop.add_done_callback(lambda _hop: self._end_group(group, hop))

    def _carry_out(self, items: Sequence[T]) -> list[R | Exception]:
        outcomes: list[R | Exception] = []
        for item in items:
            try:
                outcomes.append(self._work(item))
            except Exception as error:  # noqa: BLE001 - goes to the task that asked
                outcomes.append(error)
        if self._then is not None:
            results = [one for one in outcomes if not isinstance(one, Exception)]
            try:
                self._then(results)
            except Exception as error:  # noqa: BLE001 - goes to the tasks that asked
                outcomes = [
                    one if isinstance(one, Exception) else error for one in outcomes
                ]
        return outcomes

    def _end_group(
        self,
        group: Sequence["_Call[T]"],
        hop: "asyncio.Future[list[R | Exception]]",
    ) -> None:
        self._is_working = False
        if self._ready:
            self._begin_group()
        if hop.cancelled():  # the loop is closing
            for call in group:
                call.done.cancel()
            return
        failure = hop.exception()
        outcomes = [failure] * len(group) if failure is not None else hop.result()
        for call, outcome in zip(group, outcomes, strict=True):
            if call.done.done():  # its task was torn down with the loop
                continue
            if isinstance(outcome, BaseException):
                call.done.set_exception(outcome)
            else:
                call.done.set_result(outcome)


class _Call(Generic[T]):
    __slots__ = ("done", "item")

    def __init__(self, item: T, done: "asyncio.Future[Any]") -> None:
        self.item = item
        self.done = done
