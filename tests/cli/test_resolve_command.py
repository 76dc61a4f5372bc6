"""``resolve``: a person decides about an unsure item; a later run acts on it, once."""

from collections import Counter
from contextlib import asynccontextmanager

import pytest
from doubles.place import items
from filelock import FileLock
from knobs.world import KEY, SECRET

from pipeline import Credentials, ExitCode, Selection, Settings
from pipeline.api.client import HttpApi
from pipeline.job import FailureClass, JobStatus
from pipeline.output.names import LOCK_NAME
from pipeline.running.events import Launched

AN_OAK = items("an oak")
NEVER = items("an oak [never]")


@asynccontextmanager
async def service_of(place, **knobs):
    """A bare client of ours, to do behind the pipeline's back what a person may."""
    credentials = Credentials(
        key=knobs.get("key", KEY), secret=SECRET, base_url=place.emulator.base_url
    )
    async with HttpApi(credentials, Settings(), place.clock) as api:
        yield api


async def lose(place, text=AN_OAK, *, exists=True, times=1):
    """A run whose last submits are lost, while the list cannot be read."""

    def break_list(event):
        if isinstance(event, Launched):  # the mark has been read
            place.emulator.faults.rates["list-500"] = 1.0

    fault = "submit-504-after" if exists else "submit-504-before"
    place.emulator.faults.next(fault, times=times)
    played = await place.play(text, on_event=break_list)
    place.emulator.faults.clear()
    assert played.code is ExitCode.UNKNOWN_OUTCOME
    return played


def only_job(place):
    (job,) = place.emulator.service.store.jobs
    return job.job_id


def only_job_of(place, prompt):
    (job,) = (
        job
        for job in place.emulator.service.store.jobs
        if job.inputs["prompt"] == prompt
    )
    return job.job_id


# --- adopt


async def test_adopted_job_is_collected_by_the_next_run_and_nothing_is_submitted(place):
    await lose(place)
    job_id = only_job(place)

    said = await place.type("resolve", "a", "--adopt", job_id)
    row = place.job("a")
    played = await place.play(AN_OAK)

    assert (said.code, said.out.splitlines()[0]) == (0, "a: submitted")
    assert "pipeline run" in said.out
    assert (row.status, row.remote_id) == (JobStatus.SUBMITTED, job_id)
    assert row.charged == 6
    assert played.code is ExitCode.OK
    assert (place.paid, place.submits) == (1, 1)
    assert place.sidecars()["a.png"]["job_id"] == job_id
    await place.check_files()


async def test_the_job_to_adopt_is_read_from_the_service(place):
    await lose(place)
    before = place.counters["requests"].get("poll", 0)

    await place.type("resolve", "a", "--adopt", only_job(place))

    assert place.counters["requests"]["poll"] == before + 1


@pytest.mark.parametrize("job_id", ["job_nobody", "", "../teams", "a b?c=d#e"])
async def test_a_job_that_the_service_does_not_know_is_not_adopted(job_id, place):
    await lose(place)

    said = await place.type("resolve", "a", "--adopt", job_id)

    assert (said.code, said.out) == (2, "")
    assert "does not know job" in said.err
    assert place.job("a").status is JobStatus.UNKNOWN


async def test_a_job_of_another_model_is_not_adopted(place):
    await lose(place)
    async with service_of(place) as api:
        other = await api.submit("model_wan-2-7-image-pro", {"prompt": "an oak"})

    said = await place.type("resolve", "a", "--adopt", other.job.remote_id)

    assert said.code == 2
    assert "with model model_wan-2-7-image-pro, not" in said.err
    assert place.job("a").status is JobStatus.UNKNOWN


async def test_a_job_that_another_item_owns_is_not_adopted(place):
    await place.play(AN_OAK)
    theirs = only_job(place)
    await lose(place, items("an oak", "an elm"))

    said = await place.type("resolve", "b", "--adopt", theirs)

    assert said.code == 2
    assert "already belongs to an item" in said.err
    assert place.job("b").status is JobStatus.UNKNOWN
    assert place.job("a").remote_id == theirs


async def test_a_service_that_refuses_the_read_changes_nothing(place):
    await lose(place)
    place.emulator.faults.next("poll-500")

    said = await place.type("resolve", "a", "--adopt", only_job(place))

    assert said.code != 0
    assert "Traceback" not in said.err
    assert place.job("a").status is JobStatus.UNKNOWN


# --- resubmit


async def test_resubmitted_unknown_item_is_submitted_exactly_once_more(place):
    await lose(place, exists=False)

    said = await place.type("resolve", "a", "--resubmit")
    row = place.job("a")
    played = await place.play(AN_OAK)
    again = await place.play(AN_OAK)

    assert (said.code, said.out.splitlines()[0]) == (0, "a: planned")
    assert row.status is JobStatus.PLANNED
    assert (played.code, again.code) == (ExitCode.OK, ExitCode.OK)
    assert (place.paid, place.submits) == (1, 2)


async def test_resubmit_pays_again_even_where_a_job_exists(place):
    await lose(place)

    await place.type("resolve", "a", "--resubmit")
    played = await place.play(AN_OAK)

    assert played.code is ExitCode.OK
    assert (place.paid, place.submits) == (2, 2)


async def test_resubmitted_timed_out_item_is_submitted_exactly_once_more(place):
    first = await place.play(NEVER)
    timed_out = place.job("a")

    said = await place.type("resolve", "a", "--resubmit")
    second = await place.play(NEVER)

    assert first.code is second.code is ExitCode.ITEMS_FAILED
    assert timed_out.failure.kind is FailureClass.TIMED_OUT
    assert said.code == 0
    assert (place.paid, place.submits) == (2, 2)
    newest, oldest = place.attempts("a")
    assert (newest.attempt, oldest.attempt) == (2, 1)
    assert oldest.remote_id == timed_out.remote_id


async def test_a_timed_out_item_that_nobody_resolves_is_never_submitted_again(place):
    await place.play(NEVER)
    await place.play(NEVER)

    assert (place.paid, place.submits) == (1, 1)


# --- what there is to decide


async def test_without_a_decision_the_jobs_that_may_be_the_items_are_shown(place):
    await lose(place)
    async with service_of(place) as api:
        other = await api.submit(
            place.job("a").model_id, {"prompt": "a birch", "size": "1K", "seed": 5}
        )

    said = await place.type("resolve", "a")

    shown = said.out
    ours = only_job_of(place, "an oak")
    assert said.code == 0
    assert "2 jobs may have come from its submit" in shown
    assert shown.index(ours) < shown.index(other.job.remote_id)
    assert all(text in shown for text in ("an oak", "a birch", "prompt, seed"))
    assert f"--adopt {ours}" in shown
    assert place.job("a").status is JobStatus.UNKNOWN
    assert place.submits == 2


async def test_without_a_candidate_it_says_so(place):
    await lose(place, exists=False)

    said = await place.type("resolve", "a")

    assert said.code == 0
    assert "no job that may have come from its submit" in said.out
    assert "--resubmit" in said.out


async def test_a_link_to_the_picture_of_a_candidate_is_printed_on_request(place):
    await lose(place)

    shown = await place.type("resolve", "a")
    said = await place.type("resolve", "a", "--link", only_job(place))

    assert "http" not in shown.out
    assert said.code == 0
    assert said.out.startswith("http")
    assert "Signature=" in said.out


# --- give up


@pytest.mark.parametrize("kind", ["unknown", "timed-out"])
async def test_given_up_item_is_skipped_by_run_and_tried_by_rerun(kind, place):
    if kind == "unknown":
        text = AN_OAK
        await lose(place, exists=False)
    else:
        text = items("an oak [slow=3000]")
        await place.play(text)

    said = await place.type("resolve", "a", "--give-up")
    row = place.job("a")
    played = await place.play(text)
    after_run = place.submits
    await place.play(text, selection=Selection(only_failed=True))

    assert (said.code, said.out) == (0, "a: failed\n"), said.err
    assert row.failure.kind is FailureClass.GIVEN_UP
    assert played.code is ExitCode.ITEMS_FAILED
    assert +Counter(played.result.counts) == {"skipped": 1}
    assert after_run == 1
    assert place.submits == 2


# --- what cannot be decided


@pytest.mark.parametrize(
    "choice",
    [
        ("--resubmit", "--give-up"),
        ("--link", "job_x", "--resubmit"),
        ("--adopt", "job_x", "--resubmit"),
        ("--adopt", "job_x", "--resubmit", "--give-up"),
    ],
    ids=" ".join,
)
async def test_resolve_takes_exactly_one_decision(choice, place):
    await lose(place)

    said = await place.type("resolve", "a", *choice)

    assert (said.code, said.out) == (2, "")
    assert "one of" in said.err
    assert place.job("a").status is JobStatus.UNKNOWN


@pytest.mark.parametrize(
    "choice", [("--resubmit",), ("--give-up",), ("--adopt", "job_x")], ids=" ".join
)
async def test_an_item_that_is_not_unsure_is_left_alone(choice, place):
    await place.play(items("an oak", "an elm [fail]"))
    rows = {name: place.job(name) for name in "ab"}

    saved = await place.type("resolve", "a", *choice)
    failed = await place.type("resolve", "b", *choice)
    missing = await place.type("resolve", "nobody", *choice)

    assert (saved.code, failed.code, missing.code) == (2, 2, 2)
    assert "nothing to decide" in saved.err
    assert "nothing to decide" in failed.err
    assert "nothing has ever been submitted" in missing.err
    assert {name: place.job(name) for name in "ab"} == rows


async def test_while_a_run_holds_the_lock_nothing_is_decided(place):
    await lose(place)

    with FileLock(place.output / LOCK_NAME):
        said = await place.type("resolve", "a", "--resubmit")

    assert said.code == 7
    assert "another run is in progress" in said.err
    assert place.job("a").status is JobStatus.UNKNOWN


async def test_a_ledger_of_another_service_is_not_decided_about(place, use):
    await lose(place)
    use("http://127.0.0.1:9/v1")

    said = await place.type("resolve", "a", "--resubmit")

    assert said.code == 2
    assert "belongs to the service" in said.err
    assert place.job("a").status is JobStatus.UNKNOWN
