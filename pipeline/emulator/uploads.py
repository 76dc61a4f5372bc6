"""Multipart uploads: parts in, an asset out, by way of a job of type ``upload``.

Also takes whole files for ``POST /assets``. Where parts are sent to is left to the
routes, which know the address.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from pipeline.emulator.assets import Assets, UploadedAsset
from pipeline.emulator.identity import PROJECT_ID, make_id, random_of
from pipeline.emulator.job_store import JobStore
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.journal import FileStore, Journal
from pipeline.emulator.pictures.image_files import read_image_facts
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import bad_request, not_found
from pipeline.emulator.timeline import iso, span_ms

KINDS = frozenset(["3d", "asset", "audio", "avatar", "image", "model", "text", "video"])
MULTIPART_KEYS = ("fileName", "fileSize", "contentType", "kind", "parts")
MOST_PARTS = 10_000
SMALL_PART_TEXT = "Your proposed upload is smaller than the minimum allowed size"


@dataclass(slots=True, kw_only=True)
class Upload:
    """One upload.

    Attributes:
        upload_id: Its public id.
        job_id: Its job.
        author_id: Who made it.
        created_ms: When.
        file_name: As given.
        file_size: As announced, in bytes.
        content_type: As announced.
        kind: As announced.
        part_count: How many parts there will be.
        source: ``multipart`` or ``url``.
        completed_ms: When it was completed; None before.
        ends_ms: When it is imported or fails; None before it is completed.
        error: Why it fails, or "".
        entity_id: The asset it becomes, or "".
        received: Bytes received, by number of the part.
    """

    upload_id: str
    job_id: str
    author_id: str
    created_ms: int
    file_name: str
    file_size: int
    content_type: str
    kind: str
    part_count: int
    source: str
    completed_ms: int | None = None
    ends_ms: int | None = None
    error: str = ""
    entity_id: str = ""
    received: dict[int, int] = field(default_factory=dict)


class Uploads:
    """All uploads.

    Args:
        profile: Delays and failures; its seed is set.
        store: Where their jobs live.
        assets: Where their assets go.
        files: Where bytes are kept.
        journal: Where they are written down.
    """

    def __init__(
        self,
        profile: EmulatorProfile,
        store: JobStore,
        assets: Assets,
        files: FileStore,
        journal: Journal,
    ) -> None:
        self._profile = profile
        self._store = store
        self._assets = assets
        self._files = files
        self._journal = journal
        self._uploads: dict[str, Upload] = {}

    def add_file(
        self, name: str, data: bytes, author_id: str, media_type: str = ""
    ) -> UploadedAsset:
        """Make an asset of a whole file, at once.

        Raises:
            Refused: 400, it is no image that can be read.
        """
        now_ms = self._store.advance()
        asset = self._make_asset(name, data, author_id, media_type, now_ms)
        if self._profile.small_upload_jobs:
            number = self._store.next_number
            job = EmulatedJob(
                number=number,
                job_id=make_id("job", self._profile.seed, number),
                job_type="upload",
                author_id=author_id,
                created_ms=now_ms,
                step_times=(now_ms,),
                step_statuses=("success",),
                entity_id=asset.asset_id,
            )
            self._store.add(job)
        return asset

    def create(self, body: object, author_id: str) -> Upload:
        """``POST /uploads``.

        Raises:
            Refused: 400 for a missing or wrong key.
        """
        now_ms = self._store.advance()
        values = _checked(body)
        number = self._store.next_number
        job_id = make_id("job", self._profile.seed, number)
        upload = Upload(
            upload_id=make_id("upload", self._profile.seed, number),
            job_id=job_id,
            author_id=author_id,
            created_ms=now_ms,
            file_name=str(values.get("fileName", "")),
            file_size=int(str(values.get("fileSize", 0))),
            content_type=str(values.get("contentType", "")),
            kind=str(values["kind"]),
            part_count=int(str(values.get("parts", 0))),
            source="url" if "url" in values else "multipart",
        )
        job = EmulatedJob(
            number=number,
            job_id=job_id,
            job_type="upload",
            author_id=author_id,
            created_ms=now_ms,
            step_times=(now_ms,),
            step_statuses=("pending",),
        )
        self._store.add(job)
        self.restore(upload)
        self._write(upload)
        if upload.source == "url":
            self._finish(upload, now_ms, b"", "The url could not be fetched")
        return upload

    def find(self, upload_id: str) -> Upload:
        """An upload by its id.

        Raises:
            Refused: 404.
        """
        self._store.advance()
        if upload_id not in self._uploads:
            raise not_found("Upload", upload_id)
        return self._uploads[upload_id]

    def receive_part(self, upload_id: str, number: int, data: bytes) -> None:
        """Keep the bytes of one part; the last of several wins.

        Raises:
            Refused: 404 for a part that was not announced.
        """
        upload = self.find(upload_id)
        if not 1 <= number <= upload.part_count or upload.completed_ms is not None:
            raise not_found("Part", str(number))
        self._files.put(_part_name(upload_id, number), data)
        upload.received[number] = len(data)
        self._write(upload)

    def complete(self, upload_id: str, body: object) -> Upload:
        """``POST /uploads/{id}/action``; a second time changes nothing.

        Raises:
            Refused: 400 for another action or missing parts.
        """
        now_ms = self._store.advance()
        if not isinstance(body, dict) or body.get("action") != "complete":
            raise bad_request('"action" must be [complete]')
        upload = self.find(upload_id)
        if upload.completed_ms is not None:
            return upload
        names = [_part_name(upload_id, part + 1) for part in range(upload.part_count)]
        parts = [self._files.get(name) for name in names]
        if any(part is None for part in parts):
            raise bad_request("One or more of the parts could not be found")
        data = b"".join(part for part in parts if part is not None)
        self._finish(upload, now_ms, data, self._fault_of(upload, data))
        for name in names:
            self._files.drop(name)
        return upload

    def describe(
        self, upload: Upload, now_ms: int, part_url: Callable[[int], tuple[str, int]]
    ) -> dict[str, object]:
        """The inner object of ``GET /uploads/{id}`` at a moment.

        Args:
            upload: Any upload.
            now_ms: The moment.
            part_url: Gives URL and expiry in milliseconds of a part.
        """
        status = _status(upload, now_ms)
        answer: dict[str, object] = {
            "id": upload.upload_id,
            "status": status,
            "source": upload.source,
            "kind": upload.kind,
            "fileName": upload.file_name,
            "originalFileName": upload.file_name,
            "fileSize": upload.file_size,
            "contentType": upload.content_type,
            "partsCount": upload.part_count,
            "jobId": upload.job_id,
            "authorId": upload.author_id,
            "ownerId": PROJECT_ID,
            "createdAt": iso(upload.created_ms),
            "updatedAt": iso(_updated_ms(upload, now_ms)),
        }
        if status == "pending":
            answer["parts"] = [
                {"number": number, "url": url, "expires": iso(expires_ms)}
                for number in range(1, upload.part_count + 1)
                for url, expires_ms in [part_url(number)]
            ]
        if status == "imported":
            answer["entityId"] = upload.entity_id
        if status == "failed":
            answer["errorMessage"] = upload.error
        return answer

    def restore(self, upload: Upload) -> None:
        """Take up an upload of an earlier start, with the end of its job."""
        self._uploads[upload.upload_id] = upload
        job = self._store.find(upload.job_id)
        if upload.ends_ms is not None and job is not None and len(job.step_times) == 1:
            self._extend_job(upload)

    def _finish(self, upload: Upload, now_ms: int, data: bytes, error: str) -> None:
        upload.completed_ms = now_ms
        upload.ends_ms = now_ms + span_ms(self._profile.upload_seconds)
        upload.error = error
        if not error:
            asset = self._make_asset(
                upload.file_name,
                data,
                upload.author_id,
                upload.content_type,
                upload.ends_ms,
            )
            upload.entity_id = asset.asset_id
        self._extend_job(upload)
        self._write(upload)

    def _extend_job(self, upload: Upload) -> None:
        job = self._store.find(upload.job_id)
        assert job is not None
        assert upload.completed_ms is not None
        assert upload.ends_ms is not None
        last = self._profile.failed_status if upload.error else "success"
        steps = ((upload.completed_ms, "in-progress"), (upload.ends_ms, last))
        self._store.extend(job, steps, error=upload.error, entity_id=upload.entity_id)

    def _fault_of(self, upload: Upload, data: bytes) -> str:
        chance = random_of(self._profile.seed, upload.upload_id)
        if chance.random() < self._profile.upload_failure_rate:
            return "The file could not be validated"
        if len(data) != upload.file_size:
            return f"Expected {upload.file_size} bytes but received {len(data)}"
        inner = [upload.received.get(part, 0) for part in range(1, upload.part_count)]
        if any(size < self._profile.part_min_bytes for size in inner):
            return SMALL_PART_TEXT
        must_be_read = self._profile.upload_validates and upload.kind == "image"
        if must_be_read and read_image_facts(data) is None:
            return "The file is not a valid image"
        return ""

    def _make_asset(
        self, name: str, data: bytes, author_id: str, media_type: str, created_ms: int
    ) -> UploadedAsset:
        facts = read_image_facts(data)
        if facts is None and self._profile.upload_validates and not media_type:
            raise bad_request("Invalid image")
        sha256 = hashlib.sha256(data).hexdigest()
        same = self._assets.find_same_content(sha256)
        if same is not None and self._profile.upload_deduplicates:
            return same
        number = self._assets.upload_count
        asset = UploadedAsset(
            asset_id=make_id("asset", self._profile.seed, "upload", number),
            author_id=author_id,
            created_ms=created_ms,
            name=name,
            media_type=facts.media_type if facts else media_type or "image/png",
            size_bytes=len(data),
            width_px=facts.width_px if facts else 0,
            height_px=facts.height_px if facts else 0,
            sha256=sha256,
        )
        self._files.put(asset.asset_id, data)
        self._journal.append("asset", asdict(asset))
        self._assets.add_upload(asset)
        return asset

    def _write(self, upload: Upload) -> None:
        self._journal.append("upload", asdict(upload))


def upload_of_record(record: Mapping[str, object]) -> Upload:
    """An upload as the journal remembers it."""
    values = dict(record)
    received = values.get("received")
    assert isinstance(received, dict)
    values["received"] = {int(number): size for number, size in received.items()}
    return Upload(**values)  # type: ignore[arg-type]


def _status(upload: Upload, now_ms: int) -> str:
    if upload.completed_ms is None or upload.ends_ms is None:
        return "pending"
    if now_ms >= upload.ends_ms:
        return "failed" if upload.error else "imported"
    middle_ms = (upload.completed_ms + upload.ends_ms) // 2
    return "validating" if now_ms < middle_ms else "complete"


def _updated_ms(upload: Upload, now_ms: int) -> int:
    moments = (upload.created_ms, upload.completed_ms, upload.ends_ms)
    return max(at for at in moments if at is not None and at <= now_ms)


def _part_name(upload_id: str, number: int) -> str:
    return f"{upload_id}.{number}"


def _checked(body: object) -> dict[str, object]:
    if not isinstance(body, dict):
        raise bad_request("The request body must be a JSON object")
    required = ("url", "kind") if "url" in body else MULTIPART_KEYS
    for key in required:
        if body.get(key) in (None, ""):
            raise bad_request(f'"{key}" is required')
    if body["kind"] not in KINDS:
        raise bad_request('"kind" must be one of the upload kinds')
    for key in ("fileSize", "parts"):
        value = body.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 1:
            raise bad_request(f'"{key}" must be a positive number')
    if body.get("parts", 1) > MOST_PARTS:
        raise bad_request(f'"parts" must be at most {MOST_PARTS}')
    whole = {key: int(body[key]) for key in ("fileSize", "parts") if key in body}
    return {**body, **whole}
