"""Budget: limits what all jobs of a ledger cost, even across crashes and restarts.

A price is reserved before its POST, corrected to the charge, and released when the
service refunds it. A job that may have been paid for counts in full.
"""

from collections.abc import Callable, Iterable, Iterator
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


class SharedBudget:
    """A limit on what the jobs of several ledgers cost together.

    Args:
        limit: Compute units that all jobs of these ledgers may cost together, less
            refunds; None for no limit.

    Attributes:
        limit: As given.
    """

    def __init__(self, limit: Decimal | None = None) -> None:
        self.limit = limit
        self._members: list[Budget] = []

    @property
    def taken(self) -> Decimal:
        """Compute units charged or reserved so far, less refunds."""
        return sum((member.taken for member in self._members), Decimal(0))

    @property
    def left(self) -> Decimal | None:
        """Compute units left of the limit; None without a limit."""
        return left_of(self.limit, self.taken)

    @property
    def may_get_room(self) -> bool:
        """Whether anything is in flight that may be given back."""
        return any(member.may_get_room for member in self._members)

    def join(self, member: "Budget") -> None:
        """Count a ledger's jobs too."""
        self._members.append(member)

    def allows(self, expected: Decimal) -> bool:
        """Whether a request that is expected to cost so much fits now."""
        return self.limit is None or self.taken + expected <= self.limit

    def tell(self) -> None:
        """Let every task that waits for room look again."""
        for member in self._members:
            member.wake()


class Budget:
    """A limit on spending that holds across crashes and restarts.

    Args:
        limit: Compute units that all jobs of the ledger may cost together, less
            refunds; None for no limit.
        commitments: Row id, status and compute units of every attempt in the ledger;
            read once.
        overcharge: How far earlier charges exceeded their quotes. The same is expected
            of jobs whose charge is not final.
        shared: The limit of several ledgers together, which this one joins; None if
            there is none.
        counts: Whether the jobs of an item count; None if all do.

    Attributes:
        limit: As given.
    """

    def __init__(
        self,
        limit: Decimal | None,
        commitments: Iterable[tuple[int, JobStatus, Decimal]],
        overcharge: Overcharge | None = None,
        *,
        shared: SharedBudget | None = None,
        counts: Callable[[str], bool] | None = None,
    ) -> None:
        self.limit = limit
        self._counts = counts
        self._shared = shared or SharedBudget()
        self._shared.join(self)
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
        """Compute units left, of the smaller limit; None without a limit."""
        return smaller(left_of(self.limit, self.taken), self._shared.left)

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit, of this ledger or of several together."""
        return self.limit is not None or self._shared.limit is not None

    @property
    def may_get_room(self) -> bool:
        """Whether anything of this ledger is in flight that may be given back."""
        return bool(self._in_flight or self._promised)

    def allows(self, units: Decimal) -> bool:
        """Whether a request of this price fits now."""
        expected = self._overcharge.expect(units)
        return self._allows_own(expected) and self._shared.allows(expected)

    def _allows_own(self, expected: Decimal) -> bool:
        return self.limit is None or self.taken + expected <= self.limit

    async def wait_for_room(self, units: Decimal) -> bool:
        """Suspend until a request of this price fits; False if it never will.

        Only jobs in flight can make room: they may fail and be refunded.
        """
        while not self.allows(units):
            is_own = not self._allows_own(self._overcharge.expect(units))
            if not (self if is_own else self._shared).may_get_room:
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
        if self._counts is not None and not self._counts(job.item_id):
            return
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

    def close(self) -> None:
        """Note that no more changes come: what is in flight gives nothing back."""
        self._in_flight.clear()
        self._tell()

    def _expected(self, status: JobStatus, committed: Decimal) -> Decimal:
        """The units of an attempt; unfinished ones include the expected overcharge."""
        if status not in UNFINISHED:
            return committed
        return self._overcharge.expect(committed)

    def _tell(self) -> None:
        self._shared.tell()

    def wake(self) -> None:
        """Let every task that waits for room look again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def reached(self, price: Decimal) -> BudgetReached:
        """The error for an item of this price that does not fit."""
        is_own = not self._allows_own(self._overcharge.expect(price))
        blocking = self if is_own else self._shared
        assert blocking.limit is not None, "without a limit, every price fits"
        verb = choose(blocking.taken, "is", "are")
        return BudgetReached(
            f"the budget of {plural(blocking.limit, 'unit')} does not allow another"
            f" {price:,f}: {blocking.taken:,f} {verb} charged or reserved",
            hint="to continue, raise --max-cost or max_cost",
        )


def smaller(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """The smaller of two limits; None stands for no limit."""
    limits = [limit for limit in (one, other) if limit is not None]
    return min(limits, default=None)


def budget_of(
    ledger: Ledger,
    limit: Decimal | None,
    *,
    shared: SharedBudget | None = None,
    counts: Callable[[str], bool] | None = None,
) -> Budget:
    """The budget of an output folder, with what its ledger has taken so far.

    Args:
        ledger: Of the folder.
        limit: See :class:`Budget`.
        shared: See :class:`Budget`.
        counts: Whether the jobs of an item count; None if all do.
    """
    is_limited = limit is not None or (shared is not None and shared.limit is not None)
    overcharges = ledger.find_overcharges() if is_limited else ()
    return Budget(
        limit,
        ledger.find_commitments(counts),
        Overcharge(overcharges),
        shared=shared,
        counts=counts,
    )
