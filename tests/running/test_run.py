"""Run: whole runs on a fake service, a real ledger and a clock that nobody waits for.

What is asserted of money is read in the service's counters, not in ours.
"""

import json

import anyio
import pytest
from doubles.jobs import MODEL_PRO
from doubles.outcome import Outcome

from pipeline.errors import (
    AccessDenied,
    BudgetReached,
    ExitCode,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    ServiceUnreachable,
    Unavailable,
)
from pipeline.job import FailureClass, JobStatus
from pipeline.running.events import JobChanged, Launched, SlotsChanged

LOST = OutcomeUnknown("no answer in time")
NEVER_LEFT = Unavailable("connection refused", request_left=False)


def of(prompt):
    """Matches the submits of one prompt."""
    return lambda _model, inputs: inputs.get("prompt") == prompt


# --- in peace -----------------------------------------------------------------------


async def test_every_item_becomes_a_file_with_a_sidecar_and_is_paid_once(workshop):
    workshop.write_items("oak", "elm", "fir")

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"saved": 3}
    assert result.submitted == 3
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1, "fir": 1}
    assert workshop.files() == {
        name + end for name in ("oak", "elm", "fir") for end in (".png", ".png.json")
    }


async def test_a_job_passes_through_every_status_of_its_life(workshop):
    workshop.write_items("oak")

    await workshop.run()

    assert workshop.history("oak") == ["submitting", "submitted", "succeeded", "saved"]
    assert isinstance(workshop.events[0], Launched)


async def test_a_second_run_touches_neither_service_nor_files(workshop):
    workshop.write_items("oak", "elm")
    await workshop.run()
    calls = workshop.api.calls.copy()
    before = {path: path.stat().st_mtime_ns for path in workshop.output.glob("*.png*")}

    result = await workshop.run()

    assert result.counts == {"done": 2}
    assert workshop.api.calls == calls
    assert before == {
        path: path.stat().st_mtime_ns for path in workshop.output.glob("*.png*")
    }


async def test_several_outputs_are_numbered_from_one(workshop):
    workshop.write("items:\n  - {id: oak, prompt: oak, params: {numOutputs: 2}}\n")

    await workshop.run()

    assert workshop.files() == {
        "oak-1.png",
        "oak-1.png.json",
        "oak-2.png",
        "oak-2.png.json",
    }
    assert len(workshop.api.jobs) == 1


async def test_fewer_outputs_than_asked_for_are_saved_with_a_warning(workshop):
    workshop.write("items:\n  - {id: oak, prompt: oak, params: {numOutputs: 3}}\n")
    workshop.api.script("oak", Outcome(outputs=2))

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert "2 of 3 outputs were made" in workshop.warnings()
    assert {"oak-1.png", "oak-2.png"} < workshop.files()


async def test_a_reference_is_uploaded_once_for_all_items_and_runs(workshop, style):
    items = "references: {style: style.png}\nitems:\n" + "".join(
        f"  - {{id: {name}, prompt: {name}, params: {{images: [ref:style]}}}}\n"
        for name in ("oak", "elm")
    )
    workshop.write(items, files={"style.png": style})
    await workshop.run()
    workshop.write(
        items + "  - {id: fir, prompt: fir, params: {images: [ref:style]}}\n"
    )

    await workshop.run()

    assert workshop.api.calls["upload_image"] == 1
    sent = {inputs["images"][0] for _, inputs in workshop.api.submits}
    assert len(workshop.api.submits) == 3
    assert len(sent) == 1


async def test_the_sidecar_says_what_was_asked_and_holds_no_signed_url(workshop):
    workshop.write_items("oak")

    await workshop.run()

    text = (workshop.output / "oak.png.json").read_text()
    sidecar = json.loads(text)
    assert sidecar["request"]["prompt"] == "oak"
    assert sidecar["job_id"] == "job_1"
    assert sidecar["cost"]["charged"] == 6
    assert "Signature" not in text


async def test_a_missing_file_is_fetched_again_for_nothing(workshop):
    workshop.write_items("oak", "elm")
    await workshop.run()
    (workshop.output / "oak.png").unlink()

    result = await workshop.run()

    assert result.counts == {"saved": 1, "done": 1}
    assert len(workshop.api.submits) == 2
    assert (workshop.output / "oak.png").stat().st_size > 0


async def test_a_prompt_that_is_changed_back_gets_its_own_picture_for_nothing(workshop):
    prompts = ("one", "two", "one")
    digests = []
    for prompt in prompts:
        workshop.write(f"items:\n  - {{id: oak, prompt: {prompt}}}\n")
        result = await workshop.run()
        assert result.exit_code is ExitCode.OK
        digests.append((workshop.output / "oak.png").read_bytes())

    assert workshop.api.paid_by_prompt() == {"one": 1, "two": 1}
    assert digests[0] == digests[2] != digests[1]


async def test_a_fetch_pays_for_nothing_even_when_a_lost_submit_proves_absent(workshop):
    workshop.write_items("fir", "oak", "elm")
    await workshop.run(globs=("oak", "fir"))
    workshop.rewrite("oak", status="submitting", remote_id=None)
    workshop.api.remove_jobs("oak")

    result = await workshop.run(only_fetch=True)

    assert result.counts == {"done": 1, "not_submitted": 1}
    assert workshop.api.paid_by_prompt() == {"fir": 1}


async def test_an_item_that_was_changed_replaces_its_file(workshop):
    workshop.write_items("oak")
    await workshop.run()
    first = (workshop.output / "oak.png").read_bytes()
    workshop.write("items:\n  - {id: oak, prompt: an older oak}\n")

    await workshop.run()

    assert workshop.api.paid_by_prompt() == {"oak": 1, "an older oak": 1}
    assert (workshop.output / "oak.png").read_bytes() != first
    assert workshop.job("oak").attempt == 2


async def test_files_that_a_new_attempt_no_longer_makes_are_put_away(workshop):
    workshop.write("items:\n  - {id: oak, prompt: oak, params: {numOutputs: 2}}\n")
    await workshop.run()
    workshop.write_items("oak")

    await workshop.run()

    assert workshop.files() == {"oak.png", "oak.png.json"}


# --- limits ---------------------------------------------------------------------------


async def test_a_refusal_by_the_ceiling_costs_time_and_no_item(workshop):
    names = [f"tree-{number}" for number in range(12)]
    workshop.write_items(*names)
    workshop.api.ceiling = 3

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == dict.fromkeys(names, 1)
    assert workshop.api.most_in_flight == 3
    refused = len(workshop.api.submits) - 12
    assert 0 < refused <= workshop.settings.posts + 4


async def test_a_refused_item_goes_back_to_planned_in_the_same_attempt(workshop):
    workshop.write_items("oak")
    workshop.api.fail_next("submit", RateLimited("busy", ceiling=5))

    await workshop.run()

    assert workshop.history("oak")[:3] == ["submitting", "planned", "submitting"]
    assert workshop.job("oak").attempt == 1


async def test_a_refused_item_does_not_go_to_the_end_of_the_line(workshop):
    names = [f"tree-{number}" for number in range(6)]
    workshop.write_items(*names)
    workshop.api.readable_ceiling = 1
    workshop.api.fail_next("submit", RateLimited("busy"))

    await workshop.run()

    order = [str(job.inputs["prompt"]) for job in workshop.api.jobs]
    assert order == names


async def test_max_jobs_is_never_exceeded(workshop):
    workshop.write_items(*(f"tree-{number}" for number in range(9)))
    workshop.set(max_jobs=2)

    await workshop.run()

    assert workshop.api.most_in_flight == 2
    assert len(workshop.api.jobs) == 9


async def test_a_ceiling_that_can_be_read_is_kept_from_the_start(workshop):
    workshop.write_items(*(f"tree-{number}" for number in range(9)))
    workshop.api.ceiling = workshop.api.readable_ceiling = 4

    await workshop.run()

    assert len(workshop.api.submits) == 9
    assert workshop.api.most_in_flight == 4


async def test_a_ceiling_held_by_others_delays_the_run_and_fails_nothing(workshop):
    workshop.write_items("oak")
    workshop.api.fail_next("submit", RateLimited("busy"), times=5)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.clock.monotonic_s() > 1 + 2 + 4 + 5 + 5
    assert len(workshop.api.submits) == 1


async def test_a_slot_is_free_while_the_asset_is_still_downloading(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.ceiling = workshop.api.readable_ceiling = 1
    workshop.transfer.gate = anyio.Event()

    async def look(_run):
        await workshop.clock.sleep(200)
        jobs_made.append(len(workshop.api.jobs))
        saved.extend(workshop.files())
        workshop.transfer.gate.set()

    jobs_made, saved = [], []
    result = await workshop.run(meanwhile=look)

    assert jobs_made == [2]
    assert not any(name.endswith(".json") for name in saved)
    assert result.counts == {"saved": 2}


# --- money ------------------------------------------------------------------------------


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


# --- what stops everything ------------------------------------------------------------------


async def test_without_credit_submitting_stops_and_what_is_paid_is_collected(workshop):
    names = [f"tree-{number}" for number in range(8)]
    workshop.write_items(*names)
    workshop.api.readable_ceiling = 2
    workshop.api.fail_next("submit", BudgetReached("no credit"), where=of("tree-4"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert result.counts["saved"] == len(workshop.api.jobs)
    assert "failed" not in result.counts
    assert sum(result.counts.values()) == 8
    assert workshop.job("tree-4").status is JobStatus.PLANNED
    assert len(workshop.halts()) == 1


async def test_a_failure_that_speaks_of_credit_stops_the_submitting(workshop):
    workshop.write_items("oak", "elm", "fir")
    workshop.api.readable_ceiling = 1
    workshop.api.script("oak", Outcome(ends="failure", error="Insufficient quota"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert result.counts == {"failed": 1, "not_submitted": 2}


async def test_a_wrong_key_is_no_failure_of_any_item(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", AccessDenied("wrong key", status=401), times=2)

    result = await workshop.run()

    assert result.exit_code is ExitCode.ACCESS
    assert result.counts == {"not_submitted": 2}
    assert set(workshop.statuses().values()) <= {"planned"}


async def test_a_wrong_key_is_met_at_the_first_contact(workshop):
    workshop.write_items("oak")
    workshop.api.fail_next("find_limits", AccessDenied("wrong key", status=401))

    with pytest.raises(AccessDenied):
        await workshop.run()

    assert workshop.api.submits == []


async def test_a_service_that_goes_away_loses_nothing_that_is_paid(workshop):
    workshop.write_items("oak", "elm")

    def go_away(point):
        if point == "write record_submitted!":
            workshop.api.break_down("find_job", "list_jobs", "find_assets")

    workshop.on_point = go_away
    with pytest.raises(ServiceUnreachable):
        await workshop.run()
    workshop.on_point = lambda _point: None
    workshop.api.mend()

    result = await workshop.run()

    assert result.counts == {"saved": 2}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_model_that_is_not_allowed_leaves_the_other_model_going(workshop):
    workshop.write(
        "items:\n"
        f"  - {{id: oak, prompt: oak, model: {MODEL_PRO}}}\n"
        f"  - {{id: elm, prompt: elm, model: {MODEL_PRO}}}\n"
        "  - {id: fir, prompt: fir}\n"
        "  - {id: yew, prompt: yew}\n"
    )
    workshop.api.readable_ceiling = 1
    workshop.api.fail_next(
        "submit",
        AccessDenied("above the plan", status=403),
        times=2,
        where=lambda model, _inputs: model == MODEL_PRO,
    )

    result = await workshop.run()

    assert result.exit_code is ExitCode.ACCESS
    assert result.counts == {"saved": 2, "not_submitted": 2}
    assert workshop.api.paid_by_prompt() == {"fir": 1, "yew": 1}


# --- what ends one job -----------------------------------------------------------------------


async def test_a_refused_item_fails_alone_and_is_not_tried_again(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", Rejected("bad size", status=400), where=of("oak"))

    result = await workshop.run()
    again = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert result.counts == {"failed": 1, "saved": 1}
    assert workshop.job("oak").failure.kind is FailureClass.REFUSED
    assert again.counts == {"skipped": 1, "done": 1}
    assert again.exit_code is ExitCode.ITEMS_FAILED
    assert workshop.api.calls["submit"] == 2


async def test_a_refused_item_is_tried_again_by_rerun(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", Rejected("bad size", status=400), where=of("oak"))
    await workshop.run()

    result = await workshop.run(only_failed=True)

    assert result.counts == {"saved": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_failed_job_is_made_again_by_the_next_run(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.script("oak", Outcome(ends="failure", error="no luck"), Outcome())

    first = await workshop.run()
    second = await workshop.run()

    assert first.counts == {"failed": 1, "saved": 1}
    assert second.counts == {"saved": 1, "done": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 2, "elm": 1}


async def test_what_was_moderated_twice_is_left_alone(workshop):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(ends="failure", error="flagged by moderation"))

    counts = [dict((await workshop.run()).counts) for _ in range(3)]

    assert counts == [{"failed": 1}, {"failed": 1}, {"skipped": 1}]
    assert workshop.job("oak").failure.kind is FailureClass.MODERATED
    assert len(workshop.api.jobs) == 2


async def test_a_cancelled_job_fails_with_a_reason(workshop):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(ends="canceled"))

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert "canceled" in workshop.job("oak").failure.reason


async def test_a_success_without_assets_is_a_failure(workshop):
    workshop.write_items("oak")
    workshop.api.script("oak", Outcome(outputs=0), Outcome())

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert workshop.job("oak").failure.kind is FailureClass.NO_OUTPUT


async def test_a_job_past_its_deadline_is_looked_at_again_and_never_resubmitted(
    workshop,
):
    workshop.write_items("oak", "elm")
    workshop.set(job_timeout_s=60.0)
    workshop.api.script("oak", Outcome(duration_s=300.0))

    first = await workshop.run()
    workshop.clock.jump(300)
    second = await workshop.run()

    assert first.counts == {"failed": 1, "saved": 1}
    assert second.counts == {"saved": 1, "done": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_job_that_never_ends_fails_alone_again_and_again(workshop):
    workshop.write_items("oak", "elm")
    workshop.set(job_timeout_s=60.0)
    workshop.api.script("oak", Outcome(ends=""))

    counts = [dict((await workshop.run()).counts) for _ in range(2)]

    assert counts == [{"failed": 1, "saved": 1}, {"failed": 1, "done": 1}]
    assert workshop.job("oak").failure.kind is FailureClass.TIMED_OUT
    assert len(workshop.api.jobs) == 2


async def test_an_asset_that_cannot_be_downloaded_is_fetched_by_the_next_run(workshop):
    workshop.write_items("oak")
    workshop.transfer.answer_next(*[Unavailable("reset")] * 100)

    first = await workshop.run()
    workshop.transfer._next.clear()
    second = await workshop.run()

    assert first.counts == {"failed": 1}
    assert workshop.attempts("oak")[0].status is JobStatus.SAVED
    assert second.counts == {"saved": 1}
    assert len(workshop.api.submits) == 1


async def test_a_lost_reference_is_uploaded_once_more(workshop, style):
    workshop.write(
        "references: {style: style.png}\n"
        "items:\n  - {id: oak, prompt: oak, params: {images: [ref:style]}}\n",
        files={"style.png": style},
    )
    await workshop.run()
    workshop.write(
        "references: {style: style.png}\n"
        "items:\n  - {id: elm, prompt: elm, params: {images: [ref:style]}}\n"
    )
    for asset_id in [name for name in workshop.api.files if "up" in name]:
        del workshop.api.files[asset_id]

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.calls["upload_image"] == 2
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_404_that_a_fresh_upload_does_not_mend_is_a_failure(workshop, style):
    workshop.write(
        "references: {style: style.png}\n"
        "items:\n  - {id: oak, prompt: oak, params: {images: [ref:style]}}\n",
        files={"style.png": style},
    )
    missing = Rejected("no asset_up_1 and no asset_up_2", status=404)
    workshop.api.fail_next("submit", missing, times=999)

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert workshop.api.calls["upload_image"] == 2
    assert workshop.api.calls["submit"] <= 70  # one in 2 s for fresh_job_s
    assert workshop.job("oak").failure.kind is FailureClass.REFUSED


async def test_a_404_that_names_no_reference_is_about_the_body_for_good(
    workshop, style
):
    workshop.write(
        "references: {style: style.png}\n"
        "items:\n  - {id: oak, prompt: oak, params: {images: [ref:style]}}\n",
        files={"style.png": style},
    )
    missing = Rejected("Model model_y not found", status=404)
    workshop.api.fail_next("submit", missing, times=9)

    result = await workshop.run()

    assert result.counts == {"failed": 1}
    assert workshop.api.calls["upload_image"] == 1
    assert workshop.api.calls["submit"] == 1


async def test_a_reference_that_changed_since_the_plan_fails_its_item_unpaid(
    workshop, style
):
    workshop.write(
        "references: {style: style.png}\n"
        "items:\n  - {id: oak, prompt: oak, params: {images: [ref:style]}}\n"
        "  - {id: elm, prompt: elm}\n",
        files={"style.png": style},
    )

    def overwrite(point):
        if point == "find_limits":
            (workshop.folder / "style.png").write_bytes(b"something else")

    workshop.on_point = overwrite
    result = await workshop.run()

    assert result.counts == {"failed": 1, "saved": 1}
    assert workshop.api.paid_by_prompt() == {"elm": 1}
    assert workshop.job("oak").failure.kind is FailureClass.LOCAL


# --- leaving -----------------------------------------------------------------------------------


async def test_a_stopped_run_submits_nothing_more_and_collects_what_is_paid(workshop):
    names = [f"tree-{number}" for number in range(8)]
    workshop.write_items(*names)
    workshop.api.readable_ceiling = 2

    async def stop(run):
        await workshop.clock.sleep(5)
        run.stop()

    result = await workshop.run(meanwhile=stop)

    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.counts == {"saved": 2, "not_submitted": 6}
    assert len(workshop.api.jobs) == 2


async def test_an_abandoned_run_leaves_its_jobs_to_the_next(workshop):
    workshop.write_items("oak", "elm")

    async def leave(run):
        await workshop.clock.sleep(5)
        run.stop()
        run.abandon()

    first = await workshop.run(meanwhile=leave)
    left_at_s = workshop.clock.monotonic_s()
    second = await workshop.run()

    assert first.exit_code is ExitCode.LEFT_IN_FLIGHT
    assert first.counts["in_flight"] == 2
    assert left_at_s == 5
    assert second.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_stop_after_the_last_submit_is_still_an_interruption(workshop):
    workshop.write_items("oak")

    async def stop(run):
        await workshop.clock.sleep(5)
        run.stop()

    result = await workshop.run(meanwhile=stop)

    assert result.counts == {"saved": 1}
    assert result.exit_code is ExitCode.INTERRUPTED


# --- after a crash -------------------------------------------------------------------------------


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

    async def leave(run):
        await workshop.clock.sleep(5)
        run.abandon()

    await workshop.run(meanwhile=leave)
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

    async def leave(run):
        await workshop.clock.sleep(5)
        run.abandon()

    await workshop.run(meanwhile=leave)
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

    async def leave(run):
        await workshop.clock.sleep(5)
        run.abandon()

    await workshop.run(meanwhile=leave)
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
