"""Inputs in, price out: what a quote says and what a job is charged."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.emulator.model_records import FILE_TYPES, ModelRecord
from pipeline.emulator.profile import EmulatorProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of one request, in Compute Units after discount.

    Attributes:
        generation_cu: The main action.
        quality_gate_cu: The add-on, 0 when there is none.
        discount_cu: What was taken off.
    """

    generation_cu: float
    quality_gate_cu: float
    discount_cu: float

    @property
    def total_cu(self) -> float:
        """What the request is billed."""
        return tidy(self.generation_cu + self.quality_gate_cu)

    def details(self) -> dict[str, float]:
        """The sum by billing action, zero entries left out."""
        parts = {
            "custom-generation": tidy(self.generation_cu),
            "quality-gate": tidy(self.quality_gate_cu),
        }
        return {name: value for name, value in parts.items() if value}


def tidy(amount_cu: float) -> float:
    """The amount without float dust; whole numbers as integers, as in JSON."""
    rounded = round(amount_cu, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def price_of(
    model: ModelRecord, inputs: Mapping[str, object], profile: EmulatorProfile
) -> Price:
    """The quote for these inputs: price of the model times ``numOutputs``."""
    unit = profile.unit_prices_cu.get(model.model_id, profile.default_price_cu)
    outputs = inputs.get("numOutputs", 1)
    factor = profile.size_factors.get(str(inputs.get("size", "")), 1)
    total = unit * factor * (outputs if isinstance(outputs, int | float) else 1)
    if any(inputs.get(item.name) for item in model.inputs if item.type in FILE_TYPES):
        total += profile.reference_surcharge_cu
    discount = min(profile.discount_cu, total)
    return Price(
        generation_cu=total - discount,
        quality_gate_cu=profile.quality_gate_cu,
        discount_cu=discount,
    )
