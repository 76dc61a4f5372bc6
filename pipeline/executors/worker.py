"""A worker of the process pool: tasks from stdin → replies to stdout.

It ends when stdin does: then the run has ended, or was killed.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from pipeline.executors.fetcher import open_fetcher
from pipeline.executors.frames import Frame, pack, read_frame
from pipeline.executors.messages import Setup, decode_setup


async def serve(source: BinaryIO, send: Callable[[bytes], object]) -> None:
    """Carry out the tasks that come, several at a time, until there are no more.

    Args:
        source: Where frames come from; read in a thread.
        send: Sends the bytes of a frame; blocking, but briefly.
    """
    frames, arrived = anyio.create_memory_object_stream[Frame](float("inf"))
    loop = asyncio.get_running_loop()
    threading.Thread(
        target=_read, args=(source, loop, frames.send_nowait, frames.close), daemon=True
    ).start()
    async with arrived:
        setup = await anext(arrived, None)
        if setup is not None:
            await _carry_out(decode_setup(setup.body), arrived, send)


async def _carry_out(
    setup: Setup,
    arrived: MemoryObjectReceiveStream[Frame],
    send: Callable[[bytes], object],
) -> None:
    running: dict[int, anyio.CancelScope] = {}
    async with open_fetcher(setup) as fetcher, anyio.create_task_group() as tasks:

        async def carry_out(frame: Frame) -> None:
            with anyio.CancelScope() as running[frame.number]:
                reply = await fetcher.perform(frame.body)
                send(pack(Frame(number=frame.number, body=reply)))
            if running.pop(frame.number).cancelled_caught:
                send(pack(Frame(number=frame.number)))

        send(pack(Frame(number=0)))
        async for frame in arrived:
            if frame.body:
                tasks.start_soon(carry_out, frame)
            elif frame.number in running:
                running[frame.number].cancel()
        tasks.cancel_scope.cancel()


def main() -> None:
    """Serve the process that has started this one."""
    # Ctrl-C at a terminal reaches the whole group; the run decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what anything prints must not come between the frames
    with suppress(BrokenPipeError):
        asyncio.run(serve(sys.stdin.buffer, replies.write))


def _read(
    source: BinaryIO,
    loop: asyncio.AbstractEventLoop,
    take: Callable[[Frame], None],
    close: Callable[[], None],
) -> None:
    """Pass frames on to the event loop; in a thread of its own."""
    with suppress(RuntimeError):  # the loop has ended
        try:
            while (frame := read_frame(source)) is not None:
                loop.call_soon_threadsafe(take, frame)
        finally:
            loop.call_soon_threadsafe(close)
