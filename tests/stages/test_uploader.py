"""Uploader: each content is brought to the service once, by the way that fits it."""

import hashlib

import anyio
import pytest
from doubles.api import FakeApi
from doubles.pictures import png_bytes
from doubles.rows import FakeMemory
from PIL import Image

from pipeline.api.interface import UrlExpired
from pipeline.errors import (
    GenerationFailed,
    RateLimited,
    Rejected,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import ReferenceAsset
from pipeline.settings import Settings
from pipeline.stages.uploader import (
    PART_SIZE_BYTES,
    SMALL_IMAGE_BYTES,
    ReferenceChanged,
    Uploader,
)
from pipeline.storage.orientation import turn_upright

SETTINGS = Settings(free_deadline_s=60.0, uploads=4)


@pytest.fixture
def memory():
    return FakeMemory()


@pytest.fixture
def remembered(memory):
    return memory.uploads


@pytest.fixture
def uploader(api, transfer, clock, memory):
    return Uploader(api, transfer, clock, SETTINGS, memory=memory)


@pytest.fixture
def reference(tmp_path):
    def make(content=None, name="style.png", media_type="image/png"):
        content = png_bytes() if content is None else content
        path = tmp_path / name
        path.write_bytes(content)
        return ReferenceAsset(
            name="style",
            path=path,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            media_type=media_type,
        )

    return make


@pytest.fixture
def upload(uploader, finish):
    return lambda reference: finish(lambda: uploader.upload(reference))


# --- upright ---------------------------------------------------------------------------


@pytest.fixture
def photo(tmp_path):
    """A picture that is stored turned, as a reference that is to be upright."""

    def make(kind="JPEG", name="photo.jpg"):
        exif = Image.Exif()
        exif[0x0112] = 6
        path = tmp_path / name
        Image.new("RGB", (60, 40), "teal").save(path, kind, exif=exif)
        sent = turn_upright(path.read_bytes())
        return ReferenceAsset(
            name="photo",
            path=path,
            sha256=hashlib.sha256(sent).hexdigest(),
            size_bytes=len(sent),
            media_type="image/jpeg" if kind == "JPEG" else "image/png",
            file=name,
            upright=True,
        )

    return make


async def test_an_upright_reference_is_sent_turned(api, upload, photo, remembered):
    sent = []

    def note(name, content):
        sent.append((name, hashlib.sha256(content).hexdigest()))
        return False  # let it pass

    api.fail_next("upload_image", Unavailable("never"), where=note)
    first, second = photo(), photo("WEBP", "w.webp")

    asset_id = await upload(first)
    await upload(second)

    assert sent == [("photo.jpg", first.sha256), ("w.png", second.sha256)]
    assert remembered[first.sha256] == asset_id


@pytest.mark.parametrize("content", [b"no picture", png_bytes()])
async def test_an_upright_reference_that_has_changed_is_not_sent(
    api, upload, photo, content
):
    reference = photo()
    reference.path.write_bytes(content)

    with pytest.raises(ReferenceChanged, match="has changed"):
        await upload(reference)

    assert not api.calls["upload_image"]


async def test_a_reference_inside_of_a_mapping_is_uploaded(uploader, reference, finish):
    params = {"shots": [{"image": reference(), "text": "a"}]}

    sent = await finish(lambda: uploader.inputs_of(params))

    (shot,) = sent["shots"]
    assert shot["image"].startswith("asset_")
    assert shot["text"] == "a"


# --- once -----------------------------------------------------------------------------


async def test_many_that_wait_for_one_content_share_one_upload(
    uploader, api, reference, finish
):
    ids = []

    async def everyone():
        async with anyio.create_task_group() as tasks:
            for number in range(20):

                async def one(number=number):
                    ids.append(await uploader.upload(reference(name=f"{number}.png")))

                tasks.start_soon(one)

    await finish(everyone)

    assert api.calls["upload_image"] == 1
    assert len(ids) == 20
    assert set(ids) == {"asset_up_1"}


async def test_files_at_any_depth_are_uploaded_and_replaced(
    uploader, api, reference, finish
):
    style = reference()
    params = {"shots": [{"image": style, "frames": [style]}], "n": 1}

    sent = await finish(lambda: uploader.inputs_of(params))

    [asset_id] = {name for name in api.files if "up" in name}
    assert sent == {"shots": [{"image": asset_id, "frames": [asset_id]}], "n": 1}
    error = Rejected(f"{asset_id} not found", status=404)
    assert uploader.renewal_of(params).may_help(error, sent)


async def test_an_upload_is_remembered_with_its_content(upload, reference, remembered):
    style = reference()

    asset_id = await upload(style)

    assert remembered == {style.sha256: asset_id}


async def test_what_an_earlier_run_uploaded_is_not_even_read(
    api, uploader, remembered, reference, finish
):
    style = reference()
    style.path.unlink()
    uploader.learn({style.sha256: "asset_known"})

    assert await finish(lambda: uploader.upload(style)) == "asset_known"
    assert sum(api.calls.values()) == 0
    assert remembered == {}


async def test_what_is_forgotten_is_uploaded_again(uploader, upload, api, reference):
    style = reference()
    first = await upload(style)

    await uploader.forget({"style": style})
    second = await upload(style)

    assert first != second
    assert api.calls["upload_image"] == 2


async def test_a_failed_upload_is_not_remembered_and_the_next_waiter_tries(
    upload, api, reference, remembered
):
    style = reference()
    api.fail_next("upload_image", Rejected("no image", status=400))

    with pytest.raises(Rejected):
        await upload(style)
    nothing = dict(remembered)

    assert await upload(style) == "asset_up_1"
    assert nothing == {}


async def test_a_waiter_that_is_cancelled_does_not_block_the_others(
    uploader, api, clock, reference, finish
):
    style = reference()
    release = api.hold_next("upload_image")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(uploader.upload, style)
        await clock.settle()
        tasks.cancel_scope.cancel()
    release.set()

    assert await finish(lambda: uploader.upload(style))


# --- which way --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size_bytes", "media_type", "calls"),
    [
        (SMALL_IMAGE_BYTES - 1, "image/png", (1, 0)),
        (SMALL_IMAGE_BYTES, "image/png", (0, 1)),
        (1000, "video/mp4", (0, 1)),
    ],
    ids=["small image", "large image", "no image"],
)
async def test_small_images_go_whole_and_the_rest_in_parts(
    upload, api, reference, *, size_bytes, media_type, calls
):
    content = b"x" * size_bytes

    asset_id = await upload(reference(content, media_type=media_type))

    assert (api.calls["upload_image"], api.calls["create_upload"]) == calls
    assert api.files[asset_id] == content


async def test_a_large_file_is_cut_in_parts_that_join_to_the_same(
    upload, api, transfer, reference
):
    content = bytes(range(256)) * (2 * PART_SIZE_BYTES // 256) + b"the rest"

    asset_id = await upload(reference(content))

    assert len(transfer.writes) == 3
    assert api.files[asset_id] == content
    assert api.calls["complete_upload"] == 1


# --- patience -----------------------------------------------------------------------------


async def test_an_asset_that_is_pending_is_waited_for(upload, api, clock, reference):
    api.upload_pending_s = 7.0

    await upload(reference())

    assert 7.0 <= clock.monotonic_s() < 13.0
    assert api.calls["upload_image"] == 1


async def test_an_asset_that_stays_pending_is_unavailable_at_the_deadline(
    upload, api, reference
):
    api.upload_pending_s = 1e9

    with pytest.raises(Unavailable):
        await upload(reference())


@pytest.mark.parametrize("method", ["upload_image", "find_asset"])
async def test_a_free_call_that_fails_for_a_while_only_delays(
    upload, api, reference, method
):
    api.upload_pending_s = 3.0
    api.fail_next(method, Unavailable("502", status=502), times=4)

    assert await upload(reference()) in api.files


@pytest.mark.parametrize("method", ["upload_image", "find_asset"])
async def test_a_free_call_that_is_refused_for_the_rate_only_delays(
    upload, api, clock, reference, method
):
    api.upload_pending_s = 3.0
    busy = RateLimited("too many requests", is_about_requests=True)
    api.fail_next(method, busy, times=50)

    assert await upload(reference()) in api.files
    assert clock.monotonic_s() > 2 * SETTINGS.free_deadline_s


@pytest.mark.parametrize("method", ["create_upload", "complete_upload", "find_upload"])
async def test_an_upload_in_parts_that_is_refused_for_the_rate_only_delays(
    upload, api, clock, large, method
):
    busy = RateLimited("too many requests", is_about_requests=True)
    api.fail_next(method, busy, times=50)

    assert await upload(large) in api.files


async def test_a_refused_image_fails_at_once(upload, api, clock, reference):
    api.fail_next("upload_image", Rejected("no image", status=400))

    with pytest.raises(Rejected):
        await upload(reference())

    assert clock.monotonic_s() == 0


@pytest.fixture
def large(reference):
    return reference(b"x" * SMALL_IMAGE_BYTES)


async def test_a_part_whose_url_has_expired_is_begun_anew(upload, api, transfer, large):
    transfer.fail_next_writes(UrlExpired("HTTP 403"))

    asset_id = await upload(large)

    assert api.calls["create_upload"] == 2
    assert transfer.writes[0] != transfer.writes[1]
    assert asset_id in api.files


@pytest.mark.parametrize("method", ["create_upload", "complete_upload", "find_upload"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_each_step_of_an_upload_in_parts_may_fail_once(
    upload, api, large, method, after
):
    api.fail_next(method, Unavailable("502", status=502), after=after)

    asset_id = await upload(large)

    assert api.files[asset_id] == large.path.read_bytes()


async def test_a_completion_that_was_taken_although_its_answer_was_lost_is_found(
    upload, api, large
):
    api.fail_next("complete_upload", UnexpectedAnswer("HTML"), after=True)

    await upload(large)

    assert api.calls["create_upload"] == 1


async def test_a_failed_import_is_tried_again_with_a_new_upload(upload, api, large):
    def fail_first(point):
        if point == "complete_upload!" and api.calls["create_upload"] == 1:
            api.fail_import(1, "not a valid image")

    api.on_point = fail_first

    await upload(large)

    assert api.calls["create_upload"] == 2


async def test_an_import_that_always_fails_says_why_at_the_deadline(
    upload, api: FakeApi, clock, large
):
    def fail_always(point):
        if point == "complete_upload!":
            api.fail_import(api.calls["create_upload"], "not a valid image")

    api.on_point = fail_always

    with pytest.raises(GenerationFailed, match="not a valid image"):
        await upload(large)

    assert clock.monotonic_s() >= SETTINGS.free_deadline_s


# --- the file ------------------------------------------------------------------------------


async def test_a_file_that_changed_since_the_plan_is_refused(upload, api, reference):
    style = reference()
    style.path.write_bytes(png_bytes("red"))

    with pytest.raises(ReferenceChanged, match="has changed"):
        await upload(style)

    assert sum(api.calls.values()) == 0


async def test_a_file_that_is_gone_is_named(upload, reference):
    style = reference()
    style.path.unlink()

    with pytest.raises(ReferenceChanged, match=r"style\.png"):
        await upload(style)
