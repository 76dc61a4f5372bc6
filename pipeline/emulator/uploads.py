"""All uploads: small files at once, and larger files in parts.

Every upload has a job of type ``upload``. Making the URLs of parts is left to the
routes, which know the address.
"""

from pipeline.emulator.asset_importer import AssetImporter
from pipeline.emulator.assets import UploadedAsset
from pipeline.emulator.identity import make_id, random_of
from pipeline.emulator.job_store import JobStore
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.journal import FileStore, Journal
from pipeline.emulator.pictures.image_files import read_image_facts
from pipeline.emulator.profiles.uploads import UploadsProfile
from pipeline.emulator.refusal import bad_request, not_found
from pipeline.emulator.timeline import span_ms
from pipeline.emulator.upload import Upload, demand_upload_body, record_of_upload

SMALL_PART_TEXT = "Your proposed upload is smaller than the minimum allowed size"


class Uploads:
    """All uploads.

    Args:
        profile: Delays and failures.
        store: Where the jobs of uploads are kept.
        importer: Makes assets of files.
        files: Where the bytes of parts are kept.
        journal: Where the uploads are written.
        seed: The emulator's seed.
        failed_status: The word for a failed job.
    """

    def __init__(
        self,
        profile: UploadsProfile,
        store: JobStore,
        importer: AssetImporter,
        files: FileStore,
        journal: Journal,
        *,
        seed: int,
        failed_status: str,
    ) -> None:
        self._profile = profile
        self._store = store
        self._importer = importer
        self._files = files
        self._journal = journal
        self._seed = seed
        self._failed_status = failed_status
        self._uploads: dict[str, Upload] = {}

    def add_file(self, name: str, data: bytes, author_id: str) -> UploadedAsset:
        """Make an asset of a whole image file, at once.

        Raises:
            Refused: 400: it is not an image that can be read.
        """
        now_ms = self._store.advance()
        asset = self._importer.add(name, data, author_id, "", now_ms)
        if self._profile.small_upload_jobs:
            job = self._make_job(now_ms, author_id, "success")
            job.entity_id = asset.asset_id
            self._store.add(job)
        return asset

    def create(self, body: object, author_id: str) -> Upload:
        """``POST /uploads``.

        Raises:
            Refused: 400 for a missing or wrong key.
        """
        now_ms = self._store.advance()
        values = demand_upload_body(body)
        job = self._make_job(now_ms, author_id, "pending")
        upload = Upload(
            upload_id=make_id("upload", self._seed, job.number),
            job_id=job.job_id,
            author_id=author_id,
            created_ms=now_ms,
            file_name=str(values.get("fileName", "")),
            file_size=int(str(values.get("fileSize", 0))),
            content_type=str(values.get("contentType", "")),
            kind=str(values["kind"]),
            part_count=int(str(values.get("parts", 0))),
            source="url" if "url" in values else "multipart",
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
        """Keep the bytes of one part. If a part is sent again, the last bytes count.

        Raises:
            Refused: 404 for a part that was not announced.
        """
        upload = self.find(upload_id)
        if not 1 <= number <= upload.part_count or upload.completed_ms is not None:
            raise not_found("Part", str(number))
        self._files.put(upload.part_name(number), data)
        upload.received[number] = len(data)
        self._write(upload)

    def complete(self, upload_id: str, body: object) -> Upload:
        """``POST /uploads/{id}/action``. A second time has no effect.

        Raises:
            Refused: 400 for another action or missing parts.
        """
        now_ms = self._store.advance()
        if not isinstance(body, dict) or body.get("action") != "complete":
            raise bad_request('"action" must be [complete]')
        upload = self.find(upload_id)
        if upload.completed_ms is not None:
            return upload
        parts = [self._files.get(name) for name in upload.part_names]
        if any(part is None for part in parts):
            raise bad_request("One or more of the parts could not be found")
        data = b"".join(part for part in parts if part is not None)
        self._finish(upload, now_ms, data, self._failure_of(upload, data))
        for name in upload.part_names:
            self._files.drop(name)
        return upload

    def restore(self, upload: Upload) -> None:
        """Add an upload, perhaps of an earlier start, with the end of its job."""
        self._uploads[upload.upload_id] = upload
        job = self._store.find(upload.job_id)
        if upload.ends_ms is not None and job is not None and len(job.step_times) == 1:
            self._extend_job(upload)

    def _make_job(self, now_ms: int, author_id: str, status: str) -> EmulatedJob:
        number = self._store.next_number
        return EmulatedJob(
            number=number,
            job_id=make_id("job", self._seed, number),
            job_type="upload",
            author_id=author_id,
            created_ms=now_ms,
            step_times=(now_ms,),
            step_statuses=(status,),
        )

    def _finish(self, upload: Upload, now_ms: int, data: bytes, error: str) -> None:
        upload.completed_ms = now_ms
        upload.ends_ms = now_ms + span_ms(self._profile.upload_seconds)
        upload.error = error
        if not error:
            asset = self._importer.add(
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
        last = self._failed_status if upload.error else "success"
        steps = ((upload.completed_ms, "in-progress"), (upload.ends_ms, last))
        self._store.extend(job, steps, error=upload.error, entity_id=upload.entity_id)

    def _failure_of(self, upload: Upload, data: bytes) -> str:
        chance = random_of(self._seed, upload.upload_id)
        if chance.random() < self._profile.upload_failure_rate:
            return "The file could not be validated"
        if len(data) != upload.file_size:
            return f"Expected {upload.file_size} bytes but received {len(data)}"
        inner = [upload.received.get(part, 0) for part in range(1, upload.part_count)]
        if any(size < self._profile.part_min_bytes for size in inner):
            return SMALL_PART_TEXT
        must_be_image = self._profile.upload_validates and upload.kind == "image"
        if must_be_image and read_image_facts(data) is None:
            return "The file is not a valid image"
        return ""

    def _write(self, upload: Upload) -> None:
        self._journal.append("upload", record_of_upload(upload))
