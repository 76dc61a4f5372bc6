"""Downloader: how many files come at a time, and who waits for room."""

import random

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from doubles.downloads import SETTINGS, partial_files

from pipeline.assets.downloader import Downloader
from pipeline.assets.executor import ByteLimiter, InProcess
from pipeline.settings import Settings
from pipeline.storage.folder import Folder


async def test_no_more_downloads_than_allowed_are_open_at_a_time(
    downloader, api, transfer, clock, *, tmp_path, finish
):
    jobs = [api.add_job({"prompt": str(number)}) for number in range(12)]
    clock.jump(10)

    async def everyone():
        async with anyio.create_task_group() as tasks:
            for job in jobs:
                tasks.start_soon(
                    downloader.download, job.asset_ids[0], Folder(tmp_path)
                )

    await finish(everyone)

    assert transfer.most_open == SETTINGS.downloads
    assert len(partial_files(tmp_path)) == 12


async def test_waiting_for_room_does_not_count_towards_the_deadline(
    api, transfer, clock, *, tmp_path, finish
):
    """Or a URL that has expired meanwhile would be the end of the asset."""
    asset_id = api.add_job().asset_ids[0]
    clock.jump(10)
    transfer.lifetime_s = 60.0
    here = InProcess(transfer, Settings(downloads=1))
    downloader = Downloader(
        here, clock, SETTINGS, resolve=api.find_asset, find_job=api.find_job
    )
    receipts = []

    async def download():
        receipts.append(await downloader.download(asset_id, Folder(tmp_path)))

    async def wait_long():
        async with anyio.create_task_group() as tasks, here._limit:
            tasks.start_soon(download)
            await clock.sleep(10 * SETTINGS.free_deadline_s)

    await finish(wait_long)

    assert len(receipts) == 1
    assert len(transfer.reads) == 2


async def most_open_of_twelve(settings, api, transfer, clock, folder):
    """How many of so many downloads are open while none of them ends."""
    jobs = [api.add_job({"prompt": str(number)}) for number in range(12)]
    clock.jump(10)
    asset_ids = [job.asset_ids[0] for job in jobs]
    largest = max(len(api.files[asset_id]) for asset_id in asset_ids)
    chosen = settings(largest)
    downloader = Downloader(
        InProcess(transfer, chosen),
        clock,
        chosen,
        resolve=api.find_asset,
        find_job=api.find_job,
    )
    transfer.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        for asset_id in asset_ids:
            tasks.start_soon(downloader.download, asset_id, Folder(folder))
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
