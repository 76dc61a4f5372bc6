"""FakeApi and HttpApi on the emulator: the same calls show the same things.

Each test runs over both, so that the double cannot drift from what the real client
gives the stages.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from doubles.api import FakeApi
from doubles.jobs import MODEL
from doubles.pictures import png_bytes
from doubles.quick_clock import QuickClock
from doubles.transfer import FakeTransfer
from pipeline.api.cdn import HttpTransfer
from pipeline.api.client import HttpApi
from pipeline.api.interface import FileTransfer, GenerationApi, JobFilter, RemoteStatus
from pipeline.emulator import Emulator, EmulatorProfile
from pipeline.errors import OutcomeUnknown, RateLimited, Rejected, Unavailable
from pipeline.job import AssetId, JsonValue, RemoteId
from pipeline.settings import Credentials, Settings

OAK: dict[str, JsonValue] = {"prompt": "an oak", "seed": 7, "size": "1K"}


@dataclass
class Side:
    """One implementation, with what a test needs to set up and to see."""

    api: GenerationApi
    transfer: FileTransfer
    clock: QuickClock
    fail_submit: Callable[..., None]
    jobs_made: Callable[[], object]
    errors: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def fake_side(**knobs: Any) -> AsyncIterator[Side]:
    clock = QuickClock()
    api = FakeApi(clock, **knobs)

    def fail_submit(*, after: bool) -> None:
        api.fail_next("submit", OutcomeUnknown("lost"), after=after)

    yield Side(
        api=api,
        transfer=FakeTransfer(api),
        clock=clock,
        fail_submit=fail_submit,
        jobs_made=lambda: len(api.own_jobs),
    )


_AS_PROFILE = {
    "page_size": "page_cap",
    "sparse": "sparse_submit",
    "hidden_s": "hidden_job_s",
    "announces": "announce_ceiling",
}


@asynccontextmanager
async def http_side(**knobs: Any) -> AsyncIterator[Side]:
    clock = QuickClock()
    life_s = knobs.pop("duration_s", 10.0)
    values = {_AS_PROFILE.get(name, name): value for name, value in knobs.items()}
    if "readable_ceiling" in values:
        readable = values.pop("readable_ceiling")
        values |= {"ceiling": readable} if readable else {"limits_status": 403}
    values.pop("skew_s", None)
    emulator_clock = QuickClock(
        clock.utc_now() + timedelta(seconds=knobs.get("skew_s", 0))
    )
    # Both sides of the wire share the hands of one clock.
    emulator_clock.monotonic_s = clock.monotonic_s  # type: ignore[method-assign]
    emulator_clock.utc_now = lambda: (  # type: ignore[method-assign]
        clock.utc_now() + timedelta(seconds=knobs.get("skew_s", 0))
    )
    profile = EmulatorProfile.of(
        seed=7,
        job_seconds=(life_s, life_s),
        pixels_divisor=32,
        upload_hidden_s=0,
        **values,
    )
    settings = Settings()
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(
            Emulator(profile=profile, clock=emulator_clock)
        )
        credentials = Credentials(key="key", secret="s3", base_url=emulator.base_url)
        api = await stack.enter_async_context(HttpApi(credentials, settings, clock))
        transfer = await stack.enter_async_context(
            HttpTransfer(settings, loopback=True)
        )

        def fail_submit(*, after: bool) -> None:
            emulator.faults.next("submit-drop-after" if after else "submit-drop-before")

        yield Side(
            api=api,
            transfer=transfer,
            clock=clock,
            fail_submit=fail_submit,
            jobs_made=lambda: emulator.counters()["jobs_made"],
        )


@pytest.fixture(params=[fake_side, http_side], ids=["fake", "http"])
def side(request) -> Callable[..., Any]:
    made: Callable[..., Any] = request.param
    return made


async def test_a_submit_gives_a_running_job_that_echoes_what_was_sent(side):
    async with side() as it:
        before = it.api.service_now()

        answer = await it.api.submit(MODEL, OAK)

        job = answer.job
        assert job.status is RemoteStatus.RUNNING
        assert job.status_text == "queued"
        assert job.model_id == MODEL
        assert job.inputs == OAK
        assert job.author_id
        assert job.asset_ids == ()
        assert job.created_at is not None
        assert abs(job.created_at - before) < timedelta(seconds=1)
        assert answer.charged == 6


async def test_a_sparse_submit_names_the_id_and_nothing_else(side):
    async with side(sparse=True) as it:
        answer = await it.api.submit(MODEL, OAK)
        found = await it.api.find_job(answer.job.remote_id)

    assert answer.charged is None
    assert (answer.job.inputs, answer.job.author_id) == ({}, "")
    assert (answer.job.created_at, answer.job.model_id) == (None, "")
    assert found is not None
    assert found.inputs == OAK


@pytest.mark.parametrize(
    ("model_id", "inputs"),
    [
        ("model_nobody-has", OAK),
        (MODEL, {**OAK, "images": ["asset_NobodyHasThisOne"]}),
    ],
    ids=["unknown model", "unknown asset"],
)
async def test_a_submit_that_names_what_is_not_there_is_refused_unpaid(
    side, model_id, inputs
):
    async with side() as it:
        with pytest.raises(Rejected) as raised:
            await it.api.submit(model_id, inputs)

        assert raised.value.status == 404
        assert it.jobs_made() == 0


async def test_a_submit_above_the_ceiling_is_refused_with_the_ceiling(side):
    async with side(ceiling=1) as it:
        await it.api.submit(MODEL, OAK)

        with pytest.raises(RateLimited) as raised:
            await it.api.submit(MODEL, {**OAK, "seed": 8})

        assert raised.value.ceiling == 1
        assert it.jobs_made() == 1


async def test_a_ceiling_that_is_not_announced_is_not_named(side):
    async with side(ceiling=1, announces=False) as it:
        await it.api.submit(MODEL, OAK)

        with pytest.raises(RateLimited) as raised:
            await it.api.submit(MODEL, {**OAK, "seed": 8})

        assert raised.value.ceiling is None


async def test_the_slot_of_a_job_is_free_once_it_has_ended(side):
    async with side(ceiling=1) as it:
        await it.api.submit(MODEL, OAK)
        it.clock.jump(10)

        await it.api.submit(MODEL, {**OAK, "seed": 8})

        assert it.jobs_made() == 2


@pytest.mark.parametrize(("after", "made"), [(False, 0), (True, 1)])
async def test_a_lost_submit_is_unknown_whether_or_not_a_job_was_made(
    side, after, made
):
    async with side() as it:
        it.fail_submit(after=after)

        with pytest.raises(OutcomeUnknown):
            await it.api.submit(MODEL, OAK)

        assert it.jobs_made() == made


async def test_a_job_goes_through_its_statuses_to_its_assets(side):
    async with side() as it:
        remote_id = (await it.api.submit(MODEL, {**OAK, "numOutputs": 2})).job.remote_id
        seen = []
        for step_s in (0, 1, 1, 7, 1):
            it.clock.jump(step_s)
            job = await it.api.find_job(remote_id)
            assert job is not None
            seen.append((job.status_text, len(job.asset_ids)))

    assert seen == [
        ("queued", 0),
        ("warming-up", 0),
        ("in-progress", 0),
        ("finalizing", 0),
        ("success", 2),
    ]


async def test_updated_at_is_the_time_of_the_last_status(side):
    async with side() as it:
        made = (await it.api.submit(MODEL, OAK)).job
        it.clock.jump(30)
        job = await it.api.find_job(made.remote_id)

    assert job is not None
    assert job.created_at is not None
    assert job.updated_at == job.created_at + timedelta(seconds=10)


async def test_a_job_that_nobody_made_is_none(side):
    async with side() as it:
        assert await it.api.find_job(RemoteId("job_nobody")) is None


async def test_a_new_job_may_be_hidden_for_a_while(side):
    async with side(hidden_s=3.0) as it:
        remote_id = (await it.api.submit(MODEL, OAK)).job.remote_id
        early = await it.api.find_job(remote_id)
        it.clock.jump(3)
        late = await it.api.find_job(remote_id)

    assert early is None
    assert late is not None


async def test_the_listing_by_creation_shows_the_newest_first_in_pages(side):
    async with side(page_size=2) as it:
        start = it.api.service_now() - timedelta(seconds=1)
        made = []
        for seed in range(5):
            made.append(
                (await it.api.submit(MODEL, {**OAK, "seed": seed})).job.remote_id
            )
            it.clock.jump(1)
        pages, token = [], ""
        while not pages or token:
            page = await it.api.list_jobs(JobFilter(created_after=start), token=token)
            token = page.next_token
            pages.append([job.remote_id for job in page.jobs])

    listed = [remote_id for page in pages for remote_id in page]
    assert listed == made[::-1]
    assert len(pages) >= 3
    assert max(map(len, pages)) == 2


async def test_the_listing_by_creation_leaves_out_what_is_not_later(side):
    async with side() as it:
        first = (await it.api.submit(MODEL, OAK)).job
        it.clock.jump(1)
        second = (await it.api.submit(MODEL, {**OAK, "seed": 8})).job
        page = await it.api.list_jobs(JobFilter(created_after=first.created_at))

    assert [job.remote_id for job in page.jobs] == [second.remote_id]


async def test_the_listing_by_update_shows_what_has_changed_since(side):
    async with side() as it:
        old = (await it.api.submit(MODEL, OAK)).job
        it.clock.jump(20)
        since = it.api.service_now()
        it.clock.jump(1)
        new = (await it.api.submit(MODEL, {**OAK, "seed": 8})).job
        changed = await it.api.list_jobs(JobFilter(updated_after=since))
        every = await it.api.list_jobs(
            JobFilter(updated_after=since - timedelta(seconds=60))
        )

    assert [job.remote_id for job in changed.jobs] == [new.remote_id]
    assert [job.remote_id for job in every.jobs] == [new.remote_id, old.remote_id]


async def test_the_listing_by_update_can_be_of_one_status(side):
    async with side() as it:
        since = it.api.service_now() - timedelta(seconds=1)
        done = (await it.api.submit(MODEL, OAK)).job
        it.clock.jump(10)
        await it.api.submit(MODEL, {**OAK, "seed": 8})
        page = await it.api.list_jobs(JobFilter(updated_after=since, status="success"))

    assert [job.remote_id for job in page.jobs] == [done.remote_id]
    assert page.jobs[0].has_ended


async def test_a_listing_that_lags_shows_the_world_as_it_was(side):
    async with side(list_lag_s=5.0) as it:
        since = it.api.service_now() - timedelta(seconds=1)
        job = (await it.api.submit(MODEL, OAK)).job
        early = await it.api.list_jobs(JobFilter(created_after=since))
        it.clock.jump(11)
        late = await it.api.list_jobs(JobFilter(created_after=since))
        direct = await it.api.find_job(job.remote_id)

    assert early.jobs == ()
    assert [seen.status_text for seen in late.jobs] == ["in-progress"]
    assert direct is not None
    assert direct.has_ended


async def test_a_heartbeat_moves_updated_at_of_a_running_job(side):
    async with side(heartbeat_s=1.0) as it:
        remote_id = (await it.api.submit(MODEL, OAK)).job.remote_id
        it.clock.jump(3)
        first = await it.api.find_job(remote_id)
        it.clock.jump(2)
        second = await it.api.find_job(remote_id)

    assert first is not None
    assert second is not None
    assert first.status_text == second.status_text == "in-progress"
    assert second.updated_at - first.updated_at == timedelta(seconds=2)


async def test_inputs_may_be_echoed_late(side):
    async with side(echo_delay_s=4.0) as it:
        remote_id = (await it.api.submit(MODEL, OAK)).job.remote_id
        early = await it.api.find_job(remote_id)
        it.clock.jump(4)
        late = await it.api.find_job(remote_id)

    assert early is not None
    assert (early.inputs, early.model_id) == ({}, "")
    assert late is not None
    assert late.inputs == OAK


async def test_a_seed_that_was_not_sent_is_drawn_and_echoed(side):
    async with side() as it:
        first = (await it.api.submit(MODEL, {"prompt": "an oak"})).job
        second = (await it.api.submit(MODEL, {"prompt": "an oak"})).job

    assert isinstance(first.inputs["seed"], int)
    assert first.inputs["seed"] != second.inputs["seed"]


async def test_the_echo_may_leave_an_input_out(side):
    async with side(echo_omits=("seed",)) as it:
        job = (await it.api.submit(MODEL, OAK)).job

    assert job.inputs == {name: OAK[name] for name in OAK if name != "seed"}


async def made_asset(it: Side) -> AssetId:
    remote_id = (await it.api.submit(MODEL, OAK)).job.remote_id
    it.clock.jump(10)
    job = await it.api.find_job(remote_id)
    assert job is not None
    return job.asset_ids[0]


async def test_assets_are_read_in_bulk_and_unknown_ones_left_out(side):
    async with side() as it:
        asset_id = await made_asset(it)
        unknown = AssetId("asset_NobodyHasThisOne")
        found = await it.api.find_assets([unknown, asset_id])
        single = await it.api.find_asset(unknown)

    assert list(found) == [asset_id]
    assert found[asset_id].is_ready
    assert found[asset_id].kind == "image"
    assert found[asset_id].media_type == "image/png"
    assert single is None


async def test_an_asset_is_downloaded_from_its_url_at_its_announced_size(side):
    async with side() as it:
        asset = await it.api.find_asset(await made_asset(it))
        assert asset is not None
        async with it.transfer.read(asset.url) as (announced, chunks):
            content = b"".join([chunk async for chunk in chunks])

    assert content.startswith(b"\x89PNG")
    assert len(content) == announced == asset.size_bytes


async def test_an_asset_may_be_pending_after_its_job(side):
    async with side(asset_pending_s=5.0) as it:
        asset_id = await made_asset(it)
        early = await it.api.find_assets([asset_id])
        it.clock.jump(5)
        late = await it.api.find_assets([asset_id])

    assert not early[asset_id].is_ready
    assert late[asset_id].is_ready


async def test_an_uploaded_image_can_be_named_by_a_submit(side):
    async with side() as it:
        asset = await it.api.upload_image("style.png", png_bytes())
        await it.api.submit(MODEL, {**OAK, "images": [asset.asset_id]})

        assert asset.is_ready
        assert it.jobs_made() == 1


async def test_an_upload_in_parts_becomes_an_asset_a_moment_after_it_is_completed(side):
    content = png_bytes("navy")
    async with side() as it:
        upload = await it.api.create_upload("style.png", len(content), "image/png", 1)
        await it.transfer.write(upload.parts[0].url, content, "image/png")
        await it.api.complete_upload(upload.upload_id)
        early = await it.api.find_upload(upload.upload_id)
        it.clock.jump(1)
        late = await it.api.find_upload(upload.upload_id)
        assert late.asset_id is not None
        found = await it.api.find_asset(late.asset_id)

    assert upload.status == "pending"
    assert [part.number for part in upload.parts] == [1]
    assert early.asset_id is None
    assert late.status == "imported"
    assert found is not None
    assert found.size_bytes == len(content)


async def test_completing_without_the_parts_is_refused(side):
    async with side() as it:
        upload = await it.api.create_upload("style.png", 99, "image/png", 2)

        with pytest.raises(Rejected) as raised:
            await it.api.complete_upload(upload.upload_id)

        assert raised.value.status == 400


@pytest.mark.parametrize("ceiling", [None, 12])
async def test_the_ceiling_is_none_where_it_cannot_be_read(side, ceiling):
    async with side(readable_ceiling=ceiling) as it:
        assert (await it.api.find_limits()).ceiling == ceiling


async def test_the_first_answer_is_remembered_with_its_time(side):
    async with side() as it:
        before = it.api.answered_at_s
        it.clock.jump(3)
        with pytest.raises(Rejected):
            await it.api.submit("model_nobody-has", OAK)

        assert before is None
        assert it.api.answered_at_s == 3


async def test_an_exchange_without_an_answer_is_not_remembered(side):
    async with side() as it:
        it.fail_submit(after=True)
        with pytest.raises(OutcomeUnknown):
            await it.api.submit(MODEL, OAK)

        assert it.api.answered_at_s is None


async def test_the_service_keeps_its_own_time(side):
    async with side(skew_s=3600.0) as it:
        await it.api.find_limits()
        ahead = it.api.service_now() - it.clock.utc_now()
        job = (await it.api.submit(MODEL, OAK)).job

    assert abs(ahead - timedelta(hours=1)) < timedelta(seconds=2)
    assert job.created_at is not None
    assert abs(job.created_at - it.api.service_now()) < timedelta(seconds=2)


async def test_nothing_of_a_broken_fake_is_more_than_unavailable():
    """The fake's own switch, which the emulator has no counterpart for."""
    async with fake_side() as it:
        assert isinstance(it.api, FakeApi)
        it.api.break_down("list_jobs", "find_job")
        with pytest.raises(Unavailable):
            await it.api.find_job(RemoteId("job_1"))
        it.api.mend()

        assert await it.api.find_job(RemoteId("job_1")) is None
