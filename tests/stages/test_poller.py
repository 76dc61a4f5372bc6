"""Poller: what it asks for, and what each waiter hears."""

from datetime import timedelta
from itertools import pairwise

import anyio
import pytest
from doubles.outcome import Outcome
from doubles.poller_post import SETTINGS

from pipeline.api.interface import JobPage, RemoteStatus
from pipeline.errors import Unavailable
from pipeline.record import replace
from pipeline.stages.poller import (
    LONG_OVERLAP,
    LONG_OVERLAP_S,
    OVERLAP,
    SILENT_S,
    JobClaimed,
)

# --- what it asks for --------------------------------------------------------------------


async def test_few_jobs_are_read_by_their_ids(post, api):
    jobs = [api.add_job(), api.add_job()]

    heard = await post.watch(*jobs)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    assert api.calls["list_jobs"] == 0


async def test_many_jobs_are_watched_by_one_listing_a_tick(post, api, clock):
    jobs = [
        api.add_job({"prompt": f"tree {number}"}, outcome=Outcome(duration_s=100.0))
        for number in range(60)
    ]

    async with post.watching(*jobs):
        await clock.advance(9)
        ticks = len(clock.slept_s) - 1

    assert api.calls["list_jobs"] == ticks
    assert api.calls["find_job"] == 0


async def test_every_waiter_hears_how_its_own_job_ended(post, api):
    outcomes = [
        Outcome(),
        Outcome(ends="failure", error="no"),
        Outcome(ends="canceled"),
        Outcome(),
    ]
    jobs = [api.add_job({"prompt": str(i)}, outcome=f) for i, f in enumerate(outcomes)]

    heard = await post.watch(*jobs)

    assert [heard[job.remote_id] for job in jobs] == [
        RemoteStatus.SUCCESS,
        RemoteStatus.FAILURE,
        RemoteStatus.CANCELED,
        RemoteStatus.SUCCESS,
    ]


async def test_the_listing_is_of_what_changed_since_the_last_one(post, api, many):
    await post.watch(*many)

    asked = [which.updated_after for which, _ in api.listings]
    known = api.time_at(many[0].created_s)
    assert asked[:2] == [known - LONG_OVERLAP, known - OVERLAP]
    short = [after for after in asked if after >= known - OVERLAP]
    assert short == sorted(short)
    assert asked[-1] > known


async def test_now_and_then_the_listing_reaches_further_back(post, api, clock):
    jobs = [
        api.add_job({"prompt": str(i)}, outcome=Outcome(duration_s=60))
        for i in range(5)
    ]

    async with post.watching(*jobs):
        await clock.advance(8)
        asked = [which.updated_after for which, _ in api.listings]
        ticks = len(clock.slept_s) - 1

    further_back = sum(after < before for before, after in pairwise(asked))
    assert len(asked) == ticks  # that is no request more
    assert ticks / 2 > further_back >= 8 / LONG_OVERLAP_S / 2


@pytest.mark.parametrize("later_s", [0.0, 0.7, 1.4, 2.1])
async def test_a_job_that_is_watched_late_is_looked_for_at_once(
    post, api, clock, later_s
):
    """Its submit was answered after 4 s, when others had shown later changes."""
    api.heartbeat_s = 0.5
    jobs = [
        api.add_job({"prompt": str(i)}, outcome=Outcome(duration_s=60))
        for i in range(5)
    ]
    async with post.watching(*jobs) as tasks:
        await clock.advance(20 + later_s)
        short = api.add_job({"prompt": "short"}, outcome=Outcome(duration_s=1))
        await clock.advance(4)
        known = api.time_at(short.created_s)
        began_s = clock.monotonic_s()
        tasks.start_soon(post.wait, short.remote_id, known)
        await clock.advance(5)

    assert post.heard_s[short.remote_id] - began_s <= 26 * 0.05 + 0.1  # one tick
    assert api.calls["find_job"] == 0


@pytest.mark.parametrize("second_s", [30.0, 30.6, 31.2, 31.8])
async def test_an_end_that_surfaces_out_of_order_is_found_and_then_expected(
    post, api, clock, second_s
):
    """The listing hides one end for 3 s while it shows later changes of others."""
    jobs = [
        api.add_job({"prompt": str(i)}, outcome=Outcome(duration_s=60))
        for i in range(9)
    ]
    hidden = [
        api.add_job({"prompt": "hidden"}, outcome=Outcome(duration_s=10)),
        api.add_job({"prompt": "hidden too"}, outcome=Outcome(duration_s=second_s)),
    ]
    api.heartbeat_s = 0.5
    ids = {job.remote_id for job in hidden}

    def hide(_which, _token, page):
        now = api.time_at(clock.monotonic_s())
        shown = tuple(
            job
            for job in page.jobs
            if not (
                job.remote_id in ids
                and job.has_ended
                and now - job.updated_at < timedelta(seconds=3)
            )
        )
        return replace(page, jobs=shown)

    api.tamper = hide
    async with post.watching(*jobs, *hidden):
        await clock.advance(45)

    first_s, heard_s = (post.heard_s[job.remote_id] for job in hidden)
    assert api.calls["find_job"] == 0
    assert 13 <= first_s <= 13 + LONG_OVERLAP_S + 1
    tick_s = 10 * SETTINGS.poll_fraction
    assert second_s + 3 <= heard_s <= second_s + 3 + tick_s + 0.2  # as if in order


@pytest.mark.parametrize("lag_s", [1.5, 3.4, 4.2, 4.9])
@pytest.mark.parametrize("ends_s", [20.0, 20.5, 21.0])
async def test_an_end_that_surfaces_five_seconds_late_needs_no_read_by_id(
    post, api, clock, *, lag_s, ends_s
):
    others = [
        api.add_job({"prompt": str(i)}, outcome=Outcome(duration_s=90))
        for i in range(9)
    ]
    late = api.add_job({"prompt": "late"}, outcome=Outcome(duration_s=ends_s))
    api.heartbeat_s = 0.5

    def hide(_which, _token, page):
        now = api.time_at(clock.monotonic_s())
        return replace(
            page,
            jobs=tuple(
                job
                for job in page.jobs
                if job.remote_id != late.remote_id
                or not job.has_ended
                or now - job.updated_at >= timedelta(seconds=lag_s)
            ),
        )

    api.tamper = hide
    async with post.watching(*others, late):
        await clock.advance(40)

    assert post.heard[late.remote_id] is RemoteStatus.SUCCESS
    assert api.calls["find_job"] == 0


async def test_a_look_further_back_that_failed_is_made_up_for_at_once(post, api, clock):
    jobs = [
        api.add_job({"prompt": str(i)}, outcome=Outcome(duration_s=60))
        for i in range(5)
    ]
    failed_at = []

    def is_further_back(which, _token):
        back = which.updated_after < max(job.updated_at for job in post.seen) - OVERLAP
        if back and not failed_at:
            failed_at.append(len(api.listings))
        return back

    async with post.watching(*jobs):
        await clock.advance(20)  # nothing changes from here on
        api.fail_next("list_jobs", Unavailable("reset"), where=is_further_back)
        await clock.advance(10)

    asked = [which.updated_after for which, _ in api.listings]
    before, next_one = asked[failed_at[0] - 1], asked[failed_at[0]]
    assert next_one == before + OVERLAP - LONG_OVERLAP


@pytest.mark.parametrize("skew_s", [-3600.0, 3600.0], ids=["behind", "ahead"])
async def test_a_service_whose_clock_differs_is_watched_all_the_same(
    post, api, many, clock, skew_s
):
    api.skew_s = skew_s

    heard = await post.watch(*many)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    assert api.calls["list_jobs"] > 5
    assert api.calls["find_job"] == 0
    assert max(post.heard_s.values()) < 12


async def test_the_watermark_is_a_time_that_the_service_gave(post, api, many):
    api.skew_s = -3600.0

    await post.watch(*many)

    given = {job.updated_at for job in post.seen} | {api.time_at(many[0].created_s)}
    assert all(
        which.updated_after + OVERLAP in given
        or which.updated_after + LONG_OVERLAP in given
        for which, _ in api.listings
    )


async def test_without_any_time_of_the_service_jobs_are_read_by_id_first(
    post, api, many
):
    heard = await post.watch(*many, since=False)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    assert api.calls["find_job"] >= 5
    assert api.calls["list_jobs"] > 0


async def test_a_change_that_the_listing_shows_late_is_not_missed(post, api, many):
    api.list_lag_s = 3.0

    heard = await post.watch(*many, within_s=16.0)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}


async def test_all_pages_are_read_empty_ones_too(post, api, many, clock):
    api.page_size = 2

    def with_an_empty_page(_which, token, page):
        if token == "2":
            return JobPage(jobs=(), next_token="2 ")
        return page

    api.tamper = with_an_empty_page
    heard = await post.watch(*many, within_s=12.0)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    assert api.calls["find_job"] == 0
    assert "4" in {token for _, token in api.listings}


@pytest.mark.parametrize("trouble", ["repeated", "endless"])
async def test_a_listing_without_an_end_is_left_for_reading_by_id(
    post, api, many, trouble
):
    tokens = iter(range(10**9))

    def spoil(_which, token, _page):
        name = token or "again" if trouble == "repeated" else f"{next(tokens)}"
        return JobPage(jobs=(), next_token=name)

    api.tamper = spoil
    async with post.watching(*many):
        await post.clock.advance(40)

    assert set(post.heard.values()) == {RemoteStatus.SUCCESS}
    assert not post.raised
    assert api.calls["list_jobs"] <= 3 * 1000


async def test_a_job_that_no_listing_shows_is_read_by_its_id(post, api, many):
    hidden = many[0]
    api.tamper = lambda _which, _token, page: JobPage(
        jobs=tuple(job for job in page.jobs if job.remote_id != hidden.remote_id),
        next_token=page.next_token,
    )
    for job in many:
        job.steps = (*job.steps[:-1], (60.0, "success"))

    heard = await post.watch(*many)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    assert set(api.reads) >= {hidden.remote_id}
    assert post.heard_s[hidden.remote_id] <= 60 + SILENT_S + 5


async def test_a_job_without_news_is_asked_for_by_id_and_not_at_every_tick(post, api):
    silent = Outcome(path=(("queued", 0.0),), duration_s=90)
    jobs = [api.add_job({"prompt": str(number)}, outcome=silent) for number in range(5)]
    lively = api.add_job(outcome=Outcome(duration_s=15.0))

    async with post.watching(lively, *jobs):
        await post.clock.advance(60)

    assert 5 <= api.calls["find_job"] <= 5 * 60 / SILENT_S
    assert {*api.reads} == {job.remote_id for job in jobs}


async def test_a_heartbeat_makes_it_list_what_has_ended_alone(post, api, clock):
    api.heartbeat_s = 0.25
    jobs = [
        api.add_job({"prompt": str(number)}, outcome=Outcome(duration_s=200.0))
        for number in range(150)
    ]

    heard = await post.watch(*jobs)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    asked = [which.status for which, _ in api.listings]
    assert asked[0] == ""
    switched = next(i for i, status in enumerate(asked) if status)
    assert set(asked[switched:]) == {"success", "failure", "canceled"}


async def test_a_status_that_nobody_knows_is_a_running_job(post, api):
    job = api.add_job(outcome=Outcome(path=(("queued", 0.0), ("dreaming", 0.2))))

    heard = await post.watch(job)

    assert heard == {job.remote_id: RemoteStatus.SUCCESS}


# --- waiters -------------------------------------------------------------------------------------


async def test_a_cancelled_waiter_leaves_nothing_behind(post, api, clock):
    job = api.add_job(outcome=Outcome(ends=""))

    async with post.watching():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post.wait, job.remote_id)
            await clock.advance(10)
            tasks.cancel_scope.cancel()
        await clock.advance(10)
        calls = api.calls.copy()
        await clock.advance(1000)

    assert api.calls == calls


async def test_an_earlier_waiter_hears_that_its_job_is_anothers(post, api, clock):
    job = api.add_job()

    async with post.watching(job) as tasks:
        heard = []

        async def wait_too():
            heard.append(await post.poller.wait_until_finished(job.remote_id))

        tasks.start_soon(wait_too)
        await clock.advance(20)

    assert isinstance(post.heard[job.remote_id], JobClaimed)
    assert heard[0].status is RemoteStatus.SUCCESS


async def test_a_job_that_ended_long_ago_is_found(post, api, clock):
    """Taken up from an earlier run, behind the watermark of the present ones."""
    old = api.add_job({"prompt": "old"})
    clock.jump(10_000)
    new = [api.add_job({"prompt": str(number)}) for number in range(5)]

    async with post.watching(*new), anyio.create_task_group() as tasks:
        tasks.start_soon(post.wait, old.remote_id, api.time_at(old.created_s))
        await clock.advance(30)

    assert post.heard[old.remote_id] is RemoteStatus.SUCCESS
    assert post.heard_s[old.remote_id] - 10_000 <= SILENT_S + 2


async def test_every_record_that_is_listed_is_shown_to_the_listener(post, api, many):
    stranger = api.add_job({"prompt": "theirs"}, author_id="apiu_stranger")

    await post.watch(*many)

    assert stranger.remote_id in {job.remote_id for job in post.seen}
    assert stranger.remote_id not in post.heard


async def test_jobs_that_come_later_are_seen_at_once(post, api, clock):
    async with post.watching(api.add_job()) as tasks:
        await clock.advance(500)
        later = api.add_job({"prompt": "later"})
        since = api.service_now() - timedelta(seconds=1)
        tasks.start_soon(post.wait, later.remote_id, since)
        await clock.advance(12)

    assert post.heard[later.remote_id] is RemoteStatus.SUCCESS
