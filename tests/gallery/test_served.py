"""The page of a server: what it asks, what it shows of the answers and of events."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from gallery import made_up
from gallery.conftest import Visit, find_chromium

from pipeline.record import replace
from pipeline.report.gallery.data import Gallery, GalleryDecision, GalleryServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self';"
    " img-src 'self' data: blob:; media-src 'self'; connect-src 'self'"
)

PRICE = 200, {"units": 5, "left": 100, "quote": "q7"}


@dataclass
class Desk:
    """A server that answers as it is told, and remembers what it was asked.

    Attributes:
        url: Of the page.
        gallery: What the page was given.
        asked: Path and body of every POST.
        answers: By path, the status and the body of the next answer.
        events: What is sent as server-sent events: name and data.
        loads: How often the data was asked for.
    """

    url: str = ""
    gallery: Gallery = Gallery(name="")  # noqa: RUF009 - frozen
    asked: list[tuple[str, Any]] = field(default_factory=list)
    answers: dict[str, tuple[int, Any]] = field(
        default_factory=lambda: {"price": PRICE}
    )
    events: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)
    loads: int = 0


@pytest_asyncio.fixture(loop_scope="session")
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    find_chromium()
    desk = Desk()
    folder = made_up.Folder(tmp_path)
    folder.items += [
        made_up.matrix_item(folder, "forest", time, at)
        for at, time in enumerate(("dawn", "day"))
    ]
    server = GalleryServer(
        can_edit=True,
        spend_left=100,
        version="v1",
        manifests=(
            ("icons", "./"),
            ("props", "../props/"),
            ("bad", "javascript:alert(1)"),
        ),
    )
    desk.gallery = folder.write(
        server=server, axes={"biome": ("forest",), "time": ("dawn", "day")}
    )

    async def show(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"] or "index.html"
        desk.loads += name == "data.js"
        return web.FileResponse(
            tmp_path / name,
            headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"},
        )

    async def answer(request: web.Request) -> web.Response:
        path = request.match_info["name"]
        desk.asked.append((path, await request.json()))
        status, body = desk.answers[path]
        return web.Response(
            status=status,
            body=msgspec.json.encode(body),
            content_type="application/json",
        )

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            name, data = await desk.events.get()
            await response.write(
                b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))
            )

    app = web.Application()
    app.router.add_get("/icons/events", stream)
    app.router.add_post("/icons/{name}", answer)
    app.router.add_get("/icons/{name:.*}", show)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    desk.url = f"http://{host}:{port}/icons/"
    yield desk
    await runner.cleanup()


async def test_a_decision_goes_to_the_server_at_once(visit: Visit, desk: Desk) -> None:
    item = desk.gallery.items[0]
    digest = item.takes[1].files[0].original_sha256
    decided = (
        replace(item.takes[1], decisions=(GalleryDecision(word="approved", by="Ann"),)),
    )
    approved = replace(item, takes=(item.takes[0], *decided, item.takes[2]))
    page = await visit.open(desk.url, f"#item={item.id}&show=2")

    desk.answers["decisions"] = 200, {"item": approved, "version": "v2"}
    await visit.press("a")
    await page.wait_for_selector(".judge-button.approved[aria-pressed=true]")
    desk.answers["decisions"] = (
        409,
        {"message": "the review file has changed", "hint": "look again"},
    )
    await visit.press("r")
    await page.wait_for_selector("dialog:has-text('the review file has changed')")

    body = {"item": item.id, "take": 2, "output": 0, "note": "", "sha256": [digest]}
    assert [asked for asked in desk.asked if asked[0] != "price"] == [
        ("decisions", {**body, "word": "approved", "version": "v1"}),
        ("decisions", {**body, "word": "rejected", "version": "v2"}),
    ]
    assert desk.loads == 1
    async with page.expect_response(lambda response: "data.js" in response.url):
        await page.click("text=Show it as it is now")
    assert desk.loads == 2
    assert not await page.locator(".export-button").is_visible()


async def test_what_happens_elsewhere_is_seen_at_once(visit: Visit, desk: Desk) -> None:
    item = desk.gallery.items[1]
    page = await visit.open(desk.url)
    card = page.locator(f".card[data-id={item.id}]")

    desk.events.put_nowait(
        ("run", {"event": "launch", "total": 2, "done": 1, "to_submit": 1})
    )
    desk.events.put_nowait(
        ("run", {"event": "job", "item_id": item.id, "status": "submitted"})
    )
    await page.wait_for_selector("#run:has-text('1 of 2 saved · 1 in flight')")
    await page.locator("#run .jobs a", has_text=item.id).click()
    await page.wait_for_selector("dialog[open]")
    await page.keyboard.press("Escape")
    desk.events.put_nowait(
        (
            "run",
            {
                "event": "job",
                "item_id": item.id,
                "status": "failed",
                "reason": "moderated\u202e",
                "hint": "change the prompt",
            },
        )
    )
    said = "moderated\\u202e; next: change the prompt"
    await page.locator("#run .troubles", has_text=said).wait_for()
    failed = replace(item, state="failed", reason="moderated", takes=(made_up.take(1),))
    desk.events.put_nowait(("item", failed))
    await card.locator("text=moderated").wait_for()
    desk.events.put_nowait(("totals", replace(desk.gallery.totals, charged=77)))
    desk.events.put_nowait(("run", {"event": "done", "exit_code": 3}))
    await page.wait_for_selector(".figures:has-text('77 CU')")
    await page.wait_for_selector("#run:has-text('exit code 3')")

    urls = await page.locator("select.manifests option").evaluate_all(
        "(all) => all.map((one) => one.value)"
    )
    assert urls == ["./", "../props/", "javascript:alert(1)"]
    await page.select_option("select.manifests", "javascript:alert(1)")
    assert page.url.startswith(desk.url)
    assert visit.problems == []


async def test_redo_has_its_price_in_the_button_and_asks_once(
    visit: Visit, desk: Desk
) -> None:
    item = desk.gallery.items[0]
    desk.answers["redo"] = (
        402,
        {"message": "5 CU are more than what is left", "hint": ""},
    )
    page = await visit.open(desk.url, f"#item={item.id}")

    await page.click("button.redo:has-text('Make again · 5 CU (€0.05)')")
    await page.click("dialog button:has-text('Cancel')")
    assert [path for path, _ in desk.asked] == ["price"]
    await page.click("button.redo")
    await page.click("dialog button:has-text('Pay 5 CU (€0.05)')")
    await page.wait_for_selector("dialog:has-text('5 CU are more than what is left')")

    body = {"item": item.id, "take": 1, "quote": "q7", "units": 5}
    assert [asked for asked in desk.asked if asked[0] == "redo"] == [("redo", body)]
