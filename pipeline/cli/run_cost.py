"""The cost of a run: confirmed before it, reported after it."""

import sys
from collections.abc import Iterator

from pipeline.cli.console.asking import agree
from pipeline.cli.console.money import CuPrice, priced, units_phrase
from pipeline.cli.console.printing import print_note
from pipeline.cli.console.text import one_line
from pipeline.cli.next_step import command_line
from pipeline.cli.options import RunOptions
from pipeline.cli.plan_view import (
    PlanListing,
    price_text,
    print_estimate,
    unsure_text,
)
from pipeline.counting import plural
from pipeline.errors import UsageError
from pipeline.pricing import Estimate
from pipeline.pricing.joint import JointEstimate
from pipeline.running.joint import JointResult
from pipeline.running.result import RunResult

_ITEMS_NAMED = 5


def may_be_asked(options: RunOptions) -> bool:
    """Whether there is somebody to ask who has not agreed yet."""
    is_free = options.emulate or options.yes
    return not is_free and sys.stdin.isatty() and sys.stderr.isatty()


def confirm(estimate: Estimate, options: RunOptions, listing: PlanListing) -> bool:
    """Show the plan and ask once, if it costs anything.

    Args:
        estimate: The plan with its price.
        options: The options of the command.
        listing: The plan's items, if somebody may be asked.

    Returns:
        Whether it was shown.

    Raises:
        UsageError: There is nobody to ask, and no --yes.
        click.Abort: The answer is no.
    """
    cost = estimate.cost
    if cost is None or not has_to_be_asked(estimate, options):
        return False
    for note in estimate.notes:
        print_note(note)
    review = estimate.plan.manifest.review
    listing.finish(cost, review, price=options.cu_price)
    print_estimate(estimate, cu_price=options.cu_price, to_stderr=True)
    agree(_question(estimate, options.cu_price))
    return True


def has_to_be_asked(estimate: Estimate | JointEstimate, options: RunOptions) -> bool:
    """Whether the user has to agree to a price.

    Raises:
        UsageError: There is nobody to ask, and no --yes.
    """
    cost = estimate.cost
    if options.emulate or options.yes or cost is None:
        return False
    if not cost.units and not cost.unpriced and not estimate.unsure:
        return False
    if not may_be_asked(options):
        raise UsageError(
            f"this would make {price_text(cost, options.cu_price)}"
            f"{unsure_text(estimate, options.cu_price)}, and there is no terminal to"
            " ask on",
            hint="add --yes",
        )
    return True


def _question(estimate: Estimate, price: CuPrice | None) -> str:
    """``Spend 99 units, into output/icons?``, or at most what the budget leaves."""
    return f"{spend_text(estimate, price)}, into {estimate.plan.store.describe()}?"


def spend_text(estimate: Estimate | JointEstimate, price: CuPrice | None) -> str:
    """``Spend 99 units``, or at most what the budget leaves, and where."""
    cost = estimate.cost
    assert cost is not None
    units, most = cost.units, ""
    if estimate.left is not None and (cost.unpriced or units > estimate.left):
        units, most = estimate.left, "at most "
    more = " and what has no price" * bool(cost.unpriced and not most)
    where = f" at {estimate.service.base_url}" if estimate.service else ""
    spend = f"Spend {most}{units_phrase(units, price)}{more}{where}"
    return f"{spend}{unsure_text(estimate, price)}"


def result_lines(
    result: RunResult | JointResult, cu_price: CuPrice | None, *, most_changes: int
) -> Iterator[str]:
    """What a run has cost, and which inputs the service changed.

    Args:
        result: Of the run.
        cu_price: Of a compute unit, or None.
        most_changes: How many changes of inputs are listed.
    """
    cost = result.cost
    if cost.charged or cost.quoted or cost.reserved:
        named = [
            (cost.charged, "charged"),
            (cost.quoted, "quoted"),
            *(
                (units, f"of it for {one_line(name)}")
                for name, units in sorted(cost.addons.items())
            ),
            (cost.refunded, "refunded"),
            (cost.reserved, "reserved"),
        ]
        parts = [
            f"{priced(units, cu_price)} {what}"
            for units, what in named
            if units or what == "charged"
        ]
        if cost.left is not None:
            parts.append(f"{priced(cost.left, cu_price)} of the budget left")
        yield f"  units: {', '.join(parts)}"
    yield from _change_lines(result, most_changes)
    if result.needs_review:
        said = f"{plural(result.needs_review, 'item')} to review"
        yield f"  checks: {said}; the reasons: {command_line('status')}"


def _change_lines(result: RunResult | JointResult, most: int) -> Iterator[str]:
    changes: dict[str, list[str]] = {}
    for item_id, difference in result.changed_inputs.items():
        changes.setdefault(difference, []).append(item_id)
    for difference, item_ids in list(changes.items())[:most]:
        named = ", ".join(map(one_line, item_ids[:_ITEMS_NAMED]))
        more = f" and {len(item_ids) - _ITEMS_NAMED:,} more"
        named += more * (len(item_ids) > _ITEMS_NAMED)
        yield f"  inputs: {one_line(difference, 300)}: {named}"
    if len(changes) > most:
        more = plural(len(changes) - most, "other change")
        yield f"  inputs: … and {more}"
