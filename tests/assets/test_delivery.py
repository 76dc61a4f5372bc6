"""Delivery: names, order on the disk, whose file it is, and what is put away."""

import hashlib
import json

import anyio
import pytest
from doubles.pictures import png_of
from doubles.transfer import Body

from pipeline.assets.delivery import Delivery
from pipeline.assets.downloader import Downloader
from pipeline.assets.executor import InProcess
from pipeline.assets.sidecar import Source
from pipeline.errors import DownloadFailed, OutputError, Unavailable
from pipeline.job import Job, JobKey, JobStatus, RemoteId
from pipeline.record import replace
from pipeline.settings import Settings
from pipeline.storage import folder
from pipeline.storage.atomic_file import PARTIAL_FOLDER
from pipeline.storage.folder import Folder

SOURCE = Source(name="icons", file="icons.yaml", sha256="m" * 64, line=3)
SETTINGS = Settings(free_deadline_s=5.0)


class Desk:
    """A delivery into a folder, with the downloads before it."""

    def __init__(self, api, transfer, clock, folder, finish) -> None:
        self.api, self.clock, self.folder, self.finish = api, clock, folder, finish
        self.owners = {}
        self.downloader = Downloader(
            InProcess(transfer, SETTINGS),
            clock,
            SETTINGS,
            resolve=api.find_asset,
            find_job=api.find_job,
        )
        self.delivery = Delivery(
            Folder(folder), clock, find_owner=self.owners.get, is_emulated=lambda: False
        )

    def made(self, outputs=1, *, item_id="oak"):
        """A succeeded job of this item."""
        remote = self.api.add_job({"prompt": item_id, "numOutputs": outputs})
        self.clock.jump(10)
        return Job(
            item_id=item_id,
            attempt=1,
            job_key=JobKey("k"),
            request_key=JobKey("k"),
            model_id="model_x",
            status=JobStatus.SUCCEEDED,
            request={"prompt": item_id},
            remote_id=RemoteId(remote.remote_id),
            remote_assets=remote.asset_ids,
        )

    async def fetch(self, job):
        return await self.finish(lambda: self.delivery.fetch_all(job, self.downloader))

    async def put(self, job, *, outputs=None, kind="image", earlier=()):
        return await self.delivery.put_in_place(
            job,
            await self.fetch(job),
            stem=job.item_id,
            outputs=outputs or len(job.remote_assets),
            kind=kind,
            source=SOURCE,
            earlier=earlier,
        )

    def files(self):
        return sorted(
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file()
        )


@pytest.fixture
def desk(api, transfer, clock, tmp_path, finish):
    return Desk(api, transfer, clock, tmp_path, finish)


# --- names --------------------------------------------------------------------------------


async def test_one_output_is_named_after_its_item(desk):
    job, superseded, _ = await desk.put(desk.made())

    assert desk.files() == ["oak.png", "oak.png.json"]
    assert [asset.path for asset in job.assets] == ["oak.png"]
    assert superseded == ()
    assert job.saved_at == desk.clock.utc_now()


async def test_several_outputs_are_numbered_in_the_services_order(desk):
    made = desk.made(3)

    job, *_ = await desk.put(made)

    assert [asset.path for asset in job.assets] == [
        f"oak-{number}.png" for number in (1, 2, 3)
    ]
    assert [asset.output_index for asset in job.assets] == [1, 2, 3]
    for asset, asset_id in zip(job.assets, made.remote_assets, strict=True):
        assert (desk.folder / asset.path).read_bytes() == png_of(asset_id)


async def test_one_file_of_several_that_were_asked_for_is_still_numbered(desk):
    await desk.put(desk.made(1), outputs=4)

    assert desk.files() == ["oak-1.png", "oak-1.png.json"]


async def test_more_files_than_were_asked_for_are_numbered_and_kept(desk):
    job, *_ = await desk.put(desk.made(2), outputs=1)

    assert [asset.path for asset in job.assets] == ["oak-1.png", "oak-2.png"]


async def test_folders_of_an_item_id_are_made(desk):
    await desk.put(desk.made(item_id="trees/tall/oak"))

    assert "trees/tall/oak.png" in desk.files()


async def test_the_ending_follows_the_content_and_not_the_record(desk, api):
    made = desk.made()
    api.files[made.remote_assets[0]] = b"glTF" + bytes(60)

    with pytest.raises(DownloadFailed, match="not an image"):
        await desk.put(made)

    api.files[made.remote_assets[0]] = b"GIF89a" + png_of("x")
    with pytest.raises(DownloadFailed, match="cannot be decoded"):
        await desk.put(made)

    assert desk.files() == []


async def test_companions_of_another_kind_stay_at_the_service(desk, api, monkeypatch):
    made = desk.made(2)
    receipts = await desk.fetch(made)
    companion = replace(receipts[1], media_type="application/json", kind="text")

    job, *_ = await desk.delivery.put_in_place(
        made,
        (receipts[0], companion),
        stem="oak",
        outputs=1,
        kind="image",
        source=SOURCE,
        earlier=(),
    )

    assert [asset.path for asset in job.assets] == ["oak.png"]
    assert len(job.remote_assets) == 2


async def test_where_no_kind_is_asked_for_every_file_is_kept(desk):
    made = desk.made(2)
    receipts = await desk.fetch(made)
    other = replace(receipts[1], media_type="audio/wav", kind="audio")

    job, *_ = await desk.delivery.put_in_place(
        made,
        (receipts[0], other),
        stem="oak",
        outputs=1,
        kind="",
        source=SOURCE,
        earlier=(),
    )

    assert [asset.path for asset in job.assets] == ["oak-1.png", "oak-2.wav"]


@pytest.mark.parametrize("kind", ["3d", ""])
async def test_a_preview_before_a_model_is_no_output_and_lies_beside_it(desk, kind):
    made = desk.made(2)
    receipts = await desk.fetch(made)
    model = replace(receipts[1], media_type="model/gltf-binary", kind="3d")

    job, *_ = await desk.delivery.put_in_place(
        made,
        (receipts[0], model),
        stem="oak",
        outputs=1,
        kind=kind,
        source=SOURCE,
        earlier=(),
    )

    assert [(one.path, one.role, one.output_index) for one in job.assets] == [
        ("oak.glb", "", 1),
        ("oak.preview.png", "preview", 2),
    ]
    assert [asset.path for asset in job.outputs] == ["oak.glb"]
    record = json.loads((desk.folder / "oak.glb.json").read_text())
    assert (record["role"], record["companions"]) == (
        "",
        [{"asset_id": made.remote_assets[0], "role": "preview"}],
    )
    record = json.loads((desk.folder / "oak.preview.png.json").read_text())
    assert record["role"] == "preview"


async def test_a_json_asset_never_takes_the_place_of_another_items_sidecar(desk):
    desk.owners["oak.png"] = "oak"
    made = desk.made(item_id="oak.png")
    [receipt] = await desk.fetch(made)
    text = replace(receipt, media_type="application/json", kind="text")

    with pytest.raises(DownloadFailed, match="already belongs to item oak"):
        await desk.delivery.put_in_place(
            made,
            (text,),
            stem=made.item_id,
            outputs=1,
            kind="",
            source=SOURCE,
            earlier=(),
        )


# --- on the disk -------------------------------------------------------------------------------


async def test_the_sidecar_names_its_asset(desk):
    job, *_ = await desk.put(desk.made())

    record = json.loads((desk.folder / "oak.png.json").read_text())
    content = (desk.folder / "oak.png").read_bytes()
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["sha256"] == job.assets[0].sha256
    assert record["saved_at"]


async def test_nothing_is_put_in_place_before_every_file_is_whole(desk, transfer):
    transfer.answer_next(Body(), *[Unavailable("503")] * 50)

    with pytest.raises(DownloadFailed):
        await desk.put(desk.made(3))

    assert desk.files() == []


async def test_a_sidecar_is_never_there_without_its_asset(desk):
    """The asset's place is taken by a folder: its sidecar is not written either."""
    (desk.folder / "oak.png").mkdir()

    with pytest.raises(OutputError):
        await desk.put(desk.made())

    assert not (desk.folder / "oak.png.json").exists()


async def test_nothing_is_written_through_a_link_that_leaves_the_folder(
    desk, tmp_path_factory
):
    outside = tmp_path_factory.mktemp("outside")
    (desk.folder / "trees").symlink_to(outside)

    with pytest.raises(OutputError, match="outside"):
        await desk.put(desk.made(item_id="trees/oak"))

    assert list(outside.iterdir()) == []


async def test_a_file_of_another_item_is_not_overwritten(desk):
    await desk.put(desk.made(item_id="oak-1"))
    before = (desk.folder / "oak-1.png").read_bytes()
    desk.owners["oak-1.png"] = "oak-1"

    with pytest.raises(DownloadFailed, match="belongs to item oak-1"):
        await desk.put(desk.made(2))

    assert (desk.folder / "oak-1.png").read_bytes() == before


async def test_a_file_of_the_same_item_is_overwritten(desk):
    await desk.put(desk.made())
    desk.owners["oak.png"] = "oak"

    job, *_ = await desk.put(desk.made())

    content = (desk.folder / "oak.png").read_bytes()
    assert content == png_of(job.remote_assets[0])


# --- what is put away ------------------------------------------------------------------------------


async def test_files_of_earlier_attempts_are_superseded_unless_they_are_replaced(desk):
    first, *_ = await desk.put(desk.made(3))

    second, superseded, _ = await desk.put(desk.made(2), earlier=[first])
    await desk.delivery.remove(superseded)

    assert [asset.path for asset in superseded] == ["oak-3.png"]
    assert desk.files() == [
        "oak-1.png",
        "oak-1.png.json",
        "oak-2.png",
        "oak-2.png.json",
    ]
    assert len(second.assets) == 2


async def test_a_superseded_file_that_somebody_changed_is_kept(desk):
    first, *_ = await desk.put(desk.made(2))
    (desk.folder / "oak-2.png").write_bytes(b"retouched by hand")

    _, superseded, _ = await desk.put(desk.made(1), earlier=[first])
    await desk.delivery.remove(superseded)

    assert desk.files() == ["oak-2.png", "oak-2.png.json", "oak.png", "oak.png.json"]


async def test_a_superseded_file_that_is_gone_is_no_trouble(desk):
    first, *_ = await desk.put(desk.made(2))
    (desk.folder / "oak-1.png").unlink()

    _, superseded, _ = await desk.put(desk.made(1), earlier=[first])
    await desk.delivery.remove(superseded)

    assert "oak.png" in desk.files()


@pytest.mark.parametrize(("before", "after"), [("Oak", "oak"), ("oak", "Oak")])
async def test_a_name_that_differs_only_in_case_is_the_same_file(desk, before, after):
    first, *_ = await desk.put(desk.made(item_id=before))

    _, superseded, _ = await desk.put(desk.made(item_id=after), earlier=[first])

    assert superseded == ()


async def test_no_partial_file_is_left(desk):
    await desk.put(desk.made(3))

    assert list((desk.folder / PARTIAL_FOLDER).glob("*")) == []


async def test_jobs_that_are_ready_together_share_one_sync_of_their_folder(
    desk, monkeypatch
):
    synced = []
    monkeypatch.setattr(
        folder, "sync_folders", lambda files: synced.append(sorted(map(str, files)))
    )
    jobs = [desk.made(item_id=f"item-{number}") for number in range(5)]
    receipts = [await desk.fetch(job) for job in jobs]

    async def put(job, of_job):
        await desk.delivery.put_in_place(
            job,
            of_job,
            stem=job.item_id,
            outputs=1,
            kind="image",
            source=SOURCE,
            earlier=(),
        )

    async with anyio.create_task_group() as tasks:
        for job, of_job in zip(jobs, receipts, strict=True):
            tasks.start_soon(put, job, of_job)

    assert len(synced) <= 2  # the first alone, and all that came meanwhile
    names = [name for group in synced for name in group]
    assert names == [str(desk.folder / f"item-{number}.png") for number in range(5)]


async def test_a_job_that_cannot_be_put_does_not_hold_up_those_of_its_group(desk):
    jobs = [desk.made(item_id=f"item-{number}") for number in range(3)]
    receipts = [await desk.fetch(job) for job in jobs]
    (desk.folder / "item-1.png").write_bytes(b"somebody's")
    outcomes = {}

    async def put(job, of_job):
        try:
            await desk.delivery.put_in_place(
                job,
                of_job,
                stem=job.item_id,
                outputs=1,
                kind="image",
                source=SOURCE,
                earlier=(),
            )
            outcomes[job.item_id] = "saved"
        except DownloadFailed as error:
            outcomes[job.item_id] = error.message

    async with anyio.create_task_group() as tasks:
        for job, of_job in zip(jobs, receipts, strict=True):
            tasks.start_soon(put, job, of_job)

    assert outcomes["item-0"] == outcomes["item-2"] == "saved"
    assert "not made by pipeline" in outcomes["item-1"]
    assert (desk.folder / "item-1.png").read_bytes() == b"somebody's"
