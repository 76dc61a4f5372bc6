"""Requests that are lost."""

from pipeline.errors import OutcomeUnknown

LOST = OutcomeUnknown("no answer in time")


def of(prompt):
    """Matches the submits of one prompt."""
    return lambda _model, inputs: inputs.get("prompt") == prompt
