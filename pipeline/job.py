"""The records that travel: Item, Job, Asset, and the life of a job.

Pure data. ``manifest`` makes Items, ``plan`` makes Jobs of them, the stages take
a Job and give back a later one, ``ledger`` remembers it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import NewType

from pipeline.record import Struct, field

JobKey = NewType("JobKey", str)
RemoteId = NewType("RemoteId", str)
AssetId = NewType("AssetId", str)

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class ReferenceAsset(Struct, frozen=True, kw_only=True):
    """An input file that the service must hold before a job can name it.

    Attributes:
        name: How the manifest calls it: the key under ``references``, or the path.
        path: Absolute path of the file.
        sha256: Hex digest of its content.
        size_bytes: Its size, at least 1.
        media_type: By content, such as ``image/png``.
    """

    name: str
    path: Path
    sha256: str
    size_bytes: int
    media_type: str


ParamValue = JsonValue | ReferenceAsset | list["ParamValue"]


class Item(Struct, frozen=True, kw_only=True):
    """One entry of an expanded manifest.

    Attributes:
        item_id: Unique in the manifest; also the file name, folders by ``/``.
        model_id: The service's id of the model.
        params: The model's inputs by the service's names, as they will be sent,
            but for ReferenceAssets, which become asset ids. Without a derived seed.
        template_id: The ``id`` as written, ``tree-${biome}``; groups an expansion.
        file: Where it is written, as the user gave the path.
        line: In ``file``, from 1.
        parents: Ids of items whose outputs it uses; they have to end first.
        former_params: ``params`` with other line ends, as earlier versions sent them;
            nothing is sent like this, but the ledger may know the request by it.
    """

    item_id: str
    model_id: str
    params: Mapping[str, ParamValue]
    template_id: str
    file: str
    line: int
    parents: tuple[str, ...] = ()
    former_params: tuple[Mapping[str, ParamValue], ...] = ()


class JobStatus(StrEnum):
    """Where a job is in its life; see ``LEGAL_TRANSITIONS``."""

    PLANNED = "planned"  # nothing has been sent, or what was sent was refused unpaid
    SUBMITTING = "submitting"  # the intent is durable, the request may have left
    SUBMITTED = "submitted"  # the service has given an id: paid for
    SUCCEEDED = "succeeded"  # the service has made the assets
    SAVED = "saved"  # verified files and sidecars are in place
    FAILED = "failed"  # ended without an asset; the reason says why
    UNKNOWN = "unknown"  # sent, and the answer is lost: it may have been paid for


# Whether a job came of it is not known.
UNSURE = frozenset({JobStatus.SUBMITTING, JobStatus.UNKNOWN})
# The service has, or may have, a job that has not ended.
UNFINISHED = UNSURE | {JobStatus.SUBMITTED}

LEGAL_TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    # UNKNOWN: it was proved absent, and yet its job has surfaced.
    JobStatus.PLANNED: frozenset(
        {JobStatus.SUBMITTING, JobStatus.FAILED, JobStatus.UNKNOWN}
    ),
    JobStatus.SUBMITTING: frozenset(
        {
            JobStatus.PLANNED,
            JobStatus.SUBMITTED,
            JobStatus.FAILED,
            JobStatus.UNKNOWN,
        }
    ),
    JobStatus.SUBMITTED: frozenset(
        # UNKNOWN: a late answer of another submit claims the job that was adopted.
        {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.UNKNOWN}
    ),
    JobStatus.SUCCEEDED: frozenset({JobStatus.SAVED, JobStatus.FAILED}),
    # SUCCEEDED: the file is gone or damaged and is fetched again, free of charge.
    JobStatus.SAVED: frozenset({JobStatus.SUCCEEDED}),
    # SUBMITTED: a job that outlived its deadline is looked at again; SUCCEEDED: an
    # asset that could not be fetched is tried again. Neither is paid for again.
    # UNKNOWN: it was refused, and yet a job may have come of it.
    JobStatus.FAILED: frozenset(
        {JobStatus.SUBMITTED, JobStatus.SUCCEEDED, JobStatus.UNKNOWN}
    ),
    JobStatus.UNKNOWN: frozenset(
        {JobStatus.SUBMITTED, JobStatus.PLANNED, JobStatus.FAILED}
    ),
}


class FailureClass(StrEnum):
    """Why a job failed, as far as it decides what a later run does."""

    REFUSED = "refused"  # final: the same request would be refused again
    MODERATED = "moderated"  # final after the second time
    GENERATION = "generation"  # the service tried and failed
    NO_OUTPUT = "no_output"  # success without assets: looked at again by a run
    TIMED_OUT = "timed_out"  # runs past its deadline: looked at again, never resent
    LOST = "lost"  # the service does not show the job: looked at again, never resent
    DOWNLOAD = "download"  # made and paid for; only the file is missing
    LOCAL = "local"  # a reference file could not be read or uploaded
    DUPLICATE = "duplicate"  # proved absent, yet it surfaced after a resubmit
    GIVEN_UP = "given_up"  # the user's decision


_STUCK_CLASSES = frozenset({FailureClass.TIMED_OUT, FailureClass.LOST})
FINAL_CLASSES = frozenset({FailureClass.REFUSED, FailureClass.GIVEN_UP})
SIDECAR_SUFFIX = ".json"  # after the whole name of the asset: oak.png.json
KEPT_MARK = ".old-"  # after an asset's name, before the attempt: oak.old-1.png
MODERATION_TRIES = 2  # near the threshold, chance decides; a third try never helped


class Asset(Struct, frozen=True, kw_only=True):
    """One verified file that a job produced.

    Attributes:
        asset_id: The service's id.
        output_index: From 1, in the service's order.
        path: Relative to the output folder, parts separated by ``/``.
        sha256: Hex digest of the file.
        size_bytes: Its size.
        media_type: By content.
        width_px: Pixels, or None for what is no image.
        height_px: Likewise.
    """

    asset_id: AssetId
    output_index: int
    path: str
    sha256: str
    size_bytes: int
    media_type: str
    width_px: int | None
    height_px: int | None


class Failure(Struct, frozen=True, kw_only=True):
    """Why a job is FAILED, UNKNOWN or back to PLANNED.

    Attributes:
        kind: What it means for later runs; None while nothing is decided.
        reason: The service's text, or ours; one line or more.
        hint: The next step; may be empty.
        trace_id: The service's id of the exchange; may be empty.
    """

    kind: FailureClass | None
    reason: str
    hint: str = ""
    trace_id: str = ""


class Mark(Struct, frozen=True, kw_only=True):
    """What the service listed last before a submit; a row of the ledger.

    What came of a submit that is not answered is looked for from here on, by the
    service's own times alone: no clock of ours and no ``Date`` bounds the reading.

    Attributes:
        mark_id: The ledger's number, or 0 before it is recorded.
        created_at: From when on the list has to be read, in the service's time: when
            one of the newest listed jobs was made. None: from the beginning.
        listed: Ids of the jobs since then that were listed: none of them can come of a
            submit after the mark.
    """

    mark_id: int = 0
    created_at: datetime | None = None
    listed: tuple[RemoteId, ...] = ()


class Job(Struct, frozen=True, kw_only=True):
    """One request to the service and its outcome; a row of the ledger.

    Attributes:
        row_id: The ledger's number, or 0 before it is recorded.
        item_id: Whose asset it makes.
        attempt: From 1, counted per item.
        job_key: Identity of what is asked for, defaults left out.
        request_key: The same with defaults as they were written.
        model_id: The service's id of the model.
        status: Where it is in its life.
        request: The inputs as sent, or None before the first submit.
        seed: The seed sent, explicit or derived, or None where the model has none.
        derived_seed: Whether it is derived, so that only this item has it.
        remote_id: The service's id, from SUBMITTED on.
        base_url: The service it was sent to.
        project_id: The project it was sent for, or "".
        author_id: Who the service says made it, or "".
        made_with: Which API key sent it: a digest, or "".
        mark_id: The :class:`Mark` before its submit, or None.
        charged: Compute units charged, add-ons included; None if unsaid.
        quoted: Compute units reserved before the submit; None without a quote.
        addons: Of ``charged``, the units of each add-on, such as ``quality-gate``.
        refunded: Compute units given back after a failure; None if none were.
        sent_at: When the submit began, in the service's time.
        submitted_at: When the answer came, or the service's creation time.
        finished_at: When the service ended it.
        saved_at: When the last sidecar was in place.
        remote_assets: Asset ids in the service's order, from SUCCEEDED on.
        echo: What the service's record of the inputs says differently.
        failure: Why it is FAILED, UNKNOWN or back to PLANNED.
        assets: The files, once SAVED.
    """

    row_id: int = 0
    item_id: str
    attempt: int
    job_key: JobKey
    request_key: JobKey
    model_id: str
    status: JobStatus = JobStatus.PLANNED
    request: Mapping[str, JsonValue] | None = None
    seed: int | None = None
    derived_seed: bool = False
    remote_id: RemoteId | None = None
    base_url: str = ""
    project_id: str = ""
    author_id: str = ""
    made_with: str = ""
    mark_id: int | None = None
    charged: Decimal | None = None
    quoted: Decimal | None = None
    addons: Mapping[str, Decimal] = field(default_factory=dict)
    refunded: Decimal | None = None
    sent_at: datetime | None = None
    submitted_at: datetime | None = None
    finished_at: datetime | None = None
    saved_at: datetime | None = None
    remote_assets: tuple[AssetId, ...] = ()
    echo: Mapping[str, JsonValue] | None = None
    failure: Failure | None = None
    assets: tuple[Asset, ...] = ()

    @property
    def is_unsure(self) -> bool:
        """Whether a person may have to decide what became of it."""
        kind = self.failure.kind if self.failure else None
        is_stuck = self.status is JobStatus.FAILED and kind in _STUCK_CLASSES
        return is_stuck or self.status in UNSURE

    @property
    def committed(self) -> Decimal:
        """Compute units that this attempt has taken, or may have, of a budget."""
        return committed_units(
            self.status,
            quoted=self.quoted,
            charged=self.charged,
            refunded=self.refunded,
            is_submitted=self.remote_id is not None,
            kind=self.failure.kind if self.failure else None,
        )


def committed_units(
    status: JobStatus,
    *,
    quoted: Decimal | None,
    charged: Decimal | None,
    refunded: Decimal | None,
    is_submitted: bool,
    kind: FailureClass | None,
) -> Decimal:
    """Compute units that an attempt has taken, or may have taken, of a budget.

    A job counts by its quote, or a higher charge, until it has ended, and then by
    what was charged. What was refused unpaid counts nothing. No attempt gives more
    back than it has taken.
    """
    unpaid = status is JobStatus.FAILED and not is_submitted
    if status is JobStatus.PLANNED or (unpaid and kind is not FailureClass.GIVEN_UP):
        return Decimal(0)
    taken = quoted if charged is None else charged
    if status in UNFINISHED and quoted is not None:
        # What the answer to a submit says of the charge may not be its last word.
        taken = max(quoted, charged or Decimal(0))
    return max(Decimal(0), (taken or Decimal(0)) - (refunded or Decimal(0)))
