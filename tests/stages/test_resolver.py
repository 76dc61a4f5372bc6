"""Resolver: many requests in one bulk read, and patience with what is not there yet."""

from functools import partial

import anyio
import pytest
from doubles.jobs import US

from pipeline.api.interface import RemoteAsset
from pipeline.api.rate_limiter import Priority, RateLimiter
from pipeline.errors import (
    AccessDenied,
    DownloadFailed,
    RateLimited,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import AssetId
from pipeline.settings import Settings
from pipeline.stages.resolver import (
    BULK_SIZE,
    LINGER_S,
    REQUESTS_PER_READ,
    SHORT_LINGER_S,
    Resolver,
)

SETTINGS = Settings(free_deadline_s=60.0)


@pytest.fixture
def resolver(api, clock):
    return Resolver(api, clock, SETTINGS)


@pytest.fixture
def made(api, clock):
    """Ids of assets that are there."""

    def make(count):
        jobs = [api.add_job({"prompt": str(number)}) for number in range(count)]
        clock.jump(10)
        return [job.asset_ids[0] for job in jobs]

    return make


@pytest.fixture
def resolve_all(resolver, finish, in_background):
    """The record of each asset, or what was raised instead."""

    async def resolve(*asset_ids):
        found = {}

        async def one(asset_id):
            try:
                found[asset_id] = await resolver.resolve(asset_id)
            except Exception as error:  # noqa: BLE001 - for the test to look at
                found[asset_id] = error

        async def everyone():
            async with anyio.create_task_group() as tasks:
                for asset_id in asset_ids:
                    tasks.start_soon(one, asset_id)

        async with in_background(resolver.run) as raised:
            await finish(everyone)
        assert not raised
        return found

    return resolve


async def test_requests_that_come_together_share_one_read(api, made, resolve_all):
    asset_ids = made(40)

    found = await resolve_all(*asset_ids)

    assert [len(read) for read in api.bulk_reads] == [40]
    assert {asset_id: asset.asset_id for asset_id, asset in found.items()} == dict(
        zip(asset_ids, asset_ids, strict=True)
    )
    assert api.calls["find_asset"] == 0


async def test_a_read_is_of_no_more_than_the_service_allows(api, made, resolve_all):
    await resolve_all(*made(BULK_SIZE + 30))

    assert [len(read) for read in api.bulk_reads] == [BULK_SIZE, 30]


async def test_a_request_waits_for_company_only_while_jobs_are_in_flight(
    api, clock, made, finish, in_background
):
    (asset_id,) = made(1)
    waits = []
    for in_flight in (True, False):
        resolver = Resolver(api, clock, SETTINGS, expects_more=partial(bool, in_flight))
        before_s = clock.monotonic_s()
        async with in_background(resolver.run):
            await finish(lambda r=resolver: r.resolve(asset_id))
        waits.append(clock.monotonic_s() - before_s)

    assert waits == pytest.approx([LINGER_S, SHORT_LINGER_S])


async def test_every_request_brings_a_fresh_url(made, resolve_all):
    (asset_id,) = made(1)

    first = (await resolve_all(asset_id))[asset_id]
    second = (await resolve_all(asset_id))[asset_id]

    assert first.url != second.url


async def test_a_pending_asset_is_asked_for_until_it_is_ready(
    api, clock, made, resolve_all
):
    api.asset_pending_s = 12.0
    (asset_id,) = made(1)
    before_s = clock.monotonic_s()

    found = await resolve_all(asset_id)

    assert found[asset_id].is_ready
    assert 12.0 <= clock.monotonic_s() - before_s < 18.0


async def test_an_asset_that_the_bulk_read_leaves_out_is_read_alone(
    api, made, resolve_all
):
    there, late = made(2)
    content = api.files.pop(late)

    def appear(point):
        if point == "find_asset":
            api.files[late] = content

    api.on_point = appear
    found = await resolve_all(there, late)

    assert api.calls["find_asset"] == 1
    assert found[late].asset_id == late
    assert found[there].asset_id == there


async def test_an_asset_that_nobody_shows_fails_at_the_deadline(clock, resolve_all):
    found = await resolve_all(AssetId("asset_nobody"))

    assert isinstance(found["asset_nobody"], DownloadFailed)
    assert SETTINGS.free_deadline_s <= clock.monotonic_s() < 66


async def test_an_asset_that_is_gone_is_waited_for_as_long_as_a_fresh_one_may_be_hidden(
    api, clock, made, finish, in_background
):
    settings = Settings(fresh_job_s=20.0)
    resolver = Resolver(api, clock, settings)
    api.asset_pending_s = 50.0
    (late,) = made(1)
    before_s = clock.monotonic_s()
    async with in_background(resolver.run):
        # What it shows is waited for, even if it is hidden in between.
        shown = api.files[late]
        hiding = iter([False, True, True, False, True, True])

        def hide(point):
            if point == "find_assets":
                api.files.pop(late, None)
                if not next(hiding, False):
                    api.files[late] = shown

        api.on_point = hide
        assert (await finish(lambda: resolver.resolve(late))).is_ready
        api.on_point = lambda _point: None
        assert clock.monotonic_s() - before_s >= 40.0

        del api.files[late]
        before_s = clock.monotonic_s()
        with pytest.raises(DownloadFailed, match="does not show asset") as error:
            await finish(lambda: resolver.resolve(late))

    assert 20.0 <= clock.monotonic_s() - before_s < 26.0
    assert "pays again" in error.value.hint


async def test_an_asset_that_is_never_ready_fails_at_the_deadline(
    api, made, resolve_all
):
    api.asset_pending_s = 1e9
    (asset_id,) = made(1)

    found = await resolve_all(asset_id)

    assert isinstance(found[asset_id], DownloadFailed)


async def test_an_asset_that_the_service_failed_to_store_fails_at_once(
    clock, finish, in_background, api
):
    broken = RemoteAsset(
        asset_id=AssetId("asset_1"),
        url="",
        is_ready=False,
        has_failed=True,
        media_type="",
        kind="image",
        size_bytes=None,
        author_id=US,
    )

    class Store:
        async def find_assets(self, asset_ids):
            return dict.fromkeys(asset_ids, broken)

    resolver = Resolver(Store(), clock, SETTINGS)  # type: ignore[arg-type]
    async with in_background(resolver.run):
        with pytest.raises(DownloadFailed):
            await finish(lambda: resolver.resolve(broken.asset_id))

    assert clock.monotonic_s() < 1


async def test_one_unknown_id_that_fails_the_bulk_read_costs_the_others_nothing(
    api, made, resolve_all
):
    api.bulk_rejects_unknown = True
    asset_ids = made(3)

    found = await resolve_all(*asset_ids, AssetId("asset_nobody"))

    assert [found[asset_id].asset_id for asset_id in asset_ids] == asset_ids
    assert isinstance(found["asset_nobody"], DownloadFailed)


@pytest.mark.parametrize(
    "error",
    [Unavailable("502", status=502), UnexpectedAnswer("HTML"), RateLimited("busy")],
    ids=["unavailable", "unreadable", "rate limited"],
)
async def test_a_bulk_read_that_fails_for_a_while_only_delays(
    api, made, resolve_all, error
):
    api.fail_next("find_assets", error, times=5)
    asset_ids = made(3)

    found = await resolve_all(*asset_ids)

    assert [found[asset_id].asset_id for asset_id in asset_ids] == asset_ids


async def test_an_answer_that_may_be_too_large_is_asked_for_in_halves(
    api, made, resolve_all
):
    asset_ids = made(16)
    api.fail_next(
        "find_assets",
        Unavailable("502", status=502),
        times=99,
        where=lambda ids: len(ids) > 4,
    )

    found = await resolve_all(*asset_ids)

    assert {asset.asset_id for asset in found.values()} == set(asset_ids)
    assert api.calls["find_assets"] < 30


async def test_a_service_that_refuses_for_the_rate_is_no_outage(
    api, clock, made, resolve_all
):
    error = RateLimited("too many requests", is_about_requests=True)
    api.fail_next("find_assets", error, times=100)
    asset_ids = made(3)
    before_s = clock.monotonic_s()

    found = await resolve_all(*asset_ids)

    assert [found[asset_id].asset_id for asset_id in asset_ids] == asset_ids
    assert clock.monotonic_s() - before_s > 2 * SETTINGS.free_deadline_s


async def test_an_asset_that_is_never_ready_fails_although_reads_are_refused_too(
    api, made, resolve_all
):
    error = RateLimited("too many requests", is_about_requests=True)
    api.asset_pending_s = 1e9
    api.on_point = lambda point: (
        point == "find_assets"
        and api.calls[point] % 2
        and api.fail_next("find_assets", error)
    )
    (asset_id,) = made(1)

    found = await resolve_all(asset_id)

    assert isinstance(found[asset_id], DownloadFailed)


async def test_no_answer_until_the_deadline_is_said_as_it_is(api, made, resolve_all):
    asset_ids = made(2)
    api.break_down("find_assets")

    found = await resolve_all(*asset_ids)

    assert {type(error) for error in found.values()} == {Unavailable}


async def test_a_refused_key_is_for_the_whole_run(api, made, resolve_all):
    (asset_id,) = made(1)
    api.fail_next("find_assets", AccessDenied("no", status=401))

    found = await resolve_all(asset_id)

    assert isinstance(found[asset_id], AccessDenied)


async def test_a_read_waits_longer_for_company_where_requests_are_scarce(
    api, clock, made, finish, in_background
):
    api.rate_limiter = RateLimiter(clock, limit=60)
    for _ in range(20):
        await api.rate_limiter.wait_for_turn(Priority.LIST)
    (asset_id,) = made(1)
    in_flight = True
    resolver = Resolver(api, clock, SETTINGS, expects_more=lambda: in_flight)

    async def wait():
        before_s = clock.monotonic_s()
        await finish(lambda: resolver.resolve(asset_id))
        return clock.monotonic_s() - before_s

    async with in_background(resolver.run):
        alone_s = await wait()
        in_flight = False
        last_s = await wait()

    wanted_s = REQUESTS_PER_READ / api.rate_limiter.rate_per_s
    assert wanted_s <= alone_s <= wanted_s + 2 * LINGER_S
    assert last_s == pytest.approx(SHORT_LINGER_S)


async def test_a_read_does_not_wait_for_company_that_cannot_come_any_more(
    api, clock, made, finish, in_background
):
    api.rate_limiter = RateLimiter(clock, limit=60)
    for _ in range(20):
        await api.rate_limiter.wait_for_turn(Priority.LIST)
    (asset_id,) = made(1)
    end_s = clock.monotonic_s() + 3
    resolver = Resolver(
        api, clock, SETTINGS, expects_more=lambda: clock.monotonic_s() < end_s
    )

    async with in_background(resolver.run):
        await finish(lambda: resolver.resolve(asset_id))

    assert end_s <= clock.monotonic_s() <= end_s + LINGER_S
