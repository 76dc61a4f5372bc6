"""What the files of assets contain, whether or not they can be read yet."""

from collections.abc import Callable, Mapping

from pipeline.emulator.assets import Assets
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.pictures.canvas import MEDIA_TYPES, Picture, StoredFile, size_px
from pipeline.emulator.profiles.assets import AssetsProfile
from pipeline.emulator.refusal import not_found

NO_PIXELS = 1


class AssetContents:
    """The contents of all assets.

    Args:
        profile: The size of images.
        assets: The assets.
        defaults_of: The defaults of a model's inputs.
    """

    def __init__(
        self,
        profile: AssetsProfile,
        assets: Assets,
        defaults_of: Callable[[str], Mapping[str, object]],
    ) -> None:
        self._profile = profile
        self._assets = assets
        self._defaults_of = defaults_of

    def media_type_of(self, asset_id: str) -> str:
        """The true type of an asset's file.

        Raises:
            Refused: 404: the id is unknown.
        """
        uploaded = self._assets.find_upload(asset_id)
        if uploaded is not None:
            return uploaded.media_type
        content = self.content_of(asset_id)
        assert isinstance(content, Picture)
        return MEDIA_TYPES[content.image_format]

    def content_of(
        self, asset_id: str, *, with_references: bool = True
    ) -> Picture | StoredFile:
        """What the file of an asset contains.

        References are shown without their own references. Otherwise each step of a
        long chain of edits would make the picture larger.

        Raises:
            Refused: 404: the id is unknown.
        """
        uploaded = self._assets.find_upload(asset_id)
        if uploaded is not None:
            return uploaded.file
        job = self._assets.find_job(asset_id)
        if job is None:
            raise not_found("Asset", asset_id)
        if self._assets.is_prompt(asset_id):
            return _without_pixels(job, 0, "text")
        index = job.asset_ids.index(asset_id)
        if index >= job.images:
            return _without_pixels(job, index, "json")
        references = tuple(
            self.content_of(name, with_references=False)
            for name in (self.references_of(job) if with_references else ())
        )
        size = job.inputs.get("size", self._defaults_of(job.model_id).get("size", ""))
        width_px, height_px = size_px(str(size), references, self._profile)
        return Picture(
            prompt=_prompt_of(job),
            seed=job.seed,
            index=index,
            width_px=width_px,
            height_px=height_px,
            image_format=job.image_format,
            references=references,
        )

    def references_of(self, job: EmulatedJob) -> list[str]:
        """The ids of the assets that a job was made from, in order."""
        named: list[str] = []
        for value in job.inputs.values():
            named += [
                entry
                for entry in (value if isinstance(value, list) else [value])
                if isinstance(entry, str) and self._assets.can_be_named(entry)
            ]
        return named


def _without_pixels(job: EmulatedJob, index: int, file_format: str) -> Picture:
    return Picture(
        prompt=_prompt_of(job),
        seed=job.seed,
        index=index,
        width_px=NO_PIXELS,
        height_px=NO_PIXELS,
        image_format=file_format,
    )


def _prompt_of(job: EmulatedJob) -> str:
    return str(job.inputs.get("prompt", ""))
