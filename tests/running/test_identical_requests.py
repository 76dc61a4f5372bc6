"""Identical requests: each is paid once, and none takes the job of another."""

import pytest
from doubles.lost import LOST

from pipeline.errors import ExitCode
from pipeline.job import FailureClass, JobStatus
from pipeline.running.events import Warned

TWINS = """\
items:
  - {id: oak, prompt: oak, params: {seed: 7}}
  - {id: elm, prompt: oak, params: {seed: 7}}
"""


@pytest.mark.parametrize("after", [False, True], ids=["nothing made", "made"])
async def test_of_two_identical_requests_a_lost_one_never_takes_the_others_job(
    workshop, after
):
    workshop.write(TWINS)
    workshop.api.fail_next("submit", LOST, after=after)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 2}
    assert workshop.job("oak").remote_id != workshop.job("elm").remote_id


async def test_while_an_identical_submit_waits_for_its_answer_nothing_is_adopted(
    workshop,
):
    """The job in the list is the slow submit's; the lost one made none."""
    workshop.write_items("fir")
    await workshop.run()
    workshop.write(TWINS)
    release = workshop.api.hold_next("submit", after=True)
    workshop.api.fail_next("submit", LOST)
    during = []

    async def look(_run):
        await workshop.clock.sleep(30)
        during.append(workshop.job("elm").status)
        release.set()

    result = await workshop.run(meanwhile=look)

    assert during == [JobStatus.UNKNOWN]
    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"fir": 1, "oak": 2}
    assert workshop.job("oak").remote_id == "job_2"
    assert workshop.job("elm").remote_id == "job_3"


async def test_both_lost_identical_requests_are_paid_once_each(workshop):
    workshop.write_items("fir")
    await workshop.run()
    workshop.write(TWINS)
    workshop.api.fail_next("submit", LOST, after=True)
    workshop.api.fail_next("submit", LOST)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"fir": 1, "oak": 2}
    assert {workshop.job(name).remote_id for name in ("oak", "elm")} == {
        "job_2",
        "job_3",
    }


async def test_a_job_that_surfaces_after_the_resubmit_is_booked_and_said_aloud(
    workshop,
):
    """The list lags longer than the settling time: the one case that costs money."""
    names = ["oak", "elm", "fir", "yew"]
    workshop.write_items(*names)
    workshop.api.duration_s = 60.0
    workshop.api.fail_next(
        "submit", LOST, after=True, where=lambda _m, inputs: inputs["prompt"] == "oak"
    )
    workshop.api.readable_ceiling = 4

    def blind(_which, _token, page):
        jobs = tuple(job for job in page.jobs if job.remote_id not in hidden)
        return type(page)(jobs=jobs, next_token=page.next_token)

    async def surface(_run):
        await workshop.clock.sleep(40)
        hidden.clear()

    hidden = {"job_1"}
    workshop.api.tamper = blind
    result = await workshop.run(meanwhile=surface)

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt()["oak"] == 2
    booked = [
        job
        for job in workshop.attempts("oak")
        if job.failure and job.failure.kind is FailureClass.DUPLICATE
    ]
    assert [job.remote_id for job in booked] == ["job_1"]
    said = [event for event in workshop.events if isinstance(event, Warned)]
    assert any("paid for twice" in event.message for event in said)
