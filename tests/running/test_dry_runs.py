"""Dry runs of a run: what they refuse, and jobs that they start all the same.

What has been spent is read in the service's counters, not in ours.
"""

from decimal import Decimal

import pytest
from doubles.kills import Cut
from doubles.lost import of

from pipeline.api.interface import UnexpectedJob
from pipeline.errors import (
    AccessDenied,
    ExitCode,
    Rejected,
    ServiceUnreachable,
    Unavailable,
)
from pipeline.job import FailureClass, JobStatus, RemoteId
from pipeline.record import replace


def started_job(workshop, prompt="oak"):
    """The service takes the next dry run for a submit."""

    def unexpected(_model, inputs):
        if inputs.get("prompt") != prompt:
            return False
        job = workshop.api.add_job(inputs)
        error.remote_id, error.units = job.remote_id, workshop.api.charge_of(job)
        return True

    error = UnexpectedJob("a dry run was answered with HTTP 200", remote_id=None)
    workshop.api.fail_next("quote", error, where=unexpected)


async def test_a_job_that_a_dry_run_started_is_booked_and_collected_without_paying(
    workshop,
):
    workshop.write_items("oak", "elm")
    started_job(workshop)

    with pytest.raises(UnexpectedJob) as caught:
        await workshop.run()

    assert caught.value.exit_code is ExitCode.BUDGET
    assert workshop.api.submits == []
    assert workshop.job("oak").status is JobStatus.SUBMITTED
    assert workshop.job("oak").remote_id == "job_1"
    assert workshop.job("oak").committed == 6
    assert workshop.job("oak").seed == workshop.job("oak").request["seed"]

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}
    assert workshop.files() >= {"oak.png", "elm.png"}


async def test_a_job_that_a_dry_run_started_counts_in_the_budget(workshop):
    workshop.write_items("oak", "elm", "fir")
    started_job(workshop)
    with pytest.raises(UnexpectedJob):
        await workshop.run()
    workshop.set(max_cost=Decimal(12))

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert workshop.api.spent == 12


async def test_a_job_of_another_item_that_an_unexpected_one_names_is_not_taken(
    workshop,
):
    workshop.write_items("elm")
    await workshop.run()
    workshop.write_items("elm", "oak")
    unexpected = UnexpectedJob(
        "answered with HTTP 200", remote_id=RemoteId("job_1"), units=Decimal(6)
    )
    workshop.api.fail_next("quote", unexpected)

    with pytest.raises(UnexpectedJob):
        await workshop.run()

    assert workshop.job("elm").remote_id == "job_1"
    assert workshop.job("elm").status is JobStatus.SAVED
    assert (await workshop.run()).exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_an_unexpected_job_in_mid_run_records_its_job_and_collects_the_others(
    workshop,
):
    workshop.write("items:\n  - {id: elm, prompt: elm}\n")
    cut = workshop.on_point = Cut(40)
    await workshop.run(scope=cut.scope)
    workshop.on_point = lambda _name: None
    workshop.write(
        "items:\n  - {id: elm, prompt: elm}\n"
        "  - {id: oak, prompt: oak, params: {numOutputs: 2}}\n"
    )
    # Without a price at first, so that it is asked for again in the run itself.
    busy = AccessDenied("not now", status=403)
    workshop.api.fail_next("quote", busy)
    started_job(workshop)

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert workshop.job("elm").status is JobStatus.SAVED
    assert workshop.job("oak").status is JobStatus.SUBMITTED
    assert workshop.job("oak").committed == 12

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_refused_dry_run_fails_its_item_alone_and_unpaid(workshop):
    workshop.write_items("oak", "elm", "fir")
    odd = Rejected("this prompt is odd", status=400)
    workshop.api.break_down("quote", error=odd)

    result = await workshop.run()

    assert result.counts == {"failed": 3}
    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert workshop.api.submits == []
    assert workshop.job("oak").failure.kind is FailureClass.REFUSED
    assert workshop.job("oak").failure.reason == "this prompt is odd"


async def test_of_one_price_the_refused_item_does_not_keep_the_others(workshop):
    """With a flag on the prompt each item has a price of its own."""
    models = workshop.models

    def by_prompt(model_id):
        schema = models(model_id)
        prompt = replace(schema.inputs["prompt"], cost_impact=True)
        return replace(schema, inputs={**schema.inputs, "prompt": prompt})

    workshop.models = by_prompt
    workshop.write_items("oak", "elm", "fir")
    odd = Rejected("this prompt is odd", status=400)
    workshop.api.fail_next("quote", odd, where=of("elm"), times=2)

    result = await workshop.run()

    assert result.counts == {"saved": 2, "failed": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "fir": 1}
    assert workshop.job("elm").committed == 0
    assert "'elm': this prompt is odd" in workshop.warnings()[0]


async def test_where_no_dry_run_is_answered_nothing_is_submitted(workshop):
    workshop.write_items("oak")
    workshop.api.break_down("quote", error=Unavailable("bad gateway", status=502))

    with pytest.raises(ServiceUnreachable):
        await workshop.run()

    assert workshop.api.submits == []


async def test_an_unexpected_job_without_an_id_is_looked_for_before_its_item_is_paid(
    workshop,
):
    workshop.write_items("oak")
    unexpected = UnexpectedJob("a dry run was answered with HTTP 202", remote_id=None)
    workshop.api.fail_next("quote", unexpected)
    with pytest.raises(UnexpectedJob):
        await workshop.run()
    status = workshop.job("oak").status
    workshop.api.add_job(
        {"prompt": "oak", "size": "1K", "seed": workshop.job("oak").seed}
    )

    result = await workshop.run()

    assert status is JobStatus.UNKNOWN
    assert result.counts == {"saved": 1}
    assert len(workshop.api.own_jobs) == 1
