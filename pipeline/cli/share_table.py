"""What each entry and each model of a plan costs → tables that fit a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from pipeline.cli.console.money import CuPrice, priced
from pipeline.cli.console.text import columns, one_line
from pipeline.pricing import Cost
from pipeline.pricing.cost import Share

_SHOWN = 20
_LISTED_ITEMS = 100
_FULL = 79
_FULL_WIDTHS = (12, 17)  # of the two columns of numbers, at least
_NARROW_WIDTHS = (7, 7)
_LEAST_NAME = 4

_Row = tuple[str, str, str]


def share_lines(
    cost: Cost, price: CuPrice | None, width: int, *, noun: str = "items"
) -> Iterator[str]:
    """Tables by entry and by model if there are several, most expensive first.

    Args:
        cost: Of the plan.
        price: Of a compute unit, or None.
        width: In columns.
        noun: What is counted: items, or jobs where items have several.
    """
    for title, shares in (
        ("by entry of the manifest", cost.by_template),
        ("by model", cost.by_model),
    ):
        # Entries with one item each have already been listed.
        is_listed = shares is cost.by_template and cost.items == len(shares)
        if len(shares) < 2 or (is_listed and cost.items <= _LISTED_ITEMS):  # noqa: PLR2004
            continue
        yield ""
        yield from _table((title, noun, "units"), _rows(shares, price), width)


def _rows(shares: Mapping[str, Share], price: CuPrice | None) -> list[_Row]:
    ordered = sorted(shares.items(), key=lambda named: -named[1].units)
    rows = [
        (f"  {one_line(name)}", f"{share.items:,}", priced(share.units, price))
        for name, share in ordered[:_SHOWN]
    ]
    if rest := [share for _, share in ordered[_SHOWN:]]:
        items = sum(share.items for share in rest)
        units = sum((share.units for share in rest), Decimal(0))
        rows.append((f"  … and {len(rest):,} more", f"{items:,}", priced(units, price)))
    return rows


def _table(head: _Row, rows: Sequence[_Row], width: int) -> Iterator[str]:
    """A line for each row; a name that is too long has a line of its own."""
    least = _FULL_WIDTHS if width >= _FULL else _NARROW_WIDTHS
    items, units = (
        max(least[index], *(2 + columns(row[index + 1]) for row in (head, *rows)))
        for index in range(2)
    )
    room = max(_LEAST_NAME, width - items - units)
    for name, count, cost in (head, *rows):
        if columns(name) > room:
            yield name
            name = ""  # noqa: PLW2901 - said already
        gap = " " * (room - columns(name))
        yield f"{name}{gap}{count:>{items}}{cost:>{units}}"
