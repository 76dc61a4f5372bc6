"""A page follows what other processes do, and reads only what has changed."""

import asyncio

import pytest
from doubles.place import LIMIT_S, items

from pipeline.errors import ManifestError


def write(place, *prompts):
    (place.folder / "knobs.yaml").write_text(items(*prompts), encoding="utf-8")


async def test_an_item_that_another_run_saves_appears(place, open_page):
    write(place, "an oak", "an elm")
    async with open_page(place) as page:
        assert (await page.item("a"))["state"] == "not_submitted"
        async with page.events() as events:
            running = asyncio.create_task(place.type("run", "--yes", "--select", "a"))

            saved = await events.until("item", id="a", state="saved")
            totals = await events.until("totals", files=1)
            await running

        (file,) = saved["takes"][0]["files"]
        status, picture, headers = await page.get(file["src"])
        assert (status, headers["Content-Type"]) == (200, "image/png")
        assert picture == (place.output / "a.png").read_bytes()
        status, drawn, headers = await page.get(file["thumbnail"])
        assert (status, drawn[:4]) == (200, b"RIFF")
        assert totals["states"] == {"not_submitted": 1, "saved": 1}
        data = await page.data()
        assert [one["state"] for one in data["items"]] == ["saved", "not_submitted"]
        assert data["totals"] == totals


async def test_only_what_has_changed_is_read_again(place, open_page):
    write(place, "an oak", "an elm", "an ash")
    await place.type("run", "--yes")
    read = []
    async with open_page(place, watch=False, on_item=read.append) as page:
        await page.desk.refresh()
        await page.desk.refresh()
        assert read == []

        await place.type("reject", "b")
        await page.desk.refresh()
        await page.desk.refresh()

        assert read == ["b"]


async def test_a_decision_of_another_process_reaches_the_page(place, open_page):
    write(place, "an oak")
    await place.type("run", "--yes")
    async with open_page(place) as page:
        await page.data()
        async with page.events() as events:
            await place.type("reject", "a", "--note", "too dark")

            version = (await events.next("review"))["version"]
            item = await events.next("item")

        assert version != page.version
        assert item["takes"][0]["decisions"][0]["note"] == "too dark"
        assert (await page.data())["server"]["version"] == version


async def test_a_page_begins_anew_when_the_manifest_is_edited(place, open_page):
    write(place, "an oak")
    async with open_page(place) as page:
        async with page.events() as events:
            write(place, "an oak", "an elm")

            with pytest.raises(EOFError):
                await events.next("nothing")
        assert [one["id"] for one in (await page.data())["items"]] == ["a", "b"]


async def test_a_manifest_with_faults_leaves_the_page_as_it_was(place, open_page):
    write(place, "an oak")
    async with open_page(place) as page:
        async with page.events() as events:
            (place.folder / "knobs.yaml").write_text("items: [", encoding="utf-8")
            warning = await events.next("run")
        assert warning["event"] == "warning"
        assert [one["id"] for one in (await page.data())["items"]] == ["a"]

        write(place, "a birch")
        async with asyncio.timeout(LIMIT_S):
            while (await page.item("a"))["prompt"] != "a birch":
                await place.clock.sleep(1)


async def test_a_page_without_a_ledger_waits_for_one(place, open_page):
    write(place, "an oak")
    async with open_page(place, watch=False) as page:
        await page.desk.refresh()
        assert "files" not in (await page.data())["totals"]

        await place.type("run", "--yes")
        await page.desk.refresh()
        assert (await page.data())["totals"]["files"] == 1

        place.lose_ledger()
        await page.desk.refresh()
        await place.type("run", "--yes")
        await page.desk.refresh()
        assert (await page.item("a"))["state"] == "saved"
    assert place.paid == 1


async def test_a_review_file_that_is_mended_is_read(place, open_page):
    write(place, "an oak")
    await place.type("run", "--yes")
    async with open_page(place, watch=False) as page:
        await place.type("reject", "a")
        path = place.folder / "knobs.review.yaml"
        text = path.read_text("utf-8")
        path.write_text("items: [oak", encoding="utf-8")
        with pytest.raises(ManifestError):
            await page.desk.refresh()
        assert "decisions" not in (await page.item("a"))["takes"][0]

        path.write_text(text, encoding="utf-8")
        await page.desk.refresh()

        (decision,) = (await page.item("a"))["takes"][0]["decisions"]
        assert decision["word"] == "rejected"


async def test_an_item_is_read_again_with_what_it_was_made_into(place, open_page):
    """An item that needs another changes with it."""
    text = items("an oak", "an elm").replace(
        'prompt: "an elm", params: {}',
        "prompt: \"an elm\", params: {images: ['item:a']}",
    )
    (place.folder / "knobs.yaml").write_text(text, encoding="utf-8")
    read = []
    async with open_page(place, watch=False, on_item=read.append) as page:
        await place.type("run", "--yes", "--select", "a")
        await page.desk.refresh()

        assert sorted(read) == ["a", "b"]
        assert (await page.item("a"))["children"] == ["b"]
