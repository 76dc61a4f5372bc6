"""Items that build on items: whole runs, with what is paid read at the service."""

import json
from decimal import Decimal
from itertools import pairwise

import pytest
from doubles import checkout
from doubles.kills import run_killed_at
from doubles.lost import LOST, of
from doubles.outcome import Outcome

from pipeline.errors import ExitCode
from pipeline.job import JobStatus
from pipeline.models.record import load_shipped_model
from pipeline.running.events import Blocked, JobChanged

LINE = """\
items:
  - {id: d, prompt: d, params: {images: ['item:c']}}
  - {id: b, prompt: b, params: {images: ['item:a']}}
  - {id: a, prompt: a}
  - {id: c, prompt: c, params: {images: ['item:b', 'item:a']}}
  - {id: single, prompt: single}
"""
ONCE = {"a": 1, "b": 1, "c": 1, "d": 1, "single": 1}
MODERATED = Outcome(ends="failure", error="the prompt was moderated")


def submitted(workshop):
    return [
        event.item_id
        for event in workshop.events
        if isinstance(event, JobChanged) and event.status is JobStatus.SUBMITTED
    ]


def inputs_of(workshop, prompt):
    return next(
        job.inputs for job in workshop.api.jobs if job.inputs["prompt"] == prompt
    )


def asset_of(workshop, item_id):
    return workshop.job(item_id).remote_assets[0]


async def test_the_parents_assets_are_passed_on_without_an_upload(workshop):
    workshop.write(LINE)

    result = await workshop.run()

    assert result.counts == {"saved": 5}
    assert workshop.api.paid_by_prompt() == ONCE
    uploads = workshop.api.calls["upload_image"] + workshop.api.calls["create_upload"]
    assert uploads == 1  # a placeholder, because here a picture changes the price
    assert inputs_of(workshop, "b")["images"] == [asset_of(workshop, "a")]
    assert inputs_of(workshop, "c")["images"] == [
        asset_of(workshop, "b"),
        asset_of(workshop, "a"),
    ]


async def test_a_second_run_of_a_line_pays_nothing_and_asks_nothing(workshop):
    workshop.write(LINE)
    await workshop.run()
    calls = workshop.api.calls.copy()

    result = await workshop.run()

    assert result.counts == {"done": 5}
    assert workshop.api.calls == calls


async def test_an_item_starts_before_its_parents_file_is_downloaded(workshop):
    workshop.write(LINE)
    workshop.transfer.chunk_s = 3.0

    await workshop.run()

    saved = [
        event.item_id
        for event in workshop.events
        if isinstance(event, JobChanged) and event.status is JobStatus.SAVED
    ]
    order = [event for event in workshop.events if isinstance(event, JobChanged)]
    starts = order.index(next(e for e in order if e.item_id == "b"))
    ends = order.index(
        next(e for e in order if e.item_id == "a" and e.status is JobStatus.SAVED)
    )
    assert starts < ends
    assert sorted(saved) == sorted(ONCE)
    assert (await workshop.run()).counts == {"done": 5}


async def test_a_line_in_progress_goes_before_items_that_have_not_begun(workshop):
    singles = "".join(f"  - {{id: s{n}, prompt: s{n}}}\n" for n in range(6))
    workshop.write(LINE + singles)
    workshop.api.ceiling = workshop.api.readable_ceiling = 1

    await workshop.run()

    order = submitted(workshop)
    # The slot that a parent frees is taken at once; the next one goes to the line.
    for parent, child in pairwise("abcd"):
        assert order.index(child) - order.index(parent) <= 2


async def test_items_that_wait_for_nothing_do_not_wait_for_a_line(workshop):
    workshop.write(LINE)
    workshop.api.script("a", Outcome(duration_s=500.0))

    await workshop.run()

    order = [
        event.item_id
        for event in workshop.events
        if isinstance(event, JobChanged) and event.status is JobStatus.SAVED
    ]
    assert order[0] == "single"


async def test_a_failed_parent_blocks_its_line_alone(workshop):
    workshop.write(LINE)
    workshop.api.script("b", MODERATED, Outcome())

    result = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert result.counts == {"saved": 2, "failed": 1, "blocked": 2}
    assert {
        event.item_id: event.reason
        for event in workshop.events
        if isinstance(event, Blocked)
    } == {"c": "blocked by b: moderated", "d": "blocked by b: moderated"}
    assert workshop.api.paid_by_prompt() == {"a": 1, "b": 1, "single": 1}

    result = await workshop.run(only_failed=True)

    assert result.counts == {"saved": 3}
    assert workshop.api.paid_by_prompt() == {**ONCE, "b": 2}


async def test_a_line_blocked_for_good_is_planned_as_blocked(workshop):
    workshop.write(LINE)
    workshop.api.script("b", MODERATED)
    await workshop.run()
    await workshop.run()

    result = await workshop.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert result.counts == {"done": 2, "skipped": 1, "blocked": 2}
    assert workshop.api.paid_by_prompt() == {"a": 1, "b": 2, "single": 1}


async def test_a_parent_with_another_picture_makes_its_line_again(workshop):
    workshop.write(LINE)
    await workshop.run()
    workshop.write(LINE.replace("prompt: a}", "prompt: a2}"))

    result = await workshop.run()

    assert result.counts == {"done": 1, "saved": 4}
    assert workshop.api.paid_by_prompt() == {
        "a": 1, "a2": 1, "b": 2, "c": 2, "d": 2, "single": 1,
    }  # fmt: skip


async def test_a_parent_made_again_with_the_same_picture_leaves_its_line(workshop):
    workshop.write(LINE)
    await workshop.run()
    first = workshop.api.files[asset_of(workshop, "a")]
    workshop.write(LINE.replace("prompt: a}", "prompt: a2}"))

    async def same_picture(_run):
        while workshop.api.paid_by_prompt()["a2"] == 0:
            await workshop.clock.sleep(0.1)
        made = next(job for job in workshop.api.jobs if job.inputs["prompt"] == "a2")
        workshop.api.files[made.asset_ids[0]] = first

    result = await workshop.run(meanwhile=same_picture)

    assert result.counts == {"done": 4, "saved": 1}
    assert workshop.api.paid_by_prompt() == {**ONCE, "a2": 1}
    assert (await workshop.run()).counts == {"done": 5}


async def test_a_kill_at_any_instant_pays_nothing_twice(workshop):
    workshop.write(LINE)
    kill_at = 5
    while await run_killed_at(workshop, kill_at) >= kill_at:
        kill_at += 9

    result = await workshop.run()

    assert result.counts in ({"done": 5}, {"done": 4, "saved": 1})
    assert workshop.api.paid_by_prompt() == ONCE


async def test_lost_answers_pay_nothing_twice(workshop):
    workshop.write(LINE)
    for prompt in ("a", "b", "d"):
        workshop.api.fail_next("submit", LOST, where=of(prompt), after=prompt != "b")

    result = await workshop.run()

    assert result.counts == {"saved": 5}
    assert workshop.api.paid_by_prompt() == ONCE


async def test_a_run_that_is_left_goes_on_with_its_line(workshop):
    workshop.write(LINE)
    await workshop.run(meanwhile=workshop.leave_after(15.0))
    assert workshop.job("a").status is JobStatus.SAVED

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == ONCE


async def test_the_price_of_a_line_is_never_exceeded(workshop):
    workshop.write(LINE)
    await workshop.run()

    cost = workshop.estimate.cost
    assert (cost.units, cost.waiting) == (30, 18)
    assert workshop.api.spent == 30


async def test_an_item_that_costs_more_than_its_bound_is_not_submitted(workshop):
    workshop.write(LINE)

    for prompt in ("a", "single"):
        workshop.api.script(prompt, Outcome(charged=Decimal(6)))

    async def raise_prices(_run):
        while not workshop.api.paid_by_prompt()["a"]:
            await workshop.clock.sleep(0.1)
        workshop.api.price *= 2

    result = await workshop.run(meanwhile=raise_prices)

    assert result.exit_code is ExitCode.BUDGET
    assert workshop.halts()[0] == "b costs 12 units; the plan said 6 at most"
    assert workshop.api.paid_by_prompt() == {"a": 1, "single": 1}


async def test_a_budget_never_starts_an_item_that_no_longer_fits(workshop):
    workshop.write(LINE)
    workshop.set(max_cost=20)

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert workshop.api.spent == 18
    assert result.counts == {"saved": 3, "not_submitted": 2}


@pytest.mark.parametrize(("items", "count"), [("LINE", 5), ("STEPS", 3)])
async def test_a_lost_ledger_is_rebuilt_with_its_lines(place, items, count):
    text = f"version: 1\nmodel: model_wan-2-7-image\n{globals()[items]}"
    await place.play(text)
    place.lose_ledger()

    played = await place.play(text)

    assert played.result.counts["done"] == count
    assert place.paid == count


async def test_the_sidecar_of_a_step_tells_what_came_before_it(workshop):
    workshop.write(STEPS)
    await workshop.run()

    told = json.loads((workshop.output / "hero.png.json").read_text())

    assert [one["item_id"] for one in told["steps"]] == ["hero+1", "hero"]
    assert told["parents"] == [
        {
            "input": "images",
            "item_id": "hero+1",
            "output": 1,
            "asset_id": asset_of(workshop, "hero+1"),
            "sha256": "",
        }
    ]


async def test_a_renamed_parent_keeps_its_line(workshop):
    workshop.write(LINE)
    await workshop.run()
    workshop.write(LINE.replace("id: a,", "id: hero,").replace("item:a", "item:hero"))

    result = await workshop.run()

    assert result.counts == {"done": 4, "renamed": 1}
    assert workshop.api.paid_by_prompt() == ONCE


async def test_a_renamed_child_is_moved(workshop):
    workshop.write(LINE)
    await workshop.run()
    workshop.write(LINE.replace("id: b,", "id: pose,").replace("item:b", "item:pose"))

    result = await workshop.run()

    assert result.counts == {"done": 4, "renamed": 1}
    assert workshop.api.paid_by_prompt() == ONCE
    assert "pose.png" in workshop.files()


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_a_limit_counts_items_of_a_line_too(workshop, limit):
    workshop.write(LINE)

    result = await workshop.run(limit=limit)

    assert result.counts == {"saved": limit}
    assert len(workshop.api.own_jobs) == limit


async def test_selecting_an_item_includes_what_it_needs(workshop):
    workshop.write(LINE)

    result = await workshop.run(globs=("c",))

    assert result.counts == {"saved": 3}
    assert workshop.api.paid_by_prompt() == {"a": 1, "b": 1, "c": 1}


async def test_a_parent_with_fewer_outputs_than_asked_blocks_what_needs_the_rest(
    workshop,
):
    workshop.write(
        "items:\n"
        "  - {id: sheet, prompt: sheet, params: {numOutputs: 3}}\n"
        "  - {id: one, prompt: one, params: {images: ['item:sheet/1']}}\n"
        "  - {id: three, prompt: three, params: {images: ['item:sheet/3']}}\n"
    )
    workshop.api.script("sheet", Outcome(outputs=2))

    result = await workshop.run()

    assert result.counts == {"saved": 2, "blocked": 1}
    assert result.exit_code is ExitCode.ITEMS_FAILED
    blocked = next(event for event in workshop.events if isinstance(event, Blocked))
    assert blocked.reason == "blocked by sheet: it made 2 outputs, not 3"


STEPS = """\
items:
  - id: hero
    prompt: hero
    steps:
      - {model: model_wan-2-7-image, prompt: cut}
      - {model: model_wan-2-7-image, prompt: up}
"""


async def test_only_the_output_of_the_last_step_is_saved(workshop):
    workshop.write(STEPS)

    result = await workshop.run()

    assert result.counts == {"saved": 1, "made": 2}
    assert result.exit_code is ExitCode.OK
    assert workshop.files() == {"hero.png", "hero.png.json"}
    assert workshop.api.paid_by_prompt() == {"hero": 1, "cut": 1, "up": 1}
    assert (await workshop.run()).counts == {"done": 3}


async def test_steps_added_later_take_the_file_over_and_pay_for_themselves(workshop):
    workshop.write_items("hero")
    await workshop.run()
    workshop.write(STEPS)

    result = await workshop.run()

    assert result.counts == {"done": 1, "made": 1, "saved": 1}
    assert workshop.api.paid_by_prompt() == {"hero": 1, "cut": 1, "up": 1}
    assert workshop.files() == {"hero.png", "hero.png.json"}
    assert (await workshop.run()).counts == {"done": 3}


async def test_steps_removed_later_bring_the_items_own_file_back_free(workshop):
    workshop.write(STEPS)
    await workshop.run()
    workshop.write_items("hero")

    result = await workshop.run()

    assert result.counts == {"saved": 1}
    assert len(workshop.api.own_jobs) == 3
    assert asset_of(workshop, "hero") in (workshop.output / "hero.png.json").read_text()
    assert (await workshop.run()).counts == {"done": 1}


async def test_another_last_step_pays_for_that_alone(workshop):
    workshop.write(STEPS)
    await workshop.run()
    workshop.write(STEPS.replace("prompt: up", "prompt: down"))

    result = await workshop.run()

    assert result.counts == {"done": 2, "saved": 1}
    assert workshop.api.paid_by_prompt()["down"] == 1
    assert len(workshop.api.own_jobs) == 4


async def test_a_kill_at_any_instant_of_steps_pays_nothing_twice(workshop):
    workshop.write(STEPS)
    kill_at = 3
    while await run_killed_at(workshop, kill_at) >= kill_at:
        kill_at += 7

    await workshop.run()

    assert workshop.api.paid_by_prompt() == {"hero": 1, "cut": 1, "up": 1}
    assert workshop.files() == {"hero.png", "hero.png.json"}


async def test_who_names_an_item_with_steps_means_the_last(workshop):
    workshop.write(
        STEPS + "  - {id: pose, prompt: pose, params: {images: ['item:hero']}}\n"
    )

    await workshop.run()

    assert inputs_of(workshop, "pose")["images"] == [asset_of(workshop, "hero+2")]


async def test_outputs_that_are_not_made_are_not_needed_by_foreach(workshop):
    workshop.write(
        "items:\n"
        "  - {id: sheet, prompt: sheet, params: {numOutputs: 3}}\n"
        "  - id: cut-${index}\n"
        "    foreach: item:sheet\n"
        "    prompt: cut\n"
        "    params: {images: ['${output}']}\n"
    )
    workshop.api.script("sheet", Outcome(outputs=2))

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"saved": 3, "not_needed": 1}
    assert "not needed: sheet made 2 outputs" in workshop.warnings()
    assert (await workshop.run()).counts == {"done": 3}


@pytest.mark.parametrize("text", [LINE, STEPS], ids=["line", "steps"])
async def test_a_fresh_checkout_with_the_lock_file_pays_nothing(workshop, text):
    workshop.write(text)
    await workshop.run()
    paid = len(workshop.api.own_jobs)
    lock_file = workshop.folder / "icons.yaml.lock"
    checkout.write(workshop, lock_file)
    checkout.check_out(workshop)

    planned = checkout.planned(workshop, lock_file)
    checkout.learn(workshop, lock_file)
    result = await workshop.run()

    assert set(planned.values()) <= {"fetch", "done"}
    assert result.exit_code is ExitCode.OK
    assert len(workshop.api.own_jobs) == paid
    assert set((await workshop.run()).counts) == {"done"}


async def test_nothing_is_uploaded_where_a_picture_does_not_change_the_price(
    workshop, monkeypatch
):
    monkeypatch.setattr(type(workshop), "models", staticmethod(load_shipped_model))
    workshop.write(LINE)

    await workshop.run()

    assert workshop.api.paid_by_prompt() == ONCE
    assert not workshop.api.calls["upload_image"]
    assert not workshop.api.calls["create_upload"]
