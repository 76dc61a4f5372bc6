"""Redo from a page: named, reserved and paid once, never above the ceiling."""

import asyncio
from decimal import Decimal

import pytest
from doubles.place import items
from knobs.world import KEY, SECRET

from pipeline.errors import ExitCode, PlanMoved
from pipeline.job import JobStatus
from pipeline.operations.run import run
from pipeline.operations.view.redoing import check_price, spent_of
from pipeline.operations.view.spending import QUOTE_LASTS_S, Quote, Quotes, Spending
from pipeline.output.folder import holding_ledger
from pipeline.pricing import Cost, Estimate
from pipeline.record import replace
from pipeline.report.review.refused import Refused
from pipeline.running.events import JobChanged
from pipeline.running.result import RunCost, RunResult
from pipeline.settings import Credentials


def write(place, *prompts):
    (place.folder / "knobs.yaml").write_text(items(*prompts), encoding="utf-8")


@pytest.fixture
async def made(place):
    """A place with three pictures."""
    write(place, "an oak", "an elm", "an ash")
    await place.type("run", "--yes")
    return place


def ended_with(*, charged, refunded=0, unknown=0):
    """The result of a run."""
    cost = RunCost(charged=Decimal(charged), refunded=Decimal(refunded))
    return RunResult(
        exit_code=ExitCode.OK,
        counts={"unknown": unknown} if unknown else {"saved": 1},
        submitted=1,
        stopped_by=None,
        cost=cost,
    )


async def price_of(page, item_id="a", take=1):
    status, answer = await page.post("price", {"item": item_id, "take": take})
    assert status == 200, answer
    return answer


async def order(page, price, item_id="a", take=1, **changes):
    body = {
        "item": item_id,
        "take": take,
        "quote": price["quote"],
        "units": price["units"],
        **changes,
    }
    return await page.post("redo", body)


async def done(events):
    """The end of the next run."""
    return await events.until("run", event="done")


async def test_a_take_is_made_again_for_the_price_that_was_named(made, open_page):
    before = made.paid
    async with open_page(made, spend=100) as page, page.events() as events:
        price = await price_of(page)
        assert price["units"] > 0
        assert price["left"] == 100

        status, answer = await order(page, price)
        assert status == 202
        assert answer["left"] == 100 - price["units"]
        ended = await done(events)

        assert (ended["exit_code"], ended["counts"]) == (0, {"saved": 1})
        assert ended["cost"]["charged"] == price["units"]
        item = await page.item("a")
        chosen = next(one for one in item["takes"] if one.get("is_chosen"))
        assert (chosen["number"], chosen["state"]) == (2, "saved")
        data = await page.data()
        assert data["server"]["spend_left"] == 100 - price["units"]
    assert made.paid == before + 1


async def test_the_run_and_the_new_take_are_told_as_they_come(made, open_page):
    async with open_page(made, spend=100) as page, page.events() as events:
        await order(page, await price_of(page))

        left = (await events.next("spend"))["left"]
        assert (await events.until("run", event="launch"))["to_submit"] == 1
        assert left < 100
        job = await events.until("run", event="job", status="saved")
        assert job["item_id"] == "a@2"


async def test_a_replayed_order_is_paid_once(made, open_page):
    before = made.paid
    async with open_page(made, spend=100) as page, page.events() as events:
        price = await price_of(page)

        answers = await asyncio.gather(*(order(page, price) for _ in range(5)))
        await done(events)
        late = await order(page, price)

        assert {status for status, _ in (*answers, late)} == {202}
        assert late[1]["left"] == 100 - price["units"]
    assert made.paid == before + 1


async def test_two_prices_of_one_take_make_one_take(made, open_page):
    before = made.paid
    async with open_page(made, spend=100) as page, page.events() as events:
        prices = [await price_of(page), await price_of(page)]

        answers = [await order(page, price) for price in prices]
        await done(events)

        assert [status for status, _ in answers] == [202, 409]
        assert "being made again" in answers[1][1]["message"]
    assert made.paid == before + 1


async def test_the_ceiling_holds_for_orders_at_the_same_time(made, open_page):
    before = made.paid
    async with open_page(made, spend=100, watch=False) as page:
        units = (await price_of(page))["units"]
    async with open_page(made, spend=2 * units + 0.5) as page, page.events() as events:
        prices = {name: await price_of(page, name) for name in "abc"}

        answers = await asyncio.gather(
            *(order(page, price, name) for name, price in prices.items())
        )
        statuses = sorted(status for status, _ in answers)
        assert statuses == [202, 202, 402]
        refused = next(answer for status, answer in answers if status == 402)
        assert "--spend" in refused["hint"]
        saved = 0
        while saved < 2:  # by one run or by two
            saved += (await done(events))["counts"]["saved"]
        assert (await page.data())["server"]["spend_left"] == 0.5
    assert made.paid == before + 2


async def test_what_is_ordered_during_a_run_is_made_by_the_next(made, open_page):
    before = made.paid
    async with open_page(made, spend=100) as page, page.events() as events:
        prices = {name: await price_of(page, name) for name in "ab"}
        await order(page, prices["a"], "a")
        await events.until("run", event="launch")

        assert (await order(page, prices["b"], "b"))[0] == 202
        await done(events)
        await done(events)

        assert (await page.item("b"))["takes"][1]["state"] == "saved"
    assert made.paid == before + 2


@pytest.mark.parametrize(
    "change", [{"units": 0.5}, {"quote": "other"}, {"take": 2}, {"item": "b"}]
)
async def test_an_order_for_something_else_than_was_priced_is_refused(
    made, open_page, change
):
    before = made.submits
    async with open_page(made, spend=100) as page:
        price = await price_of(page)

        status, answer = await order(page, price, **change)

        assert status == 409
        assert answer["hint"] == "ask for the price again"
        assert (await page.data())["server"]["spend_left"] == 100
    assert made.submits == before


async def test_a_take_that_is_not_made_has_no_price(place, open_page):
    write(place, "an oak", "an elm")
    await place.type("run", "--yes", "--select", "a")
    async with open_page(place, spend=100) as page:
        status, answer = await page.post("price", {"item": "b", "take": 1})

        assert (status, "not there to be judged" in answer["message"]) == (409, True)
        assert (await page.post("price", {"item": "x", "take": 1}))[0] == 404


async def test_a_run_elsewhere_lets_nothing_be_spent(made, open_page):
    before = made.submits
    async with open_page(made, spend=100) as page, page.events() as events:
        price = await price_of(page)
        with holding_ledger(made.output):
            await order(page, price)
            warning = await events.until("run", event="warning")
            ended = await done(events)

        assert "another run is in progress" in warning["message"]
        assert ended["exit_code"] == ExitCode.LEDGER_BUSY
        assert (await page.data())["server"]["spend_left"] == 100
    assert made.submits == before


async def test_a_take_that_was_edited_meanwhile_is_not_paid_for(made, open_page):
    before = made.submits
    async with (
        open_page(made, spend=100, watch=False) as page,
        page.events() as events,
    ):
        price = await price_of(page)
        write(made, "a birch", "an elm", "an ash")
        await order(page, price)
        warning = await events.until("run", event="warning", item_id="a")

        assert "not there to be judged" in warning["message"]
        assert (await done(events))["exit_code"] == ExitCode.USAGE
        assert (await page.data())["server"]["spend_left"] == 100
    assert made.submits == before


@pytest.mark.parametrize(
    "cost", [None, Cost(units=Decimal(6)), Cost(units=Decimal(4), unpriced=1)]
)
def test_a_price_that_has_risen_lets_nothing_be_spent(cost):
    estimate = Estimate(plan=None, cost=cost)  # type: ignore[arg-type]

    with pytest.raises(PlanMoved, match="nothing is submitted"):
        check_price(estimate, Decimal(5))
    check_price(replace(estimate, cost=Cost(units=Decimal(5))), Decimal(5))


@pytest.mark.parametrize(
    ("result", "has_begun", "spent"),
    [
        (None, False, 0),
        (None, True, 5),  # it ended with an error: nobody can say what was paid
        (ended_with(charged=5), True, 5),
        (ended_with(charged=5, refunded=5), True, 0),
        (ended_with(charged=7), True, 7),
        (ended_with(charged=0, unknown=1), True, 5),  # it may have been paid for
    ],
)
def test_what_may_have_been_paid_for_stays_taken(result, has_begun, spent):
    refunded = Decimal(0) if result is None else result.cost.refunded
    found = spent_of(result, Decimal(5), refunded=refunded, has_begun=has_begun)
    assert found == spent


async def test_a_refund_for_an_earlier_run_does_not_raise_the_ceiling(made, open_page):
    """A run collects what an earlier one left in flight, whatever becomes of it."""
    write(made, "an oak", "an elm", "an ash", "[fail] a fir")

    def stop(event):
        if isinstance(event, JobChanged) and event.status is JobStatus.SUBMITTED:
            raise KeyError(event.item_id)

    with pytest.raises(KeyError, match="d"):
        await run(
            made.folder / "knobs.yaml",
            output=made.output,
            credentials=Credentials(
                key=KEY, secret=SECRET, base_url=made.emulator.base_url
            ),
            settings=made.settings,
            clock=made.clock,
            on_event=stop,
        )
    assert made.job("d").status is JobStatus.SUBMITTED
    async with open_page(made, spend=100) as page, page.events() as events:
        price = await price_of(page)
        await order(page, price)
        await done(events)
        data = await page.data()

    assert made.job("d").refunded
    assert data["server"]["spend_left"] == 100 - price["units"]


async def test_a_stop_ends_orders_and_collects_what_is_paid(made, open_page):
    before = made.paid
    async with open_page(made, spend=100) as page, page.events() as events:
        redos = page.desk.redos
        assert redos is not None
        prices = {name: await price_of(page, name) for name in "ab"}
        await order(page, prices["a"], "a")
        await events.until("run", event="job", status="submitted")
        await order(page, prices["b"], "b")

        assert redos.stop() > 0
        status, answer = await page.post("price", {"item": "c", "take": 1})
        assert (status, "about to stop" in answer["message"]) == (503, True)
        ended = await done(events)

        assert redos.exit_code == ended["exit_code"]
        assert redos.exit_code in {ExitCode.INTERRUPTED, ExitCode.OK}
        assert redos.spending.left == 100 - Decimal(str(prices["a"]["units"]))
        await page.desk.refresh()
        assert (await page.item("a"))["takes"][1]["state"] == "saved"
    assert made.paid == before + 1


async def test_a_stop_before_anything_is_sent_lets_nothing_be_spent(made, open_page):
    before = made.submits
    async with open_page(made, spend=100) as page:
        redos = page.desk.redos
        assert redos is not None
        price = await price_of(page)
        item = page.desk._items["a"]
        redos.accept(item, 1, quote=price["quote"], units=price["units"])

        assert redos.stop() == 0

        assert redos.spending.left < 100
    assert (redos.exit_code, redos.spending.left) == (ExitCode.INTERRUPTED, 100)
    assert made.submits == before


def test_a_ceiling_is_never_exceeded():
    told = []
    spending = Spending(Decimal(10), lambda: told.append(spending.left))

    spending.reserve(Decimal(6))
    with pytest.raises(Refused, match="4 of the 10") as refused:
        spending.reserve(Decimal(5))
    assert refused.value.status == 402
    spending.settle(Decimal(6), Decimal(2))
    spending.reserve(Decimal(8))

    assert told == [4, 8, 0]


def test_a_service_that_charges_more_leaves_less():
    spending = Spending(Decimal(10))
    spending.reserve(Decimal(6))
    spending.settle(Decimal(6), Decimal(11))

    assert spending.left == 0


def test_a_price_is_good_for_a_while():
    quotes = Quotes()
    quote = Quote(item="a", take=1, units=Decimal(5), until_s=QUOTE_LASTS_S)
    name = quotes.add(quote)

    assert quotes.find(name, item="a", take=1, units=5, now_s=1) is quote
    with pytest.raises(Refused, match="out of date"):
        quotes.find(name, item="a", take=1, units=5, now_s=QUOTE_LASTS_S + 1)
    quote.is_used = True  # a replay is answered as before
    assert quotes.find(name, item="a", take=1, units=5, now_s=QUOTE_LASTS_S + 1)
