"""The three executors, over real HTTP and real processes: all give the same."""

import hashlib
import os
import signal
from collections import Counter
from typing import Any

import anyio
import anyio.to_thread
import pytest
import pytest_asyncio
from doubles.workers import (
    PNG,
    SETUP,
    TREATMENT,
    Cdn,
    in_own_task,
    noise_of,
    start_cluster,
)

from pipeline.api.cdn import HttpTransfer
from pipeline.api.interface import UrlExpired
from pipeline.assets.executor import InProcess
from pipeline.assets.fetching import MAX_FILE_BYTES
from pipeline.assets.least_rate import LeastRate
from pipeline.clock import SystemClock
from pipeline.errors import DownloadFailed, Unavailable
from pipeline.executors.choice import Choice
from pipeline.executors.dask_cluster import open_cluster
from pipeline.executors.elsewhere import Elsewhere
from pipeline.executors.opening import open_executor
from pipeline.executors.process_pool import ProcessPool
from pipeline.settings import Settings
from pipeline.storage.atomic_file import PARTIAL_FOLDER
from pipeline.storage.folder import Folder

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(90)]
WARNINGS: list[str] = []


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def cdn():
    async with Cdn().serving() as serving:
        yield serving


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def here():
    settings = Settings()
    async with HttpTransfer(settings, loopback=True) as transfer:
        yield InProcess(transfer, settings)


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def pool():
    async with in_own_task(ProcessPool(2, SETUP)) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def cluster():
    choice = Choice(scheduler=start_cluster())
    async with in_own_task(open_cluster(choice, SETUP)) as made:
        yield made


@pytest.fixture(params=["here", "processes", "dask"])
def executor(request):
    if request.param == "here":
        return request.getfixturevalue("here")
    name = {"processes": "pool", "dask": "cluster"}[request.param]
    return Elsewhere(request.getfixturevalue(name), warn=WARNINGS.append)


async def fetch(executor, spec):
    receipt = await executor.fetch(spec, LeastRate(SystemClock()))
    assert receipt is not None
    return receipt


def facts_of(receipt):
    """What is the same wherever it was fetched."""
    original = receipt.original and facts_of(receipt.original)
    with receipt.partial.open("rb") as file:
        content = file.read()
    assert hashlib.sha256(content).hexdigest() == receipt.sha256
    return (
        *(receipt.sha256, receipt.size_bytes, receipt.media_type, receipt.kind),
        *(receipt.width_px, receipt.height_px, receipt.recipe, receipt.checks),
        *(receipt.likeness, receipt.notes, original),
    )


async def test_a_file_is_the_same_wherever_it_is_fetched(executor, here, cdn, tmp_path):
    if isinstance(executor, Elsewhere):
        await executor.check([Folder(tmp_path)])
    for changes in ({}, {"treatment": TREATMENT}, {"kind": "", "size_bytes": len(PNG)}):
        receipt = await fetch(executor, cdn.spec(tmp_path, **changes))
        expected = await fetch(here, cdn.spec(tmp_path, **changes))

        assert facts_of(receipt) == facts_of(expected)
        assert receipt.partial != expected.partial


ENDS = {
    "403": UrlExpired,
    "404": UrlExpired,
    "503": Unavailable,
    "short-right.png": Unavailable,
    "page.html": Unavailable,
}


async def test_what_goes_wrong_is_the_same_error_and_leaves_no_file(
    executor, cdn, tmp_path
):
    error: Any
    for name, error in ENDS.items():
        with pytest.raises(error) as raised:
            await fetch(executor, cdn.spec(tmp_path, name))
        assert "Signature" not in f"{raised.value!r} {raised.value.hint}"
    with pytest.raises(DownloadFailed):  # for good
        await fetch(
            executor, cdn.spec(tmp_path, kind="", size_bytes=MAX_FILE_BYTES + 1)
        )

    assert files_in(tmp_path) == []


def files_in(folder):
    """The finished and unfinished files under temporary names."""
    partial = folder / PARTIAL_FOLDER
    found = partial.iterdir() if partial.is_dir() else ()
    return sorted(path.name for path in found if not path.name.startswith("marker-"))


async def test_many_at_once_are_all_right_and_each_has_a_file_of_its_own(
    executor, cdn, tmp_path
):
    cdn.files["noise.png"] = content = noise_of(600)
    receipts = []

    async def fetch_one(name):
        receipts.append(await fetch(executor, cdn.spec(tmp_path, name)))

    async with anyio.create_task_group() as tasks:
        for name in ["right.png", "noise.png"] * 15:
            tasks.start_soon(fetch_one, name)

    assert len({receipt.partial for receipt in receipts}) == 30
    assert Counter(receipt.size_bytes for receipt in receipts) == {
        len(PNG): 15,
        len(content): 15,
    }


@pytest.mark.parametrize("executor", ["processes", "dask"], indirect=True)
async def test_a_worker_killed_half_way_costs_nothing_but_time(
    executor, pool, cluster, cdn, tmp_path
):
    """And what ran twice has left a file of its own, which nobody uses."""
    victims = await pids_of(executor, pool, cluster)
    under_way, killed = 0, False
    receipts = []

    async def kill_half_way():
        nonlocal under_way, killed
        under_way += 1
        if under_way >= 10 and not killed:
            killed = True
            os.kill(victims[0], signal.SIGKILL)

    async def fetch_one():
        receipts.append(await fetch(executor, cdn.spec(tmp_path)))

    cdn.on_read = kill_half_way
    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(fetch_one)
    finally:
        cdn.on_read = anyio.lowlevel.checkpoint

    assert killed
    assert len({receipt.partial for receipt in receipts}) == 20
    assert all(receipt.partial.read_bytes() == PNG for receipt in receipts)
    assert WARNINGS == []


async def pids_of(executor, pool, cluster):
    if executor._workers is pool:
        return pool.pids
    found = await cluster._client.run(os.getpid)
    return list(found.values())


@pytest.mark.parametrize("executor", ["processes", "dask"], indirect=True)
async def test_a_fetch_that_is_cut_off_does_not_block_the_next(executor, cdn, tmp_path):
    begun = anyio.Event()

    async def hang():
        begun.set()
        await anyio.sleep_forever()

    cdn.on_read = hang
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch, executor, cdn.spec(tmp_path))
        await begun.wait()
        tasks.cancel_scope.cancel()
    cdn.on_read = anyio.lowlevel.checkpoint

    assert await fetch(executor, cdn.spec(tmp_path))


async def test_the_executor_of_a_choice_is_opened():
    named: dict[str, Any] = {"loopback": True, "warn": WARNINGS.append}
    async with open_executor(Choice(), Settings(), **named) as executor:
        assert executor is None
    for choice in (Choice(processes=1), Choice(scheduler=start_cluster())):
        async with open_executor(choice, Settings(), **named) as executor:
            assert executor is not None
            await executor.check([])
