"""Spend: what the jobs of output folders have cost, by month, model and manifest.

Attempts are added up one by one, so memory does not grow with the ledger. A ledger that
cannot be read to its end is left out of the sums.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pipeline.errors import OutputError
from pipeline.job import UNSURE, FailureClass, Job, JobStatus
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest
from pipeline.output.folder import is_by_emulator, open_for_reading
from pipeline.output.rebuild import find_asset_names
from pipeline.record import Struct, field

NO_DATE = "no date"


class Sum(Struct):
    """The compute units of a group of jobs.

    Attributes:
        jobs: Attempts that were, or may have been, paid for.
        quoted: The sum of their quotes.
        reserved: What was or may have been charged, for jobs whose charge the service
            has not reported, less refunds.
        charged: What the service reported as charged, add-ons included.
        addons: Of ``charged``, the units of each add-on.
        refunded: Of ``charged``, what was refunded.
    """

    jobs: int = 0
    quoted: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    addons: dict[str, Decimal] = field(default_factory=dict)
    refunded: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """Charged units less refunds, without reserved ones."""
        return self.charged - self.refunded

    def add(self, job: Job) -> None:
        """Add a job for which :func:`may_cost` is true."""
        self.jobs += 1
        self.quoted += job.quoted or 0
        if job.charged is None or job.status in UNSURE:
            self.reserved += job.committed
            return
        self.charged += job.charged
        self.refunded += job.refunded or 0
        self._add_addons(job.addons)

    def merge(self, other: "Sum") -> None:
        """Add another sum."""
        self.jobs += other.jobs
        self.quoted += other.quoted
        self.reserved += other.reserved
        self.charged += other.charged
        self._add_addons(other.addons)
        self.refunded += other.refunded

    def _add_addons(self, addons: Mapping[str, Decimal]) -> None:
        for name, units in addons.items():
            self.addons[name] = self.addons.get(name, Decimal(0)) + units


class Kind(StrEnum):
    """What a sum is grouped by."""

    MONTH = "month"  # of the submit, in UTC
    MODEL = "model"
    MANIFEST = "manifest"
    TOTAL = "total"


class Line(Struct, frozen=True, kw_only=True):
    """One sum, ready for display.

    Attributes:
        kind: What the sum is grouped by.
        key: The month, model or manifest; "" for the total.
        units: The sum.
    """

    kind: Kind
    key: str
    units: Sum


class Spending:
    """The cost of one or more ledgers."""

    def __init__(self) -> None:
        self._sums: defaultdict[tuple[Kind, str], Sum] = defaultdict(Sum)

    def add(self, job: Job, manifest: str) -> None:
        """Add an attempt, if it may have cost anything."""
        if not may_cost(job):
            return
        for key in (
            (Kind.MONTH, month_of(job)),
            (Kind.MODEL, job.model_id),
            (Kind.MANIFEST, manifest),
            (Kind.TOTAL, ""),
        ):
            self._sums[key].add(job)

    def merge(self, other: "Spending") -> None:
        """Add another ``Spending``."""
        for kind in Kind:
            for line in other.lines(kind):
                self._sums[kind, line.key].merge(line.units)

    @property
    def total(self) -> Sum:
        """The sum over everything."""
        return self._sums[Kind.TOTAL, ""]

    def lines(self, kind: Kind) -> list[Line]:
        """The sums of a kind: months in order, others with the largest first."""
        found = [
            Line(kind=kind, key=key, units=units)
            for (of_kind, key), units in self._sums.items()
            if of_kind is kind
        ]
        if kind is Kind.MONTH:
            return sorted(found, key=lambda line: line.key)
        return sorted(
            found, key=lambda line: (-line.units.net - line.units.reserved, line.key)
        )


def may_cost(job: Job) -> bool:
    """Whether the service has accepted the job, or may have."""
    if job.status is JobStatus.PLANNED:
        return False
    given_up = job.failure and job.failure.kind is FailureClass.GIVEN_UP
    return bool(job.remote_id or job.status in UNSURE or given_up)


def month_of(job: Job) -> str:
    """The UTC month, such as ``2026-11``, in which a job was submitted or sent."""
    moment = job.submitted_at or job.sent_at
    return NO_DATE if moment is None else moment.astimezone(UTC).strftime("%Y-%m")


def find_outputs(
    root: Path, *, on_unreadable: Callable[[OutputError], None]
) -> list[Path]:
    """Every output folder at or below ``root``, sorted; may be empty.

    An output folder has a ledger. If there is none, ``root`` counts as one if it has
    assets with sidecars.

    Args:
        root: Where to look.
        on_unreadable: Called for each folder that cannot be listed.
    """

    def tell(error: OSError) -> None:
        on_unreadable(
            OutputError(
                f"cannot read {error.filename}: {error.strerror or error}",
                hint="make the folder and its files readable for you, then try again",
            )
        )

    found = sorted(
        Path(folder)
        for folder, _, names in os.walk(root, onerror=tell)
        if LEDGER_NAME in names
    )
    return found or ([root] if find_asset_names(root) else [])


class Spent(Struct, frozen=True, kw_only=True):
    """What one output folder has cost.

    Attributes:
        output: The folder.
        emulated: Whether it belongs to the emulator, so that nothing was paid.
        spending: The sums.
    """

    output: Path
    emulated: bool
    spending: Spending


def read_spent(
    output: Path, manifest: Manifest | None = None, *, emulate: bool = False
) -> Spent:
    """Add up one output folder; a run may be in progress in it.

    Args:
        output: The folder; it need not exist.
        manifest: Its manifest, with whose lock file it is read; or None.
        emulate: Whether the manifest is emulated; then the lock file is ignored.

    Raises:
        LedgerError: Its ledger is damaged, or written by a newer version.
        LockError: The lock file cannot be read.
        OutputError: The disk fails.
    """
    lock_file, item_count = None, None
    if manifest is not None:
        lock_file = find_lock_file(manifest, emulate=emulate)
        item_count = manifest.item_count
    with open_for_reading(output, lock_file, item_count=item_count) as ledger:
        facts = ledger.find_facts()
        name = facts.manifest or (manifest.name if manifest else "")
        name = name or output.absolute().name
        return Spent(
            output=output,
            emulated=is_by_emulator(facts, emulate=emulate),
            spending=_summed(ledger, name),
        )


def _summed(ledger: Ledger, manifest: str) -> Spending:
    spending = Spending()
    for job in ledger.find_costs():
        spending.add(job, manifest)
    return spending


def merged(parts: Iterable[Spending]) -> Spending:
    """The sum of several ``Spending``."""
    whole = Spending()
    for part in parts:
        whole.merge(part)
    return whole
