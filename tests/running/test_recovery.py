"""After a crash: rows and jobs of an earlier run are looked after, and paid once."""

import anyio
import pytest

from pipeline.errors import ExitCode
from pipeline.job import JobStatus
from pipeline.running.events import JobChanged, SlotsChanged


@pytest.mark.parametrize("job_exists", [True, False])
async def test_a_row_left_submitting_is_settled_before_it_is_paid_again(
    workshop, job_exists
):
    workshop.write_items("oak", "elm")
    scope = anyio.CancelScope()

    def kill(point):
        if point == ("submit!" if job_exists else "submit"):
            scope.cancel()

    workshop.on_point = kill
    await workshop.run(scope=scope)
    assert workshop.job("oak").status is JobStatus.SUBMITTING
    assert bool(workshop.api.jobs) == job_exists
    workshop.on_point = lambda _point: None

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_jobs_in_flight_of_an_earlier_run_hold_slots_and_are_collected(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.ceiling = workshop.api.readable_ceiling = 2
    workshop.api.duration_s = 50.0

    await workshop.run(meanwhile=workshop.leave_after(5))
    workshop.write_items("oak", "elm", "fir")

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert len(workshop.api.submits) == 3
    held = [
        event.slots.in_flight
        for event in workshop.events
        if isinstance(event, SlotsChanged)
    ]
    assert max(held) <= 2


async def test_a_stray_job_of_a_changed_item_is_looked_after_without_payment(workshop):
    workshop.write_items("oak")
    workshop.api.duration_s = 50.0

    await workshop.run(meanwhile=workshop.leave_after(5))
    workshop.write("items:\n  - {id: oak, prompt: an older oak}\n")

    result = await workshop.run()

    newest, stray = workshop.attempts("oak")
    assert result.exit_code is ExitCode.OK
    assert newest.status is JobStatus.SAVED
    assert stray.status is JobStatus.SUCCEEDED
    assert stray.remote_assets
    assert workshop.api.paid_by_prompt() == {"oak": 1, "an older oak": 1}


async def test_a_change_taken_back_saves_what_was_made_meanwhile(workshop):
    workshop.write_items("oak")
    workshop.api.duration_s = 50.0

    await workshop.run(meanwhile=workshop.leave_after(5))
    workshop.write_items("elm")
    await workshop.run()
    workshop.write_items("oak", "elm")

    result = await workshop.run()

    assert result.counts == {"saved": 1, "done": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_events_of_a_job_come_only_after_they_are_durable(workshop):
    workshop.write_items("oak")
    later = []
    order = list(JobStatus)

    def look(point):
        told = [e.status for e in workshop.events if isinstance(e, JobChanged)]
        if told and not point.startswith("write"):
            written = workshop.job("oak").status
            later.append(order.index(written) >= order.index(told[-1]))

    workshop.on_point = look
    await workshop.run()

    assert later
    assert all(later)
