"""Elsewhere: lost workers cost their tasks again; what none can do is done here."""

import pytest
from doubles import buckets
from doubles.downloads import PNG, SETTINGS
from doubles.workers import SECRET, FakeWorkers

from pipeline.api.interface import UrlExpired
from pipeline.assets.downloader import Downloader
from pipeline.assets.executor import InProcess
from pipeline.assets.fetching import FetchSpec
from pipeline.assets.least_rate import LeastRate
from pipeline.errors import UsageError
from pipeline.executors.elsewhere import MOST_LOSSES, Elsewhere
from pipeline.executors.fetcher import Fetcher
from pipeline.executors.messages import (
    Outcome,
    Reply,
    SentReceipt,
    WorkerBug,
    encode,
)
from pipeline.executors.workers import WorkerLost, WorkersGone
from pipeline.job import AssetId
from pipeline.storage.atomic_file import PARTIAL_FOLDER
from pipeline.storage.bucket_url import parse_bucket_url
from pipeline.storage.folder import Folder
from pipeline.storage.object_store import ObjectStore

bucket = buckets.bucket
ASSET = AssetId("asset_1")
GONE = WorkersGone("the cluster went away")


@pytest.fixture
def desk(api, transfer, clock, tmp_path):
    return Desk(api, transfer, clock, tmp_path)


class Desk:
    """An executor whose workers are in this process."""

    def __init__(self, api, transfer, clock, folder) -> None:
        api.files[ASSET] = PNG
        transfer.chunk_bytes = 1 << 20
        self.folder = folder
        self.fetcher = Fetcher(transfer, clock)
        self.workers = FakeWorkers(self.fetcher.perform)
        self.warnings: list[str] = []
        self.executor = Elsewhere(self.workers, warn=self.warnings.append)
        self._clock = clock

    def plan(self, *script) -> None:
        self.workers.script += script

    async def fetch(self, store=None, **changes):
        spec = FetchSpec(
            **{
                "asset_id": ASSET,
                "url": f"https://cdn.cloud.scenario.com/{ASSET}?{SECRET}&at=0",
                "store": store or Folder(self.folder),
                "size_bytes": len(PNG),
                "kind": "image",
                "media_type": "image/png",
                **changes,
            }
        )
        self.least_rate = LeastRate(self._clock)
        return await self.executor.fetch(spec, self.least_rate)


async def test_a_file_that_a_worker_has_fetched_is_as_if_it_was_fetched_here(desk):
    receipt = await desk.fetch(draws=True)

    assert receipt.partial.read_bytes() == PNG
    assert receipt.partial.parent == desk.folder / PARTIAL_FOLDER
    assert (receipt.width_px, receipt.original) == (64, None)
    assert desk.least_rate.began_s is not None
    assert (desk.folder / PARTIAL_FOLDER / "thumbnails").is_dir()
    assert desk.warnings == []


async def test_a_lost_worker_costs_its_task_again(desk):
    desk.plan(WorkerLost(), WorkerLost())

    assert await desk.fetch() is not None
    assert len(desk.workers.tasks) == 3
    assert desk.warnings == []


@pytest.mark.parametrize("losses", [[WorkerLost()] * MOST_LOSSES, [WorkerLost(3)]])
async def test_an_asset_on_which_three_workers_were_lost_is_fetched_here(desk, losses):
    desk.plan(*losses)

    assert await desk.fetch() is None
    assert len(desk.workers.tasks) == len(losses)
    assert await desk.fetch() is not None  # the others go on


async def test_once_the_workers_are_gone_all_is_fetched_here_with_one_warning(desk):
    desk.plan(GONE)

    assert [await desk.fetch(), await desk.fetch()] == [None, None]
    assert len(desk.workers.tasks) == 1
    assert desk.warnings == [
        "the cluster went away: the remaining files are fetched in this process"
    ]


async def test_two_that_find_the_workers_gone_warn_once(desk):
    desk.executor._leave("first")
    desk.executor._leave("second")

    assert len(desk.warnings) == 1


@pytest.mark.parametrize("outcome", [Outcome.UNFIT, Outcome.UNWRITABLE])
async def test_an_unfit_worker_is_told_of_once_and_passed_over(desk, outcome):
    unfit = encode(Reply(outcome=outcome, message="it sees nothing"))
    desk.plan(unfit, unfit, None, unfit, unfit, unfit)

    assert await desk.fetch() is not None
    assert await desk.fetch() is None
    assert desk.warnings == ["a worker is passed over: it sees nothing"]


def done(**changes):
    values = {
        "name": "there-is-none",
        "sha256": "00",
        "size_bytes": 3,
        "media_type": "image/png",
        "kind": "image",
        "width_px": 1,
        "height_px": 1,
    }
    receipt = SentReceipt(**{**values, **changes})
    return encode(Reply(outcome=Outcome.DONE, receipt=receipt))


@pytest.mark.parametrize("name", ["there-is-none", "../x", "a\\b", "..", ""])
async def test_a_file_that_is_not_where_it_should_be_is_fetched_again(desk, name):
    (desk.folder / "x").write_bytes(b"abc")
    desk.plan(done(name=name))

    receipt = await desk.fetch()

    assert receipt.partial.read_bytes() == PNG
    assert len(desk.workers.tasks) == 2


async def test_a_file_of_another_size_is_fetched_again(desk):
    receipt = await desk.fetch()
    desk.plan(done(name=receipt.partial.name), encode(Reply(outcome=Outcome.DONE)))

    assert (await desk.fetch()).size_bytes == len(PNG)


async def test_an_error_of_a_worker_is_raised_here(desk):
    desk.plan(
        encode(Reply(outcome=Outcome.EXPIRED, message="HTTP 403")),
        encode(Reply(outcome=Outcome.BUG, message="a traceback")),
    )

    for error in (UrlExpired, WorkerBug):
        with pytest.raises(error):
            await desk.fetch()


@pytest.fixture
def download(desk, api, transfer, clock, finish):
    """Download the asset of a job by these workers; the content is right."""
    asset_id = api.add_job().asset_ids[0]
    clock.jump(10)
    downloader = Downloader(
        InProcess(transfer, SETTINGS),
        clock,
        SETTINGS,
        resolve=api.find_asset,
        find_job=api.find_job,
        executor=desk.executor,
    )

    async def run():
        folder = Folder(desk.folder)
        receipt = await finish(lambda: downloader.download(asset_id, folder))
        assert receipt.partial.read_bytes() == api.files[asset_id]

    return run


async def test_an_expired_url_is_refreshed_here_and_fetched_there(
    desk, download, transfer
):
    transfer.answer_next(UrlExpired("HTTP 403"))

    await download()

    assert len(set(transfer.reads)) == len(desk.workers.tasks) == 2


async def test_what_no_worker_can_fetch_the_downloader_fetches_here(
    desk, download, transfer
):
    desk.plan(GONE)

    await download()

    assert len(transfer.reads) == 1


async def test_a_staged_file_is_found_in_the_bucket(desk, bucket):
    store = ObjectStore(parse_bucket_url(bucket.url, bucket.environment), desk.folder)
    store.load()
    async with desk.fetcher:
        await desk.executor.check([store])

        receipt = await desk.fetch(store, draws=True)

    with receipt.partial.open("rb") as file:
        assert file.read() == PNG
    store.place(
        receipt.partial, "oak.png", sha256=receipt.sha256, media_type="image/png"
    )
    assert bucket.names == ["oak.png"]


async def test_a_check_looks_at_the_version_and_at_each_folder(desk):
    await desk.executor.check([Folder(desk.folder), Folder(desk.folder / "b")])

    assert len(desk.workers.tasks) == 3


CHECKS = {
    "older": (Reply(outcome=Outcome.DONE, version="0.1"), "0.1"),
    "unfit": (Reply(outcome=Outcome.UNFIT, message="it sees nothing"), "sees nothing"),
    "lost": (WorkerLost(), "ended too early"),
    "gone": (GONE, "went away"),
}


@pytest.mark.parametrize(("reply", "text"), CHECKS.values(), ids=CHECKS)
async def test_workers_that_cannot_be_used_are_one_clear_message(desk, reply, text):
    desk.plan(encode(reply) if isinstance(reply, Reply) else reply)

    with pytest.raises(UsageError, match=text) as raised:
        await desk.executor.check([Folder(desk.folder)])

    assert raised.value.hint


async def test_a_bug_found_by_a_check_is_shown(desk):
    desk.plan(encode(Reply(outcome=Outcome.BUG, message="a traceback")))

    with pytest.raises(WorkerBug, match="a traceback"):
        await desk.executor.check([])
