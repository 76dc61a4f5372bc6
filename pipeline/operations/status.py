"""An output folder → how its items stand; a run may be at work in it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pipeline.job import Job, JobStatus
from pipeline.operations.spend import Spending, Sum
from pipeline.output.folder import open_for_reading
from pipeline.record import Struct


class Status(Struct, frozen=True, kw_only=True):
    """What the ledger of an output folder says.

    Attributes:
        counts: Items by status, of their newest attempts.
        troubled: The newest attempts that failed or are unsure, in the ledger's order.
        cost: What all attempts have cost together.
        reviews: Item, path and reason of each file that a person has to look at.
    """

    counts: Mapping[JobStatus, int]
    troubled: tuple[Job, ...]
    cost: Sum
    reviews: tuple[tuple[str, str, str], ...]


def read_status(output: Path) -> Status:
    """Read how the items of an output folder stand.

    Raises:
        LedgerError: The ledger cannot be read.
        OutputError: The folder cannot be read.
    """
    with open_for_reading(output) as ledger:
        spending = Spending()
        for job in ledger.find_costs():
            spending.add(job, "")
        return Status(
            counts=Counter(ledger.count_by_status()),
            troubled=tuple(
                ledger.find_latest_jobs_in(JobStatus.FAILED, JobStatus.UNKNOWN)
            ),
            cost=spending.total,
            reviews=tuple(
                (item_id, asset.path, asset.review)
                for item_id, asset in ledger.find_checked()
                if asset.review
            ),
        )
