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
from doubles.downloads import PNG, SETTINGS, partial_files, spec_of
from doubles.media import glb_of, sound_of, video_of
from doubles.transfer import Body, FakeTransfer
from PIL import Image

from pipeline.api.interface import UrlExpired
from pipeline.assets.downloader import Downloader
from pipeline.assets.executor import InProcess
from pipeline.assets.fetching import BLOCK_BYTES, fetch
from pipeline.assets.least_rate import BrokenFile
from pipeline.errors import DownloadFailed, OutputError, Unavailable
from pipeline.job import AssetId
from pipeline.storage.atomic_file import (
    CHUNK_SIZE_BYTES,
    PARTIAL_FOLDER,
    SMALL_FILE_BYTES,
)
from pipeline.storage.batching import Batcher
from pipeline.storage.folder import Folder

NOISE = Image.effect_noise((64, 48), 90).convert("RGB")


def jpeg() -> bytes:
    target = io.BytesIO()
    NOISE.save(target, "JPEG")
    return target.getvalue()


async def test_a_file_comes_whole_measured_and_hashed(download, api, asset_id):
    receipt = await download()

    content = api.files[asset_id]
    assert _bytes_of(receipt) == content
    assert receipt.sha256 == hashlib.sha256(content).hexdigest()
    assert (receipt.size_bytes, receipt.media_type) == (len(content), "image/png")
    assert (receipt.width_px, receipt.height_px) == (8, 6)


async def test_the_type_is_that_of_the_content(download, api, asset_id):
    api.files[asset_id] = jpeg()

    receipt = await download()

    assert receipt.media_type == "image/jpeg"


HTML = b"<!doctype html><title>Sign in</title>"
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

    assert _bytes_of(receipt) == api.files[asset_id]
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


async def test_the_time_that_a_url_is_waited_for_does_not_count(
    transfer, finish, api, asset_id, tmp_path
):
    transfer.answer_next(*[UrlExpired("HTTP 403")] * 3)

    async def resolve(asset_id):
        await api.clock.sleep(10 * SETTINGS.free_deadline_s)  # refused for the rate
        return await api.find_asset(asset_id)

    downloader = Downloader(
        InProcess(transfer, SETTINGS),
        api.clock,
        SETTINGS,
        resolve=resolve,
        find_job=api.find_job,
    )

    receipt = await finish(lambda: downloader.download(asset_id, Folder(tmp_path)))

    assert receipt.size_bytes == len(api.files[asset_id])


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
    receipt = await fetch_bytes(b"ply\n" + bytes(100), kind="3d", media_type="")

    assert (receipt.media_type, receipt.kind) == ("model/ply", "3d")
    assert receipt.width_px is None


@pytest.mark.parametrize(
    ("content", "announced", "found"),
    [
        (video_of("webm"), ("audio", "audio/webm"), ("video/webm", "audio")),
        (video_of("mp4"), ("", ""), ("video/mp4", "video")),
        (sound_of("m4a"), ("video", ""), ("audio/mp4", "audio")),
        (glb_of(), ("image-hdr", ""), ("model/gltf-binary", "3d")),
        (b"some words", ("", ""), ("text/plain", "text")),
        (b"v like victory\n", ("3d", "model/obj"), ("model/obj", "3d")),
        (b"\x01\x02\x00", ("3d", "model/x"), ("model/x", "3d")),
        (b"\x01\x02\x00", ("", ""), ("application/octet-stream", "")),
    ],
)
async def test_the_kind_is_that_of_the_content_or_else_as_announced(
    fetch_bytes, content, announced, found
):
    kind, media_type = announced

    receipt = await fetch_bytes(content, kind=kind, media_type=media_type)

    assert (receipt.media_type, receipt.kind) == found


@pytest.mark.parametrize(
    ("content", "kind", "why"),
    [
        (glb_of()[:-8], "3d", "the file has"),
        (video_of("mp4")[:900], "video", "does not play"),
        (b'{"error": "gone"}', "video", "not a video but application/json"),
        (b"try later", "audio", "not a sound but text/plain"),
    ],
)
async def test_what_is_no_whole_file_of_its_kind_is_broken(
    fetch_bytes, content, kind, why
):
    with pytest.raises(BrokenFile, match=why):
        await fetch_bytes(content, kind=kind, media_type="")


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
    assert _bytes_of(receipt) == content
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
        receipt = await downloader.download(good, Folder(tmp_path))
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
        await downloader.download(asset_id, Folder(tmp_path))

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


def _bytes_of(receipt):
    with receipt.partial.open("rb") as file:
        return file.read()
