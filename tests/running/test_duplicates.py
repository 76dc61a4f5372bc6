"""A proof of absence that was wrong is said aloud; a later attempt's job is its own."""

import pytest
from doubles.lost import LOST, of
from doubles.outcome import Outcome

from pipeline.errors import ExitCode
from pipeline.job import FailureClass, JobStatus
from pipeline.record import replace

NAMES = ("oak", "elm", "fir", "yew")
SLOW = Outcome(duration_s=60.0)


def hide(workshop, remote_id, until_s):
    """The listings do not show this job until then."""

    def tamper(_which, _token, page):
        if workshop.clock.monotonic_s() >= until_s:
            return page
        jobs = tuple(job for job in page.jobs if job.remote_id != remote_id)
        return replace(page, jobs=jobs)

    workshop.api.tamper = tamper


@pytest.fixture
def grove(workshop):
    """Four slow items; the submit of the oak is lost, and its job was made."""
    workshop.write_items(*NAMES)
    for name in NAMES:
        workshop.api.script(name, SLOW)
    workshop.api.fail_next("submit", LOST, after=True, where=of("oak"))
    return workshop


def duplicates(workshop, item_id):
    return [
        job
        for job in workshop.attempts(item_id)
        if job.failure and job.failure.kind is FailureClass.DUPLICATE
    ]


# --- a wrong proof


async def test_a_job_that_surfaces_after_its_resubmit_is_booked_and_said_aloud(grove):
    hide(grove, "job_1", until_s=30.0)

    result = await grove.run()

    first = next(job for job in grove.api.jobs if job.remote_id == "job_1")
    assert first.inputs["prompt"] == "oak"
    newest, oldest = grove.attempts("oak")
    assert (newest.attempt, newest.status) == (2, JobStatus.SAVED)
    assert (oldest.attempt, oldest.status) == (1, JobStatus.FAILED)
    assert oldest.failure.kind is FailureClass.DUPLICATE
    assert (oldest.remote_id, oldest.charged) == ("job_1", 6)
    late = "job job_1 appeared late: this item was paid for twice"
    assert grove.warnings() == [late]
    assert result.exit_code is ExitCode.OK
    assert result.counts == {"saved": 4}
    assert grove.api.paid_by_prompt()["oak"] == 2


async def test_after_a_duplicate_the_next_run_has_nothing_to_do(grove):
    hide(grove, "job_1", until_s=30.0)
    await grove.run()
    submits = len(grove.api.submits)

    result = await grove.run()

    assert result.counts == {"done": 4}
    assert len(grove.api.submits) == submits


async def test_a_job_that_surfaces_before_the_proof_is_adopted_and_no_duplicate(grove):
    hide(grove, "job_1", until_s=6.0)

    await grove.run()

    (only,) = grove.attempts("oak")
    assert (only.remote_id, only.status) == ("job_1", JobStatus.SAVED)
    assert duplicates(grove, "oak") == []
    assert grove.warnings() == []


async def test_the_duplicate_of_a_stranger_is_not_ours(grove):
    """The same inputs by another author say nothing about our lost submit."""
    grove.api.spare_next("submit")
    grove.api.fail_next("submit", LOST, where=of("oak"))

    def surface(point):
        if point == "submit!" and len(grove.api.jobs) == 4:
            sent = next(i for _, i in grove.api.submits if i["prompt"] == "oak")
            grove.api.add_job(sent, author_id="apiu_stranger", outcome=SLOW)

    grove.on_point = surface

    await grove.run()

    assert len(grove.api.jobs) == 5
    assert duplicates(grove, "oak") == []
    assert grove.warnings() == []


# --- a later attempt's own job is no duplicate


async def test_a_second_lost_attempt_of_the_same_inputs_adopts_its_own_job(workshop):
    """Attempt 1 is proved absent; attempt 2 has the same fingerprint and is lost too."""
    workshop.write_items(*NAMES)
    for name in NAMES:
        workshop.api.script(name, SLOW)
    workshop.api.fail_next("submit", LOST, where=of("oak"))
    workshop.api.fail_next("submit", LOST, after=True, where=of("oak"))

    result = await workshop.run()

    newest, oldest = workshop.attempts("oak")
    assert result.counts == {"saved": 4}
    assert (newest.attempt, newest.status) == (2, JobStatus.SAVED)
    assert oldest.status is JobStatus.PLANNED
    assert oldest.remote_id is None
    assert workshop.api.paid_by_prompt()["oak"] == 1
    assert workshop.warnings() == []


async def test_while_the_second_attempt_is_unknown_its_job_is_not_called_a_duplicate(
    workshop,
):
    workshop.write_items(*NAMES)
    for name in NAMES:
        workshop.api.script(name, SLOW)
    workshop.set(free_deadline_s=30.0)
    workshop.api.fail_next("submit", LOST, where=of("oak"))
    workshop.api.fail_next("submit", LOST, after=True, where=of("oak"))

    def tamper(which, _token, page):
        if which.created_after is None:
            return page
        jobs = tuple(job for job in page.jobs if job.inputs.get("prompt") != "oak")
        nameless = [
            replace(job, model_id="", inputs={}, remote_id=remote_id)
            for job in page.jobs
            if job.inputs.get("prompt") == "oak"
            for remote_id in (job.remote_id, "job_of_nobody")
        ]
        return replace(page, jobs=(*jobs, *nameless))

    workshop.api.tamper = tamper
    first = await workshop.run()
    unsure = workshop.job("oak")
    warnings = workshop.warnings()
    workshop.api.tamper = lambda _which, _token, page: page
    second = await workshop.run()

    assert first.exit_code is ExitCode.UNKNOWN_OUTCOME
    assert (unsure.attempt, unsure.status) == (2, JobStatus.UNKNOWN)
    assert warnings == []
    assert second.counts == {"done": 3, "saved": 1}
    assert duplicates(workshop, "oak") == []
    assert workshop.api.paid_by_prompt() == dict.fromkeys(NAMES, 1)


async def test_the_job_of_a_resubmit_that_answered_is_no_duplicate(workshop):
    workshop.write_items(*NAMES)
    for name in NAMES:
        workshop.api.script(name, SLOW)
    workshop.api.fail_next("submit", LOST, where=of("oak"))

    await workshop.run()

    assert duplicates(workshop, "oak") == []
    assert workshop.warnings() == []
    assert workshop.api.paid_by_prompt() == dict.fromkeys(NAMES, 1)
