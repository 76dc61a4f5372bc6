"""Every asset there is: what was uploaded, and what jobs have made.

Gives what an asset looks like at a moment. Sizes in bytes and URLs come from the
caller, because they need the file itself and the address of the CDN.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.emulator.identity import PROJECT_ID
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.pictures.canvas import MEDIA_TYPES, Picture, StoredFile, size_px
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.refusal import not_found
from pipeline.emulator.timeline import iso, span_ms

NO_PIXELS = 1
KINDS = {MEDIA_TYPES["json"]: "json", MEDIA_TYPES["text"]: "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedAsset:
    """A file somebody uploaded.

    Attributes:
        asset_id: Its public id.
        author_id: Who uploaded it.
        created_ms: When it became an asset.
        name: The file name as given.
        media_type: By its content, or as claimed when that is unreadable.
        size_bytes: Its size.
        width_px: 0 when it is no readable image.
        height_px: Likewise.
        sha256: Hex digest of its bytes.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is known of an asset's file once it exists.

    Attributes:
        size_bytes: Its size.
        width_px: 0 for what is no image.
        height_px: Likewise.
    """

    size_bytes: int
    width_px: int
    height_px: int


class Assets:
    """All assets.

    Args:
        profile: Delays, names and formats.
        find_job: A job by its number.
        defaults_of: The defaults of a model's inputs.
    """

    def __init__(
        self,
        profile: EmulatorProfile,
        find_job: Callable[[int], EmulatedJob],
        defaults_of: Callable[[str], Mapping[str, object]],
    ) -> None:
        self._profile = profile
        self._find_job = find_job
        self._defaults_of = defaults_of
        self._generated: dict[str, int] = {}
        self._uploaded: dict[str, UploadedAsset] = {}
        self._by_content: dict[str, str] = {}
        self._prompts: dict[str, int] = {}

    def add_prompt(self, asset_id: str, job: EmulatedJob) -> None:
        """Take up the text asset that a job's prompt has become."""
        self._prompts[asset_id] = job.number

    def add_outputs(self, job: EmulatedJob) -> None:
        """Take up the outputs of a new job; they appear when it succeeds."""
        for asset_id in job.asset_ids:
            self._generated[asset_id] = job.number

    def add_upload(self, asset: UploadedAsset) -> None:
        """Take up an uploaded file."""
        self._uploaded[asset.asset_id] = asset
        self._by_content.setdefault(asset.sha256, asset.asset_id)

    def find_upload(self, asset_id: str) -> UploadedAsset | None:
        """An uploaded asset by its id."""
        return self._uploaded.get(asset_id)

    def find_same_content(self, sha256: str) -> UploadedAsset | None:
        """The first uploaded asset with these bytes."""
        return self._uploaded.get(self._by_content.get(sha256, ""))

    @property
    def upload_count(self) -> int:
        """How many files were uploaded."""
        return len(self._uploaded)

    def can_be_used(self, asset_id: str, now_ms: int) -> bool:
        """Whether a submit may name this asset."""
        uploaded = self._uploaded.get(asset_id)
        if uploaded is not None:
            lag_ms = span_ms(self._profile.upload_hidden_s)
            if now_ms < uploaded.created_ms + lag_ms:
                return False
        return self.status_of(asset_id, now_ms) is not None

    def status_of(self, asset_id: str, now_ms: int) -> str | None:
        """``pending``, ``success`` or ``error``; None for what is not there."""
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
        if asset_id in self._generated and self._job_of(asset_id).broken_assets:
            return "error"
        return "success"

    def media_type_of(self, asset_id: str) -> str:
        """The true type of an asset's file."""
        uploaded = self._uploaded.get(asset_id)
        if uploaded is not None:
            return uploaded.media_type
        content = self.content_of(asset_id)
        assert isinstance(content, Picture)
        return MEDIA_TYPES[content.image_format]

    def content_of(
        self, asset_id: str, *, with_references: bool = True
    ) -> Picture | StoredFile:
        """What the file of an asset shows, whether or not it exists yet.

        References are shown without their own references: a long chain of edits
        would otherwise grow with every step.

        Raises:
            Refused: 404, nobody ever heard of this id.
        """
        uploaded = self._uploaded.get(asset_id)
        if uploaded is not None:
            return uploaded.file
        if asset_id in self._prompts:
            return _text_of(self._job_of(asset_id))
        if asset_id not in self._generated:
            raise not_found("Asset", asset_id)
        job = self._job_of(asset_id)
        index = job.asset_ids.index(asset_id)
        prompt = str(job.inputs.get("prompt", ""))
        if index >= job.images:
            return Picture(
                prompt=prompt,
                seed=job.seed,
                index=index,
                width_px=NO_PIXELS,
                height_px=NO_PIXELS,
                image_format="json",
            )
        references = tuple(
            self.content_of(name, with_references=False)
            for name in (self._references_of(job) if with_references else ())
        )
        size = job.inputs.get("size", self._defaults_of(job.model_id).get("size", ""))
        width_px, height_px = size_px(str(size), references, self._profile)
        return Picture(
            prompt=prompt,
            seed=job.seed,
            index=index,
            width_px=width_px,
            height_px=height_px,
            image_format=job.image_format,
            references=references,
        )

    def describe(
        self, asset_id: str, now_ms: int, *, url: str, facts: FileFacts | None
    ) -> dict[str, object]:
        """The inner object of ``GET /assets/{id}`` at a moment.

        Args:
            asset_id: Any id.
            now_ms: The moment.
            url: The signed URL.
            facts: Of the file; None while it is pending.

        Raises:
            Refused: 404, it is not there.
        """
        status = self.status_of(asset_id, now_ms)
        if status is None:
            raise not_found("Asset", asset_id)
        uploaded = self._uploaded.get(asset_id)
        if uploaded is not None:
            metadata: dict[str, object] = {"kind": "image", "type": "uploaded"}
            created_ms, author = uploaded.created_ms, uploaded.author_id
            extra: dict[str, object] = {"originalFileName": uploaded.name}
            media_type = uploaded.media_type
        elif asset_id in self._prompts:
            job = self._job_of(asset_id)
            metadata = {"type": "uploaded-text", "parentJobId": job.job_id}
            created_ms, author, extra = job.created_ms, job.author_id, {}
            media_type = MEDIA_TYPES["text"]
        else:
            job = self._job_of(asset_id)
            metadata = self._metadata(job, job.asset_ids.index(asset_id))
            created_ms, author = job.ends_ms or now_ms, job.author_id
            media_type = self.media_type_of(asset_id)
            extra = {"outputIndex": metadata["outputIndex"], "nsfw": []}
        kind = KINDS.get(media_type, "image")
        metadata["kind"] = kind
        if self._profile.claimed_mime_type and kind == "image":
            media_type = self._profile.claimed_mime_type
        properties: dict[str, object] = {"size": facts.size_bytes if facts else 0}
        if facts and facts.width_px:
            properties |= {"width": facts.width_px, "height": facts.height_px}
        return {
            "id": asset_id,
            "url": url,
            "mimeType": media_type,
            "kind": kind,
            "status": status,
            "source": metadata["type"],
            "authorId": author,
            "ownerId": PROJECT_ID,
            "privacy": "private",
            "createdAt": iso(created_ms),
            "updatedAt": iso(created_ms),
            "tags": [],
            "collectionIds": [],
            "editCapabilities": [],
            "metadata": metadata,
            "properties": properties,
            **extra,
        }

    def listed_ids(self, now_ms: int) -> Iterator[tuple[int, str]]:
        """Every asset there is at a moment, with its time of creation."""
        for asset_id in (*self._uploaded, *self._generated):
            created_ms = self._created_ms(asset_id)
            if created_ms is not None and self.status_of(asset_id, now_ms):
                yield created_ms, asset_id

    def origin_of(self, asset_id: str) -> tuple[str, str, str]:
        """Author, model and type of an asset, for filters."""
        uploaded = self._uploaded.get(asset_id)
        if uploaded is not None:
            return uploaded.author_id, "", "uploaded"
        job = self._job_of(asset_id)
        return job.author_id, job.model_id, str(self._metadata(job, 0)["type"])

    def _job_of(self, asset_id: str) -> EmulatedJob:
        number = self._prompts.get(asset_id)
        return self._find_job(self._generated[asset_id] if number is None else number)

    def _created_ms(self, asset_id: str) -> int | None:
        uploaded = self._uploaded.get(asset_id)
        if uploaded is not None:
            return uploaded.created_ms
        if asset_id in self._prompts:
            return self._job_of(asset_id).created_ms
        number = self._generated.get(asset_id)
        return None if number is None else self._find_job(number).ends_ms

    def _references_of(self, job: EmulatedJob) -> list[str]:
        known = (self._uploaded, self._generated)
        named: list[str] = []
        for value in job.inputs.values():
            named += [
                entry
                for entry in (value if isinstance(value, list) else [value])
                if isinstance(entry, str) and any(entry in ids for ids in known)
            ]
        return named

    def _metadata(self, job: EmulatedJob, index: int) -> dict[str, object]:
        references = self._references_of(job)
        metadata: dict[str, object] = {
            "kind": "image",
            "type": "img2img" if references else "txt2img",
            "modelId": job.model_id,
            "prompt": job.inputs.get("prompt", ""),
            "seed": str(job.seed),
            "numOutputs": job.images,
            "outputIndex": self._output_index(index),
            "parentJobId": job.job_id,
        }
        if references:
            metadata["referenceImages"] = references
            metadata["parentId"] = references[0]
        return metadata

    def _output_index(self, index: int) -> int | None:
        return {"null": None, "zero": 0}.get(self._profile.output_index, index)


def _text_of(job: EmulatedJob) -> Picture:
    return Picture(
        prompt=str(job.inputs["prompt"]),
        seed=job.seed,
        index=0,
        width_px=NO_PIXELS,
        height_px=NO_PIXELS,
        image_format="text",
    )
