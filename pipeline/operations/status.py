"""An output folder → how its items stand; a run may be at work in it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from pipeline.job import Job, JobStatus
from pipeline.ledger.ledger import Ledger
from pipeline.manifest.review import Review
from pipeline.naming import split_take
from pipeline.operations.spend import Spending, Sum
from pipeline.output.folder import open_for_reading
from pipeline.planning.takes import Take, find_stale
from pipeline.record import Struct


class Status(Struct, frozen=True, kw_only=True):
    """What the ledger of an output folder says.

    Attributes:
        counts: Items by status, of their newest attempts.
        troubled: The newest attempts that failed or are unsure, in the ledger's order.
        cost: What all attempts have cost together.
        stale: A sentence for each decision about a take that counts no longer.
    """

    counts: Mapping[JobStatus, int]
    troubled: tuple[Job, ...]
    cost: Sum
    stale: tuple[str, ...] = ()


def read_status(output: Path, review: Review = Review()) -> Status:  # noqa: B008 - frozen
    """Read how the items of an output folder stand.

    Args:
        output: The output folder.
        review: The decisions about its takes.

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
            stale=tuple(_find_stale(review, ledger)),
        )


def _find_stale(review: Review, ledger: Ledger) -> Iterator[str]:
    for base_id, item in sorted(review.items.items()):
        takes = []
        for job_id in ledger.find_take_ids(base_id):
            jobs = ledger.find_jobs_of(job_id)
            made = next((job for job in jobs if job.assets), None)
            number = split_take(job_id)[1]
            takes.append(Take(number=number, made=made, is_paid=made is None))
        yield from find_stale(base_id, item, takes)
