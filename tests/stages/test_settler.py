"""Settler: which job is adopted, and what is not guessed."""

from datetime import timedelta

import anyio
import pytest
from doubles.jobs import MODEL_PRO
from doubles.settler_desk import ELM, OAK, STRANGER, unsure

from pipeline.api.interface import JobPage
from pipeline.record import replace
from pipeline.stages.reading import LONG_AGO, SKEW

# --- found --------------------------------------------------------------------------


async def test_a_job_with_our_derived_seed_is_adopted_long_before_the_settling_time(
    desk,
):
    job = desk.lost()
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(job)

    assert ended == {"oak": made.remote_id}
    assert desk.ended_s["oak"] == 0.5


async def test_other_differences_of_the_echo_do_not_hide_a_job_with_a_derived_seed(
    desk,
):
    job = desk.lost({**OAK, "images": ["asset_1"]})
    made = desk.api.add_job({**OAK, "size": "2K", "thinkingMode": True})

    assert await desk.settle_all(job) == {"oak": made.remote_id}


@pytest.mark.parametrize(
    "echo",
    [
        {**OAK, "prompt": "a birch in snow"},
        {**OAK, "seed": 8},
        {**OAK, "seed": 8, "prompt": "a birch in snow"},
    ],
    ids=["prompt", "seed", "both"],
)
async def test_a_job_that_shows_other_inputs_is_neither_adopted_nor_passed_over(
    desk, echo
):
    """No difference of an echo proves that a job is not ours."""
    desk.own()
    job = desk.lost()
    desk.api.add_job(echo)

    [outcome] = (await desk.settle_all(job)).values()

    assert unsure(outcome)
    assert "the job may be job_2" in outcome.message


async def test_what_the_service_does_to_inputs_is_learned_from_jobs_of_ours(desk):
    job = desk.lost()
    desk.own(ELM, echo={**ELM, "prompt": "an elm, nicer", "seed": 3})
    made = desk.api.add_job({**OAK, "prompt": "rewritten", "seed": 4})

    assert await desk.settle_all(job) == {"oak": made.remote_id}


@pytest.mark.parametrize(
    "echo",
    [
        {**OAK, "seed": "7"},
        {**OAK, "seed": 7.0},
        {**OAK, "prompt": "asset_GTrL3mq4SXWyMxkOHRxlpw"},
        {**OAK, "prompt": " An  oak"},
        {"prompt": "an oak", "size": "1K"},
        {},
    ],
    ids=["text", "float", "archived", "trimmed", "no seed", "nothing"],
)
@pytest.mark.parametrize("derived_seed", [True, False])
async def test_one_job_for_one_submit_is_adopted_unless_it_shows_other_inputs(
    desk, echo, derived_seed
):
    job = desk.lost(derived_seed=derived_seed)
    if not echo:
        desk.own()  # so that we know who we are
    desk.api.echo_omits = tuple(OAK.keys() - echo.keys())
    made = desk.api.add_job(echo)

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_size_that_is_spelled_otherwise_is_the_same_size(desk):
    job = desk.lost({**OAK, "size": "1024*1024"}, derived_seed=False)
    made = desk.api.add_job({**OAK, "size": "1024x1024"})

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_job_of_another_model_is_not_ours(desk):
    desk.own()
    job = desk.lost()
    desk.api.add_job(OAK, model_id=MODEL_PRO)

    assert await desk.settle_all(job) == {"oak": None}


@pytest.mark.parametrize(
    "kind", [{"job_type": "upload"}, {"is_child": True}], ids=["upload", "workflow"]
)
async def test_a_job_that_no_submit_makes_is_passed_over(desk, kind):
    desk.own()
    job = desk.lost()
    other = desk.api.add_job({})

    def tamper(_which, _token, page):
        jobs = [
            replace(one, **kind) if one.remote_id == other.remote_id else one
            for one in page.jobs
        ]
        return replace(page, jobs=tuple(jobs))

    desk.api.tamper = tamper

    assert await desk.settle_all(job) == {"oak": None}


async def test_the_best_agreement_decides_between_two_jobs_of_one_seed(desk):
    job = desk.lost()
    desk.api.add_job({**OAK, "prompt": "another prompt"})
    best = desk.api.add_job(OAK)
    desk.api.add_job({**OAK, "prompt": "a third prompt"})

    assert await desk.settle_all(job) == {"oak": best.remote_id}


async def test_two_lost_submits_of_the_same_inputs_never_adopt_one_job(desk):
    desk.own()
    jobs = [desk.lost(name="oak"), desk.lost(name="second oak")]
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(*jobs)

    assert sorted(ended.values(), key=str) == [None, made.remote_id]


async def test_two_lost_submits_of_the_same_inputs_adopt_two_jobs(desk):
    jobs = [desk.lost(name="oak"), desk.lost(name="second oak")]
    made = {desk.api.add_job(OAK).remote_id, desk.api.add_job(OAK).remote_id}

    ended = await desk.settle_all(*jobs)

    assert set(ended.values()) == made


async def test_submits_that_differ_in_archived_prompts_alone_are_not_guessed(desk):
    """One explicit seed for all, and the service shows no prompt."""
    desk.own({**ELM, "seed": 7}, echo={**ELM, "seed": 7, "prompt": "asset_elm"})
    jobs = [
        desk.lost({**OAK, "prompt": name}, name=name, derived_seed=False)
        for name in ("oak", "ash")
    ]
    for number in range(2):
        desk.api.add_job({**OAK, "prompt": f"asset_{number}"})

    ended = await desk.settle_all(*jobs)

    assert all(map(unsure, ended.values()))


async def test_what_was_given_up_keeps_its_claim(desk):
    """Nothing that tells is shown, so that any of the three may be the job's."""
    desk.own(echo={**ELM, "prompt": "[redacted]", "seed": 65535})
    early = [
        desk.lost({"prompt": name, "size": "1K", "seed": 1}, name=name)
        for name in ("an ash", "a fir")
    ]
    desk.api.add_job({**OAK, "prompt": "[redacted]", "seed": 65535})

    async with desk.settling(*early):
        await desk.clock.advance(60)
        late = desk.lost({**OAK, "seed": 3, "prompt": "a late oak"}, name="late")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.settle, late)
            await desk.clock.advance(60)

    assert all(map(unsure, desk.ended.values()))


async def test_one_listing_serves_every_lost_submit(desk):
    jobs = [
        desk.lost({**OAK, "seed": number}, name=f"tree-{number}")
        for number in range(20)
    ]
    for job in jobs:
        desk.api.add_job(job.request)

    ended = await desk.settle_all(*jobs)

    assert len(set(ended.values())) == 20
    assert desk.api.calls["list_jobs"] == 1


async def test_the_reading_begins_at_the_oldest_mark(desk):
    desk.api.add_job(ELM)
    first = desk.mark()
    desk.clock.jump(600)
    desk.api.add_job(ELM)
    second = desk.mark()

    await desk.settle_all(
        desk.lost(mark=second, name="new"), desk.lost(mark=first), within_s=1.0
    )

    which, _ = desk.api.listings[0]
    assert which.created_after == first.created_at - SKEW
    assert (which.updated_after, which.status) == (None, "")


async def test_without_a_job_before_the_mark_the_whole_list_is_read(desk):
    await desk.settle_all(desk.lost(), within_s=1.0)

    assert desk.api.listings[0][0].created_after == LONG_AGO


async def test_what_was_listed_before_the_submit_is_no_candidate(desk):
    """A colleague's, or another run's, with the very same inputs and author."""
    desk.api.add_job(OAK)
    job = desk.lost()
    desk.own()

    assert await desk.settle_all(job) == {"oak": None}


@pytest.mark.parametrize("skew_s", [-300.0, 300.0, -10_800.0, 10_800.0], ids=str)
async def test_no_clock_of_ours_bounds_the_reading(desk, skew_s):
    """The service's ``Date`` is far from the creation times in its list."""
    desk.own()
    sent_at = desk.api.service_now() + timedelta(seconds=skew_s)
    job = replace(desk.lost(), sent_at=sent_at)
    made = desk.api.add_job(OAK)

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_job_on_the_last_page_is_found_behind_empty_pages(desk):
    job = desk.lost()
    made = desk.api.add_job(OAK)
    for number in range(4):
        desk.api.add_job({**OAK, "seed": 100 + number}, author_id=STRANGER)
    desk.api.page_size = 1
    empty = iter(["e1", "e2"])

    def with_empty_pages(_which, token, page):
        name = next(empty, None) if token == "2" else None
        return page if name is None else JobPage(jobs=(), next_token="2 ")

    desk.api.tamper = with_empty_pages

    assert await desk.settle_all(job) == {"oak": made.remote_id}


async def test_a_job_that_the_list_shows_late_is_found_late(desk):
    job = desk.lost()
    desk.api.list_lag_s = 6.0
    made = desk.api.add_job(OAK)

    ended = await desk.settle_all(job)

    assert ended == {"oak": made.remote_id}
    assert desk.ended_s["oak"] >= 6.0


# --- waiting ------------------------------------------------------------------------------


async def test_a_waiter_that_is_cancelled_is_forgotten(desk):
    job = desk.lost()
    async with desk.settling():
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(desk.settle, job)
                await desk.clock.advance(1)
                scope.cancel()
        listings = desk.api.calls["list_jobs"]
        await desk.clock.advance(60)

        assert listings >= 1
        assert desk.api.calls["list_jobs"] <= listings + 1


async def test_what_is_lost_later_is_settled_too(desk):
    first, made = desk.lost(name="first"), desk.api.add_job(OAK)
    async with desk.settling(first):
        await desk.clock.advance(1000)
        desk.own(OAK, made=made)
        second = desk.lost({**OAK, "seed": 8}, name="second")
        also_made = desk.api.add_job({**OAK, "seed": 8})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.settle, second)
            await desk.clock.advance(5)

    assert desk.ended == {"first": made.remote_id, "second": also_made.remote_id}
