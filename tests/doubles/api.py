"""The service, in process and on a clock that the test holds.

``FakeApi`` implements ``GenerationApi``; what it shows is held to the emulator's by
``doubles/test_fake_contract.py``. It keeps counters that the code under test cannot
touch. Its jobs are those of ``FakeJobs``, its calls fail as ``FakeCalls`` says, and
its CDN is ``FakeTransfer``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from doubles.jobs import MODEL, MODEL_PRO, FakeJobs
from pipeline.api.interface import (
    ModelPage,
    Quote,
    RemoteAsset,
    RemoteJob,
    RemoteUpload,
    Submission,
    TeamLimits,
    UploadPart,
)
from pipeline.api.rate_limiter import RateLimiter
from pipeline.errors import RateLimited, Rejected
from pipeline.job import AssetId, JsonValue
from pipeline.storage.media_type import kind_of

CDN = "https://cdn.cloud.scenario.com"


@dataclass(slots=True, kw_only=True)
class _Upload:
    name: str
    size_bytes: int
    parts: int
    completed_s: float | None = None
    failed: str = ""
    asset_id: AssetId | None = None


@dataclass(slots=True)
class FakeApi(FakeJobs):
    """The service.

    Attributes:
        ceiling: Jobs that may be in flight; more get RateLimited.
        announces: Whether that refusal names the ceiling.
        readable_ceiling: What ``find_limits`` says of the ceiling.
        units_left: What it says of the units.
        models: Model records by id.
        quotes: Model and inputs of every request that was priced.
        model_ids: The models that there are.
        sparse: The answer to a submit holds nothing but the id.
        asset_pending_s: An asset is pending so long after its job's success.
        upload_pending_s: An uploaded asset is pending for so long.
        rate_limiter: How often it may be asked: as often as one likes.
        bulk_rejects_unknown: One unknown id fails the whole bulk read.
        submits: Model and inputs of every submit that came, refused or not.
        bulk_reads: The ids of every bulk read.
        parts: What was sent to the URL of each part.
        most_in_flight: The highest number of our jobs at one time.
    """

    ceiling: int | None = None
    announces: bool = True
    readable_ceiling: int | None = None
    units_left: Decimal | None = None
    models: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    quotes: list[tuple[str, dict[str, JsonValue]]] = field(default_factory=list)
    model_ids: frozenset[str] = frozenset({MODEL, MODEL_PRO})
    sparse: bool = False
    asset_pending_s: float = 0.0
    upload_pending_s: float = 0.0
    rate_limiter: RateLimiter = field(init=False)
    bulk_rejects_unknown: bool = False
    submits: list[tuple[str, dict[str, JsonValue]]] = field(default_factory=list)
    bulk_reads: list[tuple[AssetId, ...]] = field(default_factory=list)
    parts: dict[str, bytes] = field(default_factory=dict)
    most_in_flight: int = 0
    _uploads: dict[str, _Upload] = field(default_factory=dict)
    _uploaded_s: dict[AssetId, float] = field(default_factory=dict)
    _signatures: int = 0

    def __post_init__(self) -> None:
        self.rate_limiter = RateLimiter(self.clock)

    def fail_import(self, upload_number: int, reason: str) -> None:
        """Let the import of this upload, counted from 1, fail."""
        self._uploads[f"upload_{upload_number}"].failed = reason

    async def submit(
        self, model_id: str, inputs: Mapping[str, JsonValue]
    ) -> Submission:
        async with self._call("submit", model_id, inputs):
            self.submits.append((model_id, dict(inputs)))
            if model_id not in self.model_ids:
                raise Rejected(f"Model {model_id} was not found", status=404)
            self._refuse_missing_assets(inputs)
            if self.ceiling is not None and self.in_flight >= self.ceiling:
                raise RateLimited(
                    "Too many parallel jobs",
                    ceiling=self.ceiling if self.announces else None,
                )
            made = self._make_job(
                model_id, dict(inputs), self.author_id, self.clock.monotonic_s(), None
            )
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            shown = self.show(made, self.clock.monotonic_s())
        if self.sparse:
            return Submission(job=RemoteJob.named(made.remote_id), charged=None)
        answered = made.outcome.answered
        return Submission(
            job=shown,
            charged=self.charge_of(made) if answered is None else answered,
        )

    async def find_limits(self) -> TeamLimits:
        async with self._call("find_limits"):
            pass
        return TeamLimits(ceiling=self.readable_ceiling, units_left=self.units_left)

    async def quote(self, model_id: str, inputs: Mapping[str, JsonValue]) -> Quote:
        self.quotes.append((model_id, dict(inputs)))
        async with self._call("quote", model_id, inputs):
            self._refuse_missing_assets(inputs)
        return Quote(units=self.price_of(inputs))

    async def list_public_models(self, *, token: str = "") -> ModelPage:
        async with self._call("list_public_models", token):
            return ModelPage(records=(), next_token="")

    async def find_model(self, model_id: str) -> Mapping[str, Any] | None:
        async with self._call("find_model", model_id):
            pass
        return self.models.get(model_id)

    async def find_asset(self, asset_id: AssetId) -> RemoteAsset | None:
        async with self._call("find_asset", asset_id):
            return self._asset(asset_id)

    async def find_assets(
        self, asset_ids: Sequence[AssetId]
    ) -> dict[AssetId, RemoteAsset]:
        async with self._call("find_assets", tuple(asset_ids)):
            self.bulk_reads.append(tuple(asset_ids))
            assets = {asset_id: self._asset(asset_id) for asset_id in asset_ids}
            if self.bulk_rejects_unknown and None in assets.values():
                raise Rejected("one of the assets was not found", status=404)
        return {name: asset for name, asset in assets.items() if asset is not None}

    async def upload_image(self, name: str, content: bytes) -> RemoteAsset:
        async with self._call("upload_image", name, content):
            asset_id = self._take_upload(content)
            asset = self._asset(asset_id)
            assert asset is not None
        return asset

    async def create_upload(
        self, name: str, size_bytes: int, media_type: str, parts: int
    ) -> RemoteUpload:
        async with self._call("create_upload", name, size_bytes, media_type, parts):
            upload_id = f"upload_{len(self._uploads) + 1}"
            upload = _Upload(name=name, size_bytes=size_bytes, parts=parts)
            self._uploads[upload_id] = upload
        return self._described(upload_id)

    async def complete_upload(self, upload_id: str) -> None:
        async with self._call("complete_upload", upload_id):
            upload = self._uploads[upload_id]
            urls = [_part_url(upload_id, part + 1) for part in range(upload.parts)]
            if any(url not in self.parts for url in urls):
                raise Rejected("a part could not be found", status=400)
            if upload.completed_s is None:
                content = b"".join(self.parts[url] for url in urls)
                upload.completed_s = self.clock.monotonic_s()
                if len(content) != upload.size_bytes:
                    upload.failed = "another size than announced"
                else:
                    upload.asset_id = self._take_upload(content)

    async def find_upload(self, upload_id: str) -> RemoteUpload:
        async with self._call("find_upload", upload_id):
            if upload_id not in self._uploads:
                raise Rejected(f"Upload {upload_id} was not found", status=404)
        return self._described(upload_id)

    # --- inside ---------------------------------------------------------------

    def _refuse_missing_assets(self, inputs: Mapping[str, JsonValue]) -> None:
        for asset_id in _named_assets(inputs):
            if asset_id not in self.files:
                raise Rejected(f"Asset {asset_id} was not found", status=404)

    def _asset(self, asset_id: AssetId) -> RemoteAsset | None:
        now_s = self.clock.monotonic_s()
        content = self.files.get(asset_id)
        if content is None:
            return None
        since_s = self._uploaded_s.get(asset_id)
        author_id, pending_s = self.author_id, self.upload_pending_s
        if since_s is None:
            job = next((job for job in self.jobs if asset_id in job.asset_ids), None)
            since_s = 0.0 if job is None else job.ended_s
            author_id = self.author_id if job is None else job.author_id
            pending_s = self.asset_pending_s
        if since_s is None or since_s > now_s + 1e-9:
            return None
        ready = now_s >= since_s + pending_s
        self._signatures += 1
        return RemoteAsset(
            asset_id=asset_id,
            url=f"{CDN}/{asset_id}?Signature={self._signatures}&at={now_s}",
            is_ready=ready,
            has_failed=False,
            media_type=(media_type := self.media_types.get(asset_id, "image/png")),
            kind=kind_of(media_type),
            size_bytes=len(content) if ready else None,
            author_id=author_id,
        )

    def _take_upload(self, content: bytes) -> AssetId:
        asset_id = AssetId(f"asset_up_{len(self._uploaded_s) + 1}")
        self.files[asset_id] = content
        self._uploaded_s[asset_id] = self.clock.monotonic_s()
        return asset_id

    def _described(self, upload_id: str) -> RemoteUpload:
        upload = self._uploads[upload_id]
        status, asset_id = "pending", None
        if upload.failed:
            status = "failed"
        elif upload.completed_s is not None:
            over = self.clock.monotonic_s() >= upload.completed_s + 0.2
            status = "imported" if over else "importing"
            asset_id = upload.asset_id if over else None
        parts = range(upload.parts if status == "pending" else 0)
        return RemoteUpload(
            upload_id=upload_id,
            status=status,
            asset_id=asset_id,
            parts=tuple(
                UploadPart(number=part + 1, url=_part_url(upload_id, part + 1))
                for part in parts
            ),
            error=upload.failed,
        )


def _part_url(upload_id: str, number: int) -> str:
    return f"https://parts.example/{upload_id}/{number}"


def _named_assets(inputs: Mapping[str, JsonValue]) -> Iterator[str]:
    for value in inputs.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, str) and inner.startswith("asset_"):
                yield inner
