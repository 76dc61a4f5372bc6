"""Paid questions: agreed to once, never above the budget, no submit sent twice."""

import pytest

SHORT = {"job_seconds": (1.0, 1.0)}


async def test_price_is_shown_once_before_anything_is_sent(place_of):
    async with place_of(ceiling=2, **SHORT) as place:
        found = await place.ask(spend=100, agrees=False)

        (steps,) = place.asked
        assert [step.total for step in steps] == [6, 18, 24]
        assert place.emulator.counters()["submits_received"] == 0
        assert found.spent == 0


async def test_small_model_is_asked_first_where_there_is_one(place_of):
    async with place_of(ceiling=2, restricted_models=(), **SHORT) as place:
        found = await place.ask(spend=100)

        (steps,) = place.asked
        assert [step.total for step in steps] == [1, 3, 6, 24]
        assert found.spent == place.emulator.counters()["charged_cu"]


PICTURE = "one picture"
ABOVE = "3 at once, one more than the ceiling"
A_SET = "a set of four"


@pytest.mark.parametrize(
    ("spend", "names", "units"),
    [
        (5, [], 0),
        (6, [PICTURE], 6),
        (24, [PICTURE, ABOVE], 24),
        (30, [PICTURE, ABOVE], 24),
        (48, [PICTURE, ABOVE, A_SET], 48),
    ],
)
async def test_budget_takes_what_fits_and_is_never_exceeded(
    spend, names, units, place_of
):
    async with place_of(ceiling=2, **SHORT) as place:
        found = await place.ask(spend=spend)

        (steps,) = place.asked
        assert [step.name for step in steps] == names
        assert sum(step.total for step in steps) == units
        assert found.spent == place.emulator.counters()["charged_cu"] <= units


@pytest.mark.parametrize(
    "fault",
    [
        "submit-drop-after",
        "submit-504-after",
        "submit-garbage",
        "submit-no-id",
        "submit-409",
        "submit-500-before",
    ],
)
async def test_lost_answer_ends_the_spending(fault, place_of):
    async with place_of(ceiling=2, **SHORT) as place:
        place.emulator.faults.next(fault)
        found = await place.ask(spend=100)

        assert place.emulator.counters()["submits_received"] == 1
        assert found.is_unknown
        assert found.spent == 6
        assert "may be paid for" in found.trouble


@pytest.mark.parametrize("status", [401, 402, 403, 503])
async def test_refusal_ends_the_spending(status, place_of):
    async with place_of(ceiling=2, **SHORT) as place:
        place.emulator.faults.next(f"submit-{status}")
        found = await place.ask(spend=100)

        assert place.emulator.counters()["submits_received"] == 1
        assert found.trouble
        assert found.is_unknown is (status == 503)


@pytest.mark.parametrize("knobs", [{"charge_factor": 2.0}, {"late_addon_cu": 6}])
async def test_charge_above_the_quote_ends_the_spending(knobs, place_of):
    async with place_of(ceiling=2, **SHORT, **knobs) as place:
        found = await place.ask(spend=100)

        assert place.emulator.counters()["submits_received"] == 1
        assert found.is_overcharged
        assert found.trouble == "12 units were charged, 6 quoted"
        assert found.spent == place.emulator.counters()["charged_cu"] == 12


async def test_service_that_does_not_quote_is_not_paid(place_of):
    async with place_of(ceiling=2) as place:
        for _ in range(10):
            place.emulator.faults.next("quote-404")
        found = await place.ask(spend=100)

        assert place.emulator.counters()["submits_received"] == 0
        assert found.spent == 0


async def test_no_question_is_sent_twice_where_the_service_hangs_up(place_of):
    async with place_of(**SHORT) as place:
        for endpoint in ("upload", "list", "poll", "bulk", "asset", "account", "model"):
            place.emulator.faults.next(f"{endpoint}-500")
        found = await place.ask(spend=6)

        assert found.trouble == ""
        assert place.emulator.counters()["submits_received"] == 1
