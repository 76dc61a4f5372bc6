"""Submits: remembered before they leave, and paid once whatever is lost.

What is asserted of money is read in the service's counters, not in ours.
"""

import pytest
from doubles.lost import LOST, of

from pipeline.errors import (
    AccessDenied,
    ExitCode,
    RateLimited,
    Rejected,
    ServiceUnreachable,
    Unavailable,
)
from pipeline.job import FailureClass, JobStatus

NEVER_LEFT = Unavailable("connection refused", request_left=False)


async def test_the_intent_is_durable_before_the_request_leaves(workshop):
    workshop.write_items("oak")
    seen = []

    def look(point):
        if point == "submit":
            seen.append(workshop.job("oak").status)

    workshop.on_point = look
    await workshop.run()

    assert seen == [JobStatus.SUBMITTING]


async def test_a_submit_that_never_left_is_sent_again(workshop):
    workshop.write_items("oak")
    workshop.api.fail_next("submit", NEVER_LEFT, times=3)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert len(workshop.api.jobs) == 1
    assert workshop.job("oak").attempt == 1


async def test_an_outage_stops_the_submitting_and_is_said_aloud(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.readable_ceiling = 1
    workshop.api.break_down("submit", error=NEVER_LEFT)

    result = await workshop.run()

    assert result.exit_code is ExitCode.UNREACHABLE
    assert isinstance(result.stopped_by, ServiceUnreachable)
    assert workshop.clock.monotonic_s() >= workshop.settings.free_deadline_s
    assert workshop.statuses().get("oak") == "planned"


async def test_a_service_that_never_answers_is_given_up_early(workshop):
    workshop.write_items("oak")
    workshop.api.break_down("find_limits")

    with pytest.raises(ServiceUnreachable):
        await workshop.run()

    assert 30 <= workshop.clock.monotonic_s() < 60
    assert workshop.api.submits == []


async def test_a_lost_submit_whose_job_was_made_is_adopted(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", LOST, after=True, where=of("oak"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}
    assert "unknown" in workshop.history("oak")
    assert workshop.job("oak").status is JobStatus.SAVED


async def test_a_lost_submit_that_made_nothing_is_sent_again_exactly_once(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", LOST, where=of("oak"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}
    attempts = workshop.attempts("oak")
    assert [job.status for job in attempts] == [JobStatus.SAVED, JobStatus.PLANNED]
    assert attempts[0].seed == attempts[1].seed


async def test_a_lost_submit_is_not_repeated_before_the_settling_time(workshop):
    workshop.write_items("elm")
    await workshop.run()
    workshop.write_items("elm", "oak")
    workshop.api.fail_next("submit", LOST)
    times = []

    def note(point):
        if point == "submit":
            times.append(workshop.clock.monotonic_s())

    workshop.on_point = note
    await workshop.run()

    assert len(times) == 2
    assert times[1] - times[0] >= workshop.settings.settle_s


async def test_many_lost_submits_are_each_paid_once(workshop):
    names = [f"tree-{number}" for number in range(10)]
    workshop.write_items(*names)
    for number, name in enumerate(names[:8]):
        workshop.api.fail_next("submit", LOST, after=number % 2 == 0, where=of(name))
    workshop.api.list_lag_s = 3.0

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == dict.fromkeys(names, 1)
    owned = {workshop.job(name).remote_id for name in names}
    assert len(owned) == 10


async def test_the_jobs_of_others_with_the_same_prompts_are_not_adopted(workshop):
    workshop.write_items("elm", "oak")
    inputs = {"prompt": "oak", "size": "1K"}
    for _ in range(5):
        workshop.api.add_job(inputs, author_id="apiu_stranger")
    workshop.api.fail_next("submit", LOST, where=of("oak"))

    await workshop.run()

    assert workshop.api.paid_by_prompt() == {"elm": 1, "oak": 1}
    assert workshop.job("oak").remote_id == workshop.api.own_jobs[1].remote_id


async def test_who_we_are_is_remembered_from_an_earlier_run(workshop):
    """A colleague's run of the same manifest sends the same derived seeds."""
    workshop.write_items("oak")
    await workshop.run()
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", LOST)

    def their_job(point):
        if point == "submit" and len(workshop.api.jobs) == 1:
            inputs = workshop.job("elm").request
            workshop.api.add_job(inputs, author_id="apiu_colleague")

    workshop.on_point = their_job
    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}
    assert workshop.job("elm").remote_id == workshop.api.own_jobs[1].remote_id


async def test_an_outcome_that_stays_unknown_is_exit_five_and_never_resubmitted(
    workshop,
):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", LOST, where=of("oak"))
    workshop.api.break_down("list_jobs", spared=1)

    result = await workshop.run()

    assert result.exit_code is ExitCode.UNKNOWN_OUTCOME
    assert result.counts == {"unknown": 1, "saved": 1}
    assert workshop.api.paid_by_prompt() == {"elm": 1}
    assert workshop.job("oak").status is JobStatus.UNKNOWN


async def test_a_later_run_settles_what_stayed_unknown(workshop):
    workshop.write_items("oak")
    workshop.api.fail_next("submit", LOST, after=True)
    workshop.api.break_down("list_jobs", spared=1)
    await workshop.run()
    workshop.api.mend()

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1}


async def test_an_item_whose_submits_are_all_lost_fails_in_the_end(workshop):
    workshop.write_items("elm", "oak")
    workshop.api.fail_next("submit", LOST, times=50, where=of("oak"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert workshop.api.calls["submit"] == 11
    assert workshop.api.paid_by_prompt() == {"elm": 1}


async def test_without_a_job_of_ours_to_be_found_nothing_is_proved_absent(workshop):
    """The list shows no job, and nothing shows that it would show one of ours."""
    workshop.write_items("oak")
    workshop.api.fail_next("submit", LOST)

    result = await workshop.run()

    assert result.exit_code is ExitCode.UNKNOWN_OUTCOME
    assert workshop.api.calls["submit"] == 1
    assert "no other job" in workshop.job("oak").failure.reason


async def test_nothing_is_submitted_to_a_service_whose_list_cannot_be_read(workshop):
    workshop.write_items("oak")
    workshop.api.break_down("list_jobs", error=Rejected("odd", status=400))

    with pytest.raises(AccessDenied, match="list of jobs"):
        await workshop.run()

    assert workshop.api.submits == []


# --- a reference that the service has lost is uploaded again before the submit


def lose_reference_and_refuse_it(workshop, style, error):
    """The submit finds the upload gone, and the next upload fails so."""
    workshop.write(
        "items: [{id: oak, prompt: oak, params: {images: 'file:style.png'}}]\n",
        files={"style.png": style},
    )
    gone = Rejected("asset_up_1 was not found", status=404)
    workshop.api.fail_next("submit", gone)

    def refuse(point):
        if point == "submit":
            workshop.api.fail_next("upload_image", error, times=9)

    workshop.on_point = refuse


async def test_an_item_whose_reference_is_refused_then_fails_unpaid(workshop, style):
    lose_reference_and_refuse_it(workshop, style, Rejected("too odd", status=400))

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert workshop.job("oak").failure.reason == "too odd"
    assert workshop.api.jobs == []


async def test_a_key_that_may_no_longer_upload_stops_the_run(workshop, style):
    lose_reference_and_refuse_it(workshop, style, AccessDenied("no uploads"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.ACCESS
    assert result.counts == {"not_submitted": 1}
    assert workshop.halts() == ["no uploads"]
    assert workshop.api.jobs == []


# --- the price of an item that had to wait for another


PAIR = """\
items:
  - {id: oak, prompt: oak}
  - {id: leaf, prompt: leaf, params: {images: ['item:oak']}}
"""


def break_quotes_after_the_first_job(workshop, error, times=99):
    """Once the first job is submitted, each further question for a price fails so."""

    def fail(point):
        if point == "submit!":
            workshop.on_point = workshop.api.on_point = lambda _point: None
            workshop.api.fail_next("quote", error, times=times)

    workshop.on_point = fail


async def test_a_service_that_is_gone_when_a_price_is_needed_stops_the_run(workshop):
    workshop.write(PAIR)
    break_quotes_after_the_first_job(workshop, Unavailable("no route"), times=999)

    result = await workshop.run()

    assert result.exit_code is ExitCode.UNREACHABLE
    assert result.counts == {"saved": 1, "not_submitted": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1}


async def test_a_price_that_needs_a_free_slot_is_asked_for_until_there_is_one(workshop):
    workshop.write(PAIR)
    busy = RateLimited("Too many parallel jobs", ceiling=1)
    break_quotes_after_the_first_job(workshop, busy, times=500)

    result = await workshop.run()

    assert result.counts == {"saved": 2}
    assert workshop.api.calls["quote"] > 500


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, ExitCode.BUDGET),
        ({"max_cost": 99}, ExitCode.OK),
        ({"allow_unpriced": True}, ExitCode.OK),
    ],
)
async def test_an_item_that_the_plan_could_not_price_needs_a_limit_or_a_second_run(
    workshop, settings, code
):
    workshop.write(PAIR)
    workshop.set(**settings)

    def with_picture(_model, inputs):
        return "images" in inputs and inputs["prompt"] == "leaf"

    refused = Rejected("not this placeholder", status=400)
    workshop.api.fail_next("quote", refused, times=1, where=with_picture)

    result = await workshop.run()

    assert result.exit_code is code
    wanted = 2 if code is ExitCode.OK else 1
    assert sum(workshop.api.paid_by_prompt().values()) == wanted
    if code is ExitCode.BUDGET:
        assert workshop.halts() == ["leaf costs 6 units; the plan had no price"]


# --- an answer that is not about a new job


async def test_a_job_that_another_item_has_is_not_given_to_a_second_one(workshop):
    """Each job has one row: the second item fails, and its slot is free again."""
    workshop.write_items("oak")
    await workshop.run()
    first = workshop.job("oak").remote_id
    workshop.api.jobs.clear()  # the service counts anew
    workshop.api.readable_ceiling = 1
    workshop.write_items("oak", "elm", "fir")

    result = await workshop.run()

    assert workshop.api.own_jobs[0].remote_id == first
    assert result.counts == {"done": 1, "failed": 1, "saved": 1}
    assert workshop.job("elm").failure.kind is FailureClass.GENERATION
    assert workshop.job("oak").remote_id == first
