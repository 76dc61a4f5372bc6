"""Downloader: files that are too large, and files that are nothing."""

import pytest
from doubles.downloads import PNG, partial_files, spec_of
from doubles.transfer import Body, FakeTransfer

from pipeline.assets.fetching import (
    MAX_FILE_BYTES,
    MAX_IMAGE_BYTES,
    TooLarge,
    fetch,
)
from pipeline.assets.least_rate import BrokenFile
from pipeline.job import AssetId

LIMITS = {"image": MAX_IMAGE_BYTES, "video": MAX_FILE_BYTES, "": MAX_FILE_BYTES}


@pytest.mark.parametrize("kind", LIMITS)
async def test_what_the_cdn_announces_is_not_taken_at_its_word(api, tmp_path, kind):
    api.files[AssetId("asset_1")] = PNG
    points = []
    for announced in (LIMITS[kind] + 1, 4 << 30):
        transfer = FakeTransfer(api)
        transfer.on_point = points.append
        transfer.answer_next(Body(announced=announced))

        with pytest.raises(match="at most"):
            await fetch(spec_of(tmp_path, PNG, size_bytes=None, kind=kind), transfer)

    assert points == ["read", "read"]  # no byte of it
    assert partial_files(tmp_path) == []


@pytest.mark.parametrize("announced", [None, "as sent"])
async def test_what_no_record_bounds_ends_at_the_limit(
    api, tmp_path, monkeypatch, announced
):
    monkeypatch.setattr("pipeline.assets.fetching.MAX_IMAGE_BYTES", 1000)
    sent = PNG + bytes(5000)
    api.files[AssetId("asset_1")] = sent
    points = []
    transfer = FakeTransfer(api)
    transfer.on_point = points.append
    transfer.answer_next(Body(announced=announced and len(sent)))

    with pytest.raises(BrokenFile, match="1,000"):
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
