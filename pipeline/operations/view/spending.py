"""Spending: what the redos of one session may cost together. Pure.

Nothing here waits, so that two requests cannot both take what is left.
"""

import secrets
from collections.abc import Callable
from decimal import Decimal

from pipeline.counting import plural
from pipeline.record import Struct
from pipeline.report.review.refused import Refused

QUOTE_LASTS_S = 900.0
_MOST_QUOTES = 10_000


class Spending:
    """A ceiling, and what is taken of it.

    Args:
        ceiling: Compute units.
        on_change: Called when what is left has changed.
    """

    def __init__(
        self, ceiling: Decimal, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._ceiling = ceiling
        self._reserved = Decimal(0)
        self._spent = Decimal(0)
        self._on_change = on_change

    @property
    def left(self) -> Decimal:
        """Compute units that may still be reserved, at least 0."""
        return max(Decimal(0), self._ceiling - self._reserved - self._spent)

    def reserve(self, units: Decimal) -> None:
        """Take a price, before anything is sent.

        Raises:
            Refused: With 402; it is more than what is left.
        """
        if units > self.left:
            raise Refused(
                402,
                f"this costs {plural(units, 'unit')}, and {self.left:,f} of the"
                f" {self._ceiling:,f} of this session are left",
                "start the page again with a higher --spend",
            )
        self._reserved += units
        self._on_change()

    def settle(self, reserved: Decimal, spent: Decimal) -> None:
        """Replace a reserved price by what was spent."""
        self._reserved -= reserved
        self._spent += spent
        self._on_change()


class Quote(Struct, kw_only=True, eq=False):
    """A price that was shown; it is good for one redo.

    Attributes:
        item: The id of the item.
        take: The number of the take.
        units: The price.
        until_s: When it is out of date, by the monotonic clock.
        is_used: Whether a redo has been accepted for it.
    """

    item: str
    take: int
    units: Decimal
    until_s: float
    is_used: bool = False


class Quotes:
    """The prices that were shown, by a name that cannot be guessed."""

    def __init__(self) -> None:
        self._quotes: dict[str, Quote] = {}

    def add(self, quote: Quote) -> str:
        """Keep a quote; its name."""
        name = secrets.token_urlsafe(16)
        self._quotes[name] = quote
        if len(self._quotes) > _MOST_QUOTES:
            del self._quotes[next(iter(self._quotes))]
        return name

    def find(
        self, name: str, *, item: str, take: int, units: float, now_s: float
    ) -> Quote:
        """The quote that was shown for this.

        Raises:
            Refused: With 409; there is none, or it is out of date.
        """
        quote = self._quotes.get(name)
        is_same = quote is not None and (quote.item, quote.take) == (item, take)
        if quote is None or not is_same or float(quote.units) != units:
            raise _again("no such price was shown")
        if not quote.is_used and now_s > quote.until_s:
            raise _again("the price is out of date")
        return quote


def _again(message: str) -> Refused:
    return Refused(409, message, "ask for the price again")
