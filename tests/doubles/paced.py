"""Requests that wait for their turn at a pace."""

from contextlib import asynccontextmanager

import anyio

from pipeline.api.rate_limiter import Priority


@asynccontextmanager
async def queued(rate_limiter, clock, *priorities):
    """A request of each priority, begun in this order; notes when each leaves."""
    left = []

    async def leave(priority):
        await rate_limiter.wait_for_turn(priority)
        left.append((priority, clock.monotonic_s()))

    async with anyio.create_task_group() as tasks:
        for priority in priorities:
            tasks.start_soon(leave, priority)
            await anyio.wait_all_tasks_blocked()
        yield left
        tasks.cancel_scope.cancel()


async def take(rate_limiter, count, priority=Priority.OTHER):
    """Turns that have to be free at once."""
    with anyio.fail_after(1):
        for _ in range(count):
            await rate_limiter.wait_for_turn(priority)


async def submit(rate_limiter, count=1):
    """Submits that may leave at once and are not answered."""
    with anyio.fail_after(1):
        for _ in range(count):
            await rate_limiter.wait_to_submit()
            await rate_limiter.begin_submit()
