"""Heartbeat: lets a screen speak while nothing happens."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from pipeline.activity import Activity
from pipeline.cli.console.screen import PhaseScreen
from pipeline.clock import Clock, SystemClock
from pipeline.running.progress import Progress

BEAT_S = 1.0

T = TypeVar("T")


async def with_heartbeat(
    work: Coroutine[Any, Any, T], beat: Callable[[], None], clock: Clock
) -> T:
    """The result of the work; meanwhile, ``beat`` is called once a second.

    Args:
        work: What the command does.
        beat: Quick; decides itself whether there is something to say.
        clock: The source of time.
    """

    async def pulse() -> None:
        while True:
            await clock.sleep(BEAT_S)
            beat()

    heart = asyncio.create_task(pulse())
    try:
        return await work
    finally:
        heart.cancel()


def run_shown(work: Callable[[Activity], Coroutine[Any, Any, T]]) -> T:
    """The result of a command that has no screen of its own; what takes long is said.

    Args:
        work: What the command does; it is given what it has to tell.
    """
    progress = Progress(SystemClock())
    screen = PhaseScreen(progress)
    return asyncio.run(
        with_heartbeat(work(progress.activity), screen.beat, progress.clock)
    )
