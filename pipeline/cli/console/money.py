"""Compute units → text; with the price of a unit, also money. Pure."""

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext

from pipeline.counting import choose
from pipeline.errors import UsageError

_SIGNS = "$€£¥₩₹₽"
_NUMBER = r"(?P<amount>\d{1,20}(?:\.\d{1,20})?)"
_WORD = rf"(?:[A-Za-z]{{1,5}}|[A-Za-z]{{0,3}}[{_SIGNS}])"
_PRICE = re.compile(
    rf"(?P<before>{_WORD})?\s?{_NUMBER}\s?(?P<after>{_WORD})?", re.ASCII
)
_HIGHEST = Decimal(1_000_000)
_LOWEST = Decimal("1e-12")
_CENT = Decimal("0.01")
_DIGITS = 80  # enough for any product of units and a price


@dataclass(frozen=True, slots=True, kw_only=True)
class CuPrice:
    """What one compute unit costs.

    Attributes:
        amount: More than 0.
        currency: As written: ``EUR``, ``$``, or "".
    """

    amount: Decimal
    currency: str

    def amount_of(self, units: Decimal) -> Decimal:
        """The exact money for a number of units."""
        with localcontext(prec=_DIGITS):
            return units * self.amount

    def digits_of(self, units: Decimal) -> str:
        """The money for a number of units without the currency, such as ``1,234.50``.

        Rounded half to even to two decimals, or below a cent to two significant digits.
        """
        money = self.amount_of(units)
        if not money or abs(money) >= _CENT:
            return _unsigned_zero(f"{money:,.2f}")
        return units_text(money, decimals=1 - money.adjusted())

    def shown(self, units: Decimal) -> str:
        """The money for a number of units: ``1.19 EUR``, ``$1.19``, ``0.0036 EUR``."""
        digits = self.digits_of(units)
        if not self.currency:
            return digits
        if self.currency[-1] in _SIGNS:
            sign = "-" if digits.startswith("-") else ""
            return f"{sign}{self.currency}{digits.removeprefix('-')}"
        return f"{digits} {self.currency}"


def parse_cu_price(text: str) -> CuPrice:
    """``0.012``, ``0.012EUR``, ``EUR 0.012`` or ``$0.012``.

    Raises:
        UsageError: Anything else, including zero and prices that no unit can have.
    """
    match = _PRICE.fullmatch(text.strip())
    if match is None or (match["before"] and match["after"]):
        raise UsageError(
            f"{text!r} is not a price of a compute unit",
            hint="write it like 0.012, 0.012EUR or '$0.012'",
        )
    amount = Decimal(match["amount"])
    if not _LOWEST <= amount <= _HIGHEST:
        raise UsageError(
            f"{text!r} cannot be the price of a compute unit",
            hint="one unit costs more than 0 and at most a million",
        )
    return CuPrice(amount=amount, currency=match["before"] or match["after"] or "")


def units_text(units: Decimal, *, decimals: int | None = None) -> str:
    """``99``, ``1,234.5``, never ``1E+3``; without trailing zeros.

    Args:
        units: Any finite number.
        decimals: At most this many, rounded half to even; None for all.
    """
    text = f"{units:,f}" if decimals is None else f"{units:,.{decimals}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return _unsigned_zero(text)


def units_phrase(units: Decimal, price: CuPrice | None = None) -> str:
    """``1 unit``, ``99 units``; with a price ``99 units (1.19 EUR)``."""
    return f"{units_text(units)} {choose(units, 'unit', 'units')}" + in_money(
        units, price
    )


def priced(units: Decimal, price: CuPrice | None) -> str:
    """``99``; with a price ``99 (1.19 EUR)``: where the word is clear."""
    return units_text(units) + in_money(units, price)


def in_money(units: Decimal, price: CuPrice | None) -> str:
    """`` (1.19 EUR)``, or "" without a price."""
    return "" if price is None else f" ({price.shown(units)})"


def _unsigned_zero(text: str) -> str:
    return text.removeprefix("-") if not text.strip("-0.,") else text
