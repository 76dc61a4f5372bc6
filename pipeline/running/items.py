"""Records of how an item stands: its takes, steps, files and costs. Pure."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from pipeline.counting import plural
from pipeline.errors import UsageError
from pipeline.job import SIDECAR_SUFFIX, Asset, Item, Job
from pipeline.manifest.review import ItemReview, Verdict
from pipeline.planning import PlannedItem
from pipeline.planning.takes import newest_made, stands
from pipeline.record import Struct
from pipeline.storage.store import Store

_NOTHING = Decimal(0)


class ItemStatus(StrEnum):
    """How an item stands. Of several takes, the first status here that one of them has.

    The names are those of the counts of a run.
    """

    UNKNOWN = "unknown"  # submitted, but the answer was lost: it may have been paid for
    FAILED = "failed"  # ended without a file
    BLOCKED = "blocked"  # an item that it needs was not made
    IN_FLIGHT = "in_flight"  # paid for, and not made yet
    NOT_FETCHED = "not_fetched"  # made and paid for, but a file is missing
    NOT_SUBMITTED = "not_submitted"  # new, or to be made again
    SAVED = "saved"  # its files are in place


_RANKS = {status: rank for rank, status in enumerate(ItemStatus)}


class SavedFile(Struct, frozen=True, kw_only=True):
    """One file of a take. It can be read wherever it is, in a folder or in a bucket.

    Attributes:
        store: Where the files of its manifest are.
        asset: Its record: digest, size, media type, pixels, checks.
    """

    store: Store
    asset: Asset

    @property
    def name(self) -> str:
        """Its path in the store, parts separated by ``/``."""
        return self.asset.path

    @property
    def path(self) -> Path:
        """Where it is, or was, on this machine.

        Raises:
            UsageError: It is in a bucket.
        """
        path = self.store.path_of(self.name)
        if path is None:
            raise UsageError(
                f"{self.url} is in a bucket, so it has no path on this machine",
                hint="read it with .open() or .read_bytes(), or use its .url",
            )
        return path

    @property
    def url(self) -> str:
        """Where it is, or was: ``s3://…``, ``gs://…``, ``az://…`` or ``file://…``."""
        return self.store.url_of(self.name)

    @property
    def sidecar(self) -> Path:
        """The JSON that says how it was made; on this machine, wherever the file is."""
        return self.store.home / (self.name + SIDECAR_SUFFIX)

    def open(self) -> BinaryIO:
        """A reader of its bytes, which can seek; close it after use.

        Raises:
            OSError: It is not there, or cannot be read.
        """
        return self.store.open(self.name)

    def read_bytes(self) -> bytes:
        """All of its bytes.

        Raises:
            OSError: As for :meth:`open`.
        """
        with self.open() as file:
            return file.read()


class JobRecord(Struct, frozen=True, kw_only=True):
    """One take of an item, or one of the steps that follow it.

    Attributes:
        job_id: Its id in the ledger, such as ``hero@2`` or ``hero+cutout``.
        number: The number of the take, from 1; a step follows the chosen take.
        status: How it stands.
        planned: What a run would do with it; None if the manifest does not want it any
            more, such as one that ``redo`` replaced.
        attempts: Its rows in the ledger, newest first; may be empty.
        files: Those of its newest attempt that made any.
        is_chosen: Whether it has the item's own name.
        reason: Why it is not SAVED, in a few words; else "".
        hint: The next step, or "".
    """

    job_id: str
    number: int
    status: ItemStatus
    planned: PlannedItem | None
    attempts: tuple[Job, ...]
    files: tuple[SavedFile, ...]
    is_chosen: bool
    reason: str = ""
    hint: str = ""

    def __repr__(self) -> str:
        return f"<{self.job_id}: {self.status}, {plural(self.cost, 'unit')}>"

    @property
    def made(self) -> Job | None:
        """The newest attempt that made files, or None."""
        return newest_made(self.attempts)

    @property
    def cost(self) -> Decimal:
        """What all of its attempts cost, less refunds, in compute units."""
        return sum(
            (
                (job.charged or _NOTHING) - (job.refunded or _NOTHING)
                for job in self.attempts
            ),
            _NOTHING,
        )


class ItemRecord(Struct, frozen=True, kw_only=True):
    """How one item stands.

    Attributes:
        item: As the manifest has it: its chosen take.
        takes: Every take that is wanted or was made, by number; at least one.
        steps: The steps that follow the chosen take, in their order.
        review: The decisions about it.
    """

    item: Item
    takes: tuple[JobRecord, ...]
    steps: tuple[JobRecord, ...] = ()
    review: ItemReview

    def __repr__(self) -> str:
        files = plural(len(self.files), "file")
        cost = plural(self.cost, "unit")
        return f"<{self.item_id}: {self.status}, {files}, {cost}>"

    @property
    def item_id(self) -> str:
        """The id as the user wrote it."""
        return self.item.base

    @property
    def chosen(self) -> JobRecord:
        """The take that is used; if there are steps, the last of them has its name."""
        return next((take for take in self.takes if take.is_chosen), self.takes[0])

    @property
    def worst(self) -> JobRecord:
        """Of the wanted takes and the steps, the first whose status is the item's."""
        wanted = [one for one in (*self.takes, *self.steps) if one.planned is not None]
        return min(wanted, key=lambda one: _RANKS[one.status])

    @property
    def status(self) -> ItemStatus:
        """How it stands."""
        return self.worst.status

    @property
    def files(self) -> tuple[SavedFile, ...]:
        """Those with the item's own name: of the last step, or of the chosen take."""
        return (self.steps[-1] if self.steps else self.chosen).files

    @property
    def cost(self) -> Decimal:
        """What all takes and steps cost, less refunds, in compute units."""
        return sum((one.cost for one in (*self.takes, *self.steps)), _NOTHING)

    def verdicts_on(self, take: JobRecord) -> Iterator[tuple[str, Verdict]]:
        """The decisions about a take that are about the bytes that it has now.

        Yields:
            ``chosen``, ``approved`` or ``rejected``, and the decision.
        """
        jobs = (one.made for one in (take, *self.steps))
        made = [job for job in jobs if job is not None]
        for word, verdict in self.review.verdicts():
            if verdict.take == take.number and stands(verdict, made):
                yield word, verdict
