"""The emulator as one thing that can be started: two listeners and a service.

::

    async with Emulator(profile=EmulatorProfile(ceiling=4)) as emulator:
        ...  # emulator.base_url, emulator.service, emulator.faults
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from aiohttp import web

from pipeline.clock import Clock, SystemClock
from pipeline.emulator.faults import FaultInjector
from pipeline.emulator.gallery import Gallery
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.service import EmulatedService
from pipeline.emulator.signing import Signer
from pipeline.emulator.web.account_routes import AccountRoutes
from pipeline.emulator.web.app import Addresses, Api
from pipeline.emulator.web.asset_routes import AssetRoutes
from pipeline.emulator.web.cdn import Cdn
from pipeline.emulator.web.job_routes import JobRoutes
from pipeline.emulator.web.upload_routes import UploadRoutes

SHUTDOWN_S = 0.05
SIGNAL_CHECK_S = 0.25


class Emulator:
    """A running stand-in for the service, as an async context manager.

    Args:
        profile: Answers to the open questions; the defaults make any key good and
            let a job take 1 to 3 s.
        clock: Where its time comes from.
        port: Of the API; 0 takes a free one.
        host: Where both listeners listen.
        cdn_port: Of the CDN; 0 takes a free one.
        state_file: Makes jobs, assets and credits survive a restart.
        faults: What goes wrong: probabilities by name, or the object itself.

    Raises:
        ValueError: An unknown fault, or a damaged state file.
        OSError: The state file or a port cannot be used.
    """

    def __init__(
        self,
        *,
        profile: EmulatorProfile | None = None,
        clock: Clock | None = None,
        port: int = 0,
        host: str = "127.0.0.1",
        cdn_port: int = 0,
        state_file: Path | None = None,
        faults: FaultInjector | Mapping[str, float] | None = None,
    ) -> None:
        self._host = host
        self._ports = (port, cdn_port)
        self._runners: list[web.AppRunner] = []
        self._addresses = Addresses()
        self.faults = (
            faults if isinstance(faults, FaultInjector) else FaultInjector(faults)
        )
        self.service = EmulatedService(
            profile or EmulatorProfile(), clock or SystemClock(), state_file
        )
        self.faults.reseed(self.service.profile.seed)

    @property
    def base_url(self) -> str:
        """Of the API, with ``/v1``; "" before it is started."""
        return f"{self._addresses.api}/v1" if self._addresses.api else ""

    @property
    def cdn_url(self) -> str:
        """Of the CDN; "" before it is started."""
        return self._addresses.cdn

    def counters(self) -> dict[str, object]:
        """What really happened; the same as ``GET /emulator/counters``."""
        return self.service.read_counters()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        gallery = Gallery(self.service.files)
        signer = Signer(f"emulator:{self.service.profile.seed}")
        api = Api(self.service, gallery, self.faults, signer, self._addresses)
        cap = self.service.profile.body_cap_bytes
        api_app = web.Application(client_max_size=cap)
        for routes in (
            JobRoutes(api),
            AssetRoutes(api),
            UploadRoutes(api),
            AccountRoutes(api),
        ):
            routes.add_to(api_app.router)
        api_app.router.add_get("/emulator/counters", self._send_counters)
        api_app.on_response_prepare.append(api.stamp_date)
        cdn_app = web.Application()
        Cdn(api).add_to(cdn_app.router)
        cdn_app.on_response_prepare.append(api.stamp_date)
        port, cdn_port = self._ports
        self._addresses.api = await self._listen(api_app, port)
        self._addresses.cdn = await self._listen(cdn_app, cdn_port)

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_S,
        )
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self._host, port, backlog=1024).start()
        bound = runner.addresses[0][1]
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{bound}"

    async def _stop(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()
        self.service.close()

    async def _send_counters(self, _request: web.Request) -> web.Response:
        return web.json_response(self.counters())


async def serve(
    *,
    port: int,
    profile: EmulatorProfile | None = None,
    fault_rates: Mapping[str, float] | None = None,
    seed: int | None = None,
    on_ready: Callable[[Emulator], None] | None = None,
    host: str = "127.0.0.1",
    state_file: Path | None = None,
) -> None:
    """Serve until the process is told to stop by SIGINT or SIGTERM.

    Args:
        port: Of the API; 0 takes a free one.
        profile: Answers to the open questions.
        fault_rates: Probability by name of the fault.
        seed: Takes the place of the profile's.
        on_ready: Called once, when requests are answered.
        host: Where to listen.
        state_file: Makes jobs, assets and credits survive a restart.

    Raises:
        ValueError: An unknown fault, or a damaged state file.
        OSError: The state file or the port cannot be used.
    """
    chosen = profile or EmulatorProfile()
    if seed is not None:
        chosen = replace(chosen, seed=seed)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopped.set)

    watched = [signal.SIGINT, signal.SIGTERM]
    before = {number: signal.signal(number, stop) for number in watched}
    try:
        async with Emulator(
            profile=chosen,
            port=port,
            host=host,
            state_file=state_file,
            faults=fault_rates,
        ) as emulator:
            if on_ready is not None:
                on_ready(emulator)
            await _until_set(stopped)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _until_set(stopped: asyncio.Event) -> None:
    if sys.platform != "win32":
        await stopped.wait()
        return
    # On Windows a signal is only seen when the loop wakes by itself.
    while not stopped.is_set():  # noqa: ASYNC110 - the sleep is the point
        await asyncio.sleep(SIGNAL_CHECK_S)
