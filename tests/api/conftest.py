"""The service as tests of ``pipeline.api`` need it: canned answers, and raw sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses
from doubles.clock import FakeClock

from pipeline.api.client import HttpApi
from pipeline.api.rate_limiter_state import RateLimiterState
from pipeline.settings import Credentials, Settings

BASE_URL = "https://api.cloud.scenario.com/v1"


class _Response(aiohttp.ClientResponse):
    """What aioresponses 0.7.9 lacks for aiohttp 3.14."""

    def __init__(self, method, url, **named):
        super().__init__(method, url, stream_writer=Mock(), **named)

    @property
    def content(self):
        return self._reader

    @content.setter
    def content(self, reader):
        if reader is not None:  # the class's own default is None
            reader._high_water = 1 << 40  # nobody resumes a reader without a socket
        self._reader = reader


class CannedAnswers(aioresponses):
    """aioresponses, with the calls in the order they were made."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def add(self, url, method="GET", **named):  # type: ignore[override]
        super().add(url, method, response_class=_Response, **named)

    async def _request_mock(  # type: ignore[override]
        self, session, method, url, *args, **named
    ):
        self.calls.append((method, str(url), named))
        return await super()._request_mock(session, method, url, *args, **named)


class JumpingClock(FakeClock):
    """A sleep takes no time of ours: the clock jumps over it."""

    async def sleep(self, duration_s):
        self.slept_s.append(duration_s)
        self.jump(max(0.0, duration_s))


@pytest.fixture
def clock():
    return JumpingClock()


@pytest.fixture
def path(tmp_path):
    """The file of a project's rate limiter."""
    return tmp_path / "state" / "project.pace"


@pytest.fixture
def state(path):
    return RateLimiterState(path)


@pytest.fixture
def answers():
    with CannedAnswers() as canned:
        yield canned


@pytest.fixture
def credentials():
    return Credentials(key="the-key", secret="the-secret")


@pytest.fixture
async def api(clock, credentials):
    async with HttpApi(credentials, Settings(), clock) as http_api:
        yield http_api


@dataclass
class RawServer:
    """A server of bytes on this machine.

    Attributes:
        url: ``http://127.0.0.1:<port>``.
        requests: Head and body of every request that was read whole.
        connections: How many were accepted.
    """

    url: str = ""
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    connections: int = 0

    async def read(self, reader) -> tuple[bytes, bytes]:
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        body = await reader.readexactly(length)
        self.requests.append((head, body))
        return head, body


Talk = Callable[
    [RawServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]
]


def http_answer(body=b"", *, status="200 OK", headers=(), length=True):
    lines = [f"HTTP/1.1 {status}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@pytest.fixture
def answer():
    return http_answer


@pytest.fixture
async def serve():
    """Start a server whose every connection runs ``talk(server, reader, writer)``."""
    running = []
    talks: set[Any] = set()

    async def start(talk: Talk | bytes) -> RawServer:
        server = RawServer()

        async def accept(reader, writer):
            server.connections += 1
            talks.add(asyncio.current_task())
            try:
                if isinstance(talk, bytes):
                    await server.read(reader)
                    writer.write(talk)
                    await writer.drain()
                else:
                    await talk(server, reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            except asyncio.CancelledError:
                return
            finally:
                writer.close()

        listener = await asyncio.start_server(accept, "127.0.0.1", 0)
        running.append(listener)
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        return server

    yield start
    for listener in running:
        listener.close()
    for task in talks:
        task.cancel()
    await asyncio.gather(*talks, return_exceptions=True)


@pytest.fixture
async def connect(clock):
    """An ``HttpApi`` for a raw server; closed when the test ends."""
    opened = []

    async def open_api(server, *, project_id="", **settings):
        credentials = Credentials(
            key="the-key",
            secret="the-secret",
            base_url=server.url,
            project_id=project_id,
        )
        http_api = HttpApi(credentials, Settings(**settings), clock)
        opened.append(http_api)
        return await http_api.__aenter__()

    yield open_api
    for http_api in opened:
        await http_api.__aexit__(None, None, None)
