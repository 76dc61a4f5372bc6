"""Ledger → what was spent and made, and how that grew over time."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from pipeline.clock import format_utc
from pipeline.job import UNFINISHED
from pipeline.ledger.ledger import Ledger
from pipeline.operations.spend import Sum, may_cost
from pipeline.record import Struct
from pipeline.report.gallery.data import GalleryPoint

MOST_POINTS = 300  # a plot of some hundred pixels


class Spent(Struct, frozen=True, kw_only=True):
    """What the jobs of a ledger have cost.

    Attributes:
        total: The sum over all jobs.
        committed: What they take, or may take, from a budget.
        points: For the plot, oldest first; at most ``MOST_POINTS``.
    """

    total: Sum
    committed: Decimal
    points: tuple[GalleryPoint, ...]


def read_spent(ledger: Ledger) -> Spent:
    """Add up the jobs of a ledger.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    total, committed = Sum(), Decimal(0)
    ended: list[tuple[datetime, Decimal]] = []
    for job in ledger.find_costs():
        if not may_cost(job):
            continue
        total.add(job)
        committed += job.committed
        at = job.finished_at or job.submitted_at or job.sent_at
        if at is not None and job.status not in UNFINISHED:
            ended.append((at, (job.charged or Decimal(0)) - (job.refunded or 0)))
    return Spent(total=total, committed=committed, points=_points(ended))


def _points(ended: Sequence[tuple[datetime, Decimal]]) -> tuple[GalleryPoint, ...]:
    charged, found = Decimal(0), []
    for count, (at, units) in enumerate(sorted(ended), 1):
        charged += units
        found.append((at, charged, count))
    last = len(found) - 1
    # The first and the last are always among them.
    chosen = (
        range(len(found))
        if last < MOST_POINTS
        else (last * step // (MOST_POINTS - 1) for step in range(MOST_POINTS))
    )
    return tuple(
        GalleryPoint(at=format_utc(at), charged=float(units), jobs=count)
        for at, units, count in (found[index] for index in chosen)
    )
