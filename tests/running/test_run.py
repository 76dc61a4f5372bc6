"""Run: whole runs on a fake service, a real ledger and a clock that nobody waits for.

What is asserted of money is read in the service's counters, not in ours.
"""

import json

import pytest
from doubles.jobs import MODEL_PRO
from doubles.lost import of
from doubles.outcome import Outcome

from pipeline.errors import AccessDenied, BudgetReached, ExitCode, ServiceUnreachable
from pipeline.job import JobStatus
from pipeline.running.events import Launched

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


async def test_what_the_run_does_is_told_at_each_moment(workshop):
    workshop.write_items("oak")
    seen = {}

    def note(point):
        if workshop.current is not None:
            phases = seen.setdefault(point, [])
            phase = workshop.current._session.activity.phase
            phases += [phase] if phase not in phases else []

    workshop.on_point = note
    await workshop.run()

    assert seen["find_limits"] == ["connecting to the service"]
    assert seen["quote"] == ["asking for prices: 1 of 1"]
    assert seen["submit"] == [""]  # the items show it
    assert seen["list_jobs"] == [
        "reading the service's job list",
        "comparing the service's job list with this run",
    ]
