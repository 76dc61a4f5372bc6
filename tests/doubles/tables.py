"""The shipped tables of models, for tests that know that they are there."""

from pipeline.models.schema import ModelSchema, load_shipped_model


def shipped_model(model_id: str) -> ModelSchema:
    schema = load_shipped_model(model_id)
    assert schema is not None, model_id
    return schema
