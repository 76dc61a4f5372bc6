"""Requests that wait for their turn at a pace."""

from contextlib import asynccontextmanager

import anyio

from pipeline.api.pacing import Worth


@asynccontextmanager
async def queued(pace, clock, *worths):
    """A request of each worth, begun in this order; notes when each leaves."""
    left = []

    async def leave(worth):
        await pace.wait_for_turn(worth)
        left.append((worth, clock.monotonic_s()))

    async with anyio.create_task_group() as tasks:
        for worth in worths:
            tasks.start_soon(leave, worth)
            await anyio.wait_all_tasks_blocked()
        yield left
        tasks.cancel_scope.cancel()


async def take(pace, count, worth=Worth.OTHER):
    """Turns that have to be free at once."""
    with anyio.fail_after(1):
        for _ in range(count):
            await pace.wait_for_turn(worth)


async def submit(pace, count=1):
    """Submits that may leave at once and are not answered."""
    with anyio.fail_after(1):
        for _ in range(count):
            await pace.wait_to_submit()
            await pace.begin_submit()
