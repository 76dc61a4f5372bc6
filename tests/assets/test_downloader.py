"""Downloader: only a whole, right file comes out; a fresh URL is asked for until then."""

import asyncio
import hashlib
import io
import random
import threading
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from doubles.pictures import png_bytes
from doubles.transfer import Body, FakeTransfer
from PIL import Image

from pipeline.api.interface import UrlExpired
from pipeline.assets.downloader import (
    BLOCK_BYTES,
    LEAST_BYTES,
    LEAST_WINDOW_S,
    MAX_FILE_BYTES,
    MAX_IMAGE_BYTES,
    BrokenFile,
    ByteLimiter,
    Downloader,
    FetchSpec,
    OutOfTime,
    TooLarge,
    fetch,
)
from pipeline.errors import DownloadFailed, OutputError, Unavailable
from pipeline.job import AssetId
from pipeline.settings import Settings
from pipeline.storage.atomic_file import (
    CHUNK_SIZE_BYTES,
    PARTIAL_FOLDER,
    SMALL_FILE_BYTES,
)
from pipeline.storage.batching import Batcher

SETTINGS = Settings(free_deadline_s=30.0, downloads=3)
NOISE = Image.effect_noise((64, 48), 90).convert("RGB")


def jpeg() -> bytes:
    target = io.BytesIO()
    NOISE.save(target, "JPEG")
    return target.getvalue()


@pytest.fixture
def asset_id(api, clock):
    job = api.add_job()
    clock.jump(10)
    return job.asset_ids[0]


@pytest.fixture
def downloader(api, transfer, clock):
    return Downloader(transfer, clock, SETTINGS, resolve=api.find_asset)


@pytest.fixture
def download(downloader, finish, asset_id, tmp_path):
    return lambda: finish(lambda: downloader.download(asset_id, tmp_path))


def partial_files(folder):
    return list((folder / PARTIAL_FOLDER).glob("*"))


async def test_a_file_comes_whole_measured_and_hashed(download, api, asset_id):
    receipt = await download()

    content = api.files[asset_id]
    assert receipt.partial.read_bytes() == content
    assert receipt.sha256 == hashlib.sha256(content).hexdigest()
    assert (receipt.size_bytes, receipt.media_type) == (len(content), "image/png")
    assert (receipt.width_px, receipt.height_px) == (8, 6)


async def test_the_type_is_that_of_the_content(download, api, asset_id):
    api.files[asset_id] = jpeg()

    receipt = await download()

    assert receipt.media_type == "image/jpeg"


HTML = b"<!doctype html><title>Sign in</title>"
PNG = png_bytes("red", 64, 48)
BROKEN = {
    "cut short": Body(cut_at=40),
    "cut short, no length announced": Body(cut_at=40, announced=None),
    "longer than announced": Body(content=PNG + b"tail", announced=len(PNG)),
    "another length than the record says": Body(content=PNG),
    "a web page": Body(content=HTML, announced=None),
    "broken off": Body(cut_at=40, breaks=Unavailable("reset")),
    "refused": Unavailable("HTTP 503", status=503),
    "expired": UrlExpired("HTTP 403"),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_whatever_is_wrong_is_tried_again_with_a_fresh_url(
    download, transfer, api, asset_id, tmp_path, *, answer
):
    transfer.answer_next(answer)

    receipt = await download()

    assert receipt.partial.read_bytes() == api.files[asset_id]
    assert len(set(transfer.reads)) == 2
    assert partial_files(tmp_path) == [receipt.partial]


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_what_stays_wrong_fails_at_the_deadline_and_leaves_no_file(
    download, transfer, clock, tmp_path, answer
):
    transfer.answer_next(*[answer] * 100)
    before_s = clock.monotonic_s()

    with pytest.raises(DownloadFailed):
        await download()

    assert clock.monotonic_s() - before_s == SETTINGS.free_deadline_s
    assert partial_files(tmp_path) == []


def spec_of(folder, content, **changes):
    values = {
        "asset_id": AssetId("asset_1"),
        "url": "https://cdn.cloud.scenario.com/asset_1?Signature=x&at=0",
        "output": folder,
        "size_bytes": len(content),
        "kind": "image",
        "media_type": "image/png",
    }
    return FetchSpec(**{**values, **changes})


@pytest.fixture
def fetch_bytes(api, tmp_path):
    """Fetch exactly these bytes, as announced."""

    async def run(content, **changes):
        api.files[AssetId("asset_1")] = content
        return await fetch(spec_of(tmp_path, content, **changes), FakeTransfer(api))

    return run


@pytest.mark.parametrize(
    "content",
    [HTML, b"\0\1\2 bytes", jpeg()[:900], PNG[:-12], b"", b"%PDF-1.7"],
    ids=["html", "unknown", "half a JPEG", "PNG without end", "empty", "PDF"],
)
async def test_an_image_that_is_none_is_broken_even_at_the_announced_length(
    fetch_bytes, tmp_path, content
):
    with pytest.raises(BrokenFile):
        await fetch_bytes(content, size_bytes=len(content) or None)

    assert partial_files(tmp_path) == []


async def test_a_web_page_in_place_of_a_model_is_broken(fetch_bytes):
    with pytest.raises(BrokenFile, match="web page"):
        await fetch_bytes(HTML, kind="3d", media_type="model/gltf-binary")


async def test_a_web_page_that_was_asked_for_is_none(fetch_bytes):
    receipt = await fetch_bytes(HTML, kind="document", media_type="text/html")

    assert receipt.media_type == "text/html"


async def test_what_is_no_picture_is_taken_by_its_length_and_has_no_size(fetch_bytes):
    receipt = await fetch_bytes(b"glTF" + bytes(100), kind="3d", media_type="")

    assert receipt.media_type == "model/gltf-binary"
    assert receipt.width_px is None


async def test_a_model_that_is_cut_short_shows_by_its_length_alone(
    api, tmp_path, transfer
):
    content = b"glTF" + bytes(100)
    api.files[AssetId("asset_1")] = content
    transfer.answer_next(Body(cut_at=60))

    with pytest.raises(BrokenFile, match="60 of 104 bytes"):
        await fetch(spec_of(tmp_path, content, kind="3d"), transfer)


async def test_unknown_bytes_keep_the_type_that_the_service_says(fetch_bytes):
    receipt = await fetch_bytes(b"\0\1\2", kind="", media_type="model/x-secret")

    assert receipt.media_type == "model/x-secret"


async def test_two_announcements_that_disagree_are_not_downloaded(
    api, tmp_path, transfer
):
    api.files[AssetId("asset_1")] = PNG
    transfer.answer_next(Body(announced=5))

    with pytest.raises(BrokenFile, match="5 bytes announced"):
        await fetch(spec_of(tmp_path, PNG), transfer)

    assert not (tmp_path / PARTIAL_FOLDER).exists()


async def test_a_file_without_any_announced_length_is_taken_by_its_content(
    api, tmp_path, transfer
):
    api.files[AssetId("asset_1")] = PNG
    transfer.answer_next(Body(announced=None))

    receipt = await fetch(spec_of(tmp_path, PNG, size_bytes=None), transfer)

    assert receipt.size_bytes == len(PNG)


async def test_a_stream_without_an_end_is_cut_where_it_exceeds_the_announcement(
    tmp_path,
):
    sent = []

    class Endless(FakeTransfer):
        async def _chunks(self, _content, _breaks):
            while True:
                sent.append(1)
                yield bytes(CHUNK_SIZE_BYTES)

    class Files:
        files = {AssetId("asset_1"): bytes(3 * CHUNK_SIZE_BYTES)}  # noqa: RUF012

        class clock:  # noqa: N801
            monotonic_s = staticmethod(lambda: 0.0)

    files: Any = Files()
    size_bytes = 3 * CHUNK_SIZE_BYTES
    with pytest.raises(BrokenFile, match="more than"):
        await fetch(spec_of(tmp_path, b"", size_bytes=size_bytes), Endless(files))

    assert len(sent) == 4
    assert partial_files(tmp_path) == []


async def test_no_more_downloads_than_allowed_are_open_at_a_time(
    downloader, api, transfer, clock, *, tmp_path, finish
):
    jobs = [api.add_job({"prompt": str(number)}) for number in range(12)]
    clock.jump(10)

    async def everyone():
        async with anyio.create_task_group() as tasks:
            for job in jobs:
                tasks.start_soon(downloader.download, job.asset_ids[0], tmp_path)

    await finish(everyone)

    assert transfer.most_open == SETTINGS.downloads
    assert len(partial_files(tmp_path)) == 12


async def most_open_of_twelve(settings, api, transfer, clock, folder):
    """How many of so many downloads are open while none of them ends."""
    jobs = [api.add_job({"prompt": str(number)}) for number in range(12)]
    clock.jump(10)
    asset_ids = [job.asset_ids[0] for job in jobs]
    largest = max(len(api.files[asset_id]) for asset_id in asset_ids)
    downloader = Downloader(transfer, clock, settings(largest), resolve=api.find_asset)
    transfer.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for asset_id in asset_ids:
            tasks.start_soon(downloader.download, asset_id, folder)
        await clock.settle()
        open_at_once = transfer.open_now
        transfer.gate.set()
    assert len(partial_files(folder)) == 12
    return open_at_once


async def test_small_assets_come_many_at_a_time(api, transfer, clock, tmp_path):
    open_at_once = await most_open_of_twelve(
        lambda largest: Settings(download_bytes=99 * largest),
        api,
        transfer,
        clock,
        tmp_path,
    )

    assert open_at_once == 12


@pytest.mark.parametrize(("times", "at_once"), [(4, 4), (6, 6), (1, 4)])
async def test_large_assets_come_few_at_a_time_but_never_one_by_one(
    api, transfer, clock, tmp_path, *, times, at_once
):
    open_at_once = await most_open_of_twelve(
        lambda largest: Settings(download_bytes=times * largest),
        api,
        transfer,
        clock,
        tmp_path,
    )

    assert open_at_once == at_once


@pytest.mark.parametrize("seed", range(5))
async def test_the_bytes_under_way_stay_within_the_limit_and_all_get_theirs(seed):
    dice = random.Random(seed)
    limiter = ByteLimiter(100)
    under_way, most, served = 0, 0, 0

    async def take(size_bytes):
        nonlocal under_way, most, served
        async with limiter.take(size_bytes):
            under_way += min(size_bytes, 25)
            most = max(most, under_way)
            for _ in range(dice.randrange(5)):
                await anyio.lowlevel.checkpoint()
            under_way -= min(size_bytes, 25)
            served += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(take, dice.choice([0, 1, 3, 20, 24, 25, 1000]))

    assert 75 < most <= 100
    assert served == 200


async def test_a_large_asset_is_not_overtaken_for_ever_by_small_ones():
    limiter = ByteLimiter(40)
    order = []

    async def take(size_bytes):
        async with limiter.take(size_bytes):
            order.append(size_bytes)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        for size_bytes in (9, 9, 9, 9, 10, 1, 2, 3):
            tasks.start_soon(take, size_bytes)

    assert order == [9, 9, 9, 9, 10, 1, 2, 3]


@pytest.mark.parametrize("is_admitted", [True, False])
async def test_a_download_that_gives_up_gives_its_bytes_back(is_admitted):
    limiter = ByteLimiter(4)
    held = anyio.Event()

    async def hold():
        async with limiter.take(1):
            held.set()
            await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for _ in range(4 if is_admitted else 9):
            tasks.start_soon(hold)
        await held.wait()
        tasks.cancel_scope.cancel()
    with anyio.fail_after(5):
        async with limiter.take(1), limiter.take(1), limiter.take(1), limiter.take(1):
            pass


async def test_a_png_is_looked_at_as_it_comes_and_waits_for_no_decoder(
    api, transfer, clock, tmp_path
):
    decoders = anyio.CapacityLimiter(1)
    receipts = []

    async def fetch_one(content):
        asset_id = AssetId(f"asset_{len(content)}")
        api.files[asset_id] = content
        url = f"https://cdn.cloud.scenario.com/{asset_id}?Signature=x&at=0"
        spec = spec_of(tmp_path, content, url=url)
        receipts.append((await fetch(spec, transfer, decoders)).media_type)

    async with anyio.create_task_group() as tasks, decoders:
        tasks.start_soon(fetch_one, jpeg())
        tasks.start_soon(fetch_one, PNG)
        await clock.settle()
        assert receipts == ["image/png"]

    assert receipts == ["image/png", "image/jpeg"]


@pytest.mark.parametrize(
    ("size_bytes", "thread_calls"),
    [
        (1, ["shared", "the batch's"]),
        (SMALL_FILE_BYTES, ["shared", "the batch's"]),
        (SMALL_FILE_BYTES + 1, ["own"]),
        (BLOCK_BYTES, ["own"]),
        (BLOCK_BYTES + CHUNK_SIZE_BYTES, ["own", "own"]),
        (BLOCK_BYTES + 1, ["own", "own"]),
    ],
)
async def test_a_usual_file_is_one_thread_call_and_small_ones_share_theirs(  # noqa: PLR0917 - fixtures
    api, transfer, tmp_path, monkeypatch, size_bytes, thread_calls
):
    made = []

    class Shared(Batcher[Any, Any]):
        async def run(self, item):
            made.append("shared")
            return await super().run(item)

    loop = asyncio.get_running_loop()
    in_thread = loop.run_in_executor

    def note(*arguments):
        made.append("the batch's" if "shared" in made else "own")
        return in_thread(*arguments)

    monkeypatch.setattr(loop, "run_in_executor", note)
    content = random.Random(1).randbytes(size_bytes)
    api.files[AssetId("asset_1")] = content
    transfer.chunk_bytes = CHUNK_SIZE_BYTES
    spec = spec_of(tmp_path, content, kind="3d", media_type="model/gltf-binary")

    receipt = await fetch(spec, transfer, None, Shared(lambda write: write()))

    assert receipt.sha256 == hashlib.sha256(content).hexdigest()
    assert receipt.partial.read_bytes() == content
    assert made == thread_calls


async def test_a_run_that_is_left_does_not_finish_what_waits_for_its_thread_call(
    api, transfer, tmp_path
):
    begun, may_go_on, written = threading.Event(), threading.Event(), []

    def work(write):
        begun.set()
        may_go_on.wait(10)
        written.append(write())

    batcher = Batcher(work, max_batch_size=1)
    receipts = []

    async def fetch_one(spec):
        receipts.append(await fetch(spec, transfer, None, batcher))

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            api.files[AssetId(f"asset_{number}")] = PNG
            url = f"https://cdn.cloud.scenario.com/asset_{number}?Signature=x&at=0"
            spec = spec_of(tmp_path, PNG, url=url)
            tasks.start_soon(fetch_one, spec)
        await anyio.to_thread.run_sync(begun.wait, 10)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        asyncio.get_running_loop().call_later(0, may_go_on.set)

    assert len(written) == len(receipts) == 1  # it had begun
    assert partial_files(tmp_path) == [receipts[0].partial]


async def test_a_png_that_is_broken_is_not_read_to_its_end(tmp_path):
    size_bytes = 9 * CHUNK_SIZE_BYTES
    broken = (PNG[:20] + b"?" + PNG[21:]).ljust(CHUNK_SIZE_BYTES, b"\0")
    sent = []

    class Long(FakeTransfer):
        async def _chunks(self, _content, _breaks):
            for _ in range(9):
                sent.append(1)
                yield broken

    class Files:
        files = {AssetId("asset_1"): bytes(size_bytes)}  # noqa: RUF012

        class clock:  # noqa: N801
            monotonic_s = staticmethod(lambda: 0.0)

    files: Any = Files()
    with pytest.raises(BrokenFile, match="checksum"):
        await fetch(spec_of(tmp_path, b"", size_bytes=size_bytes), Long(files))

    assert len(sent) == 1 + BLOCK_BYTES // CHUNK_SIZE_BYTES
    assert partial_files(tmp_path) == []


async def test_a_try_that_waits_holds_no_place_of_the_downloads(
    downloader, api, transfer, clock, tmp_path
):
    bad = api.add_job({"prompt": "bad"}).asset_ids[0]
    good = api.add_job({"prompt": "good"}).asset_ids[0]
    clock.jump(10)
    transfer.answer_next(*[Unavailable("503")] * 3)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(downloader.download, bad, tmp_path)
        await clock.settle()
        receipt = await downloader.download(good, tmp_path)
        tasks.cancel_scope.cancel()

    assert receipt.size_bytes == len(api.files[good])


async def test_a_disk_that_cannot_be_written_is_no_fault_of_the_asset(
    download, tmp_path
):
    (tmp_path / PARTIAL_FOLDER).write_text("a file where a folder should be")

    with pytest.raises(OutputError):
        await download()


async def test_a_cancelled_download_leaves_no_partial_file(
    downloader, transfer, clock, asset_id, tmp_path
):
    scope = anyio.CancelScope()
    chunks = []

    def cut(point):
        chunks.append(point)
        if chunks.count("read!") == 2:
            scope.cancel()

    transfer.on_point = cut
    with scope:
        await downloader.download(asset_id, tmp_path)

    assert scope.cancelled_caught
    assert partial_files(tmp_path) == []


async def test_neither_a_spec_nor_an_error_shows_the_signature(
    download, transfer, api, asset_id, tmp_path
):
    transfer.answer_next(*[UrlExpired("HTTP 403")] * 100)

    with pytest.raises(DownloadFailed) as raised:
        await download()

    assert "Signature" not in repr(spec_of(tmp_path, PNG))
    assert "Signature" not in f"{raised.value!r} {raised.value.hint}"


# --- what is not worth waiting for ---------------------------------------------------


@pytest.fixture
def large(api, asset_id):
    """The asset is a picture of some 270 kB."""
    target = io.BytesIO()
    Image.effect_noise((300, 300), 90).convert("RGB").save(target, "PNG")
    api.files[asset_id] = target.getvalue()
    return target.getvalue()


@pytest.fixture
def fetched(api, transfer, clock, *, finish, asset_id, tmp_path):
    """Download with these settings, and with this done beside it."""

    async def run(settings, beside=None):
        downloader = Downloader(transfer, clock, settings, resolve=api.find_asset)

        async def both():
            async with anyio.create_task_group() as tasks:
                if beside is not None:
                    tasks.start_soon(beside, downloader)
                receipts.append(await downloader.download(asset_id, tmp_path))

        receipts = []
        try:
            await finish(both)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        return receipts[0]

    return run


async def test_a_file_that_trickles_is_fetched_anew_with_a_fresh_url(
    fetched, transfer, clock, large
):
    transfer.chunk_bytes, transfer.chunk_s = 1, 1.0
    began_s = clock.monotonic_s()

    def mend(point):
        if point == "read" and len(transfer.reads) == 2:
            transfer.chunk_bytes, transfer.chunk_s = 1 << 16, 0.0

    transfer.on_point = mend
    receipt = await fetched(Settings())

    assert receipt.size_bytes == len(large)
    assert len(set(transfer.reads)) == 2
    # The first window is grace, the second is counted.
    assert clock.monotonic_s() - began_s < 2 * LEAST_WINDOW_S + 5


async def test_a_file_that_always_trickles_fails_soon_after_the_deadline(
    download, transfer, clock, large, tmp_path
):
    transfer.chunk_bytes, transfer.chunk_s = 1, 1.0
    began_s = clock.monotonic_s()

    with pytest.raises(DownloadFailed, match="too slow"):
        await download()

    took_s = clock.monotonic_s() - began_s
    assert took_s <= SETTINGS.free_deadline_s + 2 * LEAST_WINDOW_S + 5
    assert partial_files(tmp_path) == []


async def test_a_thin_line_is_no_reason_to_give_up(download, transfer, clock, large):
    transfer.chunk_bytes, transfer.chunk_s = LEAST_BYTES, LEAST_WINDOW_S - 1
    began_s = clock.monotonic_s()

    receipt = await download()

    assert receipt.size_bytes == len(large)
    assert len(transfer.reads) == 1
    assert clock.monotonic_s() - began_s > 5 * LEAST_WINDOW_S


async def test_once_the_run_is_to_stop_a_download_has_two_minutes_left(
    fetched, transfer, clock, large
):
    transfer.chunk_bytes, transfer.chunk_s = 1 << 10, 0.9
    assert len(large) / transfer.chunk_bytes * transfer.chunk_s > 160
    stopped_s = clock.monotonic_s() + 40

    async def stop(downloader):
        await clock.sleep(40)
        downloader.hurry()

    with pytest.raises(OutOfTime, match="after a stop"):
        await fetched(Settings(), stop)

    assert 120 <= clock.monotonic_s() - stopped_s <= 122
    assert len(transfer.reads) == 1


async def test_one_that_begins_later_has_them_from_its_beginning(
    download, downloader, transfer, clock, large
):
    transfer.chunk_bytes, transfer.chunk_s = 1 << 10, 0.9
    downloader.hurry()
    clock.jump(100)
    began_s = clock.monotonic_s()

    with pytest.raises(OutOfTime, match="after a stop"):
        await download()

    assert 120 <= clock.monotonic_s() - began_s <= 122


async def test_a_download_that_is_done_in_time_does_not_feel_a_stop(
    download, downloader, transfer, large
):
    transfer.chunk_bytes, transfer.chunk_s = 1 << 12, 1.0
    downloader.hurry()

    assert (await download()).size_bytes == len(large)


# --- what is too large, and what is nothing ------------------------------------------


LIMITS = {"image": MAX_IMAGE_BYTES, "video": MAX_FILE_BYTES, "": MAX_FILE_BYTES}


@pytest.mark.parametrize("kind", LIMITS)
async def test_what_the_cdn_announces_is_not_taken_at_its_word(api, tmp_path, kind):
    api.files[AssetId("asset_1")] = PNG
    points = []
    for announced in (LIMITS[kind] + 1, 4 << 30):
        transfer = FakeTransfer(api)
        transfer.on_point = points.append
        transfer.answer_next(Body(announced=announced))

        with pytest.raises(BrokenFile, match="at most"):
            await fetch(spec_of(tmp_path, PNG, size_bytes=None, kind=kind), transfer)

    assert points == ["read", "read"]  # no byte of it
    assert partial_files(tmp_path) == []


@pytest.mark.parametrize("announced", [None, "as sent"])
async def test_what_no_record_bounds_ends_at_the_limit(
    api, tmp_path, monkeypatch, announced
):
    monkeypatch.setattr("pipeline.assets.downloader.MAX_IMAGE_BYTES", 1000)
    sent = PNG + bytes(5000)
    api.files[AssetId("asset_1")] = sent
    points = []
    transfer = FakeTransfer(api)
    transfer.on_point = points.append
    transfer.answer_next(Body(announced=announced and len(sent)))

    with pytest.raises(BrokenFile, match="1000"):
        await fetch(spec_of(tmp_path, sent, size_bytes=None), transfer)

    assert points.count("read!") <= 1000 // transfer.chunk_bytes + 1


async def test_a_record_that_is_too_large_fails_without_a_try(
    download, api, transfer, asset_id
):
    class Endless(bytes):
        def __len__(self):
            return MAX_FILE_BYTES + 1

    api.files[asset_id] = Endless()

    with pytest.raises(TooLarge) as caught:
        await download()

    assert f"{MAX_FILE_BYTES + 1:,} bytes" in caught.value.message
    assert caught.value.hint
    assert transfer.reads == []


@pytest.mark.parametrize("announced", [0, None])
@pytest.mark.parametrize(("kind", "media_type"), [("", ""), ("image", "image/png")])
async def test_nothing_is_no_asset(api, tmp_path, announced, kind, media_type):
    api.files[AssetId("asset_1")] = b""
    transfer = FakeTransfer(api)
    transfer.answer_next(Body(announced=announced))
    spec = spec_of(tmp_path, b"", size_bytes=None, kind=kind, media_type=media_type)

    with pytest.raises(BrokenFile, match="empty"):
        await fetch(spec, transfer)

    assert partial_files(tmp_path) == []
