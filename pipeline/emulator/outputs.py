"""What a model makes, in words such as ``cutout`` or ``upscale:webp``.

A word names a recipe. A variant after a colon chooses a format or one of several maps.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

FORMATS = ("png", "jpeg", "webp")
MAPS = ("albedo", "normal", "smoothness", "metallic", "height", "ao")
# The variants of each recipe. The first is what the word alone means; "" is the format
# of the profile or of the prompt.
RECIPES: Mapping[str, tuple[str, ...]] = {
    "image": ("", *FORMATS),
    "cutout": ("png", "webp"),
    "upscale": FORMATS,
    "pixels": ("png",),
    "map": MAPS,
    "video": ("mp4",),
    "audio": ("mp3",),
    "3d": ("glb",),
    "text": ("txt",),
    "answer": ("",),
}
MEDIA_TYPES: Mapping[str, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "mp4": "video/mp4",
    "mp3": "audio/mpeg",
    "glb": "model/gltf-binary",
    "txt": "text/plain",
    "json": "application/json",
    **dict.fromkeys(MAPS, "image/png"),
}
KINDS_BY_FAMILY: Mapping[str, str] = {
    "image": "image",
    "video": "video",
    "audio": "audio",
    "model": "3d",
    "text": "text",
}
IMAGE_TOOLS = frozenset({"cutout", "upscale", "pixels", "map"})
# What an asset's ``metadata.type`` says. ``{}`` is img or txt, by the inputs.
ASSET_TYPES: Mapping[str, str] = {
    "image": "{}2img",
    "cutout": "background-removal",
    "upscale": "upscale",
    "pixels": "pixelization",
    "video": "{}2video",
    "audio": "{}2audio",
    "3d": "{}23d",
    "text": "{}2txt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One file that a model makes, or an answer that is no file.

    Attributes:
        recipe: How it is made; a key of :data:`RECIPES`, or ``companion``.
        variant: Which of the recipe's variants; "" leaves the format of a picture to
            the job.
    """

    recipe: str
    variant: str

    @property
    def media_type(self) -> str:
        """The media type of the file; "" if the job decides, or there is no file."""
        return MEDIA_TYPES.get(self.variant, "")

    @property
    def is_asset(self) -> bool:
        """Whether it is a file. An answer is shown in the job itself."""
        return self.recipe != "answer"

    def asset_type(self, *, has_image: bool) -> str:
        """The type of the asset, as ``metadata.type`` says it.

        Args:
            has_image: The job was made from an image.
        """
        if self.recipe == "map":
            return f"texture-{self.variant}"
        source = "img" if has_image else "txt"
        return ASSET_TYPES.get(self.recipe, "unknown").format(source)


IMAGE = Output(recipe="image", variant="")
TEXT = Output(recipe="text", variant="txt")
COMPANION = Output(recipe="companion", variant="json")


def parse_output(word: object) -> Output:
    """Read a word such as ``upscale`` or ``map:normal``.

    Raises:
        ValueError: There is no such recipe or variant.
    """
    recipe, _, variant = str(word).partition(":")
    if recipe not in RECIPES:
        near = difflib.get_close_matches(recipe, RECIPES, n=1, cutoff=0.5)
        advice = f"did you mean '{near[0]}'?" if near else f"use {_listed(RECIPES)}"
        raise ValueError(f"unknown output '{word}'; {advice}")
    variants = RECIPES[recipe]
    if variant and variant not in variants:
        choices = _listed([f"{recipe}:{name}" for name in variants if name] or [recipe])
        raise ValueError(f"unknown output '{word}'; use {choices}")
    return Output(recipe=recipe, variant=variant or variants[0])


def output_of_capabilities(capabilities: object) -> Output:
    """What a model makes by its ``capabilities``, such as ``img2video``."""
    words = capabilities if isinstance(capabilities, list) else []
    for ending, recipe in (("2video", "video"), ("23d", "3d"), ("2audio", "audio")):
        if any(str(word).endswith(ending) for word in words):
            return parse_output(recipe)
    if words and all(str(word).endswith("2txt") for word in words):
        return parse_output("answer")
    return IMAGE


def kind_of(media_type: str) -> str:
    """The kind of an asset with this media type, in the service's words."""
    if media_type == MEDIA_TYPES["json"]:
        return "json"
    return KINDS_BY_FAMILY.get(media_type.partition("/")[0], "document")


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
