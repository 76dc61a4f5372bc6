"""A downloader, and one asset that it may fetch."""

import pytest

from doubles.pictures import png_bytes
from pipeline.assets.downloader import Downloader
from pipeline.assets.executor import InProcess
from pipeline.assets.fetching import FetchSpec
from pipeline.job import AssetId
from pipeline.settings import Settings
from pipeline.storage.atomic_file import PARTIAL_FOLDER
from pipeline.storage.folder import Folder

SETTINGS = Settings(free_deadline_s=30.0, downloads=3)
PNG = png_bytes("red", 64, 48)


@pytest.fixture
def asset_id(api, clock):
    job = api.add_job()
    clock.jump(10)
    return job.asset_ids[0]


@pytest.fixture
def downloader(api, transfer, clock):
    return Downloader(
        InProcess(transfer, SETTINGS),
        clock,
        SETTINGS,
        resolve=api.find_asset,
        find_job=api.find_job,
    )


@pytest.fixture
def download(downloader, finish, asset_id, tmp_path):
    return lambda: finish(lambda: downloader.download(asset_id, Folder(tmp_path)))


def partial_files(folder):
    return list((folder / PARTIAL_FOLDER).glob("*"))


def spec_of(folder, content, **changes):
    values = {
        "asset_id": AssetId("asset_1"),
        "url": "https://cdn.cloud.scenario.com/asset_1?Signature=x&at=0",
        "store": Folder(folder),
        "size_bytes": len(content),
        "kind": "image",
        "media_type": "image/png",
    }
    return FetchSpec(**{**values, **changes})
