"""The price before the spend: named exactly, and nothing paid for the answer.

The emulator's counters are the judge: what they charged is what was paid.
"""

import pytest
from doubles.priced_batch import BATCH, MODEL, STYLED, draw_style, paid
from doubles.shell import TREES, sidecars_in

# --- plan


async def test_plan_names_the_exact_total_with_few_quotes_and_pays_nothing(
    batch, cheap
):
    done = await batch.run("plan", "trees.yaml")

    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[-1] == "31 items: 31 to submit; 33 files for 99 units"
    assert 1 <= cheap.counters()["quotes_received"] <= 4
    assert cheap.counters()["submits_received"] == 0
    assert paid(cheap) == (0, 0)


async def test_plan_as_json_tells_each_price_and_the_total(batch, cheap):
    done = await batch.run("plan", "trees.yaml", "--json", "--max-cost", "31")

    *items, last = done.events
    prices = {line["item_id"]: line["price"] for line in items}
    assert len(items) == 31
    assert {line["sign"] for line in items} == {"+"}
    assert (prices["set-cups"], prices["prop-a"]) == (6, 3)
    assert sum(prices.values()) == 99
    assert last["counts"]["submit"] == 31
    assert (last["unpriced"], last["problems"], last["orphans"]) == (0, [], 0)
    assert last["cost"] == {
        "quoted": 99,
        "bound": 99,
        "addons": {},
        "files": 33,
        "taken": 0,
        "left": 31,
        "team_left": 1_000_000,
        "by_model": {MODEL: {"items": 31, "units": 99}},
    }
    assert paid(cheap) == (0, 0)


async def test_add_ons_are_in_the_total_and_named_apart(shell, start_emulator):
    shell.use(await start_emulator(quality_gate_cu=1.25))
    shell.write(TREES)
    plan = await shell.run("plan", "trees.yaml")
    run = await shell.run("run", "trees.yaml", "--yes", "--json")

    assert "4 files for 29 units" in plan.out
    assert "of these units, 5 are for quality-gate" in plan.out
    assert run.events[-1]["cost"]["charged"] == 29
    assert run.events[-1]["cost"]["addons"] == {"quality-gate": 5}


async def test_money_stands_beside_units_when_their_price_is_given(batch):
    named = await batch.run("plan", "trees.yaml", "--cu-price", "0.012EUR")
    by_variable = await batch.run("plan", "trees.yaml", PIPELINE_CU_PRICE="$0.5")
    wrong = await batch.run("plan", "trees.yaml", "--cu-price", "cheap")

    assert "33 files for 99 units (1.19 EUR)" in named.out
    assert "33 files for 99 units ($49.50)" in by_variable.out
    assert wrong.code == 2


async def test_detailed_exitcode_tells_whether_there_is_something_to_do(real):
    before = await real.run("plan", "trees.yaml", "--detailed-exitcode")
    await real.run("run", "trees.yaml", "--yes")
    after = await real.run("plan", "trees.yaml", "--detailed-exitcode")
    next(real.output.glob("oak.png")).unlink()
    missing = await real.run("plan", "trees.yaml", "--detailed-exitcode")

    assert (before.code, after.code, missing.code) == (10, 0, 13)


async def test_plan_without_credentials_says_why_it_has_no_prices(shell):
    shell.write(TREES)
    done = await shell.run("plan", "trees.yaml")

    assert done.code == 0
    assert "no prices: " in done.err
    assert done.out.splitlines()[-1] == "4 items: 4 to submit; price not known"


async def test_item_that_has_no_price_is_said_and_counted_apart(shell, start_emulator):
    shell.use(await start_emulator(large_with_images_refused=False))
    draw_style(shell.folder, "teal")
    shell.write(
        STYLED + "  - {id: ash, prompt: ash, params: {images: asset_nobodys}}\n"
    )
    done = await shell.run("plan", "trees.yaml")

    assert done.code == 0
    assert "no price: trees.yaml:9: no price for 'ash'" in done.out
    assert done.out.splitlines()[-1].endswith("12 units and 1 item without a price")


# --- what is no change


async def test_order_comments_form_and_defaults_cost_nothing(batch, cheap):
    await batch.run("run", "trees.yaml", "--yes")
    head, _, items = BATCH.partition("items:\n")
    entries = items.split("  - ")[1:]
    reordered = "".join(f"  - {entry}" for entry in reversed(entries))
    batch.write(
        "# the trees of the forest\n"
        + head.replace("{size: 1K, thinkingMode: false}", "\n  thinkingMode: False\n")
        + "  size: '1K'  # small\n  numOutputs: 1\n\nitems:\n"
        + reordered
    )
    planned = await batch.run("plan", "trees.yaml", "--detailed-exitcode")
    done = await batch.run("run", "trees.yaml")

    assert planned.code == 0, planned.out
    assert done.code == 0, done.err
    assert paid(cheap) == (31, 99)


# --- a quote that is none


@pytest.mark.parametrize("command", ["run --yes", "plan"])
async def test_quote_that_turns_out_a_job_stops_and_the_job_is_not_lost(
    real, emulator, monkeypatch, command
):
    """A service that takes a dry run for a submit: money is spent, and said so."""
    service = emulator.service
    submit = service.submit

    def careless(model_id, body, author_id, *, is_quote=False):
        return submit(model_id, body, author_id)

    monkeypatch.setattr(service, "submit", careless)
    alarmed = await real.run(*command.split(), "trees.yaml", "--json")
    monkeypatch.undo()
    made = paid(emulator)[0]
    after = await real.run("run", "trees.yaml", "--yes", "--json")

    assert alarmed.code == 4
    assert "money may have been spent" in alarmed.err
    assert made == 1
    assert after.code == 0, after.err
    sidecars = sidecars_in(real.output)
    assert len(sidecars) == 4
    for sidecar in sidecars.values():
        assert sidecar["seed"] == sidecar["request"]["seed"]
    assert paid(emulator)[0] == 4
