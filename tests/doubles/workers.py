"""A CDN that other processes can reach, workers in this process, and a Dask cluster."""

import asyncio
import atexit
import contextlib
import io
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from aiohttp import web
from PIL import Image

from doubles.pictures import png_bytes
from pipeline.assets.embedding import Making, Reference
from pipeline.assets.fetching import FetchSpec
from pipeline.assets.treatment import Treatment
from pipeline.executors.environment import command_of, without_credentials
from pipeline.executors.messages import Setup
from pipeline.job import AssetId
from pipeline.save_spec import CheckSpec, SaveSpec, Saving
from pipeline.storage.folder import Folder

PNG = png_bytes("red", 64, 48)
SECRET = "Signature=s3cretOfTheSignedUrl"
SETUP = Setup(loopback=True, connect_timeout_s=10.0, read_timeout_s=30.0)


TREATMENT = Treatment(
    saving=Saving(
        save=SaveSpec(format="webp", resize=(3, 4), embed=True),
        checks=CheckSpec(similar_to_another=0.9),
    ),
    making=Making(
        model_id="m",
        request={"prompt": "é", "images": ["a", {"b": None}], "x": 1.5},
        seed=7,
        item_id="oak",
        job_id="job_1",
        asset_id="asset_1",
        references=(Reference(asset_id="asset_2", path="a.png", sha256="00"),),
    ),
    compares=True,
)


def noise_of(side_px: int) -> bytes:
    """A PNG that does not compress."""
    target = io.BytesIO()
    Image.effect_noise((side_px, side_px), 90).convert("RGB").save(target, "PNG")
    return target.getvalue()


class Cdn:
    """Signed URLs on this machine.

    Attributes:
        files: The content of each path.
        reads: The path of each request.
        on_read: Awaited before each answer.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {
            "right.png": PNG,
            "page.html": b"<!doctype html>",
        }
        self.reads: list[str] = []
        self.on_read: Callable[[], Any] = anyio.lowlevel.checkpoint
        self._base_url = ""

    def spec(self, folder: Any, name: str = "right.png", **changes: Any) -> FetchSpec:
        """What to fetch; ``folder`` is a path or a store."""
        values = {
            "asset_id": AssetId("asset_1"),
            "url": f"{self._base_url}/{name}?{SECRET}",
            "store": Folder(folder) if isinstance(folder, Path) else folder,
            "size_bytes": None,
            "kind": "image",
            "media_type": "image/png",
        }
        return FetchSpec(**{**values, **changes})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.reads.append(name)
        await self.on_read()
        if name.isdecimal():
            return web.Response(status=int(name))
        content = self.files[name.removeprefix("short-")]
        if name.startswith("short-"):
            response = web.StreamResponse(headers={"Content-Length": str(len(content))})
            await response.prepare(request)
            await response.write(content[:30])
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(body=content)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Cdn"]:
        app = web.Application()
        app.router.add_get("/{name}", self._answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


def started() -> None:
    """A task has begun, and nobody is told."""


class FakeWorkers:
    """Workers whose replies a test decides.

    Args:
        perform: Gives the reply to a task.

    Attributes:
        script: Raised instead of replying, one after the other; None for a reply.
        tasks: Every task.
    """

    def __init__(self, perform: Callable[[bytes], Any]) -> None:
        self._perform = perform
        self.script: list[Exception | bytes | None] = []
        self.tasks: list[bytes] = []

    async def run(
        self, task: bytes, on_start: Callable[[], None] = lambda: None
    ) -> bytes:
        on_start()
        self.tasks.append(task)
        next_one = self.script.pop(0) if self.script else None
        if isinstance(next_one, Exception):
            raise next_one
        reply: bytes = await self._perform(task) if next_one is None else next_one
        return reply

    async def run_everywhere(self, task: bytes) -> Sequence[bytes]:
        return [await self.run(task)]


@contextlib.asynccontextmanager
async def in_own_task(context: Any) -> AsyncIterator[Any]:
    """Enter and leave a context in one task: a fixture has one for each."""
    entered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            entered.set_result(value)
            await over.wait()

    task = asyncio.create_task(hold())
    await asyncio.wait([task, entered], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield await entered if entered.done() else None
    finally:
        over.set()
        await task


@cache
def start_cluster() -> str:
    """The cluster of this process, which ends with it; its address."""
    process = subprocess.Popen(
        command_of("pipeline.executors.local_cluster", "2"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        # Not measured: what runs there is tested in process too.
        env={**without_credentials(os.environ), "COVERAGE_PROCESS_CONFIG": ""},
        text=True,
    )
    atexit.register(_end_cluster, process)
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _end_cluster(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=10)  # it ends when its stdin does
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@pytest.fixture
def dask_address() -> str:
    """The scheduler of a cluster of two workers, one for all tests of a process."""
    return start_cluster()
