"""Poller: when it asks, what it asks for, and what a wait leaves behind."""

import dataclasses
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import anyio
import pytest
from doubles.outcome import Outcome

from pipeline.api.interface import JobPage, RemoteJob, RemoteStatus
from pipeline.api.rate_limiter import RateLimiter
from pipeline.errors import (
    AccessDenied,
    GenerationTimedOut,
    Rejected,
    ServiceUnreachable,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import RemoteId
from pipeline.record import replace
from pipeline.settings import Settings
from pipeline.stages.poller import (
    LONG_OVERLAP,
    LONG_OVERLAP_S,
    OVERLAP,
    SILENT_S,
    JobClaimed,
    JobLost,
    Poller,
)
from pipeline.stages.reading import ListedJobs

SETTINGS = Settings(job_timeout_s=300.0, free_deadline_s=60.0, fresh_job_s=30.0)


class Seen(ListedJobs):
    """Every record that a listing has shown."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[RemoteJob] = []

    def note(self, remote: RemoteJob) -> None:
        self.records.append(remote)

    def __iter__(self):
        return iter(self.records)


class Post:
    """A poller, and what each waiter heard."""

    def __init__(self, api, clock, settings=SETTINGS) -> None:
        self.api, self.clock = api, clock
        self.seen = Seen()
        self.poller = Poller(api, clock, settings, seen=self.seen)
        self.heard = {}
        self.heard_s = {}
        self.records = {}
        self.raised = []

    async def wait(self, remote_id, known_since=None):
        try:
            job = await self.poller.wait_until_finished(
                remote_id, known_since=known_since
            )
            self.heard[remote_id] = job.status
            self.records[remote_id] = job
        except Exception as error:  # noqa: BLE001 - for the test to look at
            self.heard[remote_id] = error
        self.heard_s[remote_id] = self.clock.monotonic_s()

    async def _poll(self):
        try:
            await self.poller.run()
        except Exception as error:  # noqa: BLE001 - for the test to look at
            self.raised.append(error)

    @asynccontextmanager
    async def watching(self, *jobs, since=True):
        """The poller at work, with a waiter for each job."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._poll)
            for job in jobs:
                known = self.api.time_at(job.created_s) if since else None
                tasks.start_soon(self.wait, job.remote_id, known)
            await self.clock.settle()
            yield tasks
            tasks.cancel_scope.cancel()

    async def watch(self, *jobs, within_s=400.0, since=True):
        async with self.watching(*jobs, since=since):
            await self.clock.advance(within_s)
        return self.heard


@pytest.fixture
def post(api, clock):
    return Post(api, clock)


@pytest.fixture
def many(api):
    """More jobs than are read one by one."""
    return [api.add_job({"prompt": f"tree {number}"}) for number in range(5)]


def bare_tokens(page):
    return replace(page, next_token="")


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


# --- where requests are limited -----------------------------------------------------------


@pytest.fixture
def limited(api, clock):
    """A service that may be asked 95 times a minute."""
    api.rate_limiter = RateLimiter(clock, limit=95)
    return api


def asked(api):
    return api.calls["list_jobs"] + api.calls["find_job"]


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
