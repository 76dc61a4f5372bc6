"""The budget: kept over kills, refunds and lost submits.

The emulator's counters are the judge: what they charged is what was paid.
"""

import signal

import pytest
from doubles.priced_batch import BATCH, paid
from doubles.shell import TREES, manifest_of, sidecars_in


async def test_budget_is_kept_and_the_next_run_brings_the_exact_total(batch, cheap):
    first = await batch.run("run", "trees.yaml", "--yes", "--max-cost", "31", "--json")
    after_first = paid(cheap)
    again = await batch.run("run", "trees.yaml", "--yes", "--max-cost", "31")
    after_again = paid(cheap)
    rest = await batch.run("run", "trees.yaml", "--yes", "--json")

    assert first.code == 4
    assert 28 < after_first[1] <= 31
    cost = first.events[-1]["cost"]
    assert cost["charged"] == cost["taken"] == after_first[1]
    assert cost["left"] == 31 - after_first[1]
    assert first.events[-1]["counts"]["not_submitted"] == 31 - after_first[0]
    assert (again.code, after_again) == (4, after_first)
    assert rest.code == 0, rest.err
    assert rest.events[-1]["cost"]["charged"] == 99 - after_first[1]
    assert paid(cheap) == (31, 99)
    assert len(sidecars_in(batch.output)) == 33


async def test_budget_of_the_manifest_holds_and_the_smaller_counts(batch, cheap):
    batch.write(BATCH.replace("version: 1", "version: 1\nmax_cost: 10"))
    by_manifest = await batch.run("run", "trees.yaml", "--yes")
    of_manifest = paid(cheap)[1]
    larger = await batch.run("run", "trees.yaml", "--yes", "--max-cost", "50")
    of_larger = paid(cheap)[1]
    batch.write(BATCH.replace("version: 1", "version: 1\nmax_cost: 50"))
    smaller = await batch.run("run", "trees.yaml", "--yes", "--max-cost", "20")

    assert (by_manifest.code, larger.code, smaller.code) == (4, 4, 4)
    assert of_manifest == of_larger == 9
    assert 9 < paid(cheap)[1] <= 20


@pytest.mark.parametrize(
    "point", ["intent-recorded", "answer-received", "job-recorded", "end-recorded"]
)
@pytest.mark.parametrize("time", [1, 2])
async def test_budget_is_kept_over_a_kill(point, time, real, emulator):
    run = ("run", "trees.yaml", "--yes", "--max-cost", "12", "--settle", "1", "--json")
    killed = await real.run(*run, PIPELINE_FAULT_POINT=f"{point}:{time}")
    after_kill = paid(emulator)[1]
    again = await real.run(*run)

    assert killed.code not in {0, 4}
    assert after_kill <= 12
    assert again.code == 4, again.err
    assert again.events[-1]["cost"]["taken"] == 12
    assert paid(emulator) == (2, 12)


async def test_what_is_unsure_is_not_paid_for_unasked(real, emulator):
    """Killed before its submit left, it may have to be paid for after all."""
    only = ("run", "trees.yaml", "--limit", "1", "--settle", "1")
    await real.run(*only, "--yes", PIPELINE_FAULT_POINT="intent-recorded")

    planned = await real.run("plan", "trees.yaml")
    refused = await real.run(*only)

    assert "unsure items may cost 6 units more" in planned.out
    assert refused.code == 2
    assert "up to 6 units more for unsure items" in refused.err
    assert paid(emulator) == (0, 0)


async def test_submit_whose_outcome_is_unknown_stays_reserved(real, emulator):
    emulator.faults.next("submit-drop-after")
    draw = emulator.faults.draw

    def break_list(endpoint):
        if endpoint == "submit":  # from here on, so that it is not settled
            emulator.faults.rates["list-500"] = 1.0
        return draw(endpoint)

    emulator.faults.draw = break_list
    budget = ("--yes", "--json", "--max-cost", "6", "--settle", "1")
    async with real.start("run", "trees.yaml", *budget) as running:
        await running.until('"unknown"')
        planned = await real.run("plan", "trees.yaml", "--max-cost", "6")
        running.signal(signal.SIGINT)
        await running.until("stopping", err=True)
        running.signal(signal.SIGINT)
        first = await running.end()
    emulator.faults.draw = draw
    emulator.faults.clear()
    second = await real.run("run", "trees.yaml", *budget)

    assert "budget: 6 of 6 units taken, 0 left" in planned.out
    assert first.code == 4  # which wins over what is left in flight
    in_doubt = first.events[-1]["cost"]
    assert (in_doubt["charged"], in_doubt["reserved"], in_doubt["left"]) == (0, 6, 0)
    assert second.code == 4
    assert second.events[-1]["cost"]["taken"] == 6
    assert paid(emulator) == (1, 6)


async def test_run_that_an_error_ends_still_says_what_was_charged(real, emulator):
    emulator.faults.rates["bulk-401"] = 1.0
    done = await real.run("run", "trees.yaml", "--yes", "--json")

    assert done.code == 6
    assert done.events[-1]["cost"] == {"quoted": None, "charged": 24}
    assert paid(emulator) == (4, 24)


async def test_what_is_refunded_may_be_spent_again(shell, start_emulator):
    emulator = await start_emulator(ceiling=1)
    shell.use(emulator)
    shell.write(manifest_of("an oak [fail]", "an elm", "an ash"))
    first = await shell.run("run", "trees.yaml", "--yes", "--max-cost", "12", "--json")
    shell.write(manifest_of("an oak", "an elm", "an ash"))
    second = await shell.run("run", "trees.yaml", "--yes", "--max-cost", "12", "--json")
    third = await shell.run("run", "trees.yaml", "--yes", "--max-cost", "18", "--json")

    taken = [done.events[-1]["cost"]["taken"] for done in (first, second, third)]
    assert first.events[-1]["cost"]["refunded"] == 6
    assert taken == [12, 12, 18]
    assert (first.code, second.code, third.code) == (3, 4, 0)
    counters = emulator.counters()
    assert counters["charged_cu"] - counters["refunded_cu"] == 18


async def test_nothing_is_refunded_where_the_service_says_so(shell, start_emulator):
    emulator = await start_emulator(ceiling=1, disable_refund=True)
    shell.use(emulator)
    shell.write(manifest_of("an oak [fail]", "an elm", "an ash"))
    done = await shell.run("run", "trees.yaml", "--yes", "--max-cost", "12", "--json")

    assert done.code == 4
    assert done.events[-1]["cost"]["refunded"] == 0
    assert done.events[-1]["cost"]["taken"] == 12
    assert paid(emulator) == (2, 12)


async def test_charge_above_its_quote_stops_the_submitting(shell, start_emulator):
    emulator = await start_emulator(ceiling=1, charge_factor=2.0)
    shell.use(emulator)
    shell.write(TREES)
    done = await shell.run("run", "trees.yaml", "--yes", "--json")

    assert done.code == 4
    assert "charged 12 units, quoted 6" in done.of("halt")[0]["reason"]
    assert done.events[-1]["counts"] == {"saved": 1, "not_submitted": 3}
    assert paid(emulator) == (1, 12)


async def test_credit_that_ends_halfway_stops_with_everything_paid_saved(
    shell, start_emulator
):
    emulator = await start_emulator(credits_cu=13.0)
    shell.use(emulator)
    shell.write(TREES)
    planned = await shell.run("plan", "trees.yaml")
    done = await shell.run("run", "trees.yaml", "--yes", "--json")

    assert "the team has 13 units left: not enough for everything" in planned.out
    assert done.code == 4
    assert done.events[-1]["counts"] == {"saved": 2, "not_submitted": 2}
    assert done.events[-1]["cost"]["charged"] == 12
    assert len(sidecars_in(shell.output)) == 2
