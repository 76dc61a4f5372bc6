"""Decisions made on a page from disk: exported, they are the review file."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from doubles.place import items
from gallery import made_up
from gallery.conftest import Visit

from pipeline.manifest.review import ItemReview, Verdict
from pipeline.manifest.review_file import read_review, render_review
from pipeline.report.gallery.data import Gallery

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST = "tree-forest-dawn"
NOTE = 'too dark: "very" # \u201edunkel\u201c \U0001f600'


async def export(visit: Visit, target: Path, who: str = "Bo") -> None:
    """Save the review file of the page that is open."""
    await visit.press("e")
    await visit.page.fill("#who", who)
    async with visit.page.expect_download() as download:
        await visit.page.click(".export .primary")
    await (await download.value).save_as(target)
    await visit.press("Escape")


async def test_the_exported_file_has_what_there_was_and_what_was_decided(
    visit: Visit, demo: Path, tmp_path: Path
) -> None:
    page = await visit.open(demo, f"#item={FIRST}&show=3")
    target = tmp_path / "icons.review.yaml"
    await page.clock.set_fixed_time("2026-11-30T10:00:00.250Z")

    await visit.press("3", "a", "n")
    await page.fill("#note", NOTE)
    await visit.press("Control+Enter", "ArrowUp", "ArrowUp", "r")
    await visit.open(demo, "#item=crest")
    await page.clock.set_fixed_time("2026-11-30T10:00:00.250Z")
    await visit.press("3")
    await export(visit, target, "Bo Łi <bo@example.com>")

    review = read_review(target)
    data = await page.evaluate("JSON.stringify(window.GALLERY)")
    gallery = msgspec.json.decode(data, type=Gallery)
    made = {item.id: item for item in gallery.items}
    digests = [(take.files[0].original_sha256,) for take in made[FIRST].takes]
    crest = made["crest"].takes[0].files[2].original_sha256
    bo: dict[str, Any] = {"by": "Bo Łi <bo@example.com>", "at": "2026-11-30T10:00:00Z"}
    assert review.items["crest"].picked == Verdict(
        take=1, output=3, sha256=(crest,), **bo
    )
    first = review.items[FIRST]
    assert first.picked == Verdict(take=3, sha256=digests[2], note=NOTE, **bo)
    assert first.approved == (Verdict(take=3, sha256=digests[2], note=NOTE, **bo),)
    assert [(one.take, one.by, one.note) for one in first.rejected] == [
        (1, bo["by"], ""),
        (2, made_up.SIGNATURE["by"], "two left hands"),
    ]
    assert [one.seed for one in first.added] == [2**63 - 1]
    assert review.items["gone"] == ItemReview(
        picked=Verdict(take=2, sha256=("ab" * 32,), **made_up.SIGNATURE)
    )
    assert set(review.items) == {"crest", FIRST, "gone"}
    assert target.read_text("utf-8") == render_review(review, "icons.yaml")


async def test_what_is_judged_of_an_item_with_steps_is_the_file_of_the_last_one(
    visit: Visit, place_of: Any
) -> None:
    async with place_of() as place:
        await place.play(
            items("an oak", "an elm").replace(
                "params: {}}",
                "steps: [{name: cut, model: model_birefnet-background-removal}]}",
            )
        )
        await place.type("gallery")
        page = await visit.open(place.output / "gallery", "#item=a")

        await page.locator(".judge-button.rejected").click()
        await visit.press("ArrowRight", "a", "Escape")
        review = place.folder / "knobs.review.yaml"
        await export(visit, review)
        plan = await place.type("plan", "--only", "rejected", "--json")
        checked = await place.type("check", "--approved", "--json")

        found = read_review(review).items
        (rejected,), (approved,) = found["a"].rejected, found["b"].approved
        for verdict, job_id in ((rejected, "a+cut"), (approved, "b+cut")):
            (asset,) = place.job(job_id).assets
            assert (verdict.take, verdict.sha256) == (1, (asset.content_sha256,))
        assert [one["item_id"] for one in plan.of("item")] == ["a", "a+cut"]
        assert [one["action"] for one in plan.of("item")] == ["done", "done"]
        assert "counts no longer" not in plan.err
        reasons = [one["reason"] for one in checked.of("approval")]
        assert reasons == ["rejected", ""]


async def test_what_is_rejected_on_a_page_is_made_again_and_nothing_else(
    visit: Visit, place_of: Any
) -> None:
    async with place_of() as place:
        await place.play(items("an oak", "an elm", "an ash", "a yew"))
        await place.type("gallery")
        page = await visit.open(place.output / "gallery")
        assert await page.locator(".card").count() == 4

        for item_id in ("b", "d"):
            await page.locator(f".card[data-id={item_id}]").click()
            await page.locator(".judge-button.rejected").click()
            await visit.press("Escape")
        await export(visit, place.folder / "knobs.review.yaml")
        status = await place.type("status")
        manifest = place.folder / "knobs.yaml"
        manifest.write_text(
            manifest.read_text("utf-8").replace('prompt: "', 'prompt: "old: '), "utf-8"
        )
        before = place.submits
        done = await place.type("run", "--only", "rejected", "--yes")

        assert status.code == 0, status.err
        assert done.code == 0, done.err
        assert place.submits - before == 2
        assert {one: len(place.attempts(one)) for one in "abcd"} == {
            "a": 1,
            "b": 2,
            "c": 1,
            "d": 2,
        }
