"""A place with pictures, and its manifest served on loopback."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import BaseTestServer, TestServer
from doubles.place import LIMIT_S, Place
from doubles.place_fixtures import command, place, place_of, use  # noqa: F401 - fixtures

from pipeline.cli.loading import load_opened
from pipeline.operations.gallery import Collector
from pipeline.operations.view.desk import ManifestDesk
from pipeline.operations.view.redoing import RedoOptions, Redos
from pipeline.operations.view.spending import Spending
from pipeline.report.review.app import ReviewApp

TOKEN = "the-token-of-this-test"
PARTS = {"main.js": (b"void 0;", "text/javascript; charset=utf-8")}


@dataclass
class Page:
    """What a browser has open: requests to one served manifest.

    Attributes:
        desk: The manifest.
        base: The URL of the page.
    """

    desk: ManifestDesk
    app: ReviewApp
    server: BaseTestServer
    session: ClientSession
    base: str
    version: str = ""

    async def get(self, path: str = "", **headers: str) -> tuple[int, bytes, Any]:
        async with self.session.get(
            self.base + path, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.read(), answer.headers

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        async with self.session.post(
            self.base + path, json=body, headers=headers
        ) as answer:
            return answer.status, await answer.json()

    async def data(self) -> dict[str, Any]:
        """The data of the page, as its script has it."""
        _, script, _ = await self.get("data.js")
        text = script.decode().partition("JSON.parse('")[2].removesuffix("');\n")
        found: dict[str, Any] = json.loads(text.replace("\\\\", "\\"))
        self.version = found["server"]["version"]
        return found

    async def item(self, item_id: str) -> dict[str, Any]:
        found = (await self.data())["items"]
        return next(one for one in found if one["id"] == item_id)

    async def decide(
        self, item_id: str, word: str, *, take: int = 1, **fields: Any
    ) -> tuple[int, Any]:
        """Decide as a page does: with the bytes and the version that it shows."""
        item = await self.item(item_id)
        shown = next(one for one in item["takes"] if one.get("number", 1) == take)
        body = {
            "item": item_id,
            "take": take,
            "word": word,
            "sha256": [one["original_sha256"] for one in shown["files"]],
            "version": self.version,
            **fields,
        }
        return await self.post("decisions", body)

    @asynccontextmanager
    async def events(self, **headers: str):
        """The stream of events, to be read with ``next_event``."""
        async with self.session.get(f"{self.base}events", headers=headers) as answer:
            assert answer.status == 200
            yield Stream(answer)


class Noting(Collector):
    """Says which items it reads."""

    def __init__(self, on_item, *arguments, **named):
        super().__init__(*arguments, **named)
        self._on_item = on_item

    def item_of(self, record):
        self._on_item(record.item_id)
        return super().item_of(record)


class Stream:
    """Reads server-sent events."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer
        self.last_id = ""

    async def next(self, name: str = "") -> Any:
        """The data of the next event, or of the next with this name."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                found, data = await self._read()
                if found and name in {"", found}:
                    return data if name else (found, data)

    async def until(self, name: str, **wanted: Any) -> Any:
        """The data of the next event that has these values."""
        while True:
            data = await self.next(name)
            if wanted.items() <= data.items():
                return data

    async def _read(self) -> tuple[str, Any]:
        fields: dict[str, str] = {}
        while line := (await self._answer.content.readline()).decode().rstrip("\n"):
            key, _, value = line.partition(": ")
            fields[key] = value
        if not fields:
            raise EOFError
        self.last_id = fields.get("id", self.last_id)
        return fields.get("event", ""), json.loads(fields.get("data", "null"))


@pytest.fixture
def open_page():
    """Serves the manifest of a place, and opens its page."""

    @asynccontextmanager
    async def start(
        where: Place,
        *,
        edit: bool = True,
        spend: float | None = None,
        watch=True,
        on_item=lambda _record: None,
    ):
        manifest = where.folder / "knobs.yaml"

        def read():
            return load_opened(
                manifest,
                output=where.output,
                emulate=False,
                allow_outside=False,
                profile="",
            )

        def collector(loaded, output, links):
            return Noting(on_item, loaded, output, emulate=False, links=links)

        desk = ManifestDesk(
            read, collector, emulate=False, can_edit=edit, clock=where.clock
        )
        await desk.open()
        if spend is not None:
            options = RedoOptions(
                manifest=manifest,
                output=where.output,
                emulate=False,
                allow_outside=False,
                profile="",
                settings=where.settings,
                clock=where.clock,
            )
            desk.redos = Redos(
                options,
                Spending(Decimal(str(spend)), desk.tell_spend),
                tell=desk.tell_run,
            )
        app = ReviewApp(
            {"knobs": desk}, PARTS, token=TOKEN, host="127.0.0.1", clock=where.clock
        )
        async with TestServer(app.build()) as server, ClientSession() as session:
            page = Page(
                desk=desk,
                app=app,
                server=server,
                session=session,
                base=f"http://127.0.0.1:{server.port}/{TOKEN}/knobs/",
            )
            watching = asyncio.create_task(desk.watch() if watch else asyncio.sleep(0))
            following = asyncio.create_task(
                desk.follow() if watch else asyncio.sleep(0)
            )
            redos = desk.redos
            working = asyncio.create_task(redos.work() if redos else asyncio.sleep(0))
            try:
                yield page
            finally:
                watching.cancel()
                following.cancel()
                if redos is not None:
                    redos.stop()
                await working
                app.streams.end()
        await desk.close()

    return start
