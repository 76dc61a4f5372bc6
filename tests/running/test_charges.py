"""Charges that differ from their prices: seen early, and never overstepped.

What has been spent is read in the service's counters, not in ours.
"""

from decimal import Decimal

import pytest
from doubles.batch import NAMES
from doubles.kills import Cut
from doubles.lost import of
from doubles.outcome import Outcome

from pipeline.api.interface import NoPrice
from pipeline.errors import BudgetReached, ExitCode
from pipeline.job import JobStatus

# --- prices that are not kept ---------------------------------------------------------------


async def test_a_charge_above_its_quote_stops_the_submitting_and_not_the_collecting(
    batch,
):
    batch.set(max_jobs=2)
    batch.api.script("tree-0", Outcome(charged=Decimal("3.5")))

    result = await batch.run()

    assert result.exit_code is ExitCode.BUDGET
    assert 1 <= result.counts["saved"] <= 3
    assert result.counts["saved"] + result.counts["not_submitted"] == 10
    assert batch.job("tree-0").status is JobStatus.SAVED
    assert batch.halts() == ["tree-0: charged 3.5 units, quoted 3"]
    assert result.cost.charged == batch.api.spent


async def test_a_charge_that_is_told_only_at_the_end_stops_too(batch):
    batch.api.sparse = True
    batch.set(max_jobs=1)
    batch.api.script("tree-0", Outcome(charged=Decimal("3.5")))

    result = await batch.run()

    assert result.exit_code is ExitCode.BUDGET
    assert result.counts["not_submitted"] >= 8
    assert batch.halts() == ["tree-0: charged 3.5 units, quoted 3"]


async def test_a_charge_below_its_quote_gives_room(batch):
    for name in NAMES:
        batch.api.script(name, Outcome(charged=Decimal(1)))
    batch.set(max_cost=Decimal(12), max_jobs=1)

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert batch.api.spent == 10


async def test_a_402_on_a_submit_stops_the_submitting_and_keeps_collecting(batch):
    batch.api.fail_next("submit", BudgetReached("no credit"), where=of("tree-5"))
    batch.set(max_jobs=1)

    result = await batch.run()

    assert result.exit_code is ExitCode.BUDGET
    saved = result.counts["saved"]
    assert saved >= 1
    assert result.counts == {"saved": saved, "not_submitted": 10 - saved}
    assert batch.halts() == ["no credit"]
    assert result.cost.taken == batch.api.spent == 3 * saved
    assert batch.job("tree-5").status is JobStatus.PLANNED


async def test_a_402_on_a_dry_run_collects_what_is_in_flight(workshop):
    workshop.write_items("oak")
    cut = workshop.on_point = Cut(40)
    await workshop.run(scope=cut.scope)
    workshop.on_point = lambda _name: None
    assert len(workshop.api.jobs) == 1
    workshop.write(
        "items:\n  - {id: oak, prompt: oak}\n"
        "  - {id: elm, prompt: elm, params: {numOutputs: 2}}\n"
    )
    workshop.api.break_down("quote", error=BudgetReached("no credit"))

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert result.counts["not_submitted"] == 1
    assert workshop.job("oak").status is JobStatus.SAVED
    assert len(workshop.api.submits) == 1


# --- what the service says of a charge, and when ---------------------------------------------


@pytest.mark.parametrize("answered", ["0", "1"])
async def test_a_low_answer_to_a_submit_gives_nothing_free_before_the_end(
    batch, answered
):
    for name in NAMES:
        batch.api.script(name, Outcome(answered=Decimal(answered)))
    batch.set(max_cost=Decimal(14))

    result = await batch.run()

    assert batch.api.spent == 12
    assert result.exit_code is ExitCode.BUDGET


async def test_a_record_that_shows_the_price_before_the_discount_is_no_overcharge(
    batch,
):
    for name in NAMES:
        batch.api.script(name, Outcome(discount=Decimal(3)))

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert result.cost.charged == batch.api.spent == 30


async def test_prices_that_are_not_kept_are_seen_after_one_job_under_a_budget(batch):
    for name in NAMES:
        batch.api.script(name, Outcome(charged=Decimal(4)))
    batch.set(max_cost=Decimal(100))

    result = await batch.run()

    assert len(batch.api.own_jobs) == 1
    assert result.exit_code is ExitCode.BUDGET


async def test_what_is_quoted_as_free_is_not_submitted(batch):
    batch.api.price = Decimal(0)

    result = await batch.run()

    assert batch.api.submits == []
    assert result.counts == {"failed": len(NAMES)}
    assert batch.job(NAMES[0]).failure.reason == "the service quotes 0 units"
    assert "--allow-unpriced" in batch.job(NAMES[0]).failure.hint


async def test_what_is_quoted_as_free_is_tried_with_one_job(batch):
    batch.api.price = Decimal(0)
    batch.set(allow_unpriced=True)
    for name in NAMES:
        batch.api.script(name, Outcome(charged=Decimal(3)))

    result = await batch.run()

    assert len(batch.api.own_jobs) == 1
    assert result.exit_code is ExitCode.BUDGET


async def test_what_has_no_price_fails_unpaid_and_is_tried_with_one_job_if_asked(batch):
    batch.api.fail_next("quote", NoPrice("no price", status=269), times=99)
    for name in NAMES:
        batch.api.script(name, Outcome(charged=Decimal(3)))

    refused = await batch.run()
    batch.set(allow_unpriced=True)
    result = await batch.run()

    assert refused.counts == {"failed": len(NAMES)}
    assert "--allow-unpriced" in batch.job(NAMES[-1]).failure.hint
    assert len(batch.api.own_jobs) == 1
    assert result.exit_code is ExitCode.BUDGET
