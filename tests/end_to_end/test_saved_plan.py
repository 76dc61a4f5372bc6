"""A saved plan: carried out as it was agreed to, or refused.

The emulator's counters are the judge: what they charged is what was paid.
"""

import json
from dataclasses import replace

import pytest
from doubles.priced_batch import MODEL, STYLED, draw_style, paid
from doubles.shell import TREES, sidecars_in


async def test_saved_plan_is_carried_out_exactly(real, emulator):
    planned = await real.run("plan", "trees.yaml", "--limit", "2", "--out", "plan.json")
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes", "--json")
    again = await real.run(
        "run", "trees.yaml", "--plan", "plan.json", "--yes", "--json"
    )

    assert planned.code == 0
    assert (done.code, done.events[-1]["counts"]) == (0, {"saved": 2})
    assert set(sidecars_in(real.output)) == {"oak.png", "elm.png"}
    assert again.code in {0, 8}
    assert paid(emulator) == (2, 12)


async def test_plan_that_was_cut_short_goes_on_with_the_same_file(real, emulator):
    await real.run("plan", "trees.yaml", "--out", "plan.json")
    await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes", "--max-cost=12")
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 0, done.err
    assert paid(emulator) == (4, 24)


async def test_edited_manifest_no_longer_fits_the_plan(real, emulator):
    await real.run("plan", "trees.yaml", "--out", "plan.json")
    real.write(TREES.replace("a ${name}", "an old ${name}"))
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 8
    assert "trees.yaml was edited" in done.err
    assert "pipeline plan trees.yaml --out plan.json\n" in done.err
    assert emulator.counters()["submits_received"] == 0


async def test_changed_reference_no_longer_fits_the_plan(shell, emulator):
    shell.use(emulator)
    shell.write(STYLED)
    draw_style(shell.folder, "teal")
    await shell.run("plan", "trees.yaml", "--out", "plan.json")
    draw_style(shell.folder, "crimson")
    done = await shell.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 8
    assert "the request of oak has changed" in done.err
    assert emulator.counters()["submits_received"] == 0


async def test_changed_price_no_longer_fits_the_plan(real, emulator):
    await real.run("plan", "trees.yaml", "--out", "plan.json")
    submissions = emulator.service.submissions
    submissions.money = replace(submissions.money, unit_prices_cu={MODEL: 7})
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 8
    assert "the price of oak was 6 and is now 7" in done.err
    assert emulator.counters()["submits_received"] == 0


async def test_plan_is_saved_over_a_plan_and_over_nothing_else(real):
    before = (real.folder / "trees.yaml").read_bytes()
    refused = await real.run("plan", "trees.yaml", "--out", "trees.yaml")
    first = await real.run("plan", "trees.yaml", "--out", "plan.json")
    second = await real.run("plan", "trees.yaml", "--limit", "1", "--out", "plan.json")

    assert (refused.code, first.code, second.code) == (2, 0, 0)
    assert "not a saved plan" in refused.err
    assert (real.folder / "trees.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"schema": "scenario-pipeline/plan/9"}', "\xff"]
)
async def test_file_that_is_no_saved_plan_is_refused(content, real, emulator):
    (real.folder / "plan.json").write_text(content, encoding="latin-1")
    done = await real.run("run", "trees.yaml", "--plan", "plan.json", "--yes")

    assert done.code == 2
    assert "plan.json" in done.err
    assert "Traceback" not in done.err
    assert emulator.counters()["requests"] == {}


async def test_saved_plan_names_its_own_items(real, emulator):
    await real.run("plan", "trees.yaml", "--out", "plan.json")
    done = await real.run(
        "run", "trees.yaml", "--plan", "plan.json", "--yes", "--limit", "1"
    )

    assert done.code == 2
    assert emulator.counters()["submits_received"] == 0


async def test_saved_plan_holds_no_prompt_and_no_secret(real):
    await real.run("plan", "trees.yaml", "--out", "plan.json")

    text = (real.folder / "plan.json").read_text(encoding="utf-8")

    assert json.loads(text)["cost"] == "24"
    for word in ("a oak", "canary", real.environment["SCENARIO_SDK_API_SECRET"]):
        assert word not in text
