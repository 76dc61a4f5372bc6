"""What requests cost, what jobs are charged, and what is refunded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

UNIT_PRICES_CU: Mapping[str, float] = {
    "model_wan-2-7-image": 6,
    "model_wan-2-7-image-pro": 12,
}
COST_IMPACT: Mapping[str, bool] = {"prompt": False, "images": True, "numOutputs": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyProfile:
    """The team's balance, and the prices, charges and refunds of its jobs.

    Attributes:
        credits_cu: The team's balance at the start. None is an unlimited balance.
        credits_status: The answer to a submit that the balance does not cover.
        key_cap_cu: The most that one API key may spend. None is no cap.
        key_cap_status: The answer to a submit above that cap: 402, 403 or 429.

        unit_prices_cu: The price of one output, by model. It takes precedence over
            the price in the model's definition.
        default_price_cu: The price of one output of a model that has no other.
        reference_surcharge_cu: Added once to a request that uses a file input.
        size_factors: The factor on the price, by the value of the input ``size``.
        cost_impact: The ``costImpact`` flag in the model records, by input name. An
            input that is not named here keeps its record's own flag, if any.
        quality_gate_cu: Added to every request for the quality gate; 0 is none.
        discount_cu: Subtracted from the price of every request.

        charge_factor: What a job is charged, as a multiple of its quote.
        late_addon_cu: An additional charge that appears only when the job ends: it is
            neither in the quote nor in the answer to the submit.
        disable_refund: Failed jobs are not refunded.
        partial_refunded: A failed job is refunded even if it has produced assets.
    """

    credits_cu: float | None = None
    credits_status: int = 402
    key_cap_cu: float | None = None
    key_cap_status: int = 402

    unit_prices_cu: Mapping[str, float] = field(
        default_factory=lambda: dict(UNIT_PRICES_CU)
    )
    default_price_cu: float = 4
    reference_surcharge_cu: float = 0
    size_factors: Mapping[str, float] = field(default_factory=dict)
    cost_impact: Mapping[str, bool] = field(default_factory=lambda: dict(COST_IMPACT))
    quality_gate_cu: float = 0
    discount_cu: float = 0

    charge_factor: float = 1.0
    late_addon_cu: float = 0
    disable_refund: bool = False
    partial_refunded: bool = False
