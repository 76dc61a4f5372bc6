"""Fixtures of the emulator: a manual clock, a service on it, a running emulator."""

import base64
import contextlib
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from doubles.emulator_clock import ManualClock
from PIL import Image
from scenario_sdk import AsyncScenario, DefaultAioHttpClient

from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.emulator.service import EmulatedService

MODEL = "model_wan-2-7-image"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_service(clock) -> Callable[..., EmulatedService]:
    def make(**knobs: Any) -> EmulatedService:
        values = {"seed": 7, "job_seconds": (10.0, 10.0), **knobs}
        return EmulatedService(EmulatorProfile.of(**values), clock)

    return make


@pytest.fixture
def submit() -> Callable[..., str]:
    """Submit to a service and give the job's id."""

    def send(service: EmulatedService, prompt: str = "an oak", **inputs: Any) -> str:
        answer = service.submit(MODEL, {"prompt": prompt, **inputs}, "apiu_me")
        body: Any = answer.body
        return str(body["job"]["jobId"])

    return send


class Client:
    """Bare requests to a running emulator."""

    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        token = base64.b64encode(b"key:secret").decode()
        self.headers = {"Authorization": f"Basic {token}"}

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        url = self.emulator.base_url + path
        options.setdefault("headers", self.headers)
        async with self.session.request(method, url, **options) as response:
            return response.status, await response.json(content_type=None)

    async def submit(self, prompt: str = "an oak", **inputs: Any) -> tuple[int, Any]:
        body = {"prompt": prompt, **inputs}
        return await self.call("POST", f"/generate/custom/{MODEL}", json=body)

    async def make_asset(self, clock: ManualClock, **inputs: Any) -> dict[str, Any]:
        """Submit, let the job end, and read its first asset."""
        inputs = {"prompt": "an oak", "size": "1K", **inputs}
        _, made = await self.submit(**inputs)
        clock.advance(60)
        _, read = await self.call("GET", f"/jobs/{made['job']['jobId']}")
        asset_id = read["job"]["metadata"]["assetIds"][0]
        _, answer = await self.call("GET", f"/assets/{asset_id}?originalAssets=true")
        asset: dict[str, Any] = answer["asset"]
        return asset

    async def download(self, url: str, **options: Any) -> tuple[int, bytes, Any]:
        async with self.session.get(url, **options) as response:
            return response.status, await response.read(), response.headers


@pytest.fixture
def start(clock) -> Callable[..., Any]:
    """Run an emulator with these knobs; gives a client of it."""

    @contextlib.asynccontextmanager
    async def run(**knobs: Any) -> AsyncIterator[Client]:
        state_file = knobs.pop("state_file", None)
        faults = knobs.pop("faults", None)
        values = {"seed": 7, "job_seconds": (10.0, 10.0), "pixels_divisor": 8, **knobs}
        emulator = Emulator(
            profile=EmulatorProfile.of(**values),
            clock=clock,
            state_file=state_file,
            faults=faults,
        )
        async with emulator, aiohttp.ClientSession() as session:
            yield Client(emulator, session)

    return run


@pytest.fixture
def png() -> Callable[..., bytes]:
    def make(width: int = 40, height: int = 30, colour: str = "teal") -> bytes:
        target = io.BytesIO()
        Image.new("RGB", (width, height), colour).save(target, "PNG")
        return target.getvalue()

    return make


@pytest.fixture
def connect():
    """The unmodified official SDK, as a client of a running emulator."""

    def make(client, api_key="key", api_secret="secret"):
        return AsyncScenario(
            api_key=api_key,
            api_secret=api_secret,
            base_url=client.emulator.base_url,
            max_retries=0,
            http_client=DefaultAioHttpClient(),
        )

    return make
