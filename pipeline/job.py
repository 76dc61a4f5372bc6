"""The records that all packages share: Item, Job, Asset, and the life of a job.

Pure data. ``manifest`` makes Items, ``planning`` makes Jobs of them, ``running`` takes
each Job through its life, and ``ledger`` records it.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import NewType

from pipeline.record import Struct, field
from pipeline.save_spec import CheckResult, Saving, find_open

JobKey = NewType("JobKey", str)
RemoteId = NewType("RemoteId", str)
AssetId = NewType("AssetId", str)

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]


class ReferenceAsset(Struct, frozen=True, kw_only=True):
    """An input file that must be uploaded before a job can use it.

    Attributes:
        name: Its name in the manifest: the key under ``references``, or the path.
        path: The absolute path of the file.
        sha256: The hex digest of the bytes that are sent.
        size_bytes: Their size, at least 1.
        media_type: Detected from them, such as ``image/png``.
        file: The path as written, relative to the manifest's folder.
        upright: Whether the picture is turned upright before it is sent; then the
            bytes differ from those of the file.
    """

    name: str
    path: Path
    sha256: str
    size_bytes: int
    media_type: str
    file: str = ""
    upright: bool = False


class ItemOutput(Struct, frozen=True, kw_only=True):
    """An input that is another item's output.

    Attributes:
        item_id: The other item: the *parent*.
        index: The number of the output, from 1.
        asset_id: The service's id of the output, once the parent is made; else "".
        sha256: The hex digest of the output as the service made it, once it is known.
    """

    item_id: str
    index: int = 1
    asset_id: AssetId = AssetId("")
    sha256: str = ""

    @property
    def written(self) -> str:
        """As a manifest names it: ``item:hero``, ``item:hero/2``."""
        return f"item:{self.item_id}" + (f"/{self.index}" if self.index > 1 else "")


ParamValue = (
    JsonValue
    | ReferenceAsset
    | ItemOutput
    | list["ParamValue"]
    | dict[str, "ParamValue"]
)


class Item(Struct, frozen=True, kw_only=True):
    """One job that an expanded manifest wants: an item, or one of its takes or steps.

    Attributes:
        item_id: The job's id, unique in the manifest: the id as the user wrote it,
            which is also the file name, folders by ``/``; with ``@2`` and so on for a
            further take, and ``+NAME`` for a step.
        model_id: The service's id of the model.
        params: The model's inputs by the service's names, as they will be sent, except
            that ReferenceAssets and ItemOutputs become asset ids. Without a derived
            seed.
        template_id: The ``id`` as written, such as ``tree-${biome}``. Items expanded
            from the same entry share it.
        file: The file that the item is written in, as the user gave the path.
        line: The line in ``file``, from 1.
        parents: Ids of items whose outputs it uses; they have to be made first.
        is_saved: Whether its files are saved; if not, they stay at the service.
        may_be_missing: Whether it is one of a ``foreach``: its parent may make fewer
            outputs than it was asked for.
        former_params: ``params`` with other line ends, as earlier versions sent them;
            nothing is sent like this, but the ledger may know the request by it.
        base_id: The id of the item that this is a take or a step of, or "" for
            ``item_id``.
        take: The number of the take, from 1.
        has_steps: Whether steps follow; then the last of them has the item's name.
        is_last_step: Whether it is that last step.
        variables: The values of its matrix and of its row, by name.
        saving: How its files are saved and checked; no part of the request.
        was: The job id that it had before the item was renamed, or "".
        chooses: Whether one of its outputs is chosen, as one of several takes is.
        decided_as: The id of the item whose decisions count for it, or "" for its own.
        key: Of a manifest that is not a file: where it is, such as ``items[0]``.
    """

    item_id: str
    model_id: str
    params: Mapping[str, ParamValue]
    template_id: str
    file: str
    line: int
    parents: tuple[str, ...] = ()
    is_saved: bool = True
    may_be_missing: bool = False
    former_params: tuple[Mapping[str, ParamValue], ...] = ()
    base_id: str = ""
    take: int = 1
    has_steps: bool = False
    is_last_step: bool = False
    variables: Mapping[str, JsonValue] = field(default_factory=dict)
    saving: Saving = Saving()
    was: str = ""
    chooses: bool = False
    decided_as: str = ""
    key: str = ""

    @property
    def base(self) -> str:
        """The item's id as the user wrote it; all of its takes and steps share it."""
        return self.base_id or self.item_id

    @property
    def place(self) -> str:
        """Where the user wrote it: ``file:line``, or the key in a mapping."""
        return f"{self.file} {self.key}" if self.key else f"{self.file}:{self.line}"


class JobStatus(StrEnum):
    """The status of a job; see ``LEGAL_TRANSITIONS``."""

    PLANNED = "planned"  # nothing was sent, or it was refused without a charge
    SUBMITTING = "submitting"  # the write-ahead intent is durable, the POST may be sent
    SUBMITTED = "submitted"  # the service has given an id: paid for
    SUCCEEDED = "succeeded"  # the service has made the assets
    SAVED = "saved"  # verified files and sidecars are in place
    FAILED = "failed"  # ended without an asset; the reason says why
    UNKNOWN = "unknown"  # sent, but the answer was lost: it may have been paid for


# It is unknown whether the submit made a job.
UNSURE = frozenset({JobStatus.SUBMITTING, JobStatus.UNKNOWN})
# The service has, or may have, a job that has not ended.
UNFINISHED = UNSURE | {JobStatus.SUBMITTED}

LEGAL_TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    # UNKNOWN: it was proved absent, but its job has appeared.
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
        # UNKNOWN: the late answer to another submit claims the adopted job.
        {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.UNKNOWN}
    ),
    JobStatus.SUCCEEDED: frozenset({JobStatus.SAVED, JobStatus.FAILED}),
    # SUCCEEDED: a missing or damaged file is fetched again, free of charge.
    JobStatus.SAVED: frozenset({JobStatus.SUCCEEDED}),
    # SUBMITTED: a job that outlived its deadline is checked again. SUCCEEDED: the
    # download of an asset is tried again. Neither is paid for again.
    # UNKNOWN: the submit was refused, but may have made a job.
    JobStatus.FAILED: frozenset(
        {JobStatus.SUBMITTED, JobStatus.SUCCEEDED, JobStatus.UNKNOWN}
    ),
    JobStatus.UNKNOWN: frozenset(
        {JobStatus.SUBMITTED, JobStatus.PLANNED, JobStatus.FAILED}
    ),
}


class FailureClass(StrEnum):
    """Why a job failed; the class determines what a later run does."""

    REFUSED = "refused"  # final: the same request would be refused again
    MODERATED = "moderated"  # final after the second time
    GENERATION = "generation"  # the service tried and failed
    NO_OUTPUT = "no_output"  # success without assets: the next run checks again
    TIMED_OUT = "timed_out"  # still running at its deadline: checked, never resent
    LOST = "lost"  # the service no longer shows the job: checked again, never resent
    DOWNLOAD = "download"  # made and paid for; only the file is missing
    LOCAL = "local"  # a reference file could not be read or uploaded
    DUPLICATE = "duplicate"  # proved absent, but the job appeared after a resubmit
    GIVEN_UP = "given_up"  # the user's decision


_STUCK_CLASSES = frozenset({FailureClass.TIMED_OUT, FailureClass.LOST})
FINAL_CLASSES = frozenset({FailureClass.REFUSED, FailureClass.GIVEN_UP})
SIDECAR_SUFFIX = ".json"  # follows the full name of the asset: oak.png.json
KEPT_MARK = ".old-"  # between an asset's name and the attempt: oak.old-1.png
PREVIEW_MARK = ".preview"  # between an item's id and the ending: oak.preview.webp
PICTURED = ("3d", "video", "audio")  # kinds of output that come with pictures of them
PREVIEW = "preview"  # the role of a picture that came with a 3D model or a video
MODERATION_TRIES = 2  # near the threshold, a second try may pass; a third never did


class Asset(Struct, frozen=True, kw_only=True):
    """One verified file that a job produced.

    Attributes:
        asset_id: The service's id; for a text result, which is no asset there, the id
            of its job.
        output_index: From 1, in the service's order; companions come after outputs.
        path: Relative to the output folder, parts separated by ``/``.
        sha256: The hex digest of the file.
        size_bytes: The size of the file.
        media_type: Detected from the content.
        width_px: The width in pixels, or None if it is not an image.
        height_px: The height in pixels, or None if it is not an image.
        role: "" for an output, ``PREVIEW`` for a companion.
        original_sha256: The hex digest of the file that the service made; "" if that is
            the saved file itself.
        original_size_bytes: Its size; 0 if it is the saved file itself.
        recipe: How the file was made from the original, as :attr:`SaveSpec.recipe`; ""
            if it was to be saved as it came.
        checks: What its checks found when it was saved, or since.
        likeness: 16 hex digits that similar pictures share most bits of; "" if it was
            not compared with others.
    """

    asset_id: AssetId
    output_index: int
    path: str
    sha256: str
    size_bytes: int
    media_type: str
    width_px: int | None
    height_px: int | None
    role: str = ""
    original_sha256: str = ""
    original_size_bytes: int = 0
    recipe: str = ""
    checks: tuple[CheckResult, ...] = ()
    likeness: str = ""

    @property
    def content_sha256(self) -> str:
        """The hex digest of the file that the service made, however it is saved."""
        return self.original_sha256 or self.sha256

    @property
    def review(self) -> str:
        """Why a person has to look at the file, or ""."""
        return find_open(self.checks)


class Failure(Struct, frozen=True, kw_only=True):
    """Why a job is FAILED, UNKNOWN or back to PLANNED.

    Attributes:
        kind: The failure class, which later runs act on; or None.
        reason: The service's text, or ours; one line or more.
        hint: The next step; may be empty.
        trace_id: The service's id of the exchange; may be empty.
    """

    kind: FailureClass | None
    reason: str
    hint: str = ""
    trace_id: str = ""


class Mark(Struct, frozen=True, kw_only=True):
    """A starting point in the service's job list; a row of the ledger.

    The job of a lost submit is searched for from its mark on. A mark holds only times
    from the job list; no clock of ours and no ``Date`` header bounds the search.

    Attributes:
        mark_id: The ledger's number, or 0 before it is recorded.
        created_at: The creation time, by the service, of one of the newest jobs listed
            before the submit: the search starts there. None to start at the beginning.
        listed: Ids of the jobs listed since then; a submit after the mark cannot have
            made any of them.
    """

    mark_id: int = 0
    created_at: datetime | None = None
    listed: tuple[RemoteId, ...] = ()


class Job(Struct, frozen=True, kw_only=True):
    """One request to the service and its outcome; a row of the ledger.

    Attributes:
        row_id: The ledger's number, or 0 before it is recorded.
        item_id: The item whose asset it makes.
        attempt: The number of the attempt for the item, from 1.
        job_key: The identity of the request, without inputs that equal a default.
        request_key: The identity of the request, with defaults as written.
        model_id: The service's id of the model.
        status: The current status.
        request: The inputs as sent, or None before the first submit.
        seed: The seed sent, explicit or derived, or None if the model has none.
        derived_seed: Whether the seed is derived from the item id.
        remote_id: The service's id, from SUBMITTED on.
        base_url: The service that the job was sent to.
        project_id: The project that the job was sent for, or "".
        author_id: The service's id of the job's author, or "".
        made_with: The digest of the API key that sent it, or "".
        mark_id: The :class:`Mark` before its submit, or None.
        charged: Compute units charged, add-ons included; None if unknown.
        quoted: Compute units reserved before the submit; None without a quote.
        addons: Of ``charged``, the units of each add-on, such as ``quality-gate``.
        refunded: Compute units refunded after a failure, or None.
        sent_at: When the submit began, in the service's time.
        submitted_at: When the answer came, or the service's creation time.
        finished_at: When the service ended the job.
        saved_at: When the last sidecar was in place.
        remote_assets: Asset ids in the service's order, from SUCCEEDED on. Of a job
            whose result is a text in its own record, the id of the job alone.
        echo: The inputs that the service's record shows differently.
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

    def asks_for(self, job_key: JobKey, request_key: JobKey) -> bool:
        """Whether its request is the one with these keys.

        One of them is enough: a changed default changes the first, a default that is
        written out the second.
        """
        return self.job_key == job_key or self.request_key == request_key

    @property
    def outputs(self) -> tuple[Asset, ...]:
        """The assets without companions."""
        return tuple(asset for asset in self.assets if not asset.role)

    @property
    def has_text_result(self) -> bool:
        """Whether its result is a text in its own record, and no asset."""
        job_id = self.remote_id
        return job_id is not None and self.remote_assets == (AssetId(job_id),)

    @property
    def is_unsure(self) -> bool:
        """Whether the user may have to decide what became of the job."""
        kind = self.failure.kind if self.failure else None
        is_stuck = self.status is JobStatus.FAILED and kind in _STUCK_CLASSES
        return is_stuck or self.status in UNSURE

    @property
    def is_taken_over(self) -> bool:
        """Whether another run made its job for the same request: nothing was sent."""
        return (
            self.remote_id is not None and self.sent_at is None and self.made_with != ""
        )

    @property
    def review(self) -> str:
        """Why a person has to look at its files: ``oak.png: alpha: …``, or ""."""
        whys = (f"{one.path}: {one.review}" for one in self.assets if one.review)
        return "; ".join(whys)

    @property
    def committed(self) -> Decimal:
        """Compute units that this attempt takes, or may take, from a budget."""
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
    """Compute units that an attempt takes, or may take, from a budget; at least 0.

    Until it ends, a job counts with the higher of quote and charge; after that, with
    its charge less refunds. A submit that was refused without a charge counts 0.
    """
    unpaid = status is JobStatus.FAILED and not is_submitted
    if status is JobStatus.PLANNED or (unpaid and kind is not FailureClass.GIVEN_UP):
        return Decimal(0)
    taken = quoted if charged is None else charged
    if status in UNFINISHED and quoted is not None:
        # The charge in the answer to a submit may not be final.
        taken = max(quoted, charged or Decimal(0))
    return max(Decimal(0), (taken or Decimal(0)) - (refunded or Decimal(0)))


def prompt_name(params: Mapping[str, object]) -> str:
    """The input that says what is made: ``prompt``, or ``text`` of speech; else ""."""
    names = (one for one in ("prompt", "text") if isinstance(params.get(one), str))
    return next(names, "")


def prompt_of(params: Mapping[str, object]) -> str | None:
    """What the input :func:`prompt_name` says, or None."""
    prompt = params.get(prompt_name(params))
    return prompt if isinstance(prompt, str) else None
