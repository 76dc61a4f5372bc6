"""The models of the emulator, for commands that do not start it."""

from functools import cache

from pipeline.models.record import parse_model
from pipeline.models.schema import ModelSchema


@cache
def find_emulated_model(model_id: str) -> ModelSchema | None:
    """A model as the emulator serves it; None if it does not know it."""
    # Only with --emulate, and it reads many files.
    from pipeline.emulator.model_records import load_models
    from pipeline.emulator.profile import EmulatorProfile

    profile = EmulatorProfile()
    known = load_models(profile.jobs, profile.money).get(model_id)
    return None if known is None else parse_model(known.record, source="live")
