"""Budget: what a ledger has ever taken, held to a limit, whatever happens between.

A price is held before its POST, corrected to what was charged, and given back when
the service refunds it. What may have been paid counts in full.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import anyio

from pipeline.errors import BudgetReached
from pipeline.job import UNFINISHED, Job, JobStatus

_MAY_BE_GIVEN_BACK = frozenset({JobStatus.SUBMITTING, JobStatus.SUBMITTED})


def left_of(limit: Decimal | None, taken: Decimal) -> Decimal | None:
    """What may still be taken of a limit, at least 0; None without a limit."""
    return None if limit is None else max(Decimal(0), limit - taken)


class OverBudget(Exception):
    """This price does not fit; a smaller one may."""


class Overcharge:
    """By how much the service has charged more than it had quoted, in earlier runs.

    Args:
        seen: Units quoted and charged of jobs that were charged more.
    """

    def __init__(self, seen: Iterable[tuple[Decimal, Decimal]] = ()) -> None:
        self._ratio = Decimal(1)
        self._excess = Decimal(0)
        for quoted, charged in seen:
            self._excess = max(self._excess, charged - quoted)
            if quoted > 0:
                self._ratio = max(self._ratio, charged / quoted)

    def expect(self, quoted: Decimal) -> Decimal:
        """What a job of this quote may come to, by the worst that was seen."""
        return max(quoted * self._ratio, quoted + self._excess)


class Budget:
    """What may still be spent.

    Args:
        limit: Compute units that all jobs of the ledger may cost together, refunds
            taken off; None for no limit.
        commitments: Row id, status and compute units of every attempt in the ledger;
            read once.
        overcharge: What earlier jobs were charged above their quotes: what is not
            charged yet is expected to come to as much more.
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
        self._changed: anyio.Event | None = None  # as long as somebody waits
        self._in_flight: set[int] = set()
        self._promised = Decimal(0)
        self._newest_before = 0
        # What rows count with that may still change; a saved job's does not.
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
        """Compute units charged or reserved so far, refunds taken off."""
        return self._taken + self._promised

    @property
    def left(self) -> Decimal | None:
        """Compute units that may still be taken; None without a limit."""
        return left_of(self.limit, self.taken)

    def allows(self, units: Decimal) -> bool:
        """Whether a request of this price fits now."""
        if self.limit is None:
            return True
        return self.taken + self._overcharge.expect(units) <= self.limit

    async def wait_for_room(self, units: Decimal) -> bool:
        """Suspend until a request of this price fits; False when it never will.

        What is in flight may fail and be given back; beyond that there is no hope.
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
        """Keep so much free within the block, in which its intent is recorded.

        Raises:
            OverBudget: It does not fit.
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
        """A row has changed: count it as it is now."""
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
        """What an attempt counts with: in full, and by the worst that was seen."""
        if status not in UNFINISHED:
            return committed
        return self._overcharge.expect(committed)

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def reached(self, price: Decimal) -> BudgetReached:
        """Why an item of this price is not submitted."""
        return BudgetReached(
            f"the budget of {self.limit:,f} units does not allow another"
            f" {price:,f}: {self.taken:,f} are charged or reserved",
            hint="raise --max-cost or max_cost, or leave it at that",
        )


def smaller(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """The smaller of two limits, where there are any."""
    limits = [limit for limit in (one, other) if limit is not None]
    return min(limits, default=None)
