"""The cases of balance, prices, charges and refunds."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from knobs.cases.case import Case, Ends
from knobs.cases.checks import asks, charges, refunds, says
from knobs.cases.shared import FAILING, ONE_FAILS
from knobs.world import MODEL, PRICE_CU, QUICK, REFERENCE, items

from pipeline import ExitCode

OUT_OF_CREDITS = Ends(
    code=ExitCode.BUDGET, jobs=3, posts=-1, check=says("Not enough credits")
)
KEY_CAP = replace(OUT_OF_CREDITS, check=says("limit of this API key"))

CASES: tuple[Case, ...] = (
    Case(knob="credits_cu", value=3 * PRICE_CU, changed=OUT_OF_CREDITS),
    *(
        Case(
            knob="credits_status",
            value=status,
            beside={"credits_cu": 3 * PRICE_CU},
            default=OUT_OF_CREDITS,
            changed=OUT_OF_CREDITS,
        )
        for status in (403, 429)
    ),
    Case(knob="key_cap_cu", value=3 * PRICE_CU + 1, changed=KEY_CAP),
    *(
        Case(
            knob="key_cap_status",
            value=status,
            beside={"key_cap_cu": 3 * PRICE_CU + 1},
            default=KEY_CAP,
            changed=KEY_CAP,
        )
        for status in (403, 429)
    ),
    Case(
        knob="unit_prices_cu",
        value={MODEL: 2.5},
        default=Ends(check=charges(PRICE_CU)),
        changed=Ends(check=charges(2.5)),
    ),
    Case(
        knob="default_price_cu",
        value=7.25,
        beside={"unit_prices_cu": {}},
        default=Ends(check=charges(4)),
        changed=Ends(check=charges(7.25)),
    ),
    Case(
        knob="reference_surcharge_cu",
        value=1,
        text=REFERENCE,
        default=Ends(jobs=3, check=charges(PRICE_CU)),
        changed=Ends(jobs=3, check=charges(PRICE_CU + 1)),
    ),
    Case(
        knob="size_factors",
        value={"1K": 0.5},
        changed=Ends(check=charges(PRICE_CU / 2)),
    ),
    Case(
        knob="cost_impact",
        value={},
        default=Ends(check=asks(quotes=1)),
        changed=Ends(check=asks(quotes=4)),
    ),
    Case(
        knob="cost_impact",
        value={"prompt": True},
        default=Ends(check=asks(quotes=1)),
        changed=Ends(check=asks(quotes=4)),
    ),
    Case(
        knob="quality_gate_cu",
        value=1.25,
        changed=Ends(check=charges(PRICE_CU + 1.25)),
    ),
    Case(knob="discount_cu", value=1, changed=Ends(check=charges(PRICE_CU - 1))),
    Case(
        knob="charge_factor",
        value=2.0,
        beside={"ceiling": 1},
        changed=Ends(
            code=ExitCode.BUDGET, jobs=1, check=says("charged 12 units, quoted 6")
        ),
    ),
    Case(knob="charge_factor", value=0.5, changed=Ends(check=charges(PRICE_CU / 2))),
    Case(
        knob="late_addon_cu",
        value=5,
        settings=replace(QUICK, max_cost=Decimal(100)),
        changed=Ends(
            code=ExitCode.BUDGET,
            jobs=1,
            check=says("charged 11 units, quoted 6"),
        ),
    ),
    Case(
        knob="disable_refund",
        value=True,
        text=FAILING,
        default=ONE_FAILS,
        changed=replace(ONE_FAILS, check=refunds(0)),
    ),
    Case(
        knob="partial_refunded",
        value=True,
        text=items("an oak", "an elm [partial]", params="{numOutputs: 2}"),
        default=Ends(jobs=2, check=refunds(0)),
        changed=Ends(jobs=2, check=refunds(2 * PRICE_CU)),
    ),
)

# Fields without a case, and why.
NO_CASE: Mapping[str, str] = {}
