"""Settler: what proves that a submit made no job, and what proves nothing."""

from datetime import timedelta

import pytest
from doubles.settler_desk import ELM, OAK, SETTINGS, STRANGER, unsure

from pipeline.errors import RateLimited, Rejected, Unavailable
from pipeline.job import Mark
from pipeline.record import replace


async def test_absence_needs_two_complete_listings_after_the_settling_time(desk):
    desk.own()
    job = desk.lost()
    begun = []
    desk.api.on_point = lambda point: (
        begun.append(desk.clock.monotonic_s()) if point == "list_jobs" else None
    )

    ended = await desk.settle_all(job)

    assert ended == {"oak": None}
    counted = [moment_s for moment_s in begun if moment_s >= SETTINGS.settle_s]
    assert len(counted) == 2
    assert desk.ended_s["oak"] == counted[1]


async def test_without_a_job_of_ours_in_the_list_absence_is_not_proved(desk):
    """Nothing shows that the list would show it."""
    [outcome] = (await desk.settle_all(desk.lost())).values()

    assert unsure(outcome)
    assert "no other job" in outcome.message


async def test_a_job_of_ours_that_the_rule_would_not_find_is_no_control(desk):
    """A list that shows another model than was asked for would hide a candidate."""
    desk.own()
    job = desk.lost()

    def tamper(_which, _token, page):
        return replace(
            page, jobs=tuple(replace(one, model_id="another") for one in page.jobs)
        )

    desk.api.tamper = tamper

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_a_job_from_before_the_mark_is_no_control(desk):
    """The rule that leaves it out may leave the lost one out too."""
    made = desk.api.add_job(ELM)
    desk.clock.jump(1000)
    desk.api.add_job({**ELM, "seed": 1}, author_id=STRANGER)
    job = desk.lost()
    desk.own(made=made)
    desk.settler._answered.clear()  # in this run nothing has been answered

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_a_job_that_is_dated_ahead_does_not_hide_the_lost_one(desk):
    """Another machine of the service is a minute ahead, so the mark is too late."""
    theirs = desk.api.add_job({"prompt": "a stone"}, author_id=STRANGER)
    ahead = desk.api.time_at(theirs.created_s) + timedelta(seconds=60)
    mark = Mark(mark_id=1, created_at=ahead, listed=(theirs.remote_id,))
    desk.marks[1] = mark
    job = desk.lost()
    desk.own()
    desk.api.add_job(OAK)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_as_long_as_another_submit_may_be_answered_a_control_may_come(desk):
    job = desk.lost()
    desk.may_learn = True

    async with desk.settling(job):
        await desk.clock.advance(40)
        early = dict(desk.ended)
        desk.own()
        await desk.clock.advance(20)

    assert early == {}
    assert desk.ended == {"oak": None}


async def test_a_job_that_appears_between_the_two_listings_is_adopted(desk):
    desk.own()
    job = desk.lost()
    seen = []

    def appear(_which, _token, page):
        if desk.clock.monotonic_s() >= SETTINGS.settle_s:
            seen.append(page)
            if len(seen) == 1:
                desk.api.add_job(OAK)
        return page

    desk.api.tamper = appear

    assert await desk.settle_all(job) == {"oak": "job_2"}


async def test_a_listing_that_breaks_off_proves_nothing(desk):
    desk.own()
    desk.api.page_size = 1
    job = desk.lost()
    for number in range(3):
        desk.api.add_job({**OAK, "seed": 100 + number}, author_id=STRANGER)

    def break_off(_which, token, page):
        if token == "2":
            raise Unavailable("reset")
        return page

    desk.api.tamper = break_off

    assert unsure((await desk.settle_all(job))["oak"])


async def test_a_later_job_of_ours_that_the_list_does_not_show_blocks_the_proof(desk):
    desk.own()
    job = desk.lost()
    desk.clock.jump(1)
    desk.api.list_lag_s = 40.0

    async with desk.settling(job):
        await desk.clock.advance(1)
        desk.own({**ELM, "seed": 8})  # its submit was answered after the loss
        await desk.clock.advance(34)
        early = dict(desk.ended)
        await desk.clock.advance(30)

    assert early == {}
    assert desk.ended == {"oak": None}


async def test_every_older_job_of_ours_has_to_be_in_the_list(desk):
    """The list hides some for longer than others: it may hide the lost one too."""
    hidden = desk.own({**ELM, "seed": 1}).remote_id
    desk.own()
    job = desk.lost()

    def tamper(_which, _token, page):
        if desk.clock.monotonic_s() >= 40.0:
            return page
        jobs = tuple(one for one in page.jobs if one.remote_id != hidden)
        return replace(page, jobs=jobs)

    desk.api.tamper = tamper

    async with desk.settling(job):
        await desk.clock.advance(39)
        early = dict(desk.ended)
        await desk.clock.advance(30)

    assert early == {}
    assert desk.ended == {"oak": None}


async def test_a_row_without_a_mark_can_be_found_and_not_proved_absent(desk):
    """Of an older version, or of a dry run that was none."""
    desk.own()
    found, absent = desk.lost(mark_id=None), desk.lost(ELM, name="elm", mark_id=None)
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(found, absent)

    assert ended["oak"] == made.remote_id
    assert unsure(ended["elm"])


async def test_a_list_that_fails_to_the_deadline_leaves_the_outcome_unknown(desk):
    desk.api.break_down("list_jobs")
    job = desk.lost()

    ended = await desk.settle_all(job)

    assert unsure(ended["oak"])
    assert "no route to the service" in ended["oak"].message
    end_s = SETTINGS.settle_s + SETTINGS.free_deadline_s
    assert end_s <= desk.ended_s["oak"] <= end_s + 5


async def test_a_list_that_is_refused_for_the_rate_is_read_later(desk):
    busy = RateLimited("too many requests", is_about_requests=True)
    desk.api.fail_next("list_jobs", busy, times=30)
    job = desk.lost()
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job) == {"oak": made.remote_id}
    assert desk.ended_s["oak"] > SETTINGS.settle_s + SETTINGS.free_deadline_s


@pytest.mark.parametrize(
    "trouble", [Unavailable("reset"), Rejected("odd", status=400)], ids=["5xx", "400"]
)
async def test_a_list_that_fails_for_a_while_only_delays(desk, trouble):
    desk.api.fail_next("list_jobs", trouble, times=6)
    job = desk.lost()
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job) == {"oak": made.remote_id}


@pytest.mark.parametrize("trouble", ["repeated", "endless"])
async def test_a_listing_without_an_end_is_given_up_and_proves_nothing(desk, trouble):
    tokens = iter(range(10**9))

    def spoil(_which, _token, page):
        token = "0" if trouble == "repeated" else f"{next(tokens)}"
        return replace(page, next_token=token)

    desk.own()
    desk.api.tamper = spoil
    job = desk.lost()

    ended = await desk.settle_all(job, within_s=80.0)

    assert unsure(ended["oak"])
