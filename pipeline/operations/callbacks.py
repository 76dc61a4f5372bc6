"""Callbacks of the caller, which may be plain functions or async ones."""

import inspect
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import anyio.from_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from pipeline.errors import find_only

T = TypeVar("T")


async def call(callback: Callable[[T], object], value: T) -> None:
    """Call a callback, and wait for it if it is async."""
    found = callback(value)
    if inspect.isawaitable(found):
        await found


def in_thread(callback: Callable[[T], object]) -> Callable[[T], None]:
    """The callback as a plain function, to be called in a worker thread.

    An async callback runs on the event loop, and the thread waits for it.
    """

    def call_it(value: T) -> None:
        found = callback(value)
        if inspect.isawaitable(found):
            anyio.from_thread.run(_finish, found)

    return call_it


@asynccontextmanager
async def relaying(
    callback: Callable[[T], object],
) -> AsyncIterator[Callable[[T], None]]:
    """The callback as a plain function, to be called on the event loop.

    What an async callback returns is awaited by a task, one after the other in the
    order of the calls. The end of the block waits for all of them. An exception of an
    async callback ends the block.
    """
    send, receive = anyio.create_memory_object_stream[Awaitable[object]](math.inf)

    def call_it(value: T) -> None:
        found = callback(value)
        if inspect.isawaitable(found):
            send.send_nowait(found)

    async def await_each() -> None:
        async for found in receive:
            await found

    error: BaseException | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(await_each)
            with send:
                yield call_it
    except BaseExceptionGroup as group:
        error = find_only(group)
    finally:
        _drop_rest(receive)
    if error is not None:
        raise error  # outside of the handler, so that it keeps its own cause


def _drop_rest(receive: MemoryObjectReceiveStream[Awaitable[object]]) -> None:
    """Close what will not be awaited any more, so that Python does not complain."""
    with receive:
        while True:
            try:
                found = receive.receive_nowait()
            except (anyio.WouldBlock, anyio.EndOfStream):
                return
            if inspect.iscoroutine(found):
                found.close()


async def _finish(found: Awaitable[object]) -> None:
    await found
