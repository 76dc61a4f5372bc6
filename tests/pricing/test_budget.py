"""Budget: never more than the limit, whatever is held, charged and given back."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.job import Failure, FailureClass, Job, JobKey, JobStatus
from pipeline.pricing import Budget
from pipeline.pricing.budget import OverBudget, Overcharge
from pipeline.record import replace

S = JobStatus


def job(row_id=1, status=S.SUBMITTED, quoted="6", charged=None, **named):
    kind = named.pop("kind", None)
    return Job(
        row_id=row_id,
        item_id=f"item-{row_id}",
        attempt=1,
        job_key=JobKey("key"),
        request_key=JobKey("request"),
        model_id="model_x",
        status=status,
        remote_id=named.pop("remote_id", f"job_{row_id}"),
        quoted=None if quoted is None else Decimal(quoted),
        charged=None if charged is None else Decimal(charged),
        failure=Failure(kind=kind, reason="why") if kind else None,
        **named,
    )


def budget(limit, *jobs):
    limit = None if limit is None else Decimal(limit)
    return Budget(limit, [(one.row_id, one.status, one.committed) for one in jobs])


# --- prices that were not kept in earlier runs -----------------------------------------


def test_after_a_charge_above_its_quote_others_are_expected_to_come_to_as_much():
    known = Overcharge([(Decimal(3), Decimal(6)), (Decimal(10), Decimal(14))])
    in_flight = job(1, quoted="3")
    saved = job(2, S.SAVED, quoted="3", charged="6")
    rows = [(one.row_id, one.status, one.committed) for one in (in_flight, saved)]

    counted = Budget(Decimal(20), rows, known)

    assert known.expect(Decimal(3)) == 7  # 4 more, as of the second; twice is 6
    assert known.expect(Decimal(30)) == 60
    assert counted.taken == 7 + 6
    assert counted.allows(Decimal(3))
    assert not counted.allows(Decimal(4))  # it may come to 8
    with counted.holding(Decimal(3)):
        assert counted.taken == 20


def test_without_such_a_charge_a_quote_is_a_quote():
    assert Overcharge().expect(Decimal("7.25")) == Decimal("7.25")


# --- what a job counts for ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("counted", "units"),
    [
        (job(status=S.PLANNED, remote_id=None), 0),
        (job(status=S.SUBMITTING, remote_id=None), 6),
        (job(status=S.UNKNOWN, remote_id=None), 6),
        (job(status=S.SUBMITTED), 6),
        (job(status=S.SUBMITTED, charged="5"), 6),
        (job(status=S.SUBMITTED, charged="0"), 6),
        (job(status=S.SUBMITTED, charged="7"), 7),
        (job(status=S.SUCCEEDED, charged="5"), 5),
        (job(status=S.SAVED, charged="7.25"), Decimal("7.25")),
        (job(status=S.SAVED, quoted=None), 0),
        (job(status=S.FAILED, charged="6", kind=FailureClass.GENERATION), 6),
        (
            job(
                status=S.FAILED,
                charged="6",
                refunded=Decimal(6),
                kind=FailureClass.GENERATION,
            ),
            0,
        ),
        (job(status=S.FAILED, kind=FailureClass.REFUSED, remote_id=None), 0),
        (job(status=S.FAILED, kind=FailureClass.GIVEN_UP, remote_id=None), 6),
        (job(status=S.FAILED, kind=FailureClass.TIMED_OUT), 6),
        (job(status=S.FAILED, kind=FailureClass.LOST), 6),
    ],
    ids=lambda value: (
        f"{value.status}-{value.failure.kind if value.failure else value.charged}"
        if isinstance(value, Job)
        else str(value)
    ),
)
def test_a_job_counts_for_what_it_has_taken_or_may_have(counted, units):
    assert counted.committed == units
    assert budget(100, counted).taken == units


# --- holding ------------------------------------------------------------------------------


def test_the_last_unit_may_be_spent_and_not_one_more():
    spent = budget(12, job(1, charged="6"))

    with spent.holding(Decimal(6)):
        assert spent.left == 0
        assert not spent.allows(Decimal("0.000001"))

    assert spent.left == 6


def test_what_does_not_fit_is_not_held():
    spent = budget("11.99", job(1, charged="6"))

    with pytest.raises(OverBudget), spent.holding(Decimal(6)):
        raise AssertionError("the block was entered")

    assert spent.taken == 6


def test_several_hold_together_and_each_counts():
    spent = budget(12)

    with spent.holding(Decimal(6)), spent.holding(Decimal(6)):
        assert spent.taken == 12
        with pytest.raises(OverBudget), spent.holding(Decimal(1)):
            pass

    assert spent.taken == 0


def test_what_is_held_is_free_again_when_the_block_fails():
    spent = budget(6)

    with pytest.raises(ZeroDivisionError), spent.holding(Decimal(6)):
        _ = 1 / 0

    assert spent.left == 6


def test_what_is_noted_within_the_block_stays_when_it_ends():
    spent = budget(12)

    with spent.holding(Decimal(6)):
        spent.note(job(1, S.SUBMITTING, remote_id=None))

    assert spent.taken == 6
    assert spent.left == 6


def test_without_a_limit_everything_fits_and_is_counted():
    spent = budget(None, job(1, charged="6"))

    with spent.holding(Decimal(10**9)):
        assert spent.left is None
    assert spent.allows(Decimal(10**12))
    assert spent.taken == 6


def test_a_budget_that_was_lowered_below_what_is_taken_has_nothing_left():
    spent = budget(5, job(1, charged="6"))

    assert spent.left == 0
    assert not spent.allows(Decimal(1))
    assert not spent.allows(Decimal(0))


def test_the_reason_names_limit_price_and_what_is_taken():
    reason = budget(31, job(1, charged="30")).reached(Decimal(3))

    assert "the budget of 31 units does not allow another 3" in reason.message
    assert "30 are charged or reserved" in reason.message
    assert reason.exit_code == 4


# --- noting -------------------------------------------------------------------------------


def test_a_job_is_corrected_from_its_quote_to_its_charge():
    spent = budget(100)
    spent.note(job(1, S.SUBMITTING, remote_id=None))

    spent.note(job(1, S.SUBMITTED, charged="5.5"))
    while_it_runs = spent.taken
    spent.note(job(1, S.SUCCEEDED, charged="5.5"))

    assert while_it_runs == 6
    assert spent.taken == Decimal("5.5")


def test_what_was_refused_unpaid_counts_no_more():
    spent = budget(100)
    spent.note(job(1, S.SUBMITTING, remote_id=None))

    spent.note(job(1, S.PLANNED, remote_id=None))

    assert spent.taken == 0


def test_a_refund_gives_room():
    spent = budget(6, job(1, charged="6"))

    spent.note(
        job(1, S.FAILED, charged="6", refunded=Decimal(6), kind=FailureClass.GENERATION)
    )

    assert spent.allows(Decimal(6))


def test_a_saved_job_of_an_earlier_run_that_is_fetched_again_counts_once():
    saved = job(1, S.SAVED, charged="6")
    spent = budget(100, saved, job(2, S.SAVED, charged="3"))

    for status in (S.SUCCEEDED, S.FAILED, S.SUCCEEDED, S.SAVED, S.SUCCEEDED, S.SAVED):
        spent.note(replace(saved, status=status))

    assert spent.taken == 9


def test_a_row_of_this_run_counts_whatever_rows_were_noted_before_it():
    spent = budget(100, job(5, S.SAVED, charged="1"))
    for row_id in (9, 6, 8):
        spent.note(job(row_id, S.SUBMITTING, remote_id=None))

    spent.note(job(7, S.SUBMITTING, remote_id=None))

    assert spent.taken == 1 + 4 * 6


units = st.decimals(min_value=0, max_value=50, places=2)
kinds = st.sampled_from([*FailureClass])


@st.composite
def lives(draw, row_id):
    """A row as it may be written now."""
    status = draw(st.sampled_from([*JobStatus]))
    charged = draw(st.none() | units)
    is_submitted = status in {S.SUBMITTED, S.SUCCEEDED, S.SAVED} or (
        status is S.FAILED and draw(st.booleans())
    )
    failed = status is S.FAILED
    return job(
        row_id,
        status,
        quoted=draw(units),
        charged=charged if is_submitted else None,
        remote_id=f"job_{row_id}" if is_submitted else None,
        kind=draw(kinds) if failed else None,
        refunded=charged if failed and is_submitted and draw(st.booleans()) else None,
    )


@given(data=st.data(), limit=units)
def test_a_budget_agrees_with_a_plain_sum(data, limit):
    """The plain model: every row as it is now, and what is held."""
    rows = {row_id: data.draw(lives(row_id)) for row_id in range(1, 5)}
    spent = budget(limit, *rows.values())
    was_saved_now = set()

    for _ in range(data.draw(st.integers(0, 15))):
        row_id = data.draw(st.integers(1, 9))
        if row_id in was_saved_now:
            continue  # no run touches again what it has saved
        row = data.draw(lives(row_id))
        if row_id <= 4 and rows[row_id].status is S.SAVED:
            # Fetched again: what was charged stays as it was.
            kept = rows[row_id]
            row = replace(
                kept, status=data.draw(st.sampled_from([S.SUCCEEDED, S.SAVED]))
            )
        if row_id > 4 and row.status is S.SAVED:
            was_saved_now.add(row_id)
        price = data.draw(units)
        total = sum((one.committed for one in rows.values()), Decimal(0))
        fits = total + price <= limit
        assert spent.allows(price) is fits
        try:
            with spent.holding(price):
                assert spent.taken == total + price
        except OverBudget:
            assert not fits
        else:
            assert fits
        spent.note(row)
        rows[row_id] = row
        total = sum((one.committed for one in rows.values()), Decimal(0))
        assert spent.taken == total
        assert spent.left == max(Decimal(0), limit - total)
