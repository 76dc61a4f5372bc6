"""Cost: what is multiplied and added is exact, and add-ons are told apart."""

from decimal import Decimal

import pytest
from doubles.rows import FakeMemory

from pipeline.api.interface import Quote
from pipeline.pricing import Cost, Quotes, find_cost
from pipeline.pricing.cost import Share
from pipeline.stages.uploader import Uploader

SPARROWS = "items:\n" + "".join(
    f"  - {{id: {name}, prompt: {name}}}\n" for name in ("a", "b", "c")
)


@pytest.fixture
def answering(workshop):
    """Quotes of a service that answers with these, in order."""

    def answer(*found):
        left = list(found)

        async def quote(_model_id, _inputs):
            return left.pop(0)

        api = _With(workshop.api, quote)
        clock, settings = workshop.clock, workshop.settings
        uploader = Uploader(
            api, workshop.transfer, clock, settings, memory=FakeMemory()
        )
        return Quotes(api, clock, settings, uploader=uploader)

    return answer


class _With:
    """A service with another way to price."""

    def __init__(self, api, quote):
        self._api = api
        self.quote = quote

    def __getattr__(self, name):
        return getattr(self._api, name)


async def test_three_times_a_tenth_is_three_tenths(workshop, groups_of, quotes, finish):
    workshop.write(SPARROWS)
    workshop.api.price = Decimal("0.1")
    groups = groups_of()

    cost = await finish(lambda: find_cost(groups, quotes))

    assert str(cost.units) == "0.3"
    assert cost.items == cost.files == 3
    assert cost.by_template == dict.fromkeys(
        ("a", "b", "c"), Share(items=1, units=Decimal("0.1"))
    )


async def test_the_sum_of_many_odd_prices_has_no_rounding(
    workshop, groups_of, quotes, finish
):
    numbers = ", ".join(map(str, range(1000)))
    workshop.write(
        f"items:\n  - id: t${{n}}\n    prompt: p\n    matrix: {{n: [{numbers}]}}\n"
        f"  - id: u${{n}}\n    prompt: p\n    params: {{numOutputs: 3}}\n"
        f"    matrix: {{n: [{numbers}]}}\n"
    )
    workshop.api.price = Decimal("0.001")
    groups = groups_of()

    cost = await finish(lambda: find_cost(groups, quotes))

    assert cost.units == Decimal(4)
    assert cost.by_template["u${n}"] == Share(items=1000, units=Decimal("3.000"))
    assert cost.files == 4000
    assert len(workshop.api.quotes) == 2


async def test_add_ons_are_in_the_sum_and_told_apart(
    workshop, groups_of, answering, finish
):
    workshop.write(
        SPARROWS + "  - {id: d, prompt: d, params: {numOutputs: 2}}\n",
    )
    groups = groups_of()
    gate = Decimal("1.25")
    quotes = answering(
        Quote(units=Decimal("7.25"), addons={"quality-gate": gate}),
        Quote(
            units=Decimal(14),
            addons={"quality-gate": gate, "ip-detection": Decimal("0.1")},
        ),
    )

    cost = await finish(lambda: find_cost(groups, quotes))

    assert cost.units == Decimal("35.75")
    assert cost.addons == {
        "quality-gate": Decimal("5.00"),
        "ip-detection": Decimal("0.1"),
    }


async def test_costs_are_summed_by_model(workshop, groups_of, answering, finish):
    workshop.write(
        SPARROWS + "  - {id: d, prompt: d, model: model_wan-2-7-image-pro}\n"
    )
    groups = groups_of()
    quotes = answering(Quote(units=Decimal(3)), Quote(units=Decimal(11)))

    cost = await finish(lambda: find_cost(groups, quotes))

    assert cost.by_model == {
        "model_wan-2-7-image": Share(items=3, units=Decimal(9)),
        "model_wan-2-7-image-pro": Share(items=1, units=Decimal(11)),
    }
    assert {quote.units for quote in cost.by_key.values()} == {3, 11}


async def test_nothing_to_pay_for_is_nothing_asked(workshop, groups_of, quotes):
    workshop.write_items("oak")
    groups = groups_of(limit=0)

    cost = await find_cost(groups, quotes)

    assert cost == Cost()
    assert workshop.api.calls["quote"] == 0
