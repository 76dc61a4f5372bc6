"""Compute units: the user's text → a decimal → a JSON number. Pure."""

import re
from decimal import Decimal

MOST_UNITS = 10**12  # above any budget and any price


def parse_units(text: str) -> Decimal | None:
    """An amount of compute units, such as ``31`` or ``7.25``; None if invalid."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text.strip()) is None:
        return None
    units = Decimal(text.strip())
    return units if units < MOST_UNITS else None


def units_number(units: Decimal | None) -> int | float | None:
    """Units as a JSON number, an integer if possible; None stays None."""
    if units is None:
        return None
    return int(units) if units == units.to_integral_value() else float(units)


def units_of_number(number: float | None) -> Decimal | None:
    """The inverse of :func:`units_number`."""
    return None if number is None else Decimal(str(number))
