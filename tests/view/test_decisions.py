"""Decisions that are taken on a page: written once, or refused."""

import asyncio

import pytest
from doubles.place import items

from pipeline.manifest.review_file import read_review
from pipeline.operations.reviewing import find_targets
from pipeline.operations.view import deciding
from pipeline.output.folder import holding_ledger


def write(place, *prompts, params="{}"):
    """A manifest of items ``a``, ``b``, … with these prompts."""
    (place.folder / "knobs.yaml").write_text(
        items(*prompts, params=params), encoding="utf-8"
    )


def review_of(place, item_id):
    return read_review(place.folder / "knobs.review.yaml").of(item_id)


@pytest.fixture
async def page(place, open_page):
    """The page of two items with two pictures each."""
    write(place, "an oak", "an elm", params="{numOutputs: 2}")
    await place.type("run", "--yes")
    async with open_page(place, watch=False) as opened:
        yield opened


async def test_a_decision_is_written_and_answered_with_the_item(place, page):
    status, answer = await page.decide("a", "rejected", note="too dark")

    assert status == 200
    (decision,) = answer["item"]["takes"][0]["decisions"]
    assert (decision["word"], decision["note"]) == ("rejected", "too dark")
    assert answer["version"] == (await page.data())["server"]["version"]
    (verdict,) = review_of(place, "a").rejected
    assert (verdict.take, verdict.note, len(verdict.sha256)) == (1, "too dark", 2)


async def test_a_decision_is_changed_noted_and_taken_back(place, page):
    await page.decide("a", "approved", note="good")
    await page.decide("a", "chosen")
    await page.decide("a", "note", note="very good")
    review = review_of(place, "a")
    assert review.picked is not None
    assert [review.picked.note, review.approved[0].note] == ["very good", "very good"]

    await page.decide("a", "none")
    assert review_of(place, "a").is_empty


async def test_a_note_needs_a_decision(place, page):
    status, answer = await page.decide("a", "note", note="what is this")

    assert status == 409
    assert "a note belongs to a decision" in answer["message"]
    assert "approve or reject" in answer["hint"]


@pytest.mark.parametrize("word", ["approved", "rejected", "chosen"])
async def test_a_decision_about_other_bytes_is_refused(place, page, word):
    status, answer = await page.decide("a", word, sha256=["ab" * 32])

    assert (status, "other files" in answer["message"]) == (409, True)
    assert review_of(place, "a").is_empty


async def test_a_decision_about_a_part_of_the_files_is_refused(page):
    item = await page.item("a")
    (first, _) = item["takes"][0]["files"]

    status, _ = await page.decide("a", "approved", sha256=[first["original_sha256"]])

    assert status == 409


async def test_a_decision_about_a_file_that_was_edited_on_disk_is_refused(place, page):
    """Of the same size, so that only its bytes tell."""
    file = place.output / (await page.item("a"))["takes"][0]["files"][0]["name"]
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)

    status, answer = await page.decide("a", "approved")

    assert (status, "not there to be judged" in answer["message"]) == (409, True)
    assert review_of(place, "a").is_empty


async def test_a_decision_after_somebody_else_has_written_is_refused(place, page):
    await page.data()
    seen = page.version
    await place.type("approve", "b")

    status, answer = await page.decide("a", "rejected", version=seen)
    assert (status, "the review file has changed" in answer["message"]) == (409, True)
    assert review_of(place, "a").is_empty
    assert len(review_of(place, "b").approved) == 1

    await page.desk.refresh()
    assert (await page.decide("a", "rejected"))[0] == 200
    assert len(review_of(place, "b").approved) == 1


async def test_what_somebody_writes_in_the_middle_of_a_decision_is_not_lost(
    place, page, monkeypatch
):
    """Even if it is what the page shows: the decision was made of something else."""
    await place.type("approve", "b")
    await page.desk.refresh()
    await page.data()
    shown = page.version
    path = place.folder / "knobs.review.yaml"
    approved = path.read_bytes()
    await place.type("reject", "b")

    def put_back(*arguments, **named):
        found = find_targets(*arguments, **named)
        path.write_bytes(approved)
        return found

    monkeypatch.setattr(deciding, "find_targets", put_back)
    status, _ = await page.decide("a", "rejected", version=shown)

    assert status == 409
    assert path.read_bytes() == approved


async def test_decisions_that_were_sent_before_the_first_answer_are_all_written(
    place, page
):
    """A person who is fast is not refused because of their own decisions."""
    await page.data()
    seen = page.version

    answers = await asyncio.gather(
        page.decide("a", "rejected", version=seen),
        page.decide("b", "approved", version=seen),
    )

    assert [status for status, _ in answers] == [200, 200]
    assert review_of(place, "a").rejected
    assert review_of(place, "b").approved


async def test_of_two_pages_the_later_does_not_overwrite_the_first(place, page):
    await page.data()
    seen = page.version
    await page.decide("a", "approved", version=seen)

    status, _ = await page.decide("a", "rejected", version=seen)

    assert status == 409
    assert review_of(place, "a").approved


async def test_while_a_run_holds_the_folder_nothing_is_written(place, page):
    with holding_ledger(place.output):
        status, answer = await page.decide("a", "approved")

    assert status == 409
    assert "another run is in progress" in answer["message"]
    assert answer["hint"] == "decide again when it has ended"
    assert review_of(place, "a").is_empty


async def test_a_review_file_with_faults_is_not_overwritten(place, page):
    await page.data()
    path = place.folder / "knobs.review.yaml"
    path.write_text("items: [oak", encoding="utf-8")

    status, _ = await page.decide("a", "approved")

    assert status == 409
    assert path.read_text("utf-8") == "items: [oak"


@pytest.mark.parametrize("item_id", ["c", "*", "a@1", "../a"])
async def test_only_items_of_the_page_can_be_decided_about(place, page, item_id):
    item = await page.item("a")
    digests = [one["original_sha256"] for one in item["takes"][0]["files"]]
    body = {
        "item": item_id,
        "take": 1,
        "word": "rejected",
        "sha256": digests,
        "version": page.version,
    }

    status, _ = await page.post("decisions", body)

    assert status == 404
    assert not (place.folder / "knobs.review.yaml").exists()


async def test_a_take_that_is_not_there_cannot_be_decided_about(page):
    status, answer = await page.decide("a", "chosen", take=1)
    assert status == 200
    item = await page.item("a")
    digests = [one["original_sha256"] for one in item["takes"][0]["files"]]

    status, answer = await page.post(
        "decisions",
        {
            "item": "a",
            "take": 7,
            "word": "chosen",
            "sha256": digests,
            "version": page.version,
        },
    )

    assert (status, "has no take 7" in answer["message"]) == (409, True)
