"""Poller: how often it asks, with and without a limit of requests."""

import pytest
from doubles.outcome import Outcome
from doubles.poller_post import SETTINGS, Post, asked

from pipeline.api.interface import RemoteStatus
from pipeline.api.rate_limiter import RateLimiter

# --- how often it asks ---------------------------------------------------------------------


async def test_without_jobs_nothing_is_asked(post, api, clock):
    async with post.watching():
        await clock.advance(1000)

    assert sum(api.calls.values()) == 0
    assert clock.slept_s == []


async def test_a_tick_is_a_small_part_of_how_long_jobs_take(post, api, clock):
    short = [
        api.add_job({"prompt": str(i)}, outcome=Outcome(duration_s=40.0))
        for i in range(3)
    ]
    await post.watch(*short, within_s=60.0)
    long = [
        api.add_job({"prompt": f"l{i}"}, outcome=Outcome(duration_s=40.0))
        for i in range(3)
    ]
    before = len(clock.slept_s)
    async with post.watching(*long):
        await clock.advance(20)

    assert set(clock.slept_s[before : before + 5]) == {40.0 * SETTINGS.poll_fraction}


@pytest.mark.parametrize(
    ("duration_s", "tick_s"),
    [(0.5, SETTINGS.poll_min_s), (250.0, SETTINGS.poll_max_s)],
    ids=["short", "long"],
)
async def test_a_tick_is_neither_too_short_nor_too_long(
    post, api, clock, duration_s, tick_s
):
    outcome = Outcome(duration_s=duration_s)
    jobs = [api.add_job({"prompt": str(i)}, outcome=outcome) for i in range(3)]
    await post.watch(*jobs, within_s=270.0)
    before = len(clock.slept_s)
    async with post.watching(api.add_job(outcome=outcome)):
        await clock.advance(20)

    assert clock.slept_s[before] == tick_s


# --- where requests are limited -----------------------------------------------------------


@pytest.mark.parametrize("duration_s", [10.0, 60.0, 240.0])
async def test_where_requests_are_limited_ticks_are_few(
    post, limited, clock, duration_s
):
    outcome = Outcome(duration_s=duration_s)
    jobs = [limited.add_job({"prompt": str(n)}, outcome=outcome) for n in range(20)]

    heard = await post.watch(*jobs, within_s=duration_s * 1.5 + 20)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    assert asked(limited) <= 5 + duration_s / SETTINGS.poll_max_limited_s * 2
    late_s = max(post.heard_s.values()) - duration_s
    assert late_s <= min(duration_s, SETTINGS.poll_max_limited_s)


async def test_once_durations_are_known_it_is_looked_when_jobs_may_have_ended(
    post, limited, clock
):
    outcome = Outcome(duration_s=30.0)
    first = [limited.add_job({"prompt": str(n)}, outcome=outcome) for n in range(4)]
    await post.watch(*first, within_s=60)
    before = asked(limited)
    second = [limited.add_job({"prompt": f"b{n}"}, outcome=outcome) for n in range(4)]
    began_s = clock.monotonic_s()

    await post.watch(*second, within_s=60)

    assert asked(limited) - before <= 2
    assert max(post.heard_s.values()) - began_s <= 35


async def test_spare_slots_let_several_jobs_end_before_it_is_looked(
    post, limited, clock
):
    """Forty slots, and requests for thirteen: what ends is noticed in bunches."""
    outcome = Outcome(duration_s=10.0)
    await post.watch(*[limited.add_job(outcome=outcome) for _ in range(3)], within_s=30)
    before = asked(limited)

    async with post.watching() as tasks:
        for number in range(40):
            job = limited.add_job({"prompt": str(number)}, outcome=outcome)
            tasks.start_soon(post.wait, job.remote_id, limited.time_at(job.created_s))
            await clock.advance(0.5)
        await clock.advance(20)

    assert asked(limited) - before <= 5
    assert len(post.heard) == 43


async def test_a_job_that_takes_long_is_not_read_by_its_id_again_and_again(
    post, limited
):
    jobs = [limited.add_job(outcome=Outcome(duration_s=200.0)) for _ in range(10)]

    await post.watch(*jobs, within_s=190)

    assert limited.calls["find_job"] <= 8


async def test_two_jobs_are_watched_by_one_request_where_they_are_limited(
    post, limited
):
    jobs = [limited.add_job(), limited.add_job()]

    heard = await post.watch(*jobs)

    assert set(heard.values()) == {RemoteStatus.SUCCESS}
    assert limited.calls["find_job"] == 0


async def test_a_high_limit_makes_nothing_slower(api, clock):
    heard = []
    for rate_limiter in (RateLimiter(clock), RateLimiter(clock, limit=1000)):
        api.rate_limiter = rate_limiter
        post = Post(api, clock)
        began_s = clock.monotonic_s()
        await post.watch(*[api.add_job() for _ in range(5)], within_s=100)
        heard.append([heard_s - began_s for heard_s in post.heard_s.values()])

    assert heard[0] == pytest.approx(heard[1])
