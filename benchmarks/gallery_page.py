"""How fast a gallery of thousands of items opens, filters and scrolls, in Chromium.

    python benchmarks/gallery_page.py --items 10000

It prints milliseconds: until something is painted, until all can be used, of a filter
from the key to the painted grid, and of the frames of a scroll from top to bottom.
Pictures, prompts and takes are made up. Chromium draws without a graphics card.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from gallery import made_up

from pipeline.report.gallery.page import DATA_NAME

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
SIZE = {"width": 1600, "height": 1000}

OPENING = """() => ({
  painted: performance.getEntriesByName("first-contentful-paint")[0].startTime,
  usable: window.usableAt,
})"""
# Watched from the start: the page says that it is ready with an attribute.
WATCH = """
const note = () => (window.usableAt = performance.now());
const watcher = new MutationObserver(() => {
  if (!document.documentElement?.dataset.ready) return;
  watcher.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(note));
});
const options = {attributes: true, subtree: true, attributeFilter: ["data-ready"]};
watcher.observe(document, options);
"""
FILTER = """async (change) => {
  const begun = performance.now();
  page.view.set(change);
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - begun;
}"""
SCROLL = """async ({frames, step}) => {
  const scroller = document.getElementById("scroller");
  scroller.scrollTop = 0;
  const times = [];
  const next = () => new Promise((done) => requestAnimationFrame(done));
  let before = await next();
  for (let at = 0; at < frames; at += 1) {
    scroller.scrollTop += step;
    const now = await next();
    times.push(now - before);
    before = now;
  }
  times.sort((a, b) => a - b);
  return {
    median: times[Math.floor(times.length / 2)],
    p95: times[Math.floor(times.length * 0.95)],
    worst: times.at(-1),
    cards: document.querySelectorAll(".card").length,
  };
}"""


async def measure(page: Page, url: str) -> dict[str, Any]:
    """Open the gallery once, and measure."""
    await page.add_init_script(WATCH)
    await page.goto(url)
    await page.wait_for_function("() => window.usableAt")
    found: dict[str, Any] = dict(await page.evaluate(OPENING))
    found["filter by text"] = await page.evaluate(FILTER, {"q": "tundra night"})
    found["filter by decision"] = await page.evaluate(
        FILTER, {"q": "", "decisions": ["undecided"]}
    )
    found["group by state"] = await page.evaluate(
        FILTER, {"decisions": [], "group": "state"}
    )
    found["all again"] = await page.evaluate(FILTER, {"group": ""})
    found["scroll, a notch of the wheel a frame"] = await page.evaluate(
        SCROLL, {"frames": 600, "step": 120}
    )
    found["scroll, a screen a frame"] = await page.evaluate(
        SCROLL, {"frames": 300, "step": 800}
    )
    return found


async def main() -> None:
    """Make a gallery, measure it, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    items = parser.parse_args().items
    path = os.environ.get("PIPELINE_CHROMIUM") or shutil.which("chromium")
    if path is None:
        sys.exit("no Chromium: name one with PIPELINE_CHROMIUM")
    with tempfile.TemporaryDirectory() as folder:
        made_up.many(Path(folder), items)
        size = (Path(folder) / DATA_NAME).stat().st_size
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=path, args=[*FLAGS]
            )
            page = await browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
            found = await measure(page, (Path(folder) / "index.html").as_uri())
            print(json.dumps({"items": items, "data_bytes": size, **found}, indent=2))
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
