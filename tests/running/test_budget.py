"""A run under a budget: never overstepped, whatever fails, is lost or is cut short.

What has been spent is read in the service's counters, not in ours.
"""

from decimal import Decimal

import anyio
import pytest
from doubles.outcome import Outcome

from pipeline.api.interface import UnexpectedJob
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
from pipeline.job import FailureClass, JobStatus, RemoteId
from pipeline.record import replace

NAMES = [f"tree-{number}" for number in range(10)]
LOST = OutcomeUnknown("no answer in time")
FAILS = Outcome(ends="failure", error="no luck")


def of(prompt):
    """Matches the requests of one prompt."""
    return lambda _model, inputs: inputs.get("prompt") == prompt


@pytest.fixture
def batch(workshop):
    """Ten items of 3 units each, and room for all of them at once."""
    workshop.write_items(*NAMES)
    workshop.api.price = Decimal(3)
    workshop.api.readable_ceiling = 50
    return workshop


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
async def test_xai_keeps_the_charge_of_what_it_moderated(
    workshop, monkeypatch, error, kept
):
    monkeypatch.setattr("doubles.api.MODEL_PRO", "model_xai-grok-imagine")
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


class Cut:
    """Cancels at the k-th point that is passed."""

    def __init__(self, number):
        self.left = number
        self.scope = anyio.CancelScope()

    def __call__(self, _name):
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


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


# --- dry runs -------------------------------------------------------------------------------


def started_job(workshop, prompt="oak"):
    """The service takes the next dry run for a submit."""

    def unexpected(_model, inputs):
        if inputs.get("prompt") != prompt:
            return False
        job = workshop.api.add_job(inputs)
        error.remote_id, error.units = job.remote_id, workshop.api.charge_of(job)
        return True

    error = UnexpectedJob("a dry run was answered with HTTP 200", remote_id=None)
    workshop.api.fail_next("quote", error, where=unexpected)


async def test_a_job_that_a_dry_run_started_is_booked_and_collected_without_paying(
    workshop,
):
    workshop.write_items("oak", "elm")
    started_job(workshop)

    with pytest.raises(UnexpectedJob) as caught:
        await workshop.run()

    assert caught.value.exit_code is ExitCode.BUDGET
    assert workshop.api.submits == []
    assert workshop.job("oak").status is JobStatus.SUBMITTED
    assert workshop.job("oak").remote_id == "job_1"
    assert workshop.job("oak").committed == 6
    assert workshop.job("oak").seed == workshop.job("oak").request["seed"]

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}
    assert workshop.files() >= {"oak.png", "elm.png"}


async def test_a_job_that_a_dry_run_started_counts_in_the_budget(workshop):
    workshop.write_items("oak", "elm", "fir")
    started_job(workshop)
    with pytest.raises(UnexpectedJob):
        await workshop.run()
    workshop.set(max_cost=Decimal(12))

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert workshop.api.spent == 12


async def test_a_job_of_another_item_that_an_unexpected_one_names_is_not_taken(
    workshop,
):
    workshop.write_items("elm")
    await workshop.run()
    workshop.write_items("elm", "oak")
    unexpected = UnexpectedJob(
        "answered with HTTP 200", remote_id=RemoteId("job_1"), units=Decimal(6)
    )
    workshop.api.fail_next("quote", unexpected)

    with pytest.raises(UnexpectedJob):
        await workshop.run()

    assert workshop.job("elm").remote_id == "job_1"
    assert workshop.job("elm").status is JobStatus.SAVED
    assert (await workshop.run()).exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_an_unexpected_job_in_mid_run_records_its_job_and_collects_the_others(
    workshop,
):
    workshop.write("items:\n  - {id: elm, prompt: elm}\n")
    cut = workshop.on_point = Cut(40)
    await workshop.run(scope=cut.scope)
    workshop.on_point = lambda _name: None
    workshop.write(
        "items:\n  - {id: elm, prompt: elm}\n"
        "  - {id: oak, prompt: oak, params: {numOutputs: 2}}\n"
    )
    # Without a price at first, so that it is asked for again in the run itself.
    busy = AccessDenied("not now", status=403)
    workshop.api.fail_next("quote", busy)
    started_job(workshop)

    result = await workshop.run()

    assert result.exit_code is ExitCode.BUDGET
    assert workshop.job("elm").status is JobStatus.SAVED
    assert workshop.job("oak").status is JobStatus.SUBMITTED
    assert workshop.job("oak").committed == 12

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.api.paid_by_prompt() == {"oak": 1, "elm": 1}


async def test_a_refused_dry_run_fails_its_item_alone_and_unpaid(workshop):
    workshop.write_items("oak", "elm", "fir")
    odd = Rejected("this prompt is odd", status=400)
    workshop.api.break_down("quote", error=odd)

    result = await workshop.run()

    assert result.counts == {"failed": 3}
    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert workshop.api.submits == []
    assert workshop.job("oak").failure.kind is FailureClass.REFUSED
    assert workshop.job("oak").failure.reason == "this prompt is odd"


async def test_of_one_price_the_refused_item_does_not_keep_the_others(workshop):
    """With a flag on the prompt each item has a price of its own."""
    models = workshop.models

    def by_prompt(model_id):
        schema = models(model_id)
        prompt = replace(schema.inputs["prompt"], cost_impact=True)
        return replace(schema, inputs={**schema.inputs, "prompt": prompt})

    workshop.models = by_prompt
    workshop.write_items("oak", "elm", "fir")
    odd = Rejected("this prompt is odd", status=400)
    workshop.api.fail_next("quote", odd, where=of("elm"), times=2)

    result = await workshop.run()

    assert result.counts == {"saved": 2, "failed": 1}
    assert workshop.api.paid_by_prompt() == {"oak": 1, "fir": 1}
    assert workshop.job("elm").committed == 0
    assert "'elm': this prompt is odd" in workshop.warnings()[0]


async def test_where_no_dry_run_is_answered_nothing_is_submitted(workshop):
    workshop.write_items("oak")
    workshop.api.break_down("quote", error=Unavailable("bad gateway", status=502))

    with pytest.raises(ServiceUnreachable):
        await workshop.run()

    assert workshop.api.submits == []


# --- --strict and --frozen ------------------------------------------------------------------


async def test_a_dropped_input_is_a_warning_and_in_the_result(workshop):
    workshop.write_items("oak")
    workshop.api.echo_omits = ("size",)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    said = "the service dropped size; the job was charged anyway"
    assert result.changed_inputs == {"oak": said}
    assert said in workshop.warnings()


async def test_with_strict_a_dropped_input_stops_the_submitting(batch):
    batch.api.echo_omits = ("size",)
    batch.set(strict=True, max_jobs=1)

    result = await batch.run()

    assert result.exit_code is ExitCode.ITEMS_FAILED
    assert batch.job("tree-0").status is JobStatus.SAVED
    assert result.counts["not_submitted"] >= 8
    assert result.counts["saved"] <= 2
    assert "tree-0: the service dropped size" in batch.halts()[0]


async def test_with_strict_a_finished_item_with_a_dropped_input_is_still_an_error(
    batch,
):
    batch.api.echo_omits = ("size",)
    await batch.run()
    batch.set(strict=True)

    result = await batch.run()

    assert result.counts == {"done": 10}
    assert result.exit_code is ExitCode.ITEMS_FAILED


async def test_with_strict_and_nothing_dropped_all_is_well(batch):
    batch.set(strict=True)

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert result.changed_inputs == {}


async def test_frozen_never_submits(batch):
    batch.set(frozen=True)

    result = await batch.run()

    assert batch.api.submits == []
    assert result.exit_code is ExitCode.PLAN_MOVED
    assert result.counts == {"not_submitted": 10}


async def test_frozen_collects_and_settles_what_is_paid_for(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", LOST, after=True, where=of("oak"))
    workshop.api.break_down("list_jobs", "find_job", spared=1)
    cut = workshop.on_point = Cut(60)
    await workshop.run(scope=cut.scope)
    workshop.on_point = lambda _name: None
    workshop.api.mend()
    assert len(workshop.api.jobs) == 2
    workshop.set(frozen=True)

    result = await workshop.run()

    assert result.exit_code is ExitCode.OK
    assert workshop.statuses() == {"oak": "saved", "elm": "saved"}
    assert len(workshop.api.jobs) == 2


async def test_frozen_does_not_submit_again_what_is_settled_as_absent(workshop):
    workshop.write_items("oak", "elm")
    workshop.api.fail_next("submit", LOST, where=of("oak"))
    workshop.api.break_down("list_jobs", spared=1)
    await workshop.run()
    workshop.api.mend()
    submits = len(workshop.api.submits)
    workshop.clock.jump(1000)
    workshop.set(frozen=True)

    result = await workshop.run()

    assert workshop.job("oak").status is JobStatus.PLANNED
    assert len(workshop.api.submits) == submits
    assert result.exit_code is ExitCode.PLAN_MOVED
    assert result.counts["not_submitted"] == 1


async def test_frozen_with_everything_there_is_well(batch):
    await batch.run()
    batch.set(frozen=True)

    result = await batch.run()

    assert result.exit_code is ExitCode.OK
    assert result.counts == {"done": 10}


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


async def test_what_is_quoted_as_free_is_tried_with_one_job(batch):
    batch.api.price = Decimal(0)
    for name in NAMES:
        batch.api.script(name, Outcome(charged=Decimal(3)))

    result = await batch.run()

    assert len(batch.api.own_jobs) == 1
    assert result.exit_code is ExitCode.BUDGET


async def test_an_unexpected_job_without_an_id_is_looked_for_before_its_item_is_paid(
    workshop,
):
    workshop.write_items("oak")
    unexpected = UnexpectedJob("a dry run was answered with HTTP 202", remote_id=None)
    workshop.api.fail_next("quote", unexpected)
    with pytest.raises(UnexpectedJob):
        await workshop.run()
    status = workshop.job("oak").status
    workshop.api.add_job(
        {"prompt": "oak", "size": "1K", "seed": workshop.job("oak").seed}
    )

    result = await workshop.run()

    assert status is JobStatus.UNKNOWN
    assert result.counts == {"saved": 1}
    assert len(workshop.api.own_jobs) == 1
