"""A clock, the service and its CDN in process, and a way to let time pass."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.abc
import pytest

from doubles.api import FakeApi
from doubles.quick_clock import QuickClock
from doubles.transfer import FakeTransfer
from pipeline.settings import Settings

T = TypeVar("T")


@pytest.fixture
def clock() -> QuickClock:
    return QuickClock()


@pytest.fixture
def api(clock) -> FakeApi:
    return FakeApi(clock)


@pytest.fixture
def transfer(api) -> FakeTransfer:
    return FakeTransfer(api)


@pytest.fixture
def settings() -> Settings:
    return Settings(settle_s=10.0, submit_timeout_s=5.0)


@pytest.fixture
def finish(clock: QuickClock) -> Callable[[Callable[[], Awaitable[T]]], Awaitable[T]]:
    """Call something and let time pass until it returns."""
    return clock.finish


@pytest.fixture
def in_background():
    """Run an endless task beside the block; what it raises is collected."""

    @asynccontextmanager
    async def run(task: Callable[[], Awaitable[None]]) -> AsyncIterator[list[Any]]:
        raised: list[Exception] = []

        async def guarded() -> None:
            try:
                await task()
            except Exception as error:  # noqa: BLE001 - for the test to look at
                raised.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(guarded)
            yield raised
            tasks.cancel_scope.cancel()

    return run
