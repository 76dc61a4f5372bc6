"""One multipart upload: what was announced, how far it is, and its JSON."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

from pipeline.emulator.identity import PROJECT_ID
from pipeline.emulator.refusal import bad_request
from pipeline.emulator.timeline import iso

KINDS = frozenset(["3d", "asset", "audio", "avatar", "image", "model", "text", "video"])
MULTIPART_KEYS = ("fileName", "fileSize", "contentType", "kind", "parts")
MOST_PARTS = 10_000


@dataclass(slots=True, kw_only=True)
class Upload:
    """One upload.

    Attributes:
        upload_id: Its public id.
        job_id: The job of type ``upload`` that belongs to it.
        author_id: Who made it.
        created_ms: When it was made.
        file_name: The name of the file, as announced.
        file_size: The size of the file in bytes, as announced.
        content_type: The media type of the file, as announced.
        kind: The kind of the asset, as announced.
        part_count: The number of parts, as announced.
        source: ``multipart`` or ``url``.
        completed_ms: When the client completed it; None before.
        ends_ms: When it is imported or fails; None before it is completed.
        error: Why it fails, or "".
        entity_id: The asset that it becomes, or "".
        received: The bytes received, by number of the part.
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

    @property
    def part_names(self) -> list[str]:
        """The name of each part in the file store, in order."""
        return [self.part_name(number + 1) for number in range(self.part_count)]

    def part_name(self, number: int) -> str:
        """The name of one part in the file store."""
        return f"{self.upload_id}.{number}"

    def status_at(self, now_ms: int) -> str:
        """The status at a moment."""
        if self.completed_ms is None or self.ends_ms is None:
            return "pending"
        if now_ms >= self.ends_ms:
            return "failed" if self.error else "imported"
        middle_ms = (self.completed_ms + self.ends_ms) // 2
        return "validating" if now_ms < middle_ms else "complete"

    def describe(
        self, now_ms: int, part_url: Callable[[int], tuple[str, int]]
    ) -> dict[str, object]:
        """The inner object of ``GET /uploads/{id}`` at a moment.

        Args:
            now_ms: The moment.
            part_url: The URL of a part by its number, and when it expires.
        """
        status = self.status_at(now_ms)
        answer: dict[str, object] = {
            "id": self.upload_id,
            "status": status,
            "source": self.source,
            "kind": self.kind,
            "fileName": self.file_name,
            "originalFileName": self.file_name,
            "fileSize": self.file_size,
            "contentType": self.content_type,
            "partsCount": self.part_count,
            "jobId": self.job_id,
            "authorId": self.author_id,
            "ownerId": PROJECT_ID,
            "createdAt": iso(self.created_ms),
            "updatedAt": iso(self._updated_ms(now_ms)),
        }
        if status == "pending":
            answer["parts"] = [
                {"number": number, "url": url, "expires": iso(expires_ms)}
                for number in range(1, self.part_count + 1)
                for url, expires_ms in [part_url(number)]
            ]
        if status == "imported":
            answer["entityId"] = self.entity_id
        if status == "failed":
            answer["errorMessage"] = self.error
        return answer

    def _updated_ms(self, now_ms: int) -> int:
        moments = (self.created_ms, self.completed_ms, self.ends_ms)
        return max(at for at in moments if at is not None and at <= now_ms)


def record_of_upload(upload: Upload) -> dict[str, object]:
    """An upload as a record of the journal."""
    return asdict(upload)


def upload_of_record(record: Mapping[str, object]) -> Upload:
    """The inverse of :func:`record_of_upload`."""
    values = dict(record)
    received = values.get("received")
    assert isinstance(received, dict)
    values["received"] = {int(number): size for number, size in received.items()}
    return Upload(**values)  # type: ignore[arg-type]


def demand_upload_body(body: object) -> dict[str, object]:
    """The body of ``POST /uploads``, with whole numbers as integers.

    Raises:
        Refused: 400 for a missing or wrong key.
    """
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
