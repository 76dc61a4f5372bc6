"""The JSON of an asset at a moment."""

from collections.abc import Callable

from pipeline.emulator.asset_contents import AssetContents
from pipeline.emulator.assets import Assets
from pipeline.emulator.gallery import FileFacts
from pipeline.emulator.identity import PROJECT_ID
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.model_records import ModelRecord
from pipeline.emulator.outputs import kind_of
from pipeline.emulator.profiles.assets import AssetsProfile
from pipeline.emulator.refusal import not_found
from pipeline.emulator.timeline import iso

SHOWN_INPUTS = ("prompt", "text")
UPLOADED_KINDS = frozenset({"3d", "audio", "text", "video"})


class AssetView:
    """Describes assets.

    Args:
        profile: The form of some values.
        assets: The assets.
        contents: What their files contain.
        find_model: The record of a model, which may be gone since an earlier start.
    """

    def __init__(
        self,
        profile: AssetsProfile,
        assets: Assets,
        contents: AssetContents,
        find_model: Callable[[str], ModelRecord],
    ) -> None:
        self._profile = profile
        self._assets = assets
        self._contents = contents
        self._find_model = find_model

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
            metadata: dict[str, object] = {"type": self._upload_type(asset_id)}
            created_ms, author = uploaded.created_ms, uploaded.author_id
            extra = {"originalFileName": uploaded.name}
        elif job is not None and self._assets.is_prompt(asset_id):
            metadata = {"type": "uploaded-text", "parentJobId": job.job_id}
            created_ms, author = job.created_ms, job.author_id
        else:
            assert job is not None
            metadata = self._metadata(job, asset_id)
            created_ms, author = job.ends_ms or now_ms, job.author_id
            extra = {"outputIndex": metadata["outputIndex"], "nsfw": []}
        media_type = self._contents.media_type_of(asset_id)
        kind = kind_of(media_type)
        metadata["kind"] = kind
        if self._profile.claimed_mime_type and kind == "image":
            media_type = self._profile.claimed_mime_type
        properties: dict[str, object] = {"size": facts.size_bytes if facts else 0}
        properties |= facts.properties if facts else {}
        return {
            "id": asset_id,
            "url": url,
            "mimeType": media_type,
            "kind": kind,
            "status": status,
            "source": str(metadata["type"]).replace("texture-", "texture:"),
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
            return uploaded.author_id, "", self._upload_type(asset_id)
        job = self._assets.find_job(asset_id)
        assert job is not None
        return job.author_id, job.model_id, self._type_of(job, asset_id)

    def _upload_type(self, asset_id: str) -> str:
        kind = kind_of(self._contents.media_type_of(asset_id))
        return f"uploaded-{kind}" if kind in UPLOADED_KINDS else "uploaded"

    def _type_of(self, job: EmulatedJob, asset_id: str) -> str:
        model = self._find_model(job.model_id)
        return self._contents.output_of(asset_id).asset_type(
            has_image=self._contents.has_image(model, job.inputs)
        )

    def _metadata(self, job: EmulatedJob, asset_id: str) -> dict[str, object]:
        model = self._find_model(job.model_id)
        references = self._contents.references_of(model, job.inputs)
        metadata: dict[str, object] = {
            "type": self._type_of(job, asset_id),
            "modelId": job.model_id,
            "numOutputs": job.results,
            "outputIndex": self._output_index(job.asset_ids.index(asset_id)),
            "parentJobId": job.job_id,
        }
        metadata |= {key: job.inputs[key] for key in SHOWN_INPUTS if key in job.inputs}
        if job.shows_seed:
            metadata["seed"] = str(job.seed)
        if references:
            metadata["referenceImages"] = references
            metadata["parentId"] = references[0]
        return metadata

    def _output_index(self, index: int) -> int | None:
        return {"null": None, "zero": 0}.get(self._profile.output_index, index)
