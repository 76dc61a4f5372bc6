"""Starts and stops the emulator: one service behind two listeners.

::

    async with Emulator(profile=EmulatorProfile.of(ceiling=4)) as emulator:
        ...  # emulator.base_url, emulator.service, emulator.faults
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from aiohttp import web

from pipeline.clock import Clock, SystemClock
from pipeline.emulator.fault_injector import FaultInjector
from pipeline.emulator.gallery import Gallery
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.service import EmulatedService
from pipeline.emulator.signing import Signer
from pipeline.emulator.web.account_routes import AccountRoutes
from pipeline.emulator.web.app import Api
from pipeline.emulator.web.asset_routes import AssetRoutes
from pipeline.emulator.web.cdn import Cdn
from pipeline.emulator.web.job_routes import JobRoutes
from pipeline.emulator.web.upload_routes import UploadRoutes
from pipeline.emulator.web.urls import Addresses, SignedUrls

SHUTDOWN_S = 0.05
SIGNAL_CHECK_S = 0.25


class Emulator:
    """A stand-in for the service that runs as an async context manager.

    Args:
        profile: How it behaves. By default, it accepts any key, and a job takes 1 to
            3 seconds.
        clock: The source of its time.
        port: The port of the API. 0 takes a free one.
        host: The address of both listeners.
        cdn_port: The port of the CDN. 0 takes a free one.
        state_file: Lets jobs, assets and credits survive a restart.
        faults: The faults: their probabilities by name, or an injector.

    Raises:
        ValueError: A fault is unknown, or the state file is damaged.
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
        self._profile = profile or EmulatorProfile()
        self.faults = (
            faults if isinstance(faults, FaultInjector) else FaultInjector(faults)
        )
        self.service = EmulatedService(
            self._profile, clock or SystemClock(), state_file
        )
        self.faults.reseed(self.service.seed)

    @property
    def base_url(self) -> str:
        """The URL of the API with ``/v1``; "" before it is started."""
        return f"{self._addresses.api}/v1" if self._addresses.api else ""

    @property
    def cdn_url(self) -> str:
        """The URL of the CDN; "" before it is started."""
        return self._addresses.cdn

    def counters(self) -> dict[str, object]:
        """What has happened; the same as ``GET /emulator/counters``."""
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
        profile, service = self._profile, self.service
        gallery = Gallery(service.files)
        urls = SignedUrls(
            Signer(f"emulator:{service.seed}"),
            self._addresses,
            service.timeline,
            cdn_lifetime_s=profile.cdn.cdn_lifetime_s,
            part_lifetime_s=profile.uploads.part_lifetime_s,
        )
        api = Api(
            profile.limits,
            service,
            self.faults,
            hang_s=profile.hang_s,
            answer_delay_s=profile.answer_delay_s,
            date_skew_s=profile.date_skew_s,
        )
        part_status = profile.uploads.part_status
        api_app = web.Application(client_max_size=profile.limits.body_cap_bytes)
        for routes in (
            JobRoutes(api, service),
            AssetRoutes(api, service, profile.assets, gallery, urls),
            UploadRoutes(api, service, urls, part_status=part_status),
            AccountRoutes(api, service),
        ):
            routes.add_to(api_app.router)
        api_app.router.add_get("/emulator/counters", self._send_counters)
        api_app.on_response_prepare.append(api.stamp)
        cdn_app = web.Application()
        Cdn(api, service, profile.cdn, gallery, urls).add_to(cdn_app.router)
        cdn_app.on_response_prepare.append(api.stamp)
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
    """Serve until the process receives SIGINT or SIGTERM.

    Args:
        port: The port of the API. 0 takes a free one.
        profile: How the emulator behaves.
        fault_rates: The probability of each fault, by name.
        seed: Replaces the profile's seed.
        on_ready: Called once, when the emulator answers requests.
        host: The address to listen on.
        state_file: Lets jobs, assets and credits survive a restart.

    Raises:
        ValueError: A fault is unknown, or the state file is damaged.
        OSError: The state file or the port cannot be used.
    """
    chosen = profile or EmulatorProfile()
    if seed is not None:
        chosen = chosen.replace(seed=seed)
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
    # On Windows, a signal is only noticed when the event loop wakes up.
    while not stopped.is_set():  # noqa: ASYNC110 - the sleep is the point
        await asyncio.sleep(SIGNAL_CHECK_S)
