"""The price of a request: what a quote says, and what a job is charged."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.emulator.input_values import number_of
from pipeline.emulator.model_records import ModelRecord, unit_price_cu
from pipeline.emulator.profiles.money import MoneyProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one request, in Compute Units after discount.

    Attributes:
        generation_cu: The generation.
        quality_gate_cu: The quality gate; 0 if there is none.
        discount_cu: What was discounted.
    """

    generation_cu: float
    quality_gate_cu: float
    discount_cu: float

    @property
    def total_cu(self) -> float:
        """What the request is billed."""
        return tidy(self.generation_cu + self.quality_gate_cu)

    def details(self) -> dict[str, float]:
        """The price of each billing action, without those that cost nothing."""
        parts = {
            "custom-generation": tidy(self.generation_cu),
            "quality-gate": tidy(self.quality_gate_cu),
        }
        return {name: value for name, value in parts.items() if value}


def tidy(amount_cu: float) -> float:
    """The amount without rounding errors; an integer if it is a whole number."""
    rounded = round(amount_cu, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def price_of(
    model: ModelRecord, inputs: Mapping[str, object], money: MoneyProfile
) -> Price:
    """The price of a request with these inputs.

    It is the price of one result, times ``numOutputs`` or what the model has instead,
    with the surcharges and the discount of the money.
    """
    used = {**model.defaults, **inputs}
    total = unit_price_cu(model.model_id, model.traits, money)
    for name, prices in model.traits.price_when.items():
        total = prices.get(str(used.get(name)), total)
    total *= money.size_factors.get(str(inputs.get("size", "")), 1)
    for name in model.traits.price_times:
        total *= number_of(used.get(name), 1)
    if any(inputs.get(item.name) for item in model.file_inputs):
        total += money.reference_surcharge_cu
    discount = min(money.discount_cu, total)
    return Price(
        generation_cu=total - discount,
        quality_gate_cu=money.quality_gate_cu,
        discount_cu=discount,
    )
