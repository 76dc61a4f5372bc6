"""Settler: what is believed of a refusal."""

import pytest
from doubles.settler_desk import OAK, STRANGER, unsure


async def test_after_a_refusal_one_reading_without_a_candidate_is_enough(desk):
    desk.own()
    job = desk.lost()

    ended = await desk.settle_all(job, is_refused=True)

    assert ended == {"oak": None}
    assert desk.api.calls["list_jobs"] == 1


async def test_a_job_that_was_made_in_spite_of_its_refusal_is_adopted(desk):
    job = desk.lost()
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job, is_refused=True) == {"oak": made.remote_id}


async def test_a_refusal_beside_a_job_that_says_nothing_is_not_believed(desk):
    job = desk.lost()
    desk.api.add_job({})

    assert unsure((await desk.settle_all(job, is_refused=True))["oak"])


async def test_a_job_that_shows_nothing_that_tells_is_not_adopted_from_a_stranger(desk):
    job = desk.lost()
    desk.api.add_job({"size": "1K", "prompt": "asset_toad"}, author_id=STRANGER)
    desk.api.echo_omits = ("seed",)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)


async def test_a_refusal_is_believed_when_the_list_shows_what_came_before_it(desk):
    desk.own()
    job = desk.lost()
    desk.api.list_lag_s = 8.0
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(job, is_refused=True)

    assert ended == {"oak": made.remote_id}
    assert desk.ended_s["oak"] >= 8.0


@pytest.mark.parametrize("shown", [{"seed": 5}, {"prompt": "rewritten"}], ids=str)
async def test_after_a_refusal_one_input_that_agrees_keeps_a_job_in_the_way(
    desk, shown
):
    desk.own()
    job = desk.lost()
    desk.api.add_job({**OAK, **shown})

    assert unsure((await desk.settle_all(job, is_refused=True))["oak"])


@pytest.mark.parametrize("knows_us", [True, False])
async def test_after_a_refusal_a_job_with_other_inputs_is_another_runs(desk, knows_us):
    """Once it is known how the service shows jobs of ours; before, it may be ours."""
    job = desk.lost()
    if knows_us:
        desk.own()
    desk.api.add_job({**OAK, "prompt": "a stone", "seed": 5})

    outcome = (await desk.settle_all(job, is_refused=True))["oak"]

    assert outcome is None if knows_us else unsure(outcome)


async def test_a_refusal_beside_jobs_of_others_waits_for_the_first_job_of_ours(desk):
    """Whose they are is known once it is known how the service shows jobs of ours."""
    job = desk.lost()
    desk.api.add_job({**OAK, "prompt": "a stone", "seed": 5})
    desk.may_learn = True

    async with desk.settling(job, is_refused=True):
        await desk.clock.advance(30.0)
        assert desk.ended == {}
        desk.own()
        await desk.clock.advance(30.0)

    assert desk.ended == {"oak": None}


async def test_a_job_that_a_listing_showed_and_nobody_owns_is_remembered(desk):
    job = desk.lost()
    made = desk.api.add_job(OAK)

    before = await desk.settler.sees_unowned(job, desk.known)
    desk.seen.note(await desk.api.find_job(made.remote_id))
    after = await desk.settler.sees_unowned(job, desk.known)
    desk.own(OAK, made=made)

    assert (before, after) == (False, True)
    assert not await desk.settler.sees_unowned(job, desk.known)
