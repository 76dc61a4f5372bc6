"""A browser for the tests of pages: one for all, and a fresh page for each test."""

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from doubles.place_fixtures import command, place_of, use  # noqa: F401 - fixtures
from gallery import made_up
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM_VARIABLE = "PIPELINE_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_LIMIT_MS = 20_000


def find_chromium() -> str:
    """The browser to test with; a test is skipped if the machine has none."""
    named = os.environ.get(CHROMIUM_VARIABLE)
    if named:
        assert Path(named).is_file(), f"{CHROMIUM_VARIABLE}: there is no {named}"
        return named
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no Chromium on this machine; {CHROMIUM_VARIABLE} can name one")
    return found


@dataclass
class Visit:
    """A page that is looked at, with what the browser has to say about it.

    Attributes:
        page: The page.
        problems: Messages of its console and errors of its scripts.
        requests: The URLs that it has asked for.
    """

    page: Page
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def open(self, place: Path | str, fragment: str = "") -> Page:
        """Open a gallery: a folder or a URL."""
        url = place if isinstance(place, str) else (place / "index.html").as_uri()
        await self.page.goto("about:blank")  # or a new fragment alone loads nothing
        await self.page.goto(url + fragment)
        await self.page.wait_for_selector("html[data-ready]")
        return self.page

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        for key in keys:
            await self.page.keyboard.press(key)

    async def texts(self, selector: str) -> list[str]:
        """The texts of all elements that match."""
        return [
            text.strip()
            for text in await self.page.locator(selector).all_text_contents()
        ]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = find_chromium()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*_FLAGS])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visit(
    browser: Browser, request: pytest.FixtureRequest
) -> AsyncIterator[Visit]:
    """A page of its own; a test may give options of its context as a parameter."""
    given: dict[str, Any] = {
        "viewport": {"width": 1280, "height": 800},
        "timezone_id": "UTC",
    }
    context = await browser.new_context(**(given | getattr(request, "param", {})))
    context.set_default_timeout(_LIMIT_MS)
    page = await context.new_page()
    visit = Visit(page)
    page.on(
        "console",
        lambda message: (
            visit.problems.append(message.text)
            if message.type in {"error", "warning"}
            else None
        ),
    )
    page.on("pageerror", lambda error: visit.problems.append(str(error)))
    page.on("request", lambda request: visit.requests.append(request.url))
    yield visit
    await context.close()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery with one of everything."""
    find_chromium()
    folder = tmp_path_factory.mktemp("demo")
    made_up.demo(folder)
    return folder
