"""What runs on the workers of a Dask cluster. It needs the package, and nothing else.

Dask shows and logs the arguments of what it runs: a message is sealed, so that no text
form of it shows the signed URL in it.
"""

import asyncio
from contextlib import AsyncExitStack

from pipeline.executors.fetcher import Fetcher, open_fetcher
from pipeline.executors.messages import Setup
from pipeline.version import __version__


class Sealed:
    """A message that no text form shows.

    Attributes:
        content: The message.
    """

    __slots__ = ("content",)

    def __init__(self, content: bytes) -> None:
        self.content = content

    def __repr__(self) -> str:
        return "<sealed>"


class _Serving:
    """Carries out the tasks of one run on one event loop."""

    def __init__(self, setup: Setup) -> None:
        self._stack = AsyncExitStack()
        self._fetcher = asyncio.ensure_future(self._open(setup))

    async def perform(self, content: bytes) -> bytes:
        # Shielded: the first task may be given up while others wait for the same.
        fetcher = await asyncio.shield(self._fetcher)
        return await fetcher.perform(content)

    async def close(self) -> None:
        self._fetcher.cancel()
        await asyncio.wait([self._fetcher])
        await self._stack.aclose()

    async def _open(self, setup: Setup) -> Fetcher:
        return await self._stack.enter_async_context(open_fetcher(setup))


# By run, and by the event loop: in a test, several workers may share one.
_serving: dict[tuple[str, asyncio.AbstractEventLoop], _Serving] = {}


async def perform(run: str, setup: Setup, task: Sealed) -> Sealed:
    """Carry out a task of a run; the reply, sealed."""
    key = (run, asyncio.get_running_loop())
    if key not in _serving:
        _serving[key] = _Serving(setup)
    return Sealed(await _serving[key].perform(task.content))


async def leave(run: str) -> None:
    """Close what a run has opened on this worker."""
    serving = _serving.pop((run, asyncio.get_running_loop()), None)
    if serving is not None:
        await serving.close()


def find_version() -> str:
    """The version of the package where this is called."""
    return __version__
