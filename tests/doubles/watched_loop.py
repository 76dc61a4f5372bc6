"""An event loop that says when it has nothing to do but wait.

asyncio asks its selector to wait only when no callback is ready: a timeout that is
not zero means that every task waits. ``WatchedLoop`` brings a selector of its own and
so learns of that moment. ``QuickClock`` needs this loop: a conftest whose tests use
the clock imports ``pytest_asyncio_loop_factories`` from here.
"""

import asyncio
import contextlib
import selectors
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest


class _WatchedSelector(selectors.DefaultSelector):
    """A selector that calls ``on_idle`` before it waits.

    Args:
        on_idle: Says whether it has given the loop something to do.
    """

    def __init__(self, on_idle: Callable[[], bool]) -> None:
        super().__init__()
        self._on_idle = on_idle

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        events = super().select(0)  # a thread or a socket may have come meanwhile
        if events or self._on_idle():
            return events
        return super().select(timeout)


class _CountingExecutor(ThreadPoolExecutor):
    """The loop's own threads, where aiofiles writes.

    Attributes:
        busy: Calls that have not ended, of cancelled tasks too; the loop is woken
            when it changes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(max_workers=4)
        self.busy = 0
        self._loop = loop

    def submit(self, call, /, *arguments, **named):
        self.busy += 1
        future: Future[Any] = super().submit(call, *arguments, **named)
        future.add_done_callback(self._note_done)
        return future

    def _note_done(self, _future: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self.busy -= 1


class WatchedLoop(asyncio.SelectorEventLoop):
    """The usual loop of selectors, with :meth:`until_idle`."""

    def __init__(self) -> None:
        self._watchers: list[tuple[asyncio.Future[None], Callable[[], bool]]] = []
        self._results_awaited = 0
        super().__init__(_WatchedSelector(self._tell_watchers))
        self._threads = _CountingExecutor(self)
        self.set_default_executor(self._threads)

    async def until_idle(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        """Return when no callback is ready and no thread works for this loop.

        Timers of the loop do not count as work.

        Args:
            is_busy: Whether somebody is at work of whom the loop does not know, and
                who wakes it at the end; asked whenever the loop is idle.
        """
        idle = self.create_future()
        self._watchers.append((idle, is_busy))
        await idle

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *arguments: Any
    ) -> asyncio.Future[Any]:
        """As ever; the loop is busy until it has the result."""
        result = super().run_in_executor(executor, func, *arguments)
        self._results_awaited += 1
        result.add_done_callback(self._note_result)
        return result

    def _note_result(self, _result: asyncio.Future[Any]) -> None:
        self._results_awaited -= 1

    def _tell_watchers(self) -> bool:
        if self._results_awaited or self._threads.busy:
            return False
        watchers, self._watchers = self._watchers, []
        for idle, is_busy in watchers:
            if idle.done():
                continue
            if is_busy():
                self._watchers.append((idle, is_busy))
            else:
                idle.set_result(None)
        return len(self._watchers) < len(watchers)


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests beside a conftest that imports this hook on such a loop."""
    if sys.platform == "win32" and "shell" in getattr(item, "fixturenames", ()):
        return {"usual": asyncio.new_event_loop}  # only that one starts processes
    return {"watched": WatchedLoop}
