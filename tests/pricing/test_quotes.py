"""Quotes: each price is asked for once, and what is no price stays without one."""

from decimal import Decimal

import anyio
import pytest

from pipeline.api.interface import JobFilter, TeamLimits, UnexpectedJob
from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    ExitCode,
    RateLimited,
    Rejected,
    ServiceUnreachable,
    Unavailable,
    UnexpectedAnswer,
)
from pipeline.job import RemoteId
from pipeline.pricing import find_cost
from pipeline.pricing.limits import find_limits, find_project

STYLED = """\
references: {style: style.png}
items:
  - {id: oak, prompt: oak, params: {images: [ref:style]}}
"""
ODD = Rejected("the prompt is odd", status=400)


def of(prompt):
    """Matches the dry runs of one prompt."""
    return lambda _model, inputs: inputs.get("prompt") == prompt


def samples_of(groups):
    return [sample for group in groups.by_key.values() for sample in group.samples]


async def test_a_price_is_asked_for_once_whoever_needs_it(
    workshop, groups_of, quotes, finish
):
    workshop.write_items("oak", "elm", "fir")
    samples = samples_of(groups_of())

    async def ask_all():
        async with anyio.create_task_group() as tasks:
            for sample in samples:
                tasks.start_soon(quotes.price, sample)
        return [await quotes.price(sample) for sample in samples]

    found = await finish(ask_all)

    assert [quote.units for quote in found] == [Decimal(6)] * 3
    assert len(workshop.api.quotes) == quotes.asked == 1


async def test_the_exact_payload_is_priced_with_seed_and_uploaded_reference(
    workshop, style, groups_of, quotes, finish
):
    workshop.write(STYLED, files={"style.png": style})
    [sample] = samples_of(groups_of())

    await finish(lambda: quotes.price(sample))

    [(model_id, inputs)] = workshop.api.quotes
    assert model_id == "model_wan-2-7-image"
    assert inputs == dict(sample.params) | {"images": ["asset_up_1"]}
    assert isinstance(inputs["seed"], int)
    assert workshop.api.jobs == []


async def test_when_the_first_to_ask_fails_the_next_asks_again(
    workshop, groups_of, quotes, finish
):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("quote", ODD, where=of("oak"))
    oak, elm = samples_of(groups_of())
    refused = []

    async def ask_for_oak():
        with pytest.raises(Rejected):
            await quotes.price(oak)
        refused.append(oak)

    async def ask_both():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask_for_oak)
            tasks.start_soon(quotes.price, elm)
        return await quotes.price(elm)

    found = await finish(ask_both)

    assert refused == [oak]
    assert found.units == 6


async def test_an_upload_that_the_service_has_forgotten_is_brought_once_more(
    workshop, style, groups_of, quotes, finish
):
    workshop.write(STYLED, files={"style.png": style})
    [sample] = samples_of(groups_of())
    missing = Rejected("Asset asset_up_1 was not found", status=404)
    workshop.api.fail_next("quote", missing)

    quote = await finish(lambda: quotes.price(sample))

    assert quote.units == 6
    assert [inputs["images"] for _, inputs in workshop.api.quotes] == [
        ["asset_up_1"],
        ["asset_up_2"],
    ]


async def test_an_upload_is_brought_once_more_and_not_for_ever(
    workshop, style, groups_of, quotes, finish
):
    workshop.write(STYLED, files={"style.png": style})
    [sample] = samples_of(groups_of())
    missing = Rejected("no asset_up_1 and no asset_up_2", status=404)
    workshop.api.break_down("quote", error=missing)

    with pytest.raises(Rejected):
        await finish(lambda: quotes.price(sample))

    assert workshop.api.calls["upload_image"] == 2
    assert workshop.clock.monotonic_s() < workshop.settings.fresh_job_s + 10


async def test_a_refusal_that_is_not_about_a_reference_uploads_nothing_again(
    workshop, style, groups_of, quotes, finish
):
    workshop.write(STYLED, files={"style.png": style})
    [sample] = samples_of(groups_of())
    workshop.api.break_down("quote", error=ODD)

    with pytest.raises(Rejected):
        await finish(lambda: quotes.price(sample))

    assert workshop.api.calls["upload_image"] == 1
    assert len(workshop.api.quotes) == 1


async def test_until_a_dry_run_is_answered_as_one_they_go_one_at_a_time(
    workshop, groups_of, quotes, finish
):
    """A service that takes dry runs for submits starts one job, not eight."""
    lines = [
        f"  - {{id: i{n}, prompt: p, params: {{numOutputs: {n}}}}}"
        for n in (1, 2, 3, 4)
    ]
    workshop.write("items:\n" + "\n".join(lines) + "\n")
    groups = groups_of()
    release = workshop.api.hold_next("quote")
    asked = []

    async def look():
        await workshop.clock.sleep(5)
        asked.append(len(workshop.api.quotes))
        release.set()

    async def ask_all():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            return await find_cost(groups, quotes)

    cost = await finish(ask_all)

    assert asked == [1]
    assert cost.units == 6 * (1 + 2 + 3 + 4)


async def test_after_the_first_answer_they_go_together(
    workshop, groups_of, quotes, finish
):
    lines = [
        f"  - {{id: i{n}, prompt: p, params: {{numOutputs: {n}}}}}"
        for n in (1, 2, 3, 4)
    ]
    workshop.write("items:\n" + "\n".join(lines) + "\n")
    first, *others = samples_of(groups_of())
    asked = []

    async def look(release):
        await workshop.clock.sleep(5)
        asked.append(len(workshop.api.quotes))
        release.set()

    async def ask_all():
        await quotes.price(first)
        release = workshop.api.hold_next("quote")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look, release)
            for other in others:
                tasks.start_soon(quotes.price, other)

    await finish(ask_all)

    assert asked == [4]


# --- the prices of a plan ---------------------------------------------------------------


async def test_where_a_sample_is_refused_the_next_one_gives_the_price(
    workshop, groups_of, quotes, finish
):
    workshop.write_items("oak", "elm", "fir")
    groups = groups_of()
    workshop.api.fail_next("quote", ODD, where=of("oak"))

    cost = await finish(lambda: find_cost(groups, quotes))

    assert cost.units == 18
    assert cost.unpriced == 0
    assert cost.problems == ()


async def test_where_every_sample_is_refused_the_group_has_no_price_and_a_reason(
    workshop, groups_of, quotes, finish
):
    workshop.write_items("oak", "elm", "fir", "yew")
    groups = groups_of()
    workshop.api.break_down("quote", error=ODD)

    cost = await finish(lambda: find_cost(groups, quotes))

    assert cost.units == 0
    assert cost.items == cost.unpriced == 4
    assert cost.by_key == {}
    [problem] = cost.problems
    assert "'fir': the prompt is odd" in problem
    assert "icons.yaml:" in problem
    assert len(workshop.api.quotes) == 3


@pytest.mark.parametrize(
    "error",
    [
        BudgetReached("pricing: no credit (HTTP 402)"),
        AccessDenied("pricing: not in your plan (HTTP 403)", status=403),
    ],
    ids=["402", "403"],
)
async def test_a_refusal_for_now_leaves_its_group_alone_without_a_price(
    workshop, groups_of, quotes, finish, error
):
    workshop.write(
        "items:\n  - {id: a, prompt: a}\n"
        "  - {id: b, prompt: b, params: {numOutputs: 2}}\n"
    )
    groups = groups_of()
    workshop.api.fail_next("quote", error, where=of("a"))

    cost = await finish(lambda: find_cost(groups, quotes))

    assert cost.units == 12
    assert cost.unpriced == 1
    assert cost.problems == (error.message,)


async def test_a_wrong_key_ends_the_pricing(workshop, groups_of, quotes, finish):
    workshop.write_items("oak")
    groups = groups_of()
    workshop.api.fail_next("quote", AccessDenied("wrong key", status=401))

    with pytest.raises(AccessDenied, match="wrong key"):
        await finish(lambda: find_cost(groups, quotes))


async def test_a_429_is_waited_for_and_for_ever_it_leaves_the_group_without_a_price(
    workshop, groups_of, quotes, finish
):
    workshop.write_items("oak")
    groups = groups_of()
    workshop.api.break_down("quote", error=RateLimited("slow down"))

    cost = await finish(lambda: find_cost(groups, quotes))

    assert cost.unpriced == 1
    assert cost.problems == ("slow down",)
    assert workshop.clock.monotonic_s() >= workshop.settings.first_contact_s


async def test_a_passing_429_costs_time_and_no_price(
    workshop, groups_of, quotes, finish
):
    workshop.write_items("oak")
    groups = groups_of()
    limited = RateLimited("slow down", retry_after_s=7.0)
    workshop.api.fail_next("quote", limited, times=2)

    cost = await finish(lambda: find_cost(groups, quotes))

    assert cost.units == 6
    assert workshop.clock.monotonic_s() >= 14


async def test_a_service_that_does_not_answer_is_unreachable(
    workshop, groups_of, quotes, finish
):
    workshop.write_items("oak")
    groups = groups_of()
    workshop.api.break_down("quote", error=Unavailable("no route to the service"))

    with pytest.raises(ServiceUnreachable, match="no route") as caught:
        await finish(lambda: find_cost(groups, quotes))

    assert caught.value.exit_code is ExitCode.UNREACHABLE
    assert workshop.clock.monotonic_s() < workshop.settings.first_contact_s + 10


async def test_what_is_no_quote_is_an_unexpected_job_that_names_the_item(
    workshop, groups_of, quotes, finish
):
    workshop.write_items("oak", "elm")
    groups = groups_of()
    unexpected = UnexpectedJob(
        "answered with HTTP 200", remote_id=RemoteId("job_9"), units=Decimal(6)
    )
    workshop.api.fail_next("quote", unexpected)

    with pytest.raises(UnexpectedJob) as caught:
        await finish(lambda: find_cost(groups, quotes))

    assert caught.value.item_id == "oak"
    assert caught.value.remote_id == "job_9"
    assert caught.value.exit_code is ExitCode.BUDGET
    assert len(workshop.api.quotes) == 1


# --- what a team has left -------------------------------------------------------------


async def test_limits_that_a_service_does_not_tell_are_not_known(workshop):
    workshop.write_items("oak")
    workshop.api.break_down("find_limits", error=UnexpectedAnswer("no JSON"))
    await workshop.api.list_jobs(JobFilter())  # so it can be reached

    limits = await workshop.clock.finish(
        lambda: find_limits(workshop.api, workshop.clock, workshop.settings)
    )

    assert limits == TeamLimits()


async def test_a_project_that_cannot_be_listed_is_not_known(workshop):
    workshop.api.break_down("list_jobs", error=Rejected("odd", status=400))

    found = await workshop.clock.finish(
        lambda: find_project(
            workshop.api, workshop.clock, workshop.settings, TeamLimits()
        )
    )

    assert found == ""
