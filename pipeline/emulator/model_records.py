"""The model records that ``GET /models/{id}`` answers with.

They are made from the package's model tables, which the client uses too, and from the
emulator's own definitions. The profile may change them or add to them. Checking inputs
against their descriptors is left to ``validation``.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from pipeline.emulator.model_definition import (
    ModelDefinition,
    ModelTraits,
    infer_traits,
    parse_definition,
)
from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.profiles.money import MoneyProfile

TABLES_PACKAGE = "pipeline"
TABLES_FOLDER = "model_tables"
DEFINITIONS_PACKAGE = "pipeline.emulator"
DEFINITIONS_FOLDER = "models"
CREATED_AT = "2026-05-04T09:00:00.000Z"
FILE_TYPES = frozenset({"file", "file_array"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """One descriptor of a model's ``inputs``.

    Attributes:
        name: The key in the request.
        type: The service's word, such as ``file_array``.
        rules: The whole descriptor, as served.
    """

    name: str
    type: str
    rules: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One model.

    Attributes:
        model_id: Its id.
        inputs: The descriptors of its inputs, in the order of the record.
        record: The inner object of ``GET /models/{id}``.
        traits: What the record does not say.
    """

    model_id: str
    inputs: tuple[InputRecord, ...] = ()
    record: Mapping[str, object] = field(default_factory=dict)
    traits: ModelTraits = field(default_factory=ModelTraits)

    @property
    def defaults(self) -> dict[str, object]:
        """The defaults of the inputs that have one."""
        return {
            item.name: item.rules["default"]
            for item in self.inputs
            if "default" in item.rules
        }

    @property
    def file_inputs(self) -> tuple[InputRecord, ...]:
        """The inputs that name assets."""
        return tuple(item for item in self.inputs if item.type in FILE_TYPES)

    @property
    def shows_seed(self) -> bool:
        """Whether jobs show a seed: the model has one, or its inputs are unknown."""
        return not self.inputs or any(item.name == "seed" for item in self.inputs)


def load_models(jobs: JobsProfile, money: MoneyProfile) -> dict[str, ModelRecord]:
    """Every model of the tables, of the definitions and of the profile, by id.

    Args:
        jobs: Further models, changes, and the statistics of durations.
        money: Prices, refunds and ``costImpact`` flags.

    Raises:
        ValueError: A model of the profile cannot be used.
    """
    found = dict(_shipped_models())
    for model_id, value in jobs.extra_models.items():
        if "model" in value:
            found[model_id] = parse_definition(value)
        else:
            known = found.get(model_id)
            traits = known.traits if known else infer_traits(value)
            found[model_id] = ModelDefinition(record=value, traits=traits)
    return {
        model_id: _make_model(model_id, definition, jobs, money)
        for model_id, definition in found.items()
    }


@cache
def _shipped_models() -> Mapping[str, ModelDefinition]:
    found = [
        ModelDefinition(record=record, traits=infer_traits(record))
        for record in _json_files(TABLES_PACKAGE, TABLES_FOLDER)
    ]
    found += map(parse_definition, _json_files(DEFINITIONS_PACKAGE, DEFINITIONS_FOLDER))
    return {definition.model_id: definition for definition in found}


def _json_files(package: str, folder: str) -> Iterator[Mapping[str, object]]:
    place = resources.files(package).joinpath(folder)
    for entry in sorted(place.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json"):
            yield json.loads(entry.read_text(encoding="utf-8"))


def _make_model(
    model_id: str,
    definition: ModelDefinition,
    jobs: JobsProfile,
    money: MoneyProfile,
) -> ModelRecord:
    record: dict[str, object] = {
        "id": model_id,
        "createdAt": CREATED_AT,
        "updatedAt": CREATED_AT,
        "source": "scenario",
        "collectionIds": [],
        "exampleAssetIds": [],
        "trainingImagesNumber": 0,
        "accessRestrictions": 0,
        **definition.record,
        **jobs.model_changes.get(model_id, {}),
    }
    if money.disable_refund:
        record["disableRefund"] = True
    if jobs.performance_stats:
        price_cu = unit_price_cu(model_id, definition.traits, money)
        low_s, high_s = (
            seconds * definition.traits.time_factor for seconds in jobs.job_seconds
        )
        statistics = _statistics((low_s, high_s), price_cu, record)
        record.setdefault("performanceStats", statistics)
    descriptors = record.get("inputs")
    inputs = []
    for descriptor in descriptors if isinstance(descriptors, list) else []:
        name = descriptor["name"]
        rules = {**descriptor, **jobs.input_changes.get(name, {})}
        if name in money.cost_impact:
            rules["costImpact"] = money.cost_impact[name]
        inputs.append(InputRecord(name=name, type=rules["type"], rules=rules))
    record["inputs"] = [dict(item.rules) for item in inputs]
    return ModelRecord(
        model_id=model_id,
        inputs=tuple(inputs),
        record=record,
        traits=definition.traits,
    )


def unit_price_cu(model_id: str, traits: ModelTraits, money: MoneyProfile) -> float:
    """The price of one result: the profile's, the model's own, or the default."""
    own_cu = money.default_price_cu if traits.price_cu is None else traits.price_cu
    return money.unit_prices_cu.get(model_id, own_cu)


def _statistics(
    job_seconds: tuple[float, float], price_cu: float, record: Mapping[str, object]
) -> dict[str, object]:
    capabilities = record.get("capabilities")
    first = capabilities[0] if isinstance(capabilities, list) and capabilities else ""
    capability = str(first or "txt2img")
    low_s, high_s = (round(float(span), 3) for span in job_seconds)
    middle_s = round((low_s + high_s) / 2, 3)
    return {
        "variants": [
            {
                "variantKey": f"{capability}:{resolution}",
                "computedAt": CREATED_AT,
                "capability": capability,
                "resolution": resolution,
                "inferenceLatencyP50Sec": middle_s,
                "inferenceLatencyP75Sec": high_s,
                "totalLatencyP50Sec": middle_s,
                "totalLatencyP75Sec": high_s,
                "costPerAssetMinCU": price_cu,
                "costPerAssetP50CU": price_cu,
                "costPerAssetMaxCU": price_cu,
            }
            for resolution in ("1K", "2K")
        ]
    }
