"""Which assets exist, since when, and in which state.

There are three kinds: uploaded files, outputs of jobs, and prompts that the service has
archived as text. What their files contain is left to ``asset_contents``, and their JSON
to ``asset_view``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.pictures.canvas import StoredFile
from pipeline.emulator.profiles.assets import AssetsProfile
from pipeline.emulator.timeline import span_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedAsset:
    """A file that was uploaded.

    Attributes:
        asset_id: Its public id.
        author_id: Who uploaded it.
        created_ms: When it became an asset.
        name: The file name, as given.
        media_type: The type of its content, or the type that was claimed if the
            content is unreadable.
        size_bytes: Its size.
        width_px: 0 if it is no readable image.
        height_px: 0 if it is no readable image.
        sha256: The hex digest of its bytes.
    """

    asset_id: str
    author_id: str
    created_ms: int
    name: str
    media_type: str
    size_bytes: int
    width_px: int
    height_px: int
    sha256: str

    @property
    def file(self) -> StoredFile:
        """Its bytes in the file store."""
        return StoredFile(
            name=self.asset_id, width_px=self.width_px, height_px=self.height_px
        )


class Assets:
    """All assets.

    Args:
        profile: When assets can be read.
        find_job: A job by its number.
    """

    def __init__(
        self, profile: AssetsProfile, find_job: Callable[[int], EmulatedJob]
    ) -> None:
        self._profile = profile
        self._find_job = find_job
        self._generated: dict[str, int] = {}
        self._uploaded: dict[str, UploadedAsset] = {}
        self._by_content: dict[str, str] = {}
        self._prompts: dict[str, int] = {}

    def add_prompt(self, asset_id: str, job: EmulatedJob) -> None:
        """Add the text asset that has replaced a job's prompt."""
        self._prompts[asset_id] = job.number

    def add_outputs(self, job: EmulatedJob) -> None:
        """Add the outputs of a new job. They appear when it ends."""
        for asset_id in job.asset_ids:
            self._generated[asset_id] = job.number

    def add_upload(self, asset: UploadedAsset) -> None:
        """Add an uploaded file."""
        self._uploaded[asset.asset_id] = asset
        self._by_content.setdefault(asset.sha256, asset.asset_id)

    def find_upload(self, asset_id: str) -> UploadedAsset | None:
        """An uploaded asset by its id."""
        return self._uploaded.get(asset_id)

    def find_same_content(self, sha256: str) -> UploadedAsset | None:
        """The first uploaded asset with these bytes."""
        return self._uploaded.get(self._by_content.get(sha256, ""))

    def find_job(self, asset_id: str) -> EmulatedJob | None:
        """The job that has made this asset, or whose prompt it is."""
        number = self._prompts.get(asset_id, self._generated.get(asset_id))
        return None if number is None else self._find_job(number)

    def is_prompt(self, asset_id: str) -> bool:
        """Whether this asset is a prompt that was archived."""
        return asset_id in self._prompts

    def can_be_named(self, asset_id: str) -> bool:
        """Whether this is the id of an upload or of an output, perhaps a future one."""
        return asset_id in self._uploaded or asset_id in self._generated

    @property
    def upload_count(self) -> int:
        """How many files were uploaded."""
        return len(self._uploaded)

    def can_be_used(self, asset_id: str, now_ms: int) -> bool:
        """Whether a submit may name this asset."""
        uploaded = self._uploaded.get(asset_id)
        if uploaded is not None:
            hidden_ms = span_ms(self._profile.upload_hidden_s)
            if now_ms < uploaded.created_ms + hidden_ms:
                return False
        return self.status_of(asset_id, now_ms) is not None

    def status_of(self, asset_id: str, now_ms: int) -> str | None:
        """``pending``, ``success`` or ``error``; None if there is no such asset."""
        profile = self._profile
        created_ms = self._created_ms(asset_id)
        if created_ms is None:
            return None
        is_upload = asset_id in self._uploaded
        hidden_s = 0.0 if is_upload else profile.asset_hidden_s
        pending_s = profile.upload_pending_s if is_upload else profile.asset_pending_s
        kept_s = profile.asset_retention_s
        age_ms = now_ms - created_ms
        is_gone = kept_s is not None and age_ms >= span_ms(kept_s)
        if age_ms < span_ms(hidden_s) or is_gone:
            return None
        if age_ms < span_ms(pending_s):
            return "pending"
        if asset_id in self._generated:
            job = self._find_job(self._generated[asset_id])
            return "error" if job.broken_assets else "success"
        return "success"

    def list_ids(self, now_ms: int) -> Iterator[tuple[int, str]]:
        """Every upload and output at a moment, with its time of creation."""
        for asset_id in (*self._uploaded, *self._generated):
            created_ms = self._created_ms(asset_id)
            if created_ms is not None and self.status_of(asset_id, now_ms):
                yield created_ms, asset_id

    def _created_ms(self, asset_id: str) -> int | None:
        uploaded = self._uploaded.get(asset_id)
        if uploaded is not None:
            return uploaded.created_ms
        job = self.find_job(asset_id)
        if job is None:
            return None
        return job.created_ms if asset_id in self._prompts else job.ends_ms
