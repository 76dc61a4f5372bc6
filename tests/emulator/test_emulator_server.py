"""Server: two listeners, a clean end, and serving until told to stop."""

import asyncio
import os
import signal
import socket
import sys

import aiohttp
import pytest

from pipeline.emulator import Emulator, EmulatorProfile, serve


async def test_cdn_has_a_port_of_its_own():
    async with Emulator() as emulator:
        assert emulator.base_url.startswith("http://127.0.0.1:")
        assert emulator.base_url.endswith("/v1")
        assert emulator.cdn_url.startswith("http://127.0.0.1:")
        assert emulator.cdn_url not in emulator.base_url


async def test_stopped_emulator_answers_no_more():
    async with Emulator() as emulator, aiohttp.ClientSession() as session:
        url = emulator.base_url
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url)


async def test_port_that_is_taken_is_reported():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address"):
            async with Emulator(port=taken.getsockname()[1]):
                pass


def test_unknown_fault_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match="did you mean 'poll-500'"):
        Emulator(faults={"pol-500": 1.0})


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to oneself there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serving_ends_at_a_signal(number):
    seen = []

    def on_ready(emulator):
        seen.append(emulator.base_url)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)

    before = signal.getsignal(number)
    await serve(
        port=0,
        profile=EmulatorProfile(),
        fault_rates={"poll-500": 0.5},
        seed=3,
        on_ready=on_ready,
    )

    assert seen
    assert signal.getsignal(number) is before


async def test_seed_given_to_serve_takes_the_place_of_the_profiles():
    seeds = []

    def on_ready(emulator):
        seeds.append(emulator.service.profile.seed)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await serve(port=0, seed=3, on_ready=on_ready)
    assert seeds == [3]
