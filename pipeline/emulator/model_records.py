"""The model records that ``GET /models/{id}`` answers with.

They are made from the package's model tables, which the client uses too, and the
profile may change them or add to them. Checking inputs against their descriptors is
left to ``validation``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from pipeline.emulator.profiles.jobs import JobsProfile
from pipeline.emulator.profiles.money import MoneyProfile

TABLES_PACKAGE = "pipeline"
TABLES_FOLDER = "model_tables"
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
    """

    model_id: str
    inputs: tuple[InputRecord, ...]
    record: Mapping[str, object]

    def default_of(self, name: str) -> object:
        """The default of this input; None if it has none, or is unknown."""
        for item in self.inputs:
            if item.name == name:
                return item.rules.get("default")
        return None


def load_models(jobs: JobsProfile, money: MoneyProfile) -> dict[str, ModelRecord]:
    """Every model of the tables and of the profile, by id.

    Args:
        jobs: Further models, changes, and the statistics of durations.
        money: Prices, refunds and ``costImpact`` flags.

    Raises:
        ValueError: A table is no JSON.
    """
    found: dict[str, Mapping[str, object]] = {}
    folder = resources.files(TABLES_PACKAGE).joinpath(TABLES_FOLDER)
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json"):
            record = json.loads(entry.read_text(encoding="utf-8"))
            found[record["id"]] = record
    found.update(jobs.extra_models)
    return {
        model_id: _make_model(model_id, table, jobs, money)
        for model_id, table in found.items()
    }


def _make_model(
    model_id: str,
    table: Mapping[str, object],
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
        **table,
        **jobs.model_changes.get(model_id, {}),
    }
    if money.disable_refund:
        record["disableRefund"] = True
    if jobs.performance_stats:
        price_cu = money.unit_prices_cu.get(model_id, money.default_price_cu)
        statistics = _statistics(jobs.job_seconds, price_cu)
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
    return ModelRecord(model_id=model_id, inputs=tuple(inputs), record=record)


def _statistics(job_seconds: tuple[float, float], price_cu: float) -> dict[str, object]:
    low_s, high_s = (round(float(span), 3) for span in job_seconds)
    middle_s = round((low_s + high_s) / 2, 3)
    return {
        "variants": [
            {
                "variantKey": f"txt2img:{resolution}",
                "computedAt": CREATED_AT,
                "capability": "txt2img",
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
