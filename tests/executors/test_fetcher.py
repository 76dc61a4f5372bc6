"""Fetcher: a task → a file and a reply; whatever goes wrong is an outcome."""

import hashlib

import pytest
from doubles import buckets
from doubles.downloads import PNG
from doubles.transfer import Body
from doubles.workers import SECRET, TREATMENT

from pipeline.api.interface import UrlExpired
from pipeline.assets.drawn import draw_ahead, find_drawn
from pipeline.errors import Unavailable
from pipeline.executors.fetcher import Fetcher
from pipeline.executors.messages import (
    Check,
    Outcome,
    Place,
    Task,
    decode_reply,
    encode,
    received,
)
from pipeline.job import AssetId
from pipeline.storage.atomic_file import PARTIAL_FOLDER, write_in_place

bucket = buckets.bucket
ASSET = AssetId("asset_1")
URL = f"https://cdn.cloud.scenario.com/{ASSET}?{SECRET}&at=0"


@pytest.fixture
def place(tmp_path):
    """A folder that a worker sees."""
    write_in_place(b"", tmp_path, f"{PARTIAL_FOLDER}/marker")
    return Place(folder=str(tmp_path), marker="marker")


@pytest.fixture
def perform(api, transfer, clock):
    """Have a fetcher answer a message."""
    api.files[ASSET] = PNG
    transfer.chunk_bytes = 1 << 20

    async def run(message, **changes):
        async with Fetcher(transfer, clock) as fetcher:
            if isinstance(message, Place):
                message = task_in(message, **changes)
            return decode_reply(await fetcher.perform(encode(message)))

    return run


def task_in(place, **changes):
    values = {
        "asset_id": ASSET,
        "url": URL,
        "place": place,
        "size_bytes": len(PNG),
        "kind": "image",
        "media_type": "image/png",
        "draws": False,
    }
    return Task(**{**values, **changes})


def written(folder):
    """The finished files under their temporary names."""
    return {
        path.name: path.read_bytes()
        for path in (folder / PARTIAL_FOLDER).iterdir()
        if path.is_file() and path.name != "marker"
    }


async def test_a_file_comes_whole_and_the_reply_names_it(perform, place, tmp_path):
    reply = await perform(place)

    assert reply.outcome is Outcome.DONE
    sent = reply.receipt
    assert written(tmp_path) == {sent.name: PNG}
    assert sent.sha256 == hashlib.sha256(PNG).hexdigest()
    assert (sent.size_bytes, sent.width_px, sent.height_px) == (len(PNG), 64, 48)


async def test_a_file_is_treated_and_its_original_is_named_too(
    perform, place, tmp_path
):
    reply = await perform(place, treatment=TREATMENT)

    sent = reply.receipt
    assert sent.media_type == "image/webp"
    assert sent.recipe
    assert written(tmp_path).keys() == {sent.name, sent.original.name}
    assert written(tmp_path)[sent.original.name] == PNG


async def test_a_thumbnail_is_drawn_where_the_gallery_looks_for_it(
    perform, place, tmp_path
):
    reply = await perform(place, draws=True)

    drawn = find_drawn(tmp_path, reply.receipt.sha256)
    assert drawn is not None
    assert drawn[8:12] == b"WEBP"
    assert find_drawn(tmp_path, "00") is None


async def test_what_has_no_thumbnail_is_left_without_one(perform, api, place, tmp_path):
    api.files[ASSET] = b"ply\n" + bytes(50)

    reply = await perform(
        place, draws=True, size_bytes=54, kind="3d", media_type="model/ply"
    )

    assert reply.outcome is Outcome.DONE
    assert list(written(tmp_path)) == [reply.receipt.name]


async def test_a_picture_that_cannot_be_drawn_costs_only_its_thumbnail(
    perform, place, tmp_path
):
    receipt = (await perform(place)).receipt
    path = tmp_path / PARTIAL_FOLDER / receipt.name
    path.write_bytes(PNG[:40])

    draw_ahead(received(receipt, lambda _sent: path), tmp_path)

    assert find_drawn(tmp_path, receipt.sha256) is None


ENDS = {
    "expired": (UrlExpired("HTTP 403"), Outcome.EXPIRED),
    "away": (Unavailable("HTTP 503", status=503), Outcome.UNAVAILABLE),
    "cut short": (Body(cut_at=40), Outcome.UNAVAILABLE),
    "no picture": (Body(content=b"?" * len(PNG)), Outcome.UNAVAILABLE),
    "a bug": (ZeroDivisionError(SECRET), Outcome.BUG),
}


@pytest.mark.parametrize(("answer", "outcome"), ENDS.values(), ids=ENDS)
async def test_whatever_goes_wrong_is_an_outcome_without_the_secret(
    perform, transfer, place, tmp_path, *, answer, outcome
):
    transfer.answer_next(answer)

    reply = await perform(place)

    assert reply.outcome is outcome
    assert reply.message
    assert SECRET not in reply.message
    assert reply.receipt is None
    assert written(tmp_path) == {}


async def test_what_is_too_large_fails_for_good(perform, place):
    assert (await perform(place, size_bytes=1 << 40)).outcome is Outcome.FAILED


async def test_a_folder_that_cannot_be_written_is_told(perform, place, tmp_path):
    folder = tmp_path / PARTIAL_FOLDER
    folder.rename(tmp_path / "real")
    folder.symlink_to(tmp_path / "real")

    assert (await perform(place)).outcome is Outcome.UNWRITABLE
    assert (await perform(Check(place=place))).outcome is Outcome.UNWRITABLE


async def test_a_worker_that_does_not_see_the_folder_is_unfit_and_makes_none(
    perform, tmp_path
):
    elsewhere = Place(folder=str(tmp_path / "not here"), marker="marker")

    reply = await perform(elsewhere)

    assert reply.outcome is Outcome.UNFIT
    assert "not here" in reply.message
    assert not (tmp_path / "not here").exists()
    assert (await perform(Check(place=elsewhere))).outcome is Outcome.UNFIT


async def test_a_check_answers_without_leaving_anything(perform, place, tmp_path):
    assert (await perform(Check())).outcome is Outcome.DONE
    assert (await perform(Check(place=place))).outcome is Outcome.DONE
    assert written(tmp_path) == {}


@pytest.mark.parametrize("treatment", [None, TREATMENT], ids=["as it came", "treated"])
async def test_what_goes_to_a_bucket_is_staged_there(perform, bucket, treatment):
    place = Place(url=bucket.url)
    assert (await perform(Check(place=place))).outcome is Outcome.DONE

    reply = await perform(place, treatment=treatment)

    sent = reply.receipt
    files = [sent] if sent.original is None else [sent, sent.original]
    assert (len(files) == 2) == (treatment is not None)
    assert bucket.names == sorted(f"{PARTIAL_FOLDER}/{one.name}" for one in files)
    for one in files:
        content = bucket.get(f"{PARTIAL_FOLDER}/{one.name}")
        assert hashlib.sha256(content).hexdigest() == one.sha256
        assert len(content) == one.size_bytes


async def test_a_bucket_is_opened_once(bucket, api, transfer, clock):
    api.files[ASSET] = PNG
    async with Fetcher(transfer, clock) as fetcher:
        for _ in range(2):
            task = task_in(Place(url=bucket.url))
            assert decode_reply(await fetcher.perform(encode(task))).receipt
        assert len(fetcher._buckets) == 1
        workspace = fetcher._workspace
        assert workspace is not None
        assert workspace.is_dir()

    assert not workspace.exists()


async def test_without_a_bucket_there_is_a_hint(perform, bucket):
    place = Place(url="s3://there-is-none/trees")

    reply = await perform(Check(place=place))

    assert reply.outcome is Outcome.UNWRITABLE
    assert "there-is-none" in reply.message
