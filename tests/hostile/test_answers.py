"""Hostile answers, whole runs: each ends within bounds, and no item is paid twice."""

import io
import struct
import zlib

import pytest
from doubles.lost import LOST
from doubles.outcome import Outcome
from doubles.pictures import png_bytes, png_of
from doubles.place import items
from doubles.transfer import Body
from PIL import Image

from pipeline.errors import ExitCode
from pipeline.job import FailureClass, JobStatus
from pipeline.record import replace

TREES = ("oak", "elm", "fir", "yew")


def chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def png_that_says(width_px: int, height_px: int) -> bytes:
    """A whole PNG of a few bytes that claims so many pixels."""
    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(4096))
    body = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def image_as(kind: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (8, 6), "teal").save(target, kind)
    return target.getvalue()


def stored_as(workshop, content: bytes, prompt: str = "oak") -> None:
    """The service stores this as the asset of the item."""

    def swap(point):
        if point == "submit!":
            for job in workshop.api.jobs:
                if job.inputs["prompt"] == prompt:
                    workshop.api.files |= dict.fromkeys(job.asset_ids, content)

    workshop.on_point = swap


# --- files


NO_IMAGES = {
    "bomb": png_that_says(60_000, 60_000),
    "wide-bomb": png_that_says(2_000_000_000, 1),
    "no-rows": png_that_says(0, 0),
    "half": png_bytes("teal")[:-20],
    "html": b"<!doctype html><html><body>Sorry</body></html>",
    "script": b"#!/bin/sh\nrm -rf ~\n",
    "json": b'{"error": "no"}',
    "program": b"MZ" + bytes(200),
    "pdf": b"%PDF-1.7\n" + bytes(100),
    "zeros": bytes(500),
    "one-byte": b"x",
}


@pytest.mark.parametrize("kind", NO_IMAGES)
async def test_what_is_no_image_fails_alone_in_time_and_is_fetched_later(
    kind, workshop
):
    workshop.write_items("oak", "elm")
    right = png_bytes("green")
    stored_as(workshop, NO_IMAGES[kind])

    first = await workshop.run()
    ended_s = workshop.clock.monotonic_s()
    failed, files = workshop.job("oak"), workshop.files()
    stored_as(workshop, right)
    for job in workshop.api.jobs:
        workshop.api.files |= dict.fromkeys(job.asset_ids, right)
    second = await workshop.run()

    assert first.exit_code is ExitCode.ITEMS_FAILED
    assert first.counts == {"failed": 1, "saved": 1}
    assert failed.failure.kind is FailureClass.DOWNLOAD
    assert "pipeline" in failed.failure.hint or "run again" in failed.failure.hint
    assert ended_s < 2 * workshop.settings.free_deadline_s
    assert files == {"elm.png", "elm.png.json"}
    assert workshop.partial_files() == []
    assert second.counts == {"done": 1, "saved": 1}
    assert (workshop.output / "oak.png").read_bytes() == right
    assert len(workshop.api.submits) == 2


@pytest.mark.parametrize(
    ("kind", "extension"), [("JPEG", "jpg"), ("WEBP", "webp"), ("GIF", "gif")]
)
async def test_an_image_of_another_type_is_named_by_its_content(
    kind, extension, workshop
):
    workshop.write_items("oak")
    stored_as(workshop, image_as(kind))

    result = await workshop.run()
    again = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.files() == {f"oak.{extension}", f"oak.{extension}.json"}
    assert again.counts == {"done": 1}


LIES = {
    "longer": lambda right: Body(content=right + bytes(1000), announced=None),
    "much-longer": lambda right: Body(content=right * 1000, announced=None),
    "longer-as-announced": lambda right: Body(content=right + b"x"),
    "shorter": lambda right: Body(content=right[:-1], announced=None),
    "shorter-than-announced": lambda _right: Body(cut_at=10),
    "nothing": lambda _right: Body(content=b"", announced=None),
    "other-bytes": lambda right: Body(content=bytes(len(right))),
    "announced-negative": lambda _right: Body(announced=-5),
    "announced-zero": lambda _right: Body(announced=0),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_file_of_another_length_or_content_is_asked_for_again(lie, workshop):
    workshop.write_items("oak")
    right = png_of("asset_1_0")
    workshop.transfer.answer_next(*[LIES[lie](right)] * 3)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert (workshop.output / "oak.png").read_bytes() == right
    assert len(workshop.transfer.reads) == 4
    assert len(set(workshop.transfer.reads)) == 4  # a fresh URL each time
    assert workshop.partial_files() == []
    assert len(workshop.api.submits) == 1


async def test_the_size_that_a_bomb_claims_is_judged_before_it_is_unpacked(workshop):
    workshop.write_items("oak")
    stored_as(workshop, NO_IMAGES["bomb"])

    await workshop.run()

    # By our own limit or by Pillow's, not by running out of rows.
    reason = workshop.job("oak").failure.reason
    assert "pixels are more than" in reason or "decompression bomb" in reason


async def test_of_a_file_that_does_not_end_only_a_little_is_read(workshop):
    workshop.write_items("oak")
    workshop.transfer.chunk_bytes = 64 << 10
    endless = Body(content=png_of("asset_1_0") + bytes(16 << 20), announced=None)
    workshop.transfer.answer_next(endless)
    chunks = []

    def note(point):
        if point == "read!":
            chunks.append(point)

    workshop.on_point = note

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert 1 < len(chunks) < 40  # of 256
    assert workshop.partial_files() == []


# --- assets and statuses


async def test_success_without_assets_fails_and_is_not_asked_for_files(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.script("oak", Outcome(outputs=0))

    result = await workshop.run()

    assert result.counts == {"failed": 1, "saved": 1}
    assert workshop.job("oak").failure.kind is FailureClass.NO_OUTPUT
    assert len(workshop.transfer.reads) == 1


@pytest.mark.parametrize("pending_s", [5.0, 60.0, 110.0])
async def test_an_asset_that_is_pending_for_long_is_waited_for(pending_s, workshop):
    workshop.write_items("oak")
    workshop.api.asset_pending_s = pending_s

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.calls["find_assets"] < 200


async def test_an_asset_that_stays_pending_fails_alone_and_is_fetched_later(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.asset_pending_s = 1e6

    first = await workshop.run()
    ended_s = workshop.clock.monotonic_s()
    workshop.api.asset_pending_s = 0.0
    second = await workshop.run()

    assert first.counts == {"failed": 2}
    assert ended_s < 2 * workshop.settings.free_deadline_s
    assert second.counts == {"saved": 2}
    assert len(workshop.api.submits) == 2


@pytest.mark.parametrize("word", ["transmogrifying", "", "SUCCESS", "succès\x1b[31m"])
async def test_a_status_that_nobody_knows_counts_as_running(word, workshop):
    workshop.write_items("oak", "elm", "fir")
    workshop.api.script("oak", Outcome(path=((word, 0.0),)))

    result = await workshop.run()

    assert result.counts == {"saved": 3}


@pytest.mark.parametrize("word", ["transmogrified", "expired", "", "\x1b]0;x\x07"])
async def test_a_job_that_stays_in_a_status_nobody_knows_ends_alone(word, workshop):
    workshop.write_items("oak", "elm", "fir")
    workshop.set(job_timeout_s=60.0)
    workshop.api.script("oak", Outcome(ends="", path=((word, 0.0),)))

    result = await workshop.run()

    assert result.counts == {"failed": 1, "saved": 2}
    assert workshop.job("oak").failure.kind is FailureClass.TIMED_OUT
    assert workshop.clock.monotonic_s() < 200


async def test_more_assets_than_asked_for_are_all_saved(workshop):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(outputs=5))

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert len([name for name in workshop.files() if name.endswith(".png")]) == 5


# --- listings


def repeated(_which, _token, page):
    return replace(page, next_token="again")


def endless_empty():
    numbers = iter(range(10**9))

    def tamper(_which, _token, page):
        return replace(page, jobs=(), next_token=f"t{next(numbers)}")

    return tamper


def endless_full():
    numbers = iter(range(10**9))

    def tamper(_which, _token, page):
        return replace(page, next_token=f"t{next(numbers)}")

    return tamper


LISTINGS = {
    "repeated-token": lambda: repeated,
    "endless-empty-pages": endless_empty,
    "endless-full-pages": endless_full,
}


@pytest.mark.parametrize("kind", LISTINGS)
async def test_a_listing_without_an_end_does_not_keep_jobs_from_being_collected(
    kind, workshop
):
    workshop.write_items(*TREES)
    workshop.api.tamper = LISTINGS[kind]()

    result = await workshop.run()

    assert result.counts == {"saved": 4}
    assert workshop.clock.monotonic_s() < 100
    assert workshop.api.calls["list_jobs"] < 5000


@pytest.mark.parametrize("kind", LISTINGS)
@pytest.mark.parametrize("exists", [True, False])
async def test_a_listing_without_an_end_proves_nothing_and_pays_nothing(
    kind, exists, workshop
):
    workshop.write_items("oak", "elm")
    workshop.set(free_deadline_s=30.0)
    workshop.api.tamper = LISTINGS[kind]()
    workshop.api.fail_next(
        "submit", LOST, after=exists, where=lambda _m, i: i["prompt"] == "oak"
    )

    first = await workshop.run()
    unsure = workshop.job("oak")
    workshop.api.tamper = lambda _which, _token, page: page
    second = await workshop.run()

    assert first.exit_code is ExitCode.UNKNOWN_OUTCOME
    assert first.counts == {"unknown": 1, "saved": 1}
    assert unsure.status is JobStatus.UNKNOWN
    assert second.counts == {"saved": 1, "done": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_rebuild_with_a_listing_without_an_end_pays_nothing_blindly(place_of):
    """After a lost ledger the list is all there is: unread, nothing may be paid."""
    async with place_of() as place:
        await place.play(items("an oak"))
        place.lose_ledger()
        place.emulator.faults.rates["list-endless"] = 1.0
        blind = await place.play(items("an oak", "an elm"))
        paid = place.paid
        place.emulator.faults.clear()
        seeing = await place.play(items("an oak", "an elm"))

        assert blind.code is not ExitCode.OK
        assert blind.code is not ExitCode.BUG
        assert paid == 1
        assert seeing.code is ExitCode.OK
        assert place.paid == 2
