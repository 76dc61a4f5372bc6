"""Tables of models: those that are shipped, and some that are made up."""

from pathlib import Path

from pipeline.job import ReferenceAsset
from pipeline.models.record import load_shipped_model, parse_model
from pipeline.models.schema import ModelSchema


def shipped_model(model_id: str) -> ModelSchema:
    """A shipped table, for tests that know that it is there."""
    schema = load_shipped_model(model_id)
    assert schema is not None, model_id
    return schema


WAN = shipped_model("model_wan-2-7-image")
PRO = shipped_model("model_wan-2-7-image-pro")


def make_model(*inputs):
    """A table with these inputs."""
    return parse_model({"id": "model_x", "inputs": list(inputs)}, source="live")


def make_file(media_type: str = "image/png", size_bytes: int = 10) -> ReferenceAsset:
    """A reference named ``style``."""
    return ReferenceAsset(
        name="style",
        path=Path("style.png"),
        sha256="0" * 64,
        size_bytes=size_bytes,
        media_type=media_type,
    )
