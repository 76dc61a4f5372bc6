"""Two ledgers and one new item: the second run takes the first one's job over."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from doubles.api import FakeApi
from doubles.clock import FakeClock
from doubles.outcome import Outcome
from doubles.place import Place, items
from doubles.transfer import FakeTransfer
from knobs.world import PRICE_CU, REFERENCE, draw_references

from pipeline import ExitCode, Selection
from pipeline.errors import AccessDenied, JobError, ServiceUnreachable
from pipeline.job import JobStatus
from pipeline.running.asset_digests import AssetDigests
from pipeline.running.events import JobChanged
from pipeline.running.recent_jobs import FIRST_PAGES, RECENT

TREES = items("an oak", "an elm", "an ash")
TAKEN_OVER = "taken over, not paid again"


def checkout(place: Place, name: str, **changes) -> Place:
    """Another folder with a ledger of its own, for the same service."""
    folder = place.folder / name
    folder.mkdir()
    draw_references(folder)
    return replace(place, folder=folder, **changes)


async def test_the_second_of_two_checkouts_pays_nothing(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(TREES)

    played = await second.play(TREES)

    assert played.code is ExitCode.OK
    assert place.paid == place.submits == 3
    assert {second.job(name).remote_id for name in "abc"} == {
        first.job(name).remote_id for name in "abc"
    }
    assert second.job("a").remote_id == first.job("a").remote_id
    await second.check_files()


async def test_an_item_that_uses_the_output_of_another_is_taken_over_like_it(place):
    chain = TREES + "  - {id: d, prompt: both, params: {images: ['item:a']}}\n"
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(chain)

    played = await second.play("save: {format: webp}\n" + chain)

    assert played.code is ExitCode.OK
    assert place.paid == place.submits == 4
    assert second.job("d").request == first.job("d").request


async def test_the_event_and_a_warning_say_where_a_job_came_from(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(TREES)

    played = await second.play(TREES)

    said = [
        event.reason
        for event in played.events
        if isinstance(event, JobChanged) and event.status is JobStatus.SUBMITTED
    ]
    assert len(said) == 3
    assert all(TAKEN_OVER in reason for reason in said)
    assert sum("3 jobs of another run taken over" in w for w in played.warnings) == 1


async def test_why_says_where_a_job_came_from(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(TREES)
    await second.play(TREES)

    own, taken = await first.type("why", "a"), await second.type("why", "a")

    assert "another run" not in own.out
    assert "made by another run for the same request" in taken.out


async def test_the_charge_counts_in_the_folder_but_not_as_charged_to_the_run(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(TREES)

    played = await second.play(TREES)

    assert played.result is not None
    assert played.result.submitted == 0
    assert played.result.cost.taken == 3 * PRICE_CU
    assert played.result.cost.charged == 0
    assert second.job("a").charged == PRICE_CU


async def test_an_edited_item_is_paid_for_and_the_others_are_not(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(TREES)

    await second.play(TREES.replace("an elm", "an old elm"))

    assert place.paid == 4
    assert second.job("b").remote_id != first.job("b").remote_id
    await second.check_files()


async def test_an_item_of_another_name_has_another_seed_and_is_paid_for(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(items("an oak"))

    await second.play(items("an oak").replace("id: a,", "id: z,"))

    assert place.paid == 2


async def test_two_items_that_ask_for_the_same_share_no_job(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(items("an oak", params="{seed: 7}"))

    await second.play(items("an oak", "an oak", params="{seed: 7}"))

    assert place.paid == 2
    assert len({second.job(name).remote_id for name in "ab"}) == 2
    await second.check_files()


async def test_a_ledger_that_is_gone_with_nothing_saved_pays_nothing_again(place):
    await place.play(TREES)
    place.lose_ledger()
    for path in place.output.glob("*.png*"):
        path.unlink()

    played = await place.play(TREES)

    assert (played.code, place.paid) == (ExitCode.OK, 3)
    await place.check_files()


async def test_a_reference_that_was_uploaded_twice_is_told_by_its_content(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(REFERENCE)

    await second.play(REFERENCE)

    assert place.paid == 3


async def test_another_reference_of_the_same_name_is_paid_for(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(REFERENCE)
    (second.folder / "noise.png").replace(second.folder / "style.png")

    await second.play(REFERENCE)

    assert place.paid == 6
    await second.check_files()


async def test_force_asks_for_a_new_job(place):
    first, second = checkout(place, "one"), checkout(place, "two")
    await first.play(TREES)

    await second.play(TREES, selection=Selection(force=True))

    assert place.paid == 6


async def test_without_anything_to_pay_for_nothing_is_listed(place):
    await place.play(TREES)
    requests = dict(place.counters["requests"])

    await place.play(TREES)

    assert place.counters["requests"] == requests


async def test_another_authors_job_is_not_taken_over_once_our_own_is_known(place):
    first = checkout(place, "one")
    second = checkout(place, "two", key="other key")
    await first.play(TREES)
    await second.play(items(*["a fir"] * 4))  # d: an item that nobody else has

    await second.play(TREES)

    assert second.job("a").remote_id != first.job("a").remote_id


async def test_an_archived_prompt_is_told_by_its_content(place_of):
    """The same id has the same derived seed, so only the prompt tells them apart."""
    async with place_of({"prompt_archived_s": 0.0}) as place:
        first, edited, same = (
            checkout(place, name) for name in ("one", "two", "three")
        )
        await first.play(items("an oak"))

        await edited.play(items("an elm"))
        paid_for_the_edit = place.paid
        await same.play(items("an oak"))

        assert paid_for_the_edit == 2
        assert place.paid == 2
        assert same.job("a").remote_id == first.job("a").remote_id
        request = same.job("a").request
        assert request is not None
        assert request["prompt"] == "an oak"


# --- against the double, which can be told what happens to each job


async def test_a_failed_job_is_not_taken_over(workshop):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(ends="failure", error="no luck"))
    await workshop.run()
    workshop.forget()

    result = await workshop.run()

    assert result.submitted == 1


async def test_an_older_job_is_not_taken_over(workshop):
    workshop.write_items("oak")
    await workshop.run()
    workshop.forget()
    workshop.clock.jump((RECENT + timedelta(minutes=1)).total_seconds())

    result = await workshop.run()

    assert result.submitted == 1


async def test_a_job_in_flight_is_taken_over_and_collected(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.duration_s = 100.0
    await workshop.run(meanwhile=workshop.leave_after(20.0))
    workshop.forget()

    result = await workshop.run()

    assert (result.exit_code, result.submitted) == (ExitCode.OK, 0)
    assert result.counts == {"saved": 2}
    assert workshop.api.calls["submit"] == 2


def make_others(workshop, count):
    """So many jobs of other items, newer than those that were made before."""
    workshop.clock.jump(600.0)
    for number in range(count):
        workshop.api.add_job({"prompt": f"other {number}"})


async def test_a_job_beyond_the_first_page_is_taken_over(workshop):
    workshop.write_items("oak")
    await workshop.run()
    workshop.forget()
    make_others(workshop, 150)

    result = await workshop.run()

    assert (result.exit_code, result.submitted) == (ExitCode.OK, 0)


async def test_reading_ends_after_a_few_pages(workshop):
    workshop.write_items("oak")
    await workshop.run()
    workshop.forget()
    make_others(workshop, 100 * FIRST_PAGES)

    result = await workshop.run()

    assert result.submitted == 1


async def test_while_the_rest_of_the_list_cannot_be_read_nothing_is_paid_for(workshop):
    workshop.write_items("oak")
    make_others(workshop, 150)
    workshop.api.break_down("list_jobs", spared=1)

    with pytest.raises(ServiceUnreachable):
        await workshop.run()

    assert workshop.api.calls["submit"] == 0


async def test_what_the_mark_shows_is_not_read_again(workshop):
    workshop.write_items("oak", "elm")
    points = []
    workshop.on_point = points.append

    await workshop.run()

    assert points[: points.index("submit")].count("list_jobs") == 1


@pytest.mark.parametrize("kind", [JobError("gone"), AccessDenied("no reads")])
async def test_a_picture_that_cannot_be_read_is_not_taken_for_the_same(kind):
    """What is not certain is paid for."""
    clock = FakeClock()
    api = FakeApi(clock)
    asset_id = api._take_upload(b"\x89PNG\r\n\x1a\n")
    sha256 = hashlib.sha256(b"\x89PNG\r\n\x1a\n").hexdigest()
    assert await AssetDigests(api, FakeTransfer(api)).agree({asset_id: sha256})

    api.fail_next("find_asset", kind)

    assert not await AssetDigests(api, FakeTransfer(api)).agree({asset_id: sha256})


async def test_a_picture_that_is_not_ready_is_not_taken_for_the_same():
    api = FakeApi(FakeClock())
    api.upload_pending_s = 60.0
    asset_id = api._take_upload(b"\x89PNG\r\n\x1a\n")
    sha256 = hashlib.sha256(b"\x89PNG\r\n\x1a\n").hexdigest()

    assert not await AssetDigests(api, FakeTransfer(api)).agree({asset_id: sha256})


async def test_only_so_many_pictures_are_read(monkeypatch):
    monkeypatch.setattr("pipeline.running.asset_digests._MOST_ASSETS", 1)
    api = FakeApi(FakeClock())
    known = {api._take_upload(data): data for data in (b"\x89PNG1", b"\x89PNG2")}
    digests = AssetDigests(api, FakeTransfer(api))

    agreed = [
        await digests.agree({asset_id: hashlib.sha256(data).hexdigest()})
        for asset_id, data in known.items()
    ]

    assert agreed == [True, False]
    assert api.calls["find_asset"] == 1
