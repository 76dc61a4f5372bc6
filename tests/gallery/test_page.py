"""A gallery from disk in a real browser: what is seen, with the keyboard and without."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from gallery import made_up
from gallery.conftest import Visit

from pipeline.record import replace

pytestmark = pytest.mark.asyncio(loop_scope="session")

ARE_LOADED = (
    "() => [...document.images].every((image) => image.complete && image.naturalWidth)"
)
FIRST = "tree-forest-dawn"


async def test_every_picture_loads_and_nothing_is_asked_of_others(
    visit: Visit, demo: Path
) -> None:
    page = await visit.open(demo)

    seen = set()
    for top in range(0, 4000, 500):
        await page.evaluate(
            "(top) => (document.getElementById('scroller').scrollTop = top)", top
        )
        await page.wait_for_function(
            "() => new Promise((done) => requestAnimationFrame(() => done(true)))"
        )
        await page.wait_for_function(ARE_LOADED)
        seen |= set(
            await page.locator(".card").evaluate_all(
                "(all) => all.map((one) => one.dataset.id)"
            )
        )

    assert len(seen) == len(made_up.BIOMES) * len(made_up.TIMES) + 10
    assert visit.problems == []
    assert [
        url
        for url in visit.requests
        if not url.startswith(("file:", "about:", "data:"))
    ] == []


async def test_hostile_text_stays_text(visit: Visit, demo: Path) -> None:
    page = await visit.open(demo, "#item=hostile")

    assert await page.locator(".panel .prompt p").text_content() == made_up.SHOWN
    assert made_up.SHOWN in await visit.texts(".panel dl dt")
    assert "\u202e" not in await page.locator("body").inner_text()
    links = await page.locator("a").evaluate_all("(all) => all.map((one) => one.href)")
    assert [url for url in links if not url.startswith(("file:", "about:"))] == []
    assert await page.locator("[src='x'], [src*='example.com']").count() == 0
    assert await page.evaluate("window.hacked") is None

    for fragment in (
        "#item=nobody&show=9",
        "#axis.__proto__=x&place.constructor=row&layout=nonsense&group=toString&size=1e9",
        "#with=%3Ehero%401&with=a&with=b&with=c&with=d&with=e&mode=side&run=https://example.com/",
        "#backdrop=url(javascript:alert(1))&zoom=-5&state=constructor&decision=__proto__",
        "#q=" + "%00%3Cscript%3E" * 200 + "&%E0%A4%A=1",
    ):
        await visit.open(demo, fragment)

    assert await page.evaluate("window.hacked") is None
    assert visit.problems == []


async def test_a_failed_item_is_a_card_with_reason_hint_and_command(
    visit: Visit, demo: Path
) -> None:
    page = await visit.open(demo, "#state=failed")

    (card,) = await page.locator(".card").all()
    text = await card.inner_text()
    for part in ("moderated", "change the prompt", "--select tree-coast-night"):
        assert part in text
    await card.locator(".copy").click()
    await page.wait_for_selector(".toast:has-text('Copied')")


async def test_keys_move_look_decide_and_undo(visit: Visit, demo: Path) -> None:
    page = await visit.open(demo)
    focused = "() => document.activeElement.dataset.id"

    await visit.press("ArrowRight", "ArrowRight", "ArrowDown")
    assert await page.evaluate(focused) == "tree-desert-day"
    await visit.press("Enter", "2")
    assert (
        await page.locator(".shot[aria-pressed=true]").get_attribute("aria-label")
        == "take 2, chosen"
    )
    await visit.press("a")
    assert (
        await page.locator(".judge-button.approved").get_attribute("aria-pressed")
        == "true"
    )
    await page.locator(".judge-button.approved").focus()
    await visit.press("Enter", "Enter")  # taken back, and decided once more
    assert (
        await page.evaluate("() => document.activeElement.dataset.name") == "approved"
    )
    await visit.press("n")
    await page.keyboard.type("bluer")
    await visit.press("Control+Enter", "z", "+")
    assert await visit.texts(".panel q") == ["bluer", "bluer"]
    assert await page.locator(".zoom-text").text_content() == "200 %"
    await visit.press("ArrowRight", "Escape")
    await page.wait_for_function(
        "() => document.activeElement.dataset.id === 'tree-desert-dusk'"
    )
    assert "Export 1" in await visit.texts("#tools button")
    await visit.press("r", "r", "u")
    assert "Export 2" in await visit.texts("#tools button")
    await visit.press("/")
    await page.keyboard.type("portrait")
    await visit.press("Enter")
    assert await visit.texts(".shown") == ["1 of 30 items"]
    await visit.press("?")
    assert await page.locator("dialog.help").is_visible()
    await visit.press("Escape", "Escape")
    assert await visit.texts(".shown") == ["30 items"]

    await visit.open(demo, "#item=tree-desert-day")  # what is not exported is kept
    assert await visit.texts(".panel q") == ["bluer", "bluer"]


async def test_a_matrix_has_its_axes_as_rows_and_columns_where_they_are_put(
    visit: Visit, demo: Path
) -> None:
    page = await visit.open(demo)

    assert await visit.texts(".row.header .column-label") == [*made_up.TIMES]
    await page.click("text=Arrange")
    await page.click(
        "#arrangement fieldset:has(legend:text-is('biome')) >> label:has-text('Columns')"
    )
    await page.click(
        "#arrangement fieldset:has(legend:text-is('time')) >> label:has-text('Rows')"
    )
    await visit.press("Escape")
    assert (await visit.texts(".row.header .column-label"))[:3] == [
        "forest",
        "desert",
        "tundra",
    ]
    assert (await visit.texts(".row.cards .row-label"))[:2] == ["dawn", "day"]
    await page.click("text=Filter")
    await page.click("#filters label:has-text('forest')")
    await visit.press("Escape")
    assert await visit.texts(".row.header .column-label") == ["forest"]
    assert await visit.texts(".shown") == ["4 of 30 items"]

    await page.wait_for_function("() => location.hash.includes('axis.biome=forest')")
    fragment = await page.evaluate("location.hash")
    await visit.open(demo, fragment)  # it can be sent
    assert await visit.texts(".row.header .column-label") == ["forest"]
    await visit.open(demo, "#layout=groups&group=state")
    assert (await visit.texts(".row.title b"))[0] == "failed"


async def test_each_matrix_has_its_own_last_axis_as_columns(
    visit: Visit, tmp_path: Path
) -> None:
    folder = made_up.Folder(tmp_path)
    for biome in ("forest", "desert"):
        for time in ("dawn", "day"):
            folder.items.append(made_up.matrix_item(folder, biome, time, 1, takes=1))
    for pose in ("running", "resting"):
        entry = replace(folder.items[0], entry="fox-${pose}", axes={"pose": pose})
        folder.items.append(replace(entry, id=f"fox-{pose}"))
    axes = {"biome": ("forest", "desert"), "time": ("dawn", "day")}
    folder.write(axes={**axes, "pose": ("running", "resting")})

    page = await visit.open(tmp_path)

    labels = await visit.texts(".row.header .column-label")
    assert labels == ["dawn", "day", "running", "resting"]
    await page.click("text=Arrange")
    columns = page.locator("#arrangement fieldset:has(input[value=column]:checked)")
    assert await columns.locator("legend").all_text_contents() == ["time", "pose"]


async def test_a_step_shows_its_model_apart_from_the_inputs_of_its_item(
    visit: Visit, demo: Path
) -> None:
    await visit.open(demo, "#item=sprites/slime&show=%2Bcutout")

    assert {"Step cutout", "Parameters"} <= set(await visit.texts(".panel h3"))
    await visit.open(demo, "#item=sprites/slime&show=1")
    assert "Step cutout" not in await visit.texts(".panel h3")


async def test_takes_and_runs_are_compared_in_four_ways(
    visit: Visit, demo: Path, tmp_path: Path
) -> None:
    other = made_up.Folder(tmp_path / "other")
    other.items.append(made_up.matrix_item(other, "forest", "dawn", 77))
    other.write(profile="final")
    page = await visit.open(demo, f"#item={FIRST}")
    widths = "() => [...document.querySelectorAll('.compare .canvas')].map((one) => one.style.width)"
    above = (
        "() => ({...getComputedStyle(document.querySelectorAll('.compare .layer')[1])})"
    )

    await visit.press("c")
    assert await page.locator(".compare .pane").count() == 3
    await visit.press("0", "z", "+")
    assert await page.evaluate(widths) == ["384px"] * 3
    await visit.press("Shift+Digit2")
    assert (await page.evaluate(above))["clipPath"].startswith("inset(")
    await visit.press("s")
    a_and_b = (
        "() => [...document.querySelectorAll('.side select')].map((one) => one.value)"
    )
    assert await page.evaluate(a_and_b) == ["1", "0"]
    await visit.press("Shift+Digit3")
    assert (await page.evaluate(above))["opacity"] == "0.5"
    await visit.press("Shift+Digit4")
    assert (await page.evaluate(above))["mixBlendMode"] == "difference"

    await page.select_option(".add select", "run")
    await page.fill("#run-folder", "https://example.com/")
    await page.click("dialog.small-dialog button[type=submit]")
    await page.wait_for_selector(".problem:has-text('no other place')")
    await page.fill("#run-folder", other.path.as_uri())
    await page.click("dialog.small-dialog button[type=submit]")
    await page.wait_for_selector("option:has-text('icons (final)')", state="attached")
    await visit.press("Shift+Digit1")
    assert await page.locator(".compare .pane").count() == 4
    assert await page.evaluate("window.GALLERY.items.length") == 30
    assert visit.problems == []


# A small window: the machine may have to draw the model without a graphics card.
@pytest.mark.parametrize(
    "visit",
    [{"viewport": {"width": 420, "height": 420}, "reduced_motion": "reduce"}],
    indirect=True,
    ids=["small"],
)
async def test_video_sound_text_and_a_3d_model_are_shown(
    visit: Visit, demo: Path
) -> None:
    can_play = "(name) => document.querySelector(name)?.readyState >= 1"
    page = await visit.open(demo, "#item=turntable")
    await page.wait_for_function(can_play, arg="video")
    await visit.press("ArrowRight")
    await page.wait_for_selector(".solid[data-ready]", timeout=60_000)
    await visit.press("ArrowRight")
    await page.wait_for_function(can_play, arg="audio")
    await visit.press("ArrowRight")
    assert await visit.texts(".player pre") == ["The old oak\nremembers the sea."]
    problems = [
        text for text in visit.problems if "GPU stall" not in text and "rAF" not in text
    ]
    assert problems == []


async def test_of_files_in_a_bucket_previews_are_shown_and_the_urls(
    visit: Visit, tmp_path: Path
) -> None:
    made_up.bucket(tmp_path / "gallery")
    shown = {}
    page = await visit.open(tmp_path / "gallery", "#item=oak")
    await page.wait_for_function(ARE_LOADED)
    assert await page.locator(".stage img").count() == 1
    assert await page.locator(".panel a[href*='previews/']").count() == 0
    for item in ("oak", "clip", "text"):
        shown[item] = await visit.texts(".panel .command code")
        await visit.press("ArrowRight")
    await visit.open(tmp_path / "gallery", "#item=clip")
    assert await visit.texts(".player .command code") == ["s3://art/clip.mp4"]
    assert await page.locator(".player img").count() == 1
    await visit.press("ArrowRight")
    assert await visit.texts(".player pre") == ["an old oak"]

    assert [texts[0] for texts in shown.values()] == [
        "s3://art/oak.png",
        "s3://art/clip.mp4",
        "s3://art/text.txt",
    ]
    assert visit.problems == []


async def test_pixel_art_is_enlarged_in_whole_steps_and_laid_three_by_three(
    visit: Visit, demo: Path
) -> None:
    page = await visit.open(demo, "#item=sprites/slime&show=1")

    zoom = await page.locator(".zoom-text").text_content()
    assert zoom is not None
    assert int(zoom.removesuffix(" %").replace(",", "")) % 100 == 0
    rendering = "() => getComputedStyle(document.querySelector('.large .layer img')).imageRendering"
    assert await page.evaluate(rendering) == "pixelated"
    await visit.press("t", "b")
    assert await page.locator(".large .layer img").count() == 9
    assert await page.locator("dialog.large").get_attribute("data-backdrop") == "black"


TWO = f"#with={FIRST}%401&with={FIRST}%402"
VIEWS = {
    "grid": "",
    "large": f"#item={FIRST}",
    "failed": "#item=tree-coast-night",
    "side by side": f"{TWO}&mode=side",
    "swipe": f"{TWO}&mode=swipe",
}
PHONE = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
}


@pytest.mark.parametrize(
    ("visit", "names"),
    [
        ({"color_scheme": "light"}, [*VIEWS]),
        ({"color_scheme": "dark"}, ["grid", "large", "swipe"]),
        (PHONE, ["grid", "large", "side by side"]),
    ],
    indirect=["visit"],
    ids=["light", "dark", "phone"],
)
async def test_axe_finds_nothing(visit: Visit, demo: Path, names: list[str]) -> None:
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    found = {}

    async def look(name: str) -> None:
        await visit.page.evaluate(axe)
        result = await visit.page.evaluate(
            "() => axe.run({resultTypes: ['violations']})"
        )
        found[name] = [
            (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
            for one in result["violations"]
        ]
        is_wide = "() => document.documentElement.scrollWidth > innerWidth"
        assert not await visit.page.evaluate(is_wide), name

    for name in names:
        await visit.open(demo, VIEWS[name])
        await look(name)
    await visit.open(demo, "#q=dusk")
    await visit.page.locator(".opens").nth(0).click()
    await look("filters")
    await visit.press("Escape", "?")
    await look("help")
    await visit.press("Escape", "r", "e")
    await look("export")

    assert found == {name: [] for name in found}, json.dumps(found, indent=1)


async def test_of_ten_thousand_items_a_screenful_is_in_the_document(
    visit: Visit, tmp_path: Path
) -> None:
    made_up.many(tmp_path, 10_000, pictures=8)
    page = await visit.open(tmp_path)

    assert await visit.texts(".shown") == ["10,000 items"]
    assert await page.locator(".card").count() < 100
    await visit.press("End", "End")
    assert (
        await page.evaluate("() => document.activeElement.dataset.id")
        == "coast/tower-09999"
    )
    assert await page.locator(".card").count() < 100
    await page.fill("#search", "tundra night tower-0998")
    await page.wait_for_function(
        "() => document.querySelector('.shown').textContent.startsWith('1 of')"
    )
    await page.fill("#search", "")
    await page.locator(".state-count[data-state=failed]").click()
    await page.wait_for_function(
        "() => document.querySelector('.shown').textContent.startsWith('104 of')"
    )
    assert visit.problems == []
