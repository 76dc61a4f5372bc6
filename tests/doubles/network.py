"""What stands between us and the real service: a proxy, and TLS with a private CA.

``ConnectProxy`` leads every host to one listener on this machine and remembers all that
it was given in clear. ``Mirror`` is that listener: it answers https for the service's
hosts with what an emulator says, altered as a test likes.
"""

import asyncio
import base64
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import trustme
from aiohttp import web
from yarl import URL

from pipeline.emulator import Emulator

API_HOST = "api.cloud.scenario.com"
CDN_HOST = "cdn.cloud.scenario.com"


class ConnectProxy:
    """An HTTP proxy for CONNECT.

    Args:
        port: Where every tunnel leads to, on this machine.
        login: ``user:password`` that is wanted, or "".
        refusal: The status line's rest that every CONNECT is answered with, or "".
        hangs_up: Close the connection instead of answering.

    Attributes:
        heads: Every request as it came.
        received: Every byte that came, those of tunnels too.
        url: Its own.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        login: str = "",
        refusal: str = "",
        hangs_up: bool = False,
    ) -> None:
        self._port = port
        self._login = login
        self._refusal = refusal
        self._hangs_up = hangs_up
        self._tasks: set[asyncio.Task[None]] = set()
        self.heads: list[bytes] = []
        self.received = bytearray()
        self.url = ""

    @property
    def hosts(self) -> list[str]:
        """What was asked for, in order."""
        return [head.split()[1].decode() for head in self.heads]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._answer(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, reader, writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        self.received += head
        if self._hangs_up:
            return
        wanted = base64.b64encode(self._login.encode())
        if self._login and b"Proxy-Authorization: Basic " + wanted not in head:
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
            )
        elif self._refusal:
            writer.write(
                f"HTTP/1.1 {self._refusal}\r\nContent-Length: 0\r\n\r\n".encode()
            )
        else:
            await self._tunnel(reader, writer)
        await writer.drain()

    async def _tunnel(self, reader, writer) -> None:
        there = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pass_on(source, target, note) -> None:
            with suppress(ConnectionError):
                while data := await source.read(1 << 16):
                    note(data)
                    target.write(data)
                    await target.drain()
            target.close()

        await asyncio.gather(
            pass_on(reader, there[1], self.received.extend),
            pass_on(there[0], writer, lambda _data: None),
        )


Alter = Callable[[web.Request, int, bytes], tuple[int, bytes, dict[str, str]]]


def unaltered(request, status, body):
    return status, body, {}


class Mirror:
    """An emulator, over https under the names of the real hosts.

    Args:
        emulator: Running; where the answers come from.
        ca_file: Where the private CA's certificate is written to.
        alter: Request, status and body to status, body and more headers.

    Attributes:
        port: On this machine.
        heads: Host, path and headers of every request.
    """

    def __init__(
        self, emulator: Emulator, ca_file: Path, alter: Alter = unaltered
    ) -> None:
        self._emulator = emulator
        self._ca_file = ca_file
        self._alter = alter
        self.port = 0
        self.heads: list[tuple[str, str, dict[str, str]]] = []

    async def __aenter__(self) -> Self:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self._ca_file)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(API_HOST, CDN_HOST).configure_cert(context)
        self._session = aiohttp.ClientSession(auto_decompress=True)
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.Response:
        self.heads.append((request.host, request.path_qs, dict(request.headers)))
        api = urlsplit(self._emulator.base_url)
        is_api = request.host == API_HOST
        origin = f"{api.scheme}://{api.netloc}" if is_api else self._cdn
        kept = ("Authorization", "Content-Type")
        async with self._session.request(
            request.method,
            URL(origin + request.raw_path, encoded=True),
            data=await request.read(),
            headers={n: request.headers[n] for n in kept if n in request.headers},
            allow_redirects=False,
        ) as answer:
            body, status = await answer.read(), answer.status
            media_type = answer.headers.get("Content-Type", "")
        headers = {"Content-Type": media_type}
        if is_api:
            body = body.replace(self._cdn.encode(), f"https://{CDN_HOST}".encode())
            status, body, more = self._alter(request, status, body)
            headers |= more
        return web.Response(status=status, body=body, headers=headers)

    @property
    def _cdn(self) -> str:
        return self._emulator.cdn_url
