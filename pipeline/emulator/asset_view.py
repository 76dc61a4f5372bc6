"""The JSON of an asset at a moment."""

from pipeline.emulator.asset_contents import AssetContents
from pipeline.emulator.assets import Assets
from pipeline.emulator.gallery import FileFacts
from pipeline.emulator.identity import PROJECT_ID
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.pictures.canvas import MEDIA_TYPES
from pipeline.emulator.profiles.assets import AssetsProfile
from pipeline.emulator.refusal import not_found
from pipeline.emulator.timeline import iso

KINDS = {MEDIA_TYPES["json"]: "json", MEDIA_TYPES["text"]: "text"}


class AssetView:
    """Describes assets.

    Args:
        profile: The form of some values.
        assets: The assets.
        contents: What their files contain.
    """

    def __init__(
        self, profile: AssetsProfile, assets: Assets, contents: AssetContents
    ) -> None:
        self._profile = profile
        self._assets = assets
        self._contents = contents

    def describe(
        self, asset_id: str, now_ms: int, *, url: str, facts: FileFacts | None
    ) -> dict[str, object]:
        """The inner object of ``GET /assets/{id}`` at a moment.

        Args:
            asset_id: Any id.
            now_ms: The moment.
            url: The signed URL of the file.
            facts: What is known of the file; None while it is pending.

        Raises:
            Refused: 404: there is no such asset.
        """
        status = self._assets.status_of(asset_id, now_ms)
        if status is None:
            raise not_found("Asset", asset_id)
        uploaded = self._assets.find_upload(asset_id)
        job = self._assets.find_job(asset_id)
        extra: dict[str, object] = {}
        if uploaded is not None:
            metadata: dict[str, object] = {"kind": "image", "type": "uploaded"}
            created_ms, author = uploaded.created_ms, uploaded.author_id
            extra = {"originalFileName": uploaded.name}
        elif job is not None and self._assets.is_prompt(asset_id):
            metadata = {"type": "uploaded-text", "parentJobId": job.job_id}
            created_ms, author = job.created_ms, job.author_id
        else:
            assert job is not None
            metadata = self._metadata(job, job.asset_ids.index(asset_id))
            created_ms, author = job.ends_ms or now_ms, job.author_id
            extra = {"outputIndex": metadata["outputIndex"], "nsfw": []}
        media_type = self._contents.media_type_of(asset_id)
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

    def origin_of(self, asset_id: str) -> tuple[str, str, str]:
        """The author, model and type of an upload or output, for filters."""
        uploaded = self._assets.find_upload(asset_id)
        if uploaded is not None:
            return uploaded.author_id, "", "uploaded"
        job = self._assets.find_job(asset_id)
        assert job is not None
        return job.author_id, job.model_id, str(self._metadata(job, 0)["type"])

    def _metadata(self, job: EmulatedJob, index: int) -> dict[str, object]:
        references = self._contents.references_of(job)
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
