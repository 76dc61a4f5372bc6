"""Model tables in, the records that ``GET /models/{id}`` answers with out.

The tables are data shared with the client; the profile may change or add to
them. What the descriptors demand of inputs is left to ``validation``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from pipeline.emulator.profile import EmulatorProfile

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
        rules: The whole descriptor as served.
    """

    name: str
    type: str
    rules: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One model, as served and as read.

    Attributes:
        model_id: Its id.
        inputs: Its descriptors, in the order of the record.
        record: The inner object of ``GET /models/{id}``.
    """

    model_id: str
    inputs: tuple[InputRecord, ...]
    record: Mapping[str, object]

    def default_of(self, name: str) -> object:
        """The default of this input; None when it has none or is unknown."""
        for item in self.inputs:
            if item.name == name:
                return item.rules.get("default")
        return None


def load_models(profile: EmulatorProfile) -> dict[str, ModelRecord]:
    """Every model of the tables and of the profile, by id.

    Raises:
        ValueError: A table is no JSON.
    """
    found: dict[str, Mapping[str, object]] = {}
    folder = resources.files(TABLES_PACKAGE).joinpath(TABLES_FOLDER)
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json"):
            record = json.loads(entry.read_text(encoding="utf-8"))
            found[record["id"]] = record
    found.update(profile.extra_models)
    return {
        model_id: _read(model_id, record, profile) for model_id, record in found.items()
    }


def _read(
    model_id: str, table: Mapping[str, object], profile: EmulatorProfile
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
        **profile.model_changes.get(model_id, {}),
    }
    if profile.disable_refund:
        record["disableRefund"] = True
    if profile.performance_stats:
        record.setdefault("performanceStats", _statistics(model_id, profile))
    descriptors = record.get("inputs")
    inputs = []
    for descriptor in descriptors if isinstance(descriptors, list) else []:
        name = descriptor["name"]
        rules = {**descriptor, **profile.input_changes.get(name, {})}
        if name in profile.cost_impact:
            rules["costImpact"] = profile.cost_impact[name]
        inputs.append(InputRecord(name=name, type=rules["type"], rules=rules))
    record["inputs"] = [dict(item.rules) for item in inputs]
    return ModelRecord(model_id=model_id, inputs=tuple(inputs), record=record)


def _statistics(model_id: str, profile: EmulatorProfile) -> dict[str, object]:
    low_s, high_s = (round(float(span), 3) for span in profile.job_seconds)
    middle_s = round((low_s + high_s) / 2, 3)
    price = profile.unit_prices_cu.get(model_id, profile.default_price_cu)
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
                "costPerAssetMinCU": price,
                "costPerAssetP50CU": price,
                "costPerAssetMaxCU": price,
            }
            for resolution in ("1K", "2K")
        ]
    }
