"""Turns a manifest of prompts and reference art into verified asset files.

::

    manifest ─→ plan ─→ upload → submit → poll → download → sidecar ─→ output/
                  ↑        └───── the ledger records each ────┘
                  └──────── finished items are not made again

In a notebook: ``result = await pipeline.run("manifests/icons.yaml")``. In a program:
``asyncio.run(pipeline.run(...))``. Names are imported when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pipeline.version import __version__

if TYPE_CHECKING:
    from pipeline.activity import Activity
    from pipeline.errors import (
        ExitCode,
        Fault,
        InputError,
        JobError,
        ManifestError,
        PipelineError,
        RunError,
    )
    from pipeline.job import Asset, FailureClass, Item, Job, JobStatus
    from pipeline.manifest import Manifest, load_manifest
    from pipeline.operations.plan import estimate, plan
    from pipeline.operations.plan_all import estimate_all
    from pipeline.operations.run import run, run_all
    from pipeline.planning import Action, Plan, PlannedItem, Selection
    from pipeline.pricing import Cost, Estimate
    from pipeline.pricing.joint import JointEstimate
    from pipeline.running.events import (
        Blocked,
        Event,
        Halted,
        JobChanged,
        Launched,
        Paused,
        SlotsChanged,
        Warned,
    )
    from pipeline.running.items import ItemRecord, ItemStatus, JobRecord, SavedFile
    from pipeline.running.joint import JointResult, Outcome
    from pipeline.running.result import RunCost, RunResult
    from pipeline.settings import Credentials, Settings

__all__ = [
    "Action",
    "Activity",
    "Asset",
    "Blocked",
    "Cost",
    "Credentials",
    "Estimate",
    "Event",
    "ExitCode",
    "FailureClass",
    "Fault",
    "Halted",
    "InputError",
    "Item",
    "ItemRecord",
    "ItemStatus",
    "Job",
    "JobChanged",
    "JobError",
    "JobRecord",
    "JobStatus",
    "JointEstimate",
    "JointResult",
    "Launched",
    "Manifest",
    "ManifestError",
    "Outcome",
    "Paused",
    "PipelineError",
    "Plan",
    "PlannedItem",
    "RunCost",
    "RunError",
    "RunResult",
    "SavedFile",
    "Selection",
    "Settings",
    "SlotsChanged",
    "Warned",
    "__version__",
    "estimate",
    "estimate_all",
    "load_manifest",
    "plan",
    "run",
    "run_all",
]

_NAMES_OF = {
    "pipeline.activity": "Activity",
    "pipeline.errors": (
        "ExitCode Fault InputError JobError ManifestError PipelineError RunError"
    ),
    "pipeline.job": "Asset FailureClass Item Job JobStatus",
    "pipeline.manifest": "Manifest load_manifest",
    "pipeline.operations.plan": "estimate plan",
    "pipeline.operations.plan_all": "estimate_all",
    "pipeline.operations.run": "run run_all",
    "pipeline.planning": "Action Plan PlannedItem Selection",
    "pipeline.pricing": "Cost Estimate",
    "pipeline.pricing.joint": "JointEstimate",
    "pipeline.running.events": (
        "Blocked Event Halted JobChanged Launched Paused SlotsChanged Warned"
    ),
    "pipeline.running.items": "ItemRecord ItemStatus JobRecord SavedFile",
    "pipeline.running.joint": "JointResult Outcome",
    "pipeline.running.result": "RunCost RunResult",
    "pipeline.settings": "Credentials Settings",
}
_HOMES = {name: home for home, names in _NAMES_OF.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
