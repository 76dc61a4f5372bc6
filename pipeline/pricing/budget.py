"""Budget: limits what all jobs of a ledger cost, even across crashes and restarts.

A price is reserved before its POST, corrected to the charge, and released when the
service refunds it. A job that may have been paid for counts in full.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import anyio

from pipeline.counting import choose, plural
from pipeline.errors import BudgetReached
from pipeline.job import UNFINISHED, Job, JobStatus
from pipeline.ledger.ledger import Ledger

_MAY_BE_GIVEN_BACK = frozenset({JobStatus.SUBMITTING, JobStatus.SUBMITTED})


def left_of(limit: Decimal | None, taken: Decimal) -> Decimal | None:
    """What is left of a limit, at least 0; None without a limit."""
    return None if limit is None else max(Decimal(0), limit - taken)


class OverBudget(Exception):
    """This price does not fit the budget; a smaller one may."""


class Overcharge:
    """By how much the service has exceeded its quotes in earlier runs.

    Args:
        seen: Quoted and charged units of jobs that were charged above their quotes.
    """

    def __init__(self, seen: Iterable[tuple[Decimal, Decimal]] = ()) -> None:
        self._ratio = Decimal(1)
        self._excess = Decimal(0)
        for quoted, charged in seen:
            self._excess = max(self._excess, charged - quoted)
            if quoted > 0:
                self._ratio = max(self._ratio, charged / quoted)

    def expect(self, quoted: Decimal) -> Decimal:
        """The charge to expect for this quote, by the worst overcharge so far."""
        return max(quoted * self._ratio, quoted + self._excess)


class Budget:
    """A limit on spending that holds across crashes and restarts.

    Args:
        limit: Compute units that all jobs of the ledger may cost together, less
            refunds; None for no limit.
        commitments: Row id, status and compute units of every attempt in the ledger;
            read once.
        overcharge: How far earlier charges exceeded their quotes. The same is expected
            of jobs whose charge is not final.

    Attributes:
        limit: As given.
    """

    def __init__(
        self,
        limit: Decimal | None,
        commitments: Iterable[tuple[int, JobStatus, Decimal]],
        overcharge: Overcharge | None = None,
    ) -> None:
        self.limit = limit
        self._overcharge = overcharge or Overcharge()
        self._taken = Decimal(0)
        self._changed: anyio.Event | None = None  # set while tasks wait
        self._in_flight: set[int] = set()
        self._promised = Decimal(0)
        self._newest_before = 0
        # The units of rows that may still change; those of a saved job do not.
        self._counted: dict[int, Decimal] = {}
        for row_id, status, committed in commitments:
            units = self._expected(status, committed)
            self._taken += units
            self._newest_before = max(self._newest_before, row_id)
            if status is not JobStatus.SAVED:
                self._counted[row_id] = units
            if status in _MAY_BE_GIVEN_BACK:
                self._in_flight.add(row_id)

    @property
    def taken(self) -> Decimal:
        """Compute units charged or reserved so far, less refunds."""
        return self._taken + self._promised

    @property
    def left(self) -> Decimal | None:
        """Compute units left of the budget; None without a limit."""
        return left_of(self.limit, self.taken)

    def allows(self, units: Decimal) -> bool:
        """Whether a request of this price fits now."""
        if self.limit is None:
            return True
        return self.taken + self._overcharge.expect(units) <= self.limit

    async def wait_for_room(self, units: Decimal) -> bool:
        """Suspend until a request of this price fits; False if it never will.

        Only jobs in flight can make room: they may fail and be refunded.
        """
        while not self.allows(units):
            if not self._in_flight and not self._promised:
                return False
            if self._changed is None:
                self._changed = anyio.Event()
            await self._changed.wait()
        return True

    @contextmanager
    def holding(self, units: Decimal) -> Iterator[None]:
        """Reserve this price within the block, which records the write-ahead intent.

        Raises:
            OverBudget: The price does not fit.
        """
        if not self.allows(units):
            raise OverBudget
        expected = self._overcharge.expect(units)
        self._promised += expected
        try:
            yield
        finally:
            self._promised -= expected
            self._tell()

    def note(self, job: Job) -> None:
        """Update the budget after a row has changed."""
        now = self._expected(job.status, job.committed)
        is_old = job.row_id <= self._newest_before
        before = self._counted.pop(job.row_id, now if is_old else Decimal(0))
        self._taken += now - before
        if job.status is not JobStatus.SAVED:
            self._counted[job.row_id] = now
        if job.status in _MAY_BE_GIVEN_BACK:
            self._in_flight.add(job.row_id)
        else:
            self._in_flight.discard(job.row_id)
        self._tell()

    def _expected(self, status: JobStatus, committed: Decimal) -> Decimal:
        """The units of an attempt; unfinished ones include the expected overcharge."""
        if status not in UNFINISHED:
            return committed
        return self._overcharge.expect(committed)

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def reached(self, price: Decimal) -> BudgetReached:
        """The error for an item of this price that does not fit."""
        assert self.limit is not None, "without a limit, every price fits"
        verb = choose(self.taken, "is", "are")
        return BudgetReached(
            f"the budget of {plural(self.limit, 'unit')} does not allow another"
            f" {price:,f}: {self.taken:,f} {verb} charged or reserved",
            hint="to continue, raise --max-cost or max_cost",
        )


def smaller(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """The smaller of two limits; None stands for no limit."""
    limits = [limit for limit in (one, other) if limit is not None]
    return min(limits, default=None)


def budget_of(ledger: Ledger, limit: Decimal | None) -> Budget:
    """The budget of an output folder, with what its ledger has taken so far."""
    overcharges = () if limit is None else ledger.find_overcharges()
    return Budget(limit, ledger.find_commitments(), Overcharge(overcharges))
