"""Poller: deadlines, jobs that are lost, and outages."""

import dataclasses

import anyio
import pytest
from doubles.outcome import Outcome
from doubles.poller_post import SETTINGS, Post

from pipeline.api.interface import RemoteStatus
from pipeline.errors import (
    AccessDenied,
    GenerationTimedOut,
    RateLimited,
    Rejected,
    ServiceUnreachable,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import RemoteId
from pipeline.record import replace
from pipeline.stages.poller import JobLost

# --- deadlines and losses --------------------------------------------------------------------


async def test_a_job_past_its_deadline_fails_alone(post, api):
    stuck = api.add_job({"prompt": "stuck"}, outcome=Outcome(ends=""))
    good = [api.add_job({"prompt": str(number)}) for number in range(4)]

    heard = await post.watch(stuck, *good)

    error = heard[stuck.remote_id]
    assert isinstance(error, GenerationTimedOut)
    assert error.last_status == "finalizing"
    assert error.waited_s >= SETTINGS.job_timeout_s
    assert {heard[job.remote_id] for job in good} == {RemoteStatus.SUCCESS}


async def test_a_deadline_that_passed_while_nobody_looked_needs_a_fresh_read(
    post, api, clock
):
    """A laptop that slept: the deadline is over, and so is the job."""
    jobs = [
        api.add_job({"prompt": str(i)}, outcome=Outcome(duration_s=500.0))
        for i in range(4)
    ]

    async with post.watching(*jobs):
        await clock.advance(5)
        clock.jump(5000)
        await clock.advance(10)

    assert set(post.heard.values()) == {RemoteStatus.SUCCESS}


async def test_a_deadline_does_not_count_while_nothing_can_be_read(api, clock):
    post = Post(api, clock, dataclasses.replace(SETTINGS, free_deadline_s=1000.0))
    job = api.add_job(outcome=Outcome(duration_s=400.0))

    async with post.watching(job):
        api.break_down("find_job", "list_jobs")
        await clock.advance(450)
        early = dict(post.heard)
        api.mend()
        await clock.advance(10)

    assert early == {}
    assert post.heard == {job.remote_id: RemoteStatus.SUCCESS}


async def test_a_fresh_job_may_be_unknown_for_a_while(post, api):
    api.hidden_s = 20.0
    job = api.add_job(outcome=Outcome(duration_s=40.0))

    assert await post.watch(job) == {job.remote_id: RemoteStatus.SUCCESS}


async def test_a_job_that_stays_unknown_is_lost(post):
    nobody = RemoteId("job_nobody")
    async with post.watching(), anyio.create_task_group() as tasks:
        tasks.start_soon(post.wait, nobody)
        await post.clock.advance(60)

    assert isinstance(post.heard[nobody], JobLost)
    assert SETTINGS.fresh_job_s < post.heard_s[nobody] < SETTINGS.fresh_job_s + 10


# --- outages -------------------------------------------------------------------------------------


async def test_a_listing_that_keeps_failing_is_replaced_by_reading_ids(post, api, many):
    api.break_down("list_jobs")

    heard = await post.watch(*many)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    assert not post.raised
    assert api.calls["list_jobs"] == 3 + 2, "tried again now and then"


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("reset"),
        UnexpectedAnswer("not JSON"),
        Rejected("odd", status=400),
    ],
    ids=["unavailable", "unreadable", "refused"],
)
async def test_a_read_that_fails_for_a_while_only_delays(post, api, error):
    job = api.add_job()
    api.fail_next("find_job", error, times=20)

    heard = await post.watch(job)

    assert heard == {job.remote_id: RemoteStatus.SUCCESS}
    assert post.heard_s[job.remote_id] < 40


async def test_a_service_that_refuses_for_the_rate_is_no_outage(post, api, clock):
    error = RateLimited("too many requests", is_about_requests=True)
    job = api.add_job()
    api.fail_next("find_job", error, times=100_000)
    api.fail_next("list_jobs", error, times=100_000)

    async with post.watching(job):
        await clock.advance(2 * SETTINGS.free_deadline_s)

    assert post.raised == []


async def test_an_outage_that_a_refusal_for_the_rate_interrupts_is_not_one(
    post, api, clock
):
    busy = RateLimited("too many requests", is_about_requests=True)
    outage = Unavailable("502", status=502)
    job = api.add_job()
    for error, times in ((outage, 1), (busy, 100), (outage, 1), (busy, 100_000)):
        api.fail_next("find_job", error, times=times)

    async with post.watching(job):
        await clock.advance(3 * SETTINGS.free_deadline_s)

    assert post.raised == []


async def test_an_outage_ends_the_run_after_the_deadline(post, api, clock):
    api.break_down("find_job", "list_jobs")
    job = api.add_job()

    async with post.watching(job):
        await clock.advance(SETTINGS.free_deadline_s - 2)
        early = list(post.raised)
        await clock.advance(5)

    assert early == []
    assert [type(error) for error in post.raised] == [ServiceUnreachable]


async def test_one_answer_begins_the_deadline_of_an_outage_anew(post, api, clock):
    job = api.add_job(outcome=Outcome(ends=""))

    async with post.watching(job):
        for _ in range(3):
            api.break_down("find_job")
            await clock.advance(SETTINGS.free_deadline_s - 5)
            api.mend()
            await clock.advance(5)

    assert post.raised == []


async def test_a_refused_key_is_no_outage(post, api, clock):
    api.fail_next("find_job", AccessDenied("wrong key", status=401))
    job = api.add_job()

    await post.watch(job)

    assert [type(error) for error in post.raised] == [AccessDenied]


# --- an end that is not one yet ------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5], ids=["by id", "by list"])
async def test_a_success_without_assets_is_waited_for_until_they_come(post, api, count):
    jobs = [api.add_job() for _ in range(count)]
    api.output_delay_s = 50.0

    await post.watch(*jobs)

    assert set(post.heard.values()) == {RemoteStatus.SUCCESS}
    assert all(record.asset_ids for record in post.records.values())
    assert min(post.heard_s.values()) >= 60


async def test_assets_that_the_listing_never_has_are_read_by_id(post, api, many):
    api.tamper = lambda _which, _token, page: replace(
        page, jobs=tuple(replace(job, asset_ids=()) for job in page.jobs)
    )

    await post.watch(*many)

    assert all(record.asset_ids for record in post.records.values())
    assert max(post.heard_s.values()) < 30


async def test_a_success_whose_assets_never_come_ends_without_them(post, api):
    job = api.add_job(outcome=Outcome(outputs=0))

    await post.watch(job)

    assert post.heard[job.remote_id] is RemoteStatus.SUCCESS
    assert post.heard_s[job.remote_id] >= SETTINGS.output_s


async def test_a_job_that_the_list_shows_is_not_lost_whatever_its_id_answers(
    post, api, clock
):
    job = api.add_job(outcome=Outcome(duration_s=200.0))
    api.by_id.clear()

    await post.watch(job)

    assert post.heard[job.remote_id] is RemoteStatus.SUCCESS
    assert clock.monotonic_s() >= 200


async def test_a_job_of_another_key_is_given_up_sooner(post, api, clock):
    nobody = RemoteId("job_nobody")

    async def wait():
        with pytest.raises(JobLost):
            await post.poller.wait_until_finished(nobody, missing_s=5.0)
        post.heard_s[nobody] = clock.monotonic_s()

    async with post.watching() as tasks:
        tasks.start_soon(wait)
        await clock.advance(SETTINGS.fresh_job_s / 2)

    assert 5 <= post.heard_s[nobody] < SETTINGS.fresh_job_s / 2
