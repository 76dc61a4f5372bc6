"""Decisions that are taken on a page: written once, or refused."""

from pipeline.manifest.review_file import read_review


def review_of(place, item_id):
    return read_review(place.folder / "knobs.review.yaml").of(item_id)


async def test_a_decision_is_written_and_answered_with_the_item(
    place, write, open_page
):
    write("an oak", "an elm")
    await place.type("run", "--yes")
    async with open_page(place) as page:
        status, answer = await page.decide("a", "rejected", note="too dark")

        assert status == 200
        (decision,) = answer["item"]["takes"][0]["decisions"]
        assert (decision["word"], decision["note"]) == ("rejected", "too dark")
        assert answer["version"] == (await page.data())["server"]["version"]
    (verdict,) = review_of(place, "a").rejected
    assert (verdict.take, verdict.note) == (1, "too dark")
