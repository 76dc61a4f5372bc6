"""Review in a real browser: what is clicked there is what the next run does."""

from contextlib import asynccontextmanager

import anyio
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from doubles.place import items
from gallery.conftest import Visit, browser, visit  # noqa: F401 - fixtures

from pipeline.cli.view import ViewOptions, open_session
from pipeline.manifest.review_file import read_review

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROMPTS = ("an oak", "an elm", "an ash", "a yew")
ARE_LOADED = (
    "() => document.images.length && [...document.images].every("
    "(image) => image.complete && image.naturalWidth)"
)


@asynccontextmanager
async def served(place, **options):
    """The real session of ``pipeline view`` on a free port; gives the URL."""
    given = {
        "edit": True,
        "spend": None,
        "host": "127.0.0.1",
        "port": 0,
        "opens": False,
        "cu_price": None,
        "output": place.output,
        "emulate": False,
        "profile": "",
        "allow_outside": False,
    }
    session = await open_session(
        [place.folder / "knobs.yaml"], ViewOptions(**given | options), place.clock
    )
    urls, is_ready = [], anyio.Event()

    def begin(url):
        urls.append(url)
        is_ready.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.serve, begin)
        await is_ready.wait()
        yield f"{urls[0]}knobs/"
        session.stop()


def another_website():
    async def send(_request: web.Request) -> web.Response:
        return web.Response(text="<p>another website", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", send)
    return app


async def make(place, *prompts):
    (place.folder / "knobs.yaml").write_text(items(*prompts), encoding="utf-8")
    done = await place.type("run", "--yes")
    assert done.code == 0, done


async def reject(visit, item_id):  # noqa: F811
    page = visit.page
    await page.locator(f".card[data-id={item_id}]").click()
    await page.locator(".judge-button.rejected").click()
    await page.wait_for_selector(".judge-button.rejected[aria-pressed=true]")
    await visit.press("Escape")


async def test_two_rejected_pictures_are_what_the_next_run_submits(
    place_of,
    visit: Visit,  # noqa: F811
):
    async with place_of() as place:
        await make(place, *PROMPTS)
        async with served(place) as url:
            page = await visit.open(url)
            await page.wait_for_function(ARE_LOADED)
            await reject(visit, "b")
            await reject(visit, "d")
            await page.wait_for_selector("text=saved")
        assert visit.problems == []
        review = read_review(place.folder / "knobs.review.yaml")
        assert sorted(review.items) == ["b", "d"]

        (place.folder / "knobs.yaml").write_text(
            items(*(f"{prompt} in bloom" for prompt in PROMPTS)), encoding="utf-8"
        )
        before = place.submits
        done = await place.type("run", "--yes", "--only", "rejected", "--json")

        assert done.code == 0
        assert place.submits == before + 2
        saved = {one["item_id"] for one in done.of("job") if one["status"] == "saved"}
        assert saved == {"b", "d"}


async def test_a_decision_about_changed_bytes_is_refused_on_the_page(
    place_of,
    visit: Visit,  # noqa: F811
):
    async with place_of() as place:
        await make(place, "an oak")
        async with served(place) as url:
            page = await visit.open(url)
            await page.wait_for_function(ARE_LOADED)
            data = bytearray((place.output / "a.png").read_bytes())
            data[-1] ^= 1
            (place.output / "a.png").write_bytes(data)
            await page.locator(".card[data-id=a]").click()
            await page.locator(".judge-button.rejected").click()

            await page.wait_for_selector("dialog:has-text('not there to be judged')")
        assert not (place.folder / "knobs.review.yaml").exists()


async def test_another_website_reaches_nothing(place_of, visit: Visit):  # noqa: F811
    """Not even with the address, which it does not know."""
    async with place_of() as place:
        await make(place, "an oak")
        # A browser keeps the pages of the internet from this machine by itself.
        async with TestServer(another_website()) as other, served(place) as url:
            page = visit.page
            await page.goto(f"http://localhost:{other.port}/")
            sent = await page.evaluate(
                """async (url) => {
                  const read = (path, options) => fetch(url + path, options)
                    .then(() => "read", () => "refused");
                  const body = JSON.stringify({ item: "a", take: 1, word: "rejected" });
                  const headers = { "Content-Type": "application/json" };
                  const image = new Image();
                  const shown = new Promise((done) => {
                    image.onload = () => done("shown");
                    image.onerror = () => done("refused");
                  });
                  image.src = url + "files/a.png";
                  return [
                    await read("decisions", { method: "POST", mode: "no-cors", body }),
                    await read("decisions", { method: "POST", headers, body }),
                    await read("data.js"), await shown,
                  ];
                }""",
                url,
            )

            assert sent == ["refused"] * 4
            foreign = {"Origin": f"http://localhost:{other.port}"}
            async with ClientSession(headers=foreign) as client:
                async with client.post(f"{url}decisions", json={}) as answer:
                    assert answer.status == 403
                async with client.get(f"{url}data.js") as answer:
                    assert answer.status == 403
        assert not (place.folder / "knobs.review.yaml").exists()


async def test_the_price_is_in_the_button_and_one_click_pays_once(
    place_of,
    visit: Visit,  # noqa: F811
):
    async with place_of() as place:
        await make(place, "an oak")
        before = place.submits
        async with served(place, spend="50") as url:
            page = await visit.open(url, "#item=a")
            await page.click("button.redo:has-text('CU'):not([disabled])")
            await page.dblclick("dialog button.primary")

            await page.wait_for_selector("text=take 2")
        assert place.submits == before + 1
        assert read_review(place.folder / "knobs.review.yaml").of("a").added
