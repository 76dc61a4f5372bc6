"""What the files of assets contain, whether or not they can be read yet."""

from collections.abc import Callable, Mapping

from pipeline.emulator.assets import Assets
from pipeline.emulator.input_values import number_of
from pipeline.emulator.jobs import EmulatedJob
from pipeline.emulator.media.image_tools import snapped_size
from pipeline.emulator.model_records import ModelRecord
from pipeline.emulator.outputs import (
    COMPANION,
    IMAGE_TOOLS,
    MEDIA_TYPES,
    TEXT,
    Output,
)
from pipeline.emulator.pictures.canvas import (
    Content,
    MadeFile,
    Picture,
    StoredFile,
    size_px,
)
from pipeline.emulator.profiles.assets import AssetsProfile
from pipeline.emulator.refusal import not_found

NO_SOURCE = frozenset({"audio", "text", "companion"})
SCENE_SIZES_PX = {"video": (512, 288), "3d": (256, 256)}
UNSAID_FACTOR = 2.0
MOST_PIXELS = 64 * 2**20


class AssetContents:
    """The contents of all assets.

    Args:
        profile: The size of images.
        image_format: The format of images of which nothing else says it.
        assets: The assets.
        find_model: The record of a model, which may be gone since an earlier start.
    """

    def __init__(
        self,
        profile: AssetsProfile,
        image_format: str,
        assets: Assets,
        find_model: Callable[[str], ModelRecord],
    ) -> None:
        self._profile = profile
        self._image_format = image_format
        self._assets = assets
        self._find_model = find_model

    def media_type_of(self, asset_id: str) -> str:
        """The true type of an asset's file.

        Raises:
            Refused: 404: the id is unknown.
        """
        uploaded = self._assets.find_upload(asset_id)
        if uploaded is not None:
            return uploaded.media_type
        job, output = self._origin_of(asset_id)
        return output.media_type or MEDIA_TYPES[self._format_of(job)]

    def output_of(self, asset_id: str) -> Output:
        """How the output of a job is made.

        Raises:
            Refused: 404: the id is unknown, or that of an upload.
        """
        return self._origin_of(asset_id)[1]

    def content_of(self, asset_id: str, *, with_references: bool = True) -> Content:
        """What the file of an asset contains.

        The references of a painted picture are shown without their own references.
        Otherwise each step of a long chain of edits would make the picture larger.

        Raises:
            Refused: 404: the id is unknown.
        """
        uploaded = self._assets.find_upload(asset_id)
        if uploaded is not None:
            return uploaded.file
        job, output = self._origin_of(asset_id)
        model = self._find_model(job.model_id)
        if self._assets.is_prompt(asset_id):
            return MadeFile(output=TEXT, text=_prompt_of(job.inputs), seed=0, index=0)
        index = job.asset_ids.index(asset_id)
        if output.recipe == "image":
            named = self.references_of(model, job.inputs) if with_references else []
            references = tuple(
                self.content_of(name, with_references=False) for name in named
            )
            return self._paint(job, model, index, references)
        return self._make(job, model, index, output)

    def references_of(
        self, model: ModelRecord, inputs: Mapping[str, object]
    ) -> list[str]:
        """The ids of the assets that a job is made from, in the order of the inputs."""
        named: list[str] = []
        for item in model.file_inputs:
            value = inputs.get(item.name)
            named += [
                entry
                for entry in (value if isinstance(value, list) else [value])
                if isinstance(entry, str) and self._assets.can_be_named(entry)
            ]
        return named

    def has_image(self, model: ModelRecord, inputs: Mapping[str, object]) -> bool:
        """Whether one of the assets that a job is made from is an image."""
        return self._image_of(model, inputs) is not None

    def is_outsize(self, model: ModelRecord, inputs: Mapping[str, object]) -> bool:
        """Whether an image that a job would make is too large to be made."""
        source = self._image_of(model, inputs)
        if source is None:
            return False
        sizes = [
            _made_size(output, source, {**model.defaults, **inputs})
            for output in model.traits.files
        ]
        return any(width * height > MOST_PIXELS for width, height in sizes)

    def describe_image(self, model: ModelRecord, inputs: Mapping[str, object]) -> str:
        """A sentence about the image that a job is made from, or about its prompt."""
        source = self._image_of(model, inputs)
        if source is None:
            return f"No image, but a request: {_prompt_of(inputs)}"
        subject = self._subject_of(source)
        return f"{subject}, in {source.width_px} by {source.height_px} pixels."

    def _origin_of(self, asset_id: str) -> tuple[EmulatedJob, Output]:
        job = self._assets.find_job(asset_id)
        if job is None:
            raise not_found("Asset", asset_id)
        if self._assets.is_prompt(asset_id):
            return job, TEXT
        index = job.asset_ids.index(asset_id)
        if index >= job.results:
            return job, COMPANION
        files = self._find_model(job.model_id).traits.files
        output = files[index % len(files)]
        if output.recipe == "image" and job.image_format:
            return job, Output(recipe="image", variant=job.image_format)
        return job, output

    def _format_of(self, job: EmulatedJob) -> str:
        return job.image_format or self._image_format

    def _image_of(
        self, model: ModelRecord, inputs: Mapping[str, object]
    ) -> Content | None:
        for name in self.references_of(model, inputs):
            content = self.content_of(name)
            if content.width_px:
                return content
        return None

    def _subject_of(self, content: Content) -> str:
        match content:
            case Picture():
                return content.prompt
            case MadeFile():
                return self._subject_of(content.sources[0])
            case StoredFile():
                uploaded = self._assets.find_upload(content.name)
                return uploaded.name if uploaded else content.name

    def _paint(
        self,
        job: EmulatedJob,
        model: ModelRecord,
        index: int,
        references: tuple[Content, ...],
    ) -> Picture:
        used = {**model.defaults, **job.inputs}
        width_px, height_px = size_px(used, references, self._profile)
        output = self._origin_of(job.asset_ids[index])[1]
        return Picture(
            prompt=_prompt_of(job.inputs),
            seed=job.seed,
            index=index,
            width_px=width_px,
            height_px=height_px,
            image_format=output.variant or self._image_format,
            references=references,
        )

    def _make(
        self, job: EmulatedJob, model: ModelRecord, index: int, output: Output
    ) -> MadeFile:
        used = {**model.defaults, **job.inputs}
        text = _prompt_of(job.inputs)
        if output.recipe == "text":
            text = self.describe_image(model, job.inputs)
        source = self._image_of(model, job.inputs)
        if source is None and output.recipe in SCENE_SIZES_PX:
            width_px, height_px = SCENE_SIZES_PX[output.recipe]
            source = Picture(
                prompt=text,
                seed=job.seed,
                index=index,
                width_px=width_px,
                height_px=height_px,
                image_format="png",
            )
        width_px, height_px = _made_size(output, source, used) if source else (0, 0)
        options = tuple(
            (name, value)
            for name, value in sorted(used.items())
            if isinstance(value, str | int | float)
        )
        return MadeFile(
            output=output,
            text=text,
            seed=job.seed,
            index=index,
            width_px=width_px,
            height_px=height_px,
            sources=(source,) if source and output.recipe not in NO_SOURCE else (),
            options=options,
        )


def _made_size(
    output: Output, source: Content, inputs: Mapping[str, object]
) -> tuple[int, int]:
    """The size of the image that a recipe makes of a source; 0 if it makes no image."""
    if output.recipe not in IMAGE_TOOLS:
        return 0, 0
    size = source.width_px, source.height_px
    if output.recipe == "upscale":
        factor = max(number_of(inputs.get("upscaleFactor"), UNSAID_FACTOR), 1)
        return round(size[0] * factor), round(size[1] * factor)
    return snapped_size(*size) if output.recipe == "pixels" else size


def _prompt_of(inputs: Mapping[str, object]) -> str:
    return str(inputs.get("prompt") or inputs.get("text") or "")
