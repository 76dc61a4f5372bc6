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
    from pipeline.errors import ExitCode, ManifestError, PipelineError
    from pipeline.manifest import Manifest, load_manifest
    from pipeline.operations.plan import estimate
    from pipeline.operations.run import run
    from pipeline.planning import Plan, Selection
    from pipeline.pricing import Estimate
    from pipeline.running.result import RunResult
    from pipeline.settings import Credentials, Settings

__all__ = [
    "Credentials",
    "Estimate",
    "ExitCode",
    "Manifest",
    "ManifestError",
    "PipelineError",
    "Plan",
    "RunResult",
    "Selection",
    "Settings",
    "__version__",
    "estimate",
    "load_manifest",
    "run",
]

_HOMES = {
    "Credentials": "pipeline.settings",
    "Estimate": "pipeline.pricing",
    "ExitCode": "pipeline.errors",
    "Manifest": "pipeline.manifest",
    "ManifestError": "pipeline.errors",
    "PipelineError": "pipeline.errors",
    "Plan": "pipeline.planning",
    "RunResult": "pipeline.running.result",
    "Selection": "pipeline.planning",
    "Settings": "pipeline.settings",
    "estimate": "pipeline.operations.plan",
    "load_manifest": "pipeline.manifest",
    "run": "pipeline.operations.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
