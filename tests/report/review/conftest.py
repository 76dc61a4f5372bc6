"""A server on loopback whose desk is a double, and the requests of its page."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import BaseTestServer, TestServer
from doubles.clock import FakeClock

from pipeline.report.review.app import ReviewApp
from pipeline.report.review.desk import Decision, PriceRequest, RedoRequest
from pipeline.report.review.feed import Feed
from pipeline.report.review.files import ServedFile

TOKEN = "the-token-of-this-test"
LIMIT_S = 30.0  # for anything that is waited for
PARTS = {"main.js": (b"void 0;\n", "text/javascript; charset=utf-8")}


@dataclass
class FakeDesk:
    """A manifest with the files that a test gives it.

    Attributes:
        taken: The requests that reached it.
    """

    name: str = "icons"
    can_edit: bool = True
    can_spend: bool = True
    files: dict[str, ServedFile] = field(default_factory=dict)
    taken: list[Any] = field(default_factory=list)
    feed: Feed = field(default_factory=Feed)

    async def page(self) -> bytes:
        return b"<!doctype html><title>icons</title>"

    async def data_script(self) -> bytes:
        return b"window.GALLERY = {};\n"

    def find_file(self, name: str) -> ServedFile | None:
        return self.files.get(name)

    async def thumbnail(self, name: str) -> bytes | None:
        return b"RIFF" if name == "known.webp" else None

    async def decide(self, decision: Decision) -> dict[str, Any]:
        self.taken.append(decision)
        return {"version": "2"}

    async def price(self, request: PriceRequest) -> dict[str, Any]:
        self.taken.append(request)
        return {"units": 5}

    async def redo(self, request: RedoRequest) -> dict[str, Any]:
        self.taken.append(request)
        return {}


@dataclass
class Client:
    """Bare requests to the server.

    Attributes:
        path: Of the desk's page: ``/TOKEN/icons/``.
    """

    desk: FakeDesk
    app: ReviewApp
    clock: FakeClock
    server: BaseTestServer
    session: ClientSession
    path: str = f"/{TOKEN}/icons/"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def call(
        self, method: str = "GET", path: str = "", **options: Any
    ) -> tuple[int, bytes, Any]:
        """A request to a path of the page, or to one that begins with ``/``."""
        full = path if path.startswith("/") else self.path + path
        async with self.session.request(
            method, f"http://{self.host}{full}", allow_redirects=False, **options
        ) as answer:
            return answer.status, await answer.read(), answer.headers

    async def raw(self, request: str) -> bytes:
        """Send bytes as no client library would."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(request.replace("\n", "\r\n").encode())
        await writer.drain()
        async with asyncio.timeout(LIMIT_S):
            line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line

    @asynccontextmanager
    async def events(self, query: str = "", **headers: str):
        """The events of the page, one after the other."""
        url = f"http://{self.host}{self.path}events{query}"
        async with self.session.get(url, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            yield Events(answer)


class Events:
    """A stream of server-sent events."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.last_id = ""

    async def next(self) -> tuple[str, Any]:
        """The name and the data of the next event; ``("", None)`` at the end."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                fields = {}
                while line := (await self.answer.content.readline()).strip():
                    key, _, value = line.decode().partition(": ")
                    fields[key] = value
                if "data" in fields:
                    self.last_id = fields["id"]
                    return fields["event"], json.loads(fields["data"])
                if not fields:
                    return "", None

    async def line(self) -> str:
        """The next line that is not empty."""
        async with asyncio.timeout(LIMIT_S):
            while not (line := (await self.answer.content.readline()).strip()):
                pass
            return str(line.decode())


@pytest.fixture
async def client():
    clock, desk = FakeClock(), FakeDesk()
    app = ReviewApp({"icons": desk}, PARTS, token=TOKEN, host="127.0.0.1", clock=clock)
    async with TestServer(app.build()) as server, ClientSession() as session:
        yield Client(desk=desk, app=app, clock=clock, server=server, session=session)
        app.streams.end()
