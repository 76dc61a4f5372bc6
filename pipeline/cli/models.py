"""Where the commands learn what a model takes."""

import asyncio
from collections.abc import Iterator

from pipeline.cli.printing import print_note
from pipeline.models.catalog import describe_source
from pipeline.models.schema import ModelSchema, load_shipped_model, shipped_model_ids
from pipeline.operations.run import find_model as find_live_model
from pipeline.version import __version__


def find_model(model_id: str, *, offline: bool) -> ModelSchema | None:
    """The inputs of a model as the service, the cache or the package has them."""
    model, notes = asyncio.run(find_live_model(model_id, offline=offline))
    for note in notes:
        print_note(note)
    return model


def known_models() -> Iterator[ModelSchema]:
    """Every model whose table is shipped, by id."""
    for model_id in shipped_model_ids():
        if (model := load_shipped_model(model_id)) is not None:
            yield model


def origin_of(model: ModelSchema) -> str:
    """Where a table of inputs is from and how old it is, in words."""
    if model.read_at is None:
        return f"shipped with version {__version__}"
    return describe_source(model)
