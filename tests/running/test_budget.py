"""A run under a budget: never overstepped, whatever fails, is lost or is cut short.

What has been spent is read in the service's counters, not in ours.
"""

from decimal import Decimal

import pytest
from doubles.batch import NAMES
from doubles.kills import Cut
from doubles.lost import LOST, of
from doubles.outcome import Outcome

from pipeline.errors import ExitCode, RateLimited, Rejected
from pipeline.job import FailureClass, JobStatus
from pipeline.record import replace

FAILS = Outcome(ends="failure", error="no luck")


# --- within the limit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "made"), [("0", 0), ("2.999", 0), ("3", 1), ("14.9", 4), ("15", 5)]
)
async def test_as_many_are_made_as_the_limit_allows_however_many_slots_there_are(
    batch, limit, made
):
    batch.set(max_cost=Decimal(limit))

    result = await batch.run()

    assert batch.api.spent == 3 * made
    assert result.exit_code is ExitCode.BUDGET
    counted = {"saved": made, "not_submitted": 10 - made}
    assert result.counts == {name: count for name, count in counted.items() if count}
    assert result.cost.taken == 3 * made
    assert result.cost.left == Decimal(limit) - 3 * made
    assert f"the budget of {limit} units" in batch.halts()[0]
    assert len(batch.halts()) == 1


@pytest.mark.parametrize("limit", ["30", "30.0", "1000"])
async def test_a_limit_that_is_enough_stops_nothing(batch, limit):
    batch.set(max_cost=Decimal(limit))

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert batch.api.spent == 30
    assert batch.halts() == []


async def test_a_tenth_ten_times_is_one(batch):
    batch.api.price = Decimal("0.1")
    batch.set(max_cost=Decimal(1))

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert batch.api.spent == 1


async def test_the_next_run_without_a_limit_does_the_rest(batch):
    batch.set(max_cost=Decimal(14))
    await batch.run()
    batch.set(max_cost=None)

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"done": 4, "saved": 6}
    assert batch.api.spent == 30
    assert batch.api.paid_by_prompt() == dict.fromkeys(NAMES, 1)


async def test_what_earlier_runs_have_spent_counts(batch):
    batch.set(max_cost=Decimal(14))
    await batch.run()
    batch.set(max_cost=Decimal(20))

    result = await batch.run()

    assert batch.api.spent == 18
    assert result.counts == {"done": 4, "saved": 2, "not_submitted": 4}
    assert result.exit_code is ExitCode.BUDGET
    assert result.cost.charged == 6
    assert result.cost.taken == 18
    assert batch.estimate.taken == 12
    assert batch.estimate.limit == 20


async def test_what_does_not_fit_is_passed_over_and_what_is_cheaper_is_made(workshop):
    workshop.write(
        "items:\n  - {id: big, prompt: big, params: {numOutputs: 4}}\n"
        "  - {id: small, prompt: small}\n"
    )
    workshop.set(max_cost=Decimal(6))

    result = await workshop.run()

    assert result.counts == {"saved": 1, "not_submitted": 1}
    assert workshop.statuses() == {"small": "saved"}
    assert result.exit_code is ExitCode.BUDGET


async def test_nothing_is_submitted_and_nothing_booked_of_what_does_not_fit(batch):
    batch.set(max_cost=Decimal(0))

    await batch.run()

    assert batch.api.submits == []
    assert batch.statuses() == {}


async def test_dry_runs_are_asked_for_once_a_price(batch):
    await batch.run()

    assert len(batch.api.quotes) == 1
    assert batch.estimate.cost.units == 30


# --- what failed ----------------------------------------------------------------------------


async def fail_one(workshop, outcome, limit=6):
    """Oak fails, then elm is tried under a limit that allows one of them."""
    workshop.write_items("oak", "elm")
    workshop.api.readable_ceiling = 1
    workshop.api.script("oak", outcome)
    workshop.set(max_cost=Decimal(limit), max_jobs=1)
    return await workshop.run()


async def test_a_failed_job_that_is_refunded_gives_room_in_the_next_run(workshop):
    await fail_one(workshop, FAILS)

    result = await workshop.run(globs=("elm",))

    assert result.exit_code is ExitCode.OK
    assert workshop.job("oak").refunded == 6
    assert result.cost.taken == workshop.api.spent == 6


async def test_a_refund_is_told(workshop):
    result = await fail_one(workshop, FAILS, limit=100)

    assert result.cost.charged == 12
    assert result.cost.refunded == 6
    assert result.cost.taken == 6
    assert workshop.api.spent == 6


async def test_a_failed_job_that_is_not_refunded_gives_no_room(workshop):
    kept = Outcome(ends="failure", error="no luck", refunds=False)

    result = await fail_one(workshop, kept)
    again = await workshop.run()

    assert workshop.api.spent == 6
    assert result.cost.refunded == 0
    assert result.cost.taken == again.cost.taken == 6
    assert result.exit_code is again.exit_code is ExitCode.BUDGET
    assert len(workshop.api.submits) == 1


async def test_where_a_model_keeps_its_charges_a_failure_gives_no_room(workshop):
    models = workshop.models
    workshop.models = lambda model_id: _keeping(models(model_id))

    result = await fail_one(workshop, FAILS)
    again = await workshop.run()

    assert result.cost.taken == again.cost.taken == 6
    assert len(workshop.api.submits) == 1


def _keeping(schema):
    return replace(schema, refunds=False)


@pytest.mark.parametrize(
    ("error", "kept"), [("blocked by moderation", 6), ("no luck", 0)]
)
async def test_xai_keeps_the_charge_of_what_it_moderated(workshop, error, kept):
    workshop.api.model_ids |= {"model_xai-grok-imagine"}
    workshop.write(
        "items:\n  - {id: oak, prompt: oak, model: model_xai-grok-imagine}\n"
    )
    workshop.api.script("oak", Outcome(ends="failure", error=error))
    workshop.set(max_cost=Decimal(6))

    result = await workshop.run()

    assert result.cost.charged == 6
    assert result.cost.taken == kept


async def test_a_moderated_job_of_another_provider_is_refunded(workshop):
    outcome = Outcome(ends="failure", error="blocked by moderation")

    result = await fail_one(workshop, outcome, limit=100)

    assert result.cost.refunded == 6


@pytest.mark.parametrize(
    "outcome",
    [Outcome(ends="canceled"), Outcome(outputs=0), Outcome(ends="")],
    ids=["canceled", "no output", "never ends"],
)
async def test_what_is_not_surely_refunded_gives_no_room(workshop, outcome):
    workshop.set(job_timeout_s=60.0)
    result = await fail_one(workshop, outcome)

    again = await workshop.run()

    assert result.cost.taken == again.cost.taken == 6
    assert len(workshop.api.submits) == 1


async def test_what_was_refused_unpaid_takes_nothing(workshop):
    workshop.api.fail_next("submit", Rejected("odd", status=400), where=of("oak"))
    await fail_one(workshop, Outcome())

    result = await workshop.run()

    assert workshop.job("oak").failure.kind is FailureClass.REFUSED
    assert workshop.job("elm").status is JobStatus.SAVED
    assert result.cost.taken == workshop.api.spent == 6


async def test_what_was_refused_for_now_is_reserved_once(batch):
    limited = RateLimited("slow down", retry_after_s=1.0)
    batch.api.fail_next("submit", limited, times=7)
    batch.set(max_cost=Decimal(30))

    result = await batch.run()

    assert batch.api.spent <= 30
    assert result.cost.taken == batch.api.spent


# --- what is not known ----------------------------------------------------------------------


async def test_an_unknown_outcome_stays_reserved_across_runs(workshop):
    workshop.write_items("fir")
    await workshop.run()
    workshop.write_items("fir", "oak", "elm")
    workshop.api.fail_next("submit", LOST, where=of("oak"))
    workshop.set(max_cost=Decimal(12), max_jobs=1)

    workshop.api.break_down("list_jobs", spared=1)
    first = await workshop.run()
    workshop.api.break_down("list_jobs", spared=1)
    second = await workshop.run()

    assert workshop.job("oak").status is JobStatus.UNKNOWN
    for result in (first, second):
        assert result.exit_code in {ExitCode.BUDGET, ExitCode.UNKNOWN_OUTCOME}
        assert result.cost.reserved == 6
        assert result.cost.taken == 12
        assert result.cost.left == 0
    assert workshop.api.calls["submit"] == 2

    workshop.api.mend()
    third = await workshop.run()
    fourth = await workshop.run()

    assert third.cost.reserved == 0
    assert workshop.api.spent == 12
    assert {third.exit_code, fourth.exit_code} == {ExitCode.BUDGET}


@pytest.mark.parametrize("after", [False, True], ids=["nothing made", "made"])
async def test_lost_submits_never_make_a_run_overstep(batch, after):
    batch.api.fail_next("submit", LOST, after=after, times=4)
    batch.set(max_cost=Decimal(15))

    await batch.run()
    await batch.run()

    assert batch.api.spent == 15
    assert set(batch.api.paid_by_prompt().values()) == {1}


async def test_a_row_left_submitting_by_a_crash_is_reserved(workshop):
    workshop.write_items("oak", "elm")
    await workshop.run(globs=("oak",))
    workshop.rewrite(
        "oak", status="submitting", remote_id=None, charged=None, remote_assets="[]"
    )
    workshop.api.break_down("list_jobs", spared=1)
    workshop.set(max_cost=Decimal(11))

    result = await workshop.run()

    assert result.cost.taken == 6
    assert workshop.api.spent == 6


# --- a kill at any point --------------------------------------------------------------------

MIXED = """\
references: {style: style.png}
items:
  - {id: oak, prompt: oak}
  - {id: elm, prompt: elm, params: {numOutputs: 2}}
  - {id: fir, prompt: fir, params: {images: [ref:style]}}
  - {id: yew, prompt: yew}
  - {id: ash, prompt: ash}
"""
LIMIT = Decimal(26)


@pytest.mark.parametrize("number", range(1, 131, 2))
async def test_a_run_that_is_cut_again_and_again_never_oversteps(
    workshop, style, number
):
    workshop.api.readable_ceiling = 10
    workshop.api.duration_s = 2.0
    workshop.write_items("pine")  # a job that the list has to show
    await workshop.run()
    workshop.write(MIXED, files={"style.png": style})
    workshop.api.script("yew", FAILS, Outcome())
    workshop.api.fail_next("submit", LOST, after=True, where=of("oak"))
    workshop.set(max_cost=LIMIT)

    for cut_at in (number, number // 2 + 3, number // 3 + 5, number):
        cut = workshop.on_point = Cut(cut_at)
        await workshop.run(scope=cut.scope)
        assert workshop.api.spent <= LIMIT
        workshop.clock.jump(1.0)
    workshop.on_point = lambda _name: None
    result = await workshop.run()

    assert workshop.api.spent <= LIMIT
    assert result.cost.taken == workshop.api.spent
    assert result.exit_code is ExitCode.BUDGET

    workshop.set(max_cost=None)
    for _ in range(2):
        result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.spent == 7 * 6
