"""SavedPlan: an approved plan as a file, so that exactly that plan is carried out.

Between the plan and its run, nothing that affects the cost may change: the manifest,
the files it names, the inputs of its models, the prices. Items finished meanwhile do
not matter: an interrupted run can continue with the same plan.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.errors import PlanMoved, UsageError
from pipeline.models.schema import ModelSchema
from pipeline.planning import MAY_BE_PAID, Plan, PlannedItem, Selection
from pipeline.planning.shards import parse_shard
from pipeline.pricing.cost import Estimate
from pipeline.pricing.groups import CostGroups
from pipeline.record import Struct
from pipeline.settings import Service
from pipeline.storage.atomic_file import write_beside
from pipeline.storage.regular_file import read_regular
from pipeline.units import MOST_UNITS
from pipeline.version import __version__

SCHEMA = "scenario-pipeline/plan/1"
_SHOWN = 10  # differences to show
_MAX_BYTES = 1 << 30  # a plan of five million items is smaller


class PlanRecorder:
    """Records the items of a plan as they are planned.

    Args:
        expected: Item ids in a saved plan; may be empty.

    Attributes:
        items: Job key and attempt of each item that may be paid for, by item id. This
            includes submits whose outcome is unknown: they may have to be repeated.
        models: The ids of their models.
        missing: The ids in ``expected`` that have not been planned yet.
    """

    def __init__(self, expected: Iterable[str] = ()) -> None:
        self.items: dict[str, tuple[str, int]] = {}
        self.models: set[str] = set()
        self.missing = set(expected)

    def add(self, planned: PlannedItem) -> None:
        """Record one item."""
        self.missing.discard(planned.item.item_id)
        if planned.action in MAY_BE_PAID:
            key = (str(planned.job.job_key), planned.job.attempt)
            self.items[planned.item.item_id] = key
            self.models.add(planned.item.model_id)


class SavedPlan(Struct, frozen=True, kw_only=True):
    """A plan as it was approved.

    Attributes:
        manifest_sha256: SHA-256 of the manifest's bytes.
        service: The base URL and the project.
        output: The output folder as the user gave it.
        selection: The selected items.
        items: Job key and attempt of each item that may be paid for, by item id.
        models: A digest of each model's inputs, by model id.
        prices: Compute units of one item, by cost key.
    """

    manifest_sha256: str
    service: Service
    output: str
    selection: Selection
    items: Mapping[str, tuple[str, int]]
    models: Mapping[str, str]
    prices: Mapping[str, Decimal]

    def check(
        self, estimate: Estimate, groups: CostGroups, recorder: PlanRecorder
    ) -> None:
        """Check that nothing has changed that affects the cost.

        Args:
            estimate: The current plan, with its price.
            groups: Its items by price.
            recorder: Its items; created with the ids in ``items`` of this plan.

        Raises:
            PlanMoved: Something has changed; the message names the first differences.
        """
        moved = [
            *self._moved_places(estimate),
            *self._moved_items(recorder),
            *self._moved_tables(estimate.plan),
            *self._moved_prices(estimate, groups),
        ]
        if moved:
            more = len(moved) - _SHOWN
            shown = "; ".join(moved[:_SHOWN]) + (f"; {more:,} more" * (more > 0))
            hint = "make a new plan with: pipeline plan --out FILE"
            raise PlanMoved(f"the plan no longer holds: {shown}", hint=hint)

    def _moved_places(self, estimate: Estimate) -> Iterator[str]:
        if estimate.service != self.service:
            made_for = f"{self.service.base_url} {self.service.project_id}".strip()
            yield f"it was made for {made_for}"
        if str(estimate.plan.output) != self.output:
            yield f"it was made for the output folder {self.output}"
        if estimate.plan.manifest.sha256 != self.manifest_sha256:
            yield f"{estimate.plan.manifest.file} was edited"

    def _moved_items(self, recorder: PlanRecorder) -> Iterator[str]:
        for item_id in sorted(recorder.missing):
            yield f"{item_id} is in the plan but no longer in the manifest"
        for item_id, (key, attempt) in recorder.items.items():
            if item_id not in self.items:
                yield f"{item_id} would be paid for but is not in the plan"
            elif self.items[item_id][0] != key:
                yield f"the request of {item_id} has changed"
            elif self.items[item_id][1] != attempt:
                yield f"{item_id} has been submitted since the plan was made"

    def _moved_tables(self, plan: Plan) -> Iterator[str]:
        for model_id, digest in self.models.items():
            if _digest_of_model(plan.manifest.models(model_id)) != digest:
                yield f"the inputs of {model_id} have changed"

    def _moved_prices(self, estimate: Estimate, groups: CostGroups) -> Iterator[str]:
        now = {} if estimate.cost is None else estimate.cost.by_key
        for key, group in groups.by_key.items():
            before, quote = self.prices.get(key), now.get(key)
            if before != (quote.units if quote else None):
                sample = group.samples[0].item.item_id
                after = f"{quote.units:,f}" if quote else "unknown"
                yield f"the price of {sample} was {before} and is now {after}"


def save_plan(path: Path, estimate: Estimate, recorder: PlanRecorder) -> None:
    """Write a plan with its prices atomically.

    Raises:
        UsageError: The plan has no prices.
        OutputError: The file cannot be written.
    """
    plan, cost, service = estimate.plan, estimate.cost, estimate.service
    if cost is None or service is None:
        raise UsageError(
            "a plan without prices cannot be saved",
            hint="plan again with access to the service",
        )
    record = {
        "schema": SCHEMA,
        "tool": f"scenario-pipeline {__version__}",
        "manifest": {
            "name": plan.manifest.name,
            "file": plan.manifest.file,
            "sha256": plan.manifest.sha256,
        },
        "service": asdict(service),
        "output": str(plan.output),
        "selection": {
            "globs": plan.selection.globs,
            "force": plan.selection.force,
            "limit": plan.selection.limit,
            "only": plan.selection.only,
            "as_new": plan.selection.as_new,
            "shard": str(plan.selection.shard or ""),
        },
        "models": {
            model_id: _digest_of_model(plan.manifest.models(model_id))
            for model_id in sorted(recorder.models)
        },
        "cost": str(cost.units),
        "prices": {key: str(quote.units) for key, quote in cost.by_key.items()},
        "items": recorder.items,
    }
    content = json.dumps(record, indent=1).encode() + b"\n"
    write_beside(path, content)


def read_plan(path: str | os.PathLike[str]) -> SavedPlan:
    """Read a plan that :func:`save_plan` wrote.

    Raises:
        UsageError: The file is not a saved plan, or has another version.
    """
    try:
        record = json.loads(read_regular(Path(path), limit_bytes=_MAX_BYTES))
        if record["schema"] != SCHEMA:
            raise UsageError(
                f"{os.fspath(path)} was saved by another version", hint=_HINT
            )
        items = {
            name: (str(key), int(attempt))
            for name, (key, attempt) in record["items"].items()
        }
        chosen = record["selection"]
        is_part = chosen["limit"] is not None or bool(chosen.get("only"))
        selection = Selection(
            globs=_globs(record["selection"]["globs"]),
            as_new=bool(chosen.get("as_new")),
            shard=parse_shard(chosen["shard"]) if chosen.get("shard") else None,
            force=bool(record["selection"]["force"]),
            # The same items, even if the first of them are done by now.
            ids=frozenset(items) if is_part else None,
        )
        return SavedPlan(
            manifest_sha256=str(record["manifest"]["sha256"]),
            service=Service(**record["service"]),
            output=str(record["output"]),
            selection=selection,
            items=items,
            models={str(name): str(d) for name, d in record["models"].items()},
            prices={key: _units(text) for key, text in record["prices"].items()},
        )
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"{os.fspath(path)} cannot be read: {reason}", hint=_HINT
        ) from error
    except _DAMAGED as error:
        raise UsageError(
            f"{os.fspath(path)} is not a saved plan", hint=_HINT
        ) from error


_DAMAGED = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
_HINT = "make one with: pipeline plan --out FILE"


def _globs(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(g, str) for g in value):
        raise TypeError("globs are not a list of strings")
    return tuple(value)


def _units(text: str) -> Decimal:
    units = Decimal(text)
    if not 0 <= units < MOST_UNITS:  # raises if it is not a number
        raise ValueError("not a price")
    return units


def _digest_of_model(schema: ModelSchema | None) -> str:
    """The digest of a model's inputs, wherever they were read from."""
    said: Any = None if schema is None else [*map(repr, schema.inputs.values())]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
