"""Compute units: what a person writes → a decimal → a number of JSON. Pure."""

import re
from decimal import Decimal

MOST_UNITS = 10**12  # beyond nobody's budget, nor any price, goes


def parse_units(text: str) -> Decimal | None:
    """An amount of compute units, ``31`` or ``7.25``; None for anything else."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.strip()) is None:
        return None
    units = Decimal(text.strip())
    return units if units < MOST_UNITS else None


def units_number(units: Decimal | None) -> int | float | None:
    """Units as a number of JSON, whole where they are whole; None stays None."""
    if units is None:
        return None
    return int(units) if units == units.to_integral_value() else float(units)
