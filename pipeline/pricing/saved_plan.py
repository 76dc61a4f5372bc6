"""SavedPlan: what was agreed to, as a file, so that exactly that is carried out.

Between the plan and its run nothing may move that costs money: the manifest, the
files it names, the tables of its models, the prices. What has been done meanwhile is
no difference: a run that was cut short goes on with the same plan.
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
from pipeline.pricing.cost import Estimate
from pipeline.pricing.groups import CostGroups
from pipeline.record import Struct
from pipeline.settings import Service
from pipeline.storage.atomic_file import write_beside
from pipeline.storage.regular_file import read_regular
from pipeline.units import MOST_UNITS
from pipeline.version import __version__

SCHEMA = "scenario-pipeline/plan/1"
_SHOWN = 10  # differences that are named
_MAX_BYTES = 1 << 30  # five million items have less


class PlanRecorder:
    """Takes up the items of a plan as they are planned.

    Args:
        expected: Item ids that a saved plan has; may be empty.

    Attributes:
        items: Job key and attempt of what may be paid for, by item id: a submit whose
            outcome is unknown may have to be repeated.
        models: The ids of their models.
        missing: What of ``expected`` has not come, paid for or not.
    """

    def __init__(self, expected: Iterable[str] = ()) -> None:
        self.items: dict[str, tuple[str, int]] = {}
        self.models: set[str] = set()
        self.missing = set(expected)

    def add(self, planned: PlannedItem) -> None:
        """Take up one item."""
        self.missing.discard(planned.item.item_id)
        if planned.action in MAY_BE_PAID:
            key = (str(planned.job.job_key), planned.job.attempt)
            self.items[planned.item.item_id] = key
            self.models.add(planned.item.model_id)


class SavedPlan(Struct, frozen=True, kw_only=True):
    """A plan as it was agreed to.

    Attributes:
        manifest_sha256: Of the manifest's bytes.
        selection: Which items it is about.
        service: Base URL and project.
        output: The output folder as it was given.
        items: Job key and attempt of what may be paid for, by item id.
        models: A digest of each model's table, by its id.
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
        """Make sure that nothing has moved that costs money.

        Args:
            estimate: The plan as it is now, with its price.
            groups: Its items by price.
            recorder: Its items; made with those of this plan.

        Raises:
            PlanMoved: Something has; the first differences are named.
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
            yield f"{item_id} is in the plan and no longer in the manifest"
        for item_id, (key, attempt) in recorder.items.items():
            if item_id not in self.items:
                yield f"{item_id} would be paid for and is not in the plan"
            elif self.items[item_id][0] != key:
                yield f"{item_id} asks for something else"
            elif self.items[item_id][1] != attempt:
                yield f"{item_id} has been tried since the plan was made"

    def _moved_tables(self, plan: Plan) -> Iterator[str]:
        for model_id, digest in self.models.items():
            if _digest_of_model(plan.manifest.models(model_id)) != digest:
                yield f"the table of {model_id} has changed"

    def _moved_prices(self, estimate: Estimate, groups: CostGroups) -> Iterator[str]:
        now = {} if estimate.cost is None else estimate.cost.by_key
        for key, group in groups.by_key.items():
            before, quote = self.prices.get(key), now.get(key)
            if before != (quote.units if quote else None):
                sample = group.samples[0].item.item_id
                after = f"{quote.units:,f}" if quote else "unknown"
                yield f"the price of {sample} was {before}, and is {after}"


def save_plan(path: Path, estimate: Estimate, recorder: PlanRecorder) -> None:
    """Write a plan with its prices, whole or not at all.

    Raises:
        UsageError: It has no prices.
        OutputError: It cannot be written.
    """
    plan, cost, service = estimate.plan, estimate.cost, estimate.service
    if cost is None or service is None:
        raise UsageError(
            "a plan without prices cannot be saved",
            hint="plan again where the service can be asked",
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
    """Read what :func:`save_plan` wrote.

    Raises:
        UsageError: It is no such file, or one of another version.
    """
    try:
        record = json.loads(read_regular(Path(path), limit_bytes=_MAX_BYTES))
        if record["schema"] != SCHEMA:
            raise UsageError(f"{os.fspath(path)} is of another version", hint=_HINT)
        items = {
            name: (str(key), int(attempt))
            for name, (key, attempt) in record["items"].items()
        }
        selection = Selection(
            globs=_globs(record["selection"]["globs"]),
            force=bool(record["selection"]["force"]),
            # The same items, though the first of them may be done by now.
            ids=None if record["selection"]["limit"] is None else frozenset(items),
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
        raise UsageError(f"{os.fspath(path)} is no saved plan", hint=_HINT) from error


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
        raise TypeError("globs are a list of texts")
    return tuple(value)


def _units(text: str) -> Decimal:
    units = Decimal(text)
    if not 0 <= units < MOST_UNITS:  # raises for what is no number
        raise ValueError("no price")
    return units


def _digest_of_model(schema: ModelSchema | None) -> str:
    """Of what a table says, not of where it is from."""
    said: Any = None if schema is None else [*map(repr, schema.inputs.values())]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()
