"""What the stages know of the service: records and the ``GenerationApi`` protocol."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from pipeline.api.rate_limiter import RateLimiter
from pipeline.errors import BudgetReached, JobError, Rejected
from pipeline.job import AssetId, JsonValue, RemoteId
from pipeline.record import Struct, field

# The id of a text asset, which the service puts in place of a text when it archives a
# job. Source: Scenario API sheet, section 17.1.
ARCHIVED_TEXT = re.compile(r"asset_[A-Za-z0-9_-]{1,250}")


class RemoteStatus(StrEnum):
    """The status of a job: the service's eight words, reduced to what matters to us."""

    RUNNING = "running"  # pending, queued, warming-up, in-progress, finalizing, unknown
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELED = "canceled"


class RemoteJob(Struct, frozen=True, kw_only=True):
    """The service's record of a job.

    Attributes:
        remote_id: Never empty.
        status: How far it is.
        status_text: The service's own word for it.
        created_at: In the service's time, or None if not given.
        updated_at: The same.
        author_id: The author whose key made it, or "".
        job_type: The service's name for its type, such as ``custom`` or ``upload``, or
            "".
        is_child: Whether it is a step of a workflow.
        owner_id: The project it belongs to, or "".
        model_id: From the echoed inputs, or "".
        inputs: The echoed inputs without ``modelId``; may be empty.
        asset_ids: Outputs in the provider's order.
        output: A result that is no asset: text, an object or a list; None if there is
            none.
        error: Why it failed, or "".
        hint: The service's advice, or "".
        charged: Compute units for this job including add-ons, or None if not given.
        addons: The part of these units that each add-on costs.
        discount: Units that may or may not have been deducted from ``charged``.
        refunds: False if the service does not refund a failure.
    """

    remote_id: RemoteId
    status: RemoteStatus
    status_text: str
    created_at: datetime | None
    updated_at: datetime | None
    author_id: str
    model_id: str
    inputs: Mapping[str, JsonValue]
    asset_ids: tuple[AssetId, ...]
    error: str
    hint: str
    charged: Decimal | None
    refunds: bool
    addons: Mapping[str, Decimal] = field(default_factory=dict)
    discount: Decimal = Decimal(0)
    output: JsonValue = None
    job_type: str = ""
    is_child: bool = False
    owner_id: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether no further change is expected."""
        return self.status is not RemoteStatus.RUNNING

    @classmethod
    def named(cls, remote_id: RemoteId) -> "RemoteJob":
        """A job of which only the id is known."""
        return cls(
            remote_id=remote_id,
            status=RemoteStatus.RUNNING,
            status_text="",
            created_at=None,
            updated_at=None,
            author_id="",
            model_id="",
            inputs={},
            asset_ids=(),
            error="",
            hint="",
            charged=None,
            refunds=True,
        )


class Submission(Struct, frozen=True, kw_only=True):
    """The answer to a submit that was accepted.

    Attributes:
        job: The new job.
        charged: Compute units for this request including add-ons, or None if not given.
        addons: The part of these units that each add-on costs.
    """

    job: RemoteJob
    charged: Decimal | None
    addons: Mapping[str, Decimal] = field(default_factory=dict)


class Quote(Struct, frozen=True, kw_only=True):
    """What a request would cost.

    Attributes:
        units: Compute units after discount, including add-ons.
        addons: The part of these units that each add-on costs, such as
            ``quality-gate``.
    """

    units: Decimal
    addons: Mapping[str, Decimal] = field(default_factory=dict)


class UnexpectedJob(BudgetReached):
    """The answer to a dry run is not a quote: it may have started a paid job.

    Attributes:
        remote_id: The job that it started, or None if the answer names none.
        units: What the answer says was charged, or None if not given.
        item_id: The item whose price was requested, or "".
        inputs: What was sent.
    """

    def __init__(
        self, message: str, *, remote_id: RemoteId | None, units: Decimal | None = None
    ) -> None:
        super().__init__(message, hint="look for it in the Scenario web app")
        self.remote_id = remote_id
        self.units = units
        self.item_id = ""
        self.inputs: Mapping[str, JsonValue] = {}


class NoPrice(Rejected):
    """The answer to a dry run names no price."""


class TeamLimits(Struct, frozen=True, kw_only=True):
    """The team's limits, as far as the key may read them.

    Attributes:
        ceiling: Jobs in flight at once, or None.
        units_left: Compute units left in this period, or None.
        project_id: The project the key is for, if it is only one, or "".
    """

    ceiling: int | None = None
    units_left: Decimal | None = None
    project_id: str = ""


class JobPage(Struct, frozen=True, kw_only=True):
    """One page of a listing; ``jobs`` may be empty while ``next_token`` is set."""

    jobs: tuple[RemoteJob, ...]
    next_token: str


class ModelPage(Struct, frozen=True, kw_only=True):
    """One page of the public models; every record has an ``id`` that is text."""

    records: tuple[Mapping[str, Any], ...]
    next_token: str


class JobFilter(Struct, frozen=True, kw_only=True):
    """Which jobs a listing shows. ``created_after`` excludes the other fields.

    Attributes:
        updated_after: Custom jobs changed since then, sorted by update time.
        created_after: Jobs of all types made since then, sorted by creation time.
        status: With ``updated_after``: only jobs with this status (the service's word).
        author_id: With ``updated_after``: only jobs by this author.
    """

    updated_after: datetime | None = None
    created_after: datetime | None = None
    status: str = ""
    author_id: str = ""


class RemoteAsset(Struct, frozen=True, kw_only=True):
    """The service's record of an asset.

    Attributes:
        asset_id: Never empty.
        url: Signed; a secret, and short-lived.
        is_ready: Whether the file can be downloaded.
        has_failed: Whether it never will be ready.
        media_type: According to the service, or "".
        kind: ``image``, ``video``, …, or "".
        size_bytes: The size of the stored file, or None if not given.
        author_id: The author whose key made it, or "".
    """

    asset_id: AssetId
    url: str
    is_ready: bool
    has_failed: bool
    media_type: str
    kind: str
    size_bytes: int | None
    author_id: str

    def __repr__(self) -> str:  # a signed URL is a credential
        return f"RemoteAsset({self.asset_id!r}, ready={self.is_ready})"


class UploadPart(Struct, frozen=True, kw_only=True):
    """Where one part of a multipart upload goes."""

    number: int
    url: str

    def __repr__(self) -> str:  # a signed URL is a credential
        return f"UploadPart({self.number})"


class RemoteUpload(Struct, frozen=True, kw_only=True):
    """The service's record of a multipart upload.

    Attributes:
        upload_id: Never empty.
        status: The service's own word: ``pending``, …, ``imported``, ``failed``.
        asset_id: The asset it became, or None while it is being imported.
        parts: In order; empty once uploaded.
        error: Why it failed, or "".
    """

    upload_id: str
    status: str
    asset_id: AssetId | None
    parts: tuple[UploadPart, ...]
    error: str


class GenerationApi(Protocol):
    """The service. Each call is one exchange; nothing here is retried.

    Every method may raise ``Unavailable`` (connection, timeout, 5xx), ``RateLimited``
    (429), ``AccessDenied`` (401, 403), ``BudgetReached`` (402), ``Rejected`` (400,
    404, 413, 422) and ``UnexpectedAnswer``.
    """

    @property
    def rate_limiter(self) -> RateLimiter:
        """The rate limiter that every request waits for."""

    @property
    def answered_at_s(self) -> float | None:
        """When the last answer came, on the monotonic clock; None before the first."""

    @property
    def is_emulator(self) -> bool:
        """Whether a service on this machine has said that it is our emulator."""

    def service_now(self) -> datetime:
        """The service's time: our clock, corrected by the last ``Date`` it sent."""

    async def submit(
        self, model_id: str, inputs: Mapping[str, JsonValue]
    ) -> Submission:
        """Start a paid job.

        Raises:
            OutcomeUnknown: The service may have accepted it.
            Unavailable: The request certainly never left.
            Rejected, RateLimited, AccessDenied, BudgetReached: It was refused; nothing
                was paid.
        """

    async def find_job(self, remote_id: RemoteId) -> RemoteJob | None:
        """Read one job; None if the service does not know it (404)."""

    async def list_jobs(self, which: JobFilter, *, token: str = "") -> JobPage:
        """Read one page of up to 100 jobs; the first without a token."""

    async def find_asset(self, asset_id: AssetId) -> RemoteAsset | None:
        """Read one asset with a fresh URL of the original; None on 404."""

    async def find_assets(
        self, asset_ids: Sequence[AssetId]
    ) -> dict[AssetId, RemoteAsset]:
        """Read up to 200 assets; those the service does not show are left out."""

    async def upload_image(self, name: str, content: bytes) -> RemoteAsset:
        """Upload a small image (below 3.5 MB) in one request."""

    async def create_upload(
        self, name: str, size_bytes: int, media_type: str, parts: int
    ) -> RemoteUpload:
        """Begin a multipart upload of ``parts`` parts."""

    async def complete_upload(self, upload_id: str) -> None:
        """Tell the service that every part has been sent."""

    async def find_upload(self, upload_id: str) -> RemoteUpload:
        """Read the progress of the import."""

    async def quote(self, model_id: str, inputs: Mapping[str, JsonValue]) -> Quote:
        """Price a request without making a job.

        Raises:
            UnexpectedJob: The answer is not a quote: money may have been spent.
        """

    async def find_model(self, model_id: str) -> Mapping[str, Any] | None:
        """Read the service's record of a model; None on 404."""

    async def list_public_models(self, *, token: str = "") -> ModelPage:
        """Read one page of up to 500 public models; their records have no inputs."""

    async def find_limits(self) -> TeamLimits:
        """Read the team's limits; all unknown if the key may not read them."""


class UrlExpired(JobError):
    """A signed URL is no longer valid; a fresh one may work."""


class FileTransfer(Protocol):
    """Bytes from and to signed URLs. Never sees the service's credentials."""

    def read(
        self, url: str
    ) -> AbstractAsyncContextManager[tuple[int | None, AsyncIterator[bytes]]]:
        """Open a download.

        Yields:
            The announced length in bytes, or None; and the chunks.

        Raises:
            UrlExpired: 403, 404, 410, or a redirect to another host or a web page. A
                fresh URL may help.
            Unavailable: Anything that another attempt may fix. Also a host that is not
                the service's, as a fresh URL may lead to the right one.
        """

    async def write(self, url: str, content: bytes, media_type: str) -> None:
        """Send one part of an upload; safe to repeat."""
