"""Downloader: files that trickle, and downloads that a stop cuts short."""

import io

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from doubles.downloads import SETTINGS, partial_files
from PIL import Image

from pipeline.assets.downloader import Downloader
from pipeline.assets.executor import InProcess
from pipeline.assets.least_rate import LEAST_BYTES, LEAST_WINDOW_S, OutOfTime
from pipeline.errors import DownloadFailed
from pipeline.settings import Settings
from pipeline.stages.resolver import Resolver
from pipeline.storage.folder import Folder


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
        downloader = Downloader(
            InProcess(transfer, settings),
            clock,
            settings,
            resolve=api.find_asset,
            find_job=api.find_job,
        )

        async def both():
            async with anyio.create_task_group() as tasks:
                if beside is not None:
                    tasks.start_soon(beside, downloader)
                receipts.append(await downloader.download(asset_id, Folder(tmp_path)))

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


async def test_a_head_that_trickles_for_ever_is_as_slow_as_a_body(
    fetched, transfer, clock, large
):
    """No chunk arrives, and the connection is never silent either."""
    transfer.gate = anyio.Event()
    began_s = clock.monotonic_s()

    def mend(point):
        if point == "read" and len(transfer.reads) == 2:
            transfer.gate = None

    transfer.on_point = mend
    receipt = await fetched(Settings())

    assert receipt.size_bytes == len(large)
    assert len(set(transfer.reads)) == 2
    assert clock.monotonic_s() - began_s < 2 * LEAST_WINDOW_S + 5


async def test_a_head_that_trickles_for_ever_does_not_outlast_a_stop(
    fetched, transfer, clock, large
):
    transfer.gate = anyio.Event()
    stopped_s = clock.monotonic_s() + 40

    async def stop(downloader):
        await clock.sleep(40)
        downloader.hurry()

    with pytest.raises(OutOfTime, match="too slow, and no time is left after a stop"):
        await fetched(Settings(), stop)

    assert 120 <= clock.monotonic_s() - stopped_s <= 122


@pytest.mark.parametrize("hangs", [False, True], ids=["is not stored", "hangs"])
async def test_a_stop_does_not_wait_ten_minutes_for_an_asset_that_is_not_stored(
    api, transfer, clock, *, finish, asset_id, tmp_path, hangs
):
    resolver = Resolver(api, clock, Settings())
    api.asset_pending_s = 10_000.0
    if hangs:
        api.hold_next("find_assets")
    downloader = Downloader(
        InProcess(transfer, Settings()),
        clock,
        Settings(),
        resolve=resolver.resolve,
        find_job=api.find_job,
    )
    downloader.hurry()
    began_s = clock.monotonic_s()

    async def both():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(resolver.run)
            try:
                await downloader.download(asset_id, Folder(tmp_path))
            finally:
                tasks.cancel_scope.cancel()

    with pytest.raises(ExceptionGroup) as group:
        await finish(both)

    assert group.group_contains(OutOfTime, match="no time is left after a stop")
    assert 120 <= clock.monotonic_s() - began_s <= 122


async def test_what_has_arrived_is_not_thrown_away_by_a_stop(
    downloader, download, transfer, clock, large
):
    """Decoding, syncing and waiting for them take no part in the limit."""
    downloader.hurry()

    def delay(point):
        if point == "read!":
            clock.jump(119)
            transfer.on_point = lambda _point: None

    transfer.on_point = delay

    assert (await download()).size_bytes == len(large)
