"""Definitions of models: a record of the service, and what the emulator must know too.

A definition is a JSON object with the answer of ``GET /models/{id}``, so a saved answer
is one. Keys beside ``model`` say what the model makes, for how much, and how fast.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from pipeline.emulator.outputs import (
    IMAGE,
    Output,
    output_of_capabilities,
    parse_output,
)

FromZero = Annotated[float, msgspec.Meta(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTraits:
    """What a model's record does not say.

    Attributes:
        outputs: What one result consists of, in order, at least one.
        price_cu: The price of one result; None is the profile's default price.
        price_times: The number inputs that multiply the price.
        price_when: Other prices, by input and value: ``{"resolution": {"4K": 28}}``.
        time_factor: How long a job takes, as a multiple of the profile's time.
    """

    outputs: tuple[Output, ...] = (IMAGE,)
    price_cu: float | None = None
    price_times: tuple[str, ...] = ("numOutputs",)
    price_when: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    time_factor: float = 1.0

    @property
    def files(self) -> tuple[Output, ...]:
        """The outputs that are assets. There may be none."""
        return tuple(output for output in self.outputs if output.is_asset)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDefinition:
    """A model.

    Attributes:
        record: The inner object of ``GET /models/{id}``.
        traits: What the record does not say.
    """

    record: Mapping[str, object]
    traits: ModelTraits

    @property
    def model_id(self) -> str:
        """The id of the model."""
        return str(self.record["id"])


class _Input(msgspec.Struct):
    name: str
    type: str


class _Record(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    inputs: list[_Input]


class _Answer(msgspec.Struct):
    model: _Record


class _Definition(msgspec.Struct, forbid_unknown_fields=True):
    model: dict[str, object]
    outputs: Annotated[list[str], msgspec.Meta(min_length=1)] | None = None
    price_cu: FromZero | None = None
    price_times: list[str] = msgspec.field(default_factory=lambda: ["numOutputs"])
    price_when: dict[str, dict[str, FromZero]] = msgspec.field(default_factory=dict)
    time_factor: FromZero = 1.0


def read_definitions(text: str) -> list[Mapping[str, object]]:
    """Read a file of one definition, or of a list of them.

    Returns:
        The definitions as they are. Each has been checked.

    Raises:
        json.JSONDecodeError: The text is no JSON.
        ValueError: A definition cannot be used.
    """
    values = json.loads(text)
    if not isinstance(values, list):
        parse_definition(values)
        return [values]
    for number, value in enumerate(values):
        try:
            parse_definition(value)
        except ValueError as error:
            raise ValueError(f"[{number}]: {error}") from error
    return values


def parse_definition(value: object) -> ModelDefinition:
    """Read a definition.

    Raises:
        ValueError: A key is missing or unknown, or has an unusable value.
    """
    try:
        read = msgspec.convert(value, _Definition)
        msgspec.convert({"model": read.model}, _Answer)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error
    traits = infer_traits(read.model)
    return ModelDefinition(
        record=read.model,
        traits=ModelTraits(
            outputs=tuple(map(parse_output, read.outputs or ())) or traits.outputs,
            price_cu=read.price_cu,
            price_times=tuple(read.price_times),
            price_when=read.price_when,
            time_factor=read.time_factor,
        ),
    )


def infer_traits(record: Mapping[str, object]) -> ModelTraits:
    """The traits of a model of which there is nothing but its record."""
    return ModelTraits(outputs=(output_of_capabilities(record.get("capabilities")),))
