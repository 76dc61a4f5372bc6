"""A manifest and its files, for commands that do not ask the service."""

import os
from pathlib import Path
from typing import Any

from pipeline.cli.emulated_models import find_emulated_model
from pipeline.clock import SystemClock
from pipeline.manifest import Manifest, load_manifest
from pipeline.manifest.manifest import FindModel
from pipeline.manifest.review_file import with_review
from pipeline.operations.connection import offline_catalog
from pipeline.output.folder import output_folder
from pipeline.output.stores import open_store, url_for
from pipeline.storage.store import Store


def load(
    manifest: Path,
    *,
    output: Path | None,
    emulate: bool,
    allow_outside: bool,
    profile: str,
) -> tuple[Manifest, Path]:
    """The manifest with its decisions, and its output folder.

    Raises:
        ManifestError: With every fault.
        UsageError: The manifest has no such profile.
    """
    models: FindModel = find_emulated_model
    if not emulate:
        models = offline_catalog(SystemClock(), os.environ).find
    loaded = load_manifest(
        manifest, allow_outside=allow_outside, models=models, profile=profile
    )
    folder = output_folder(loaded, output=output, emulate=emulate)
    return with_review(loaded, folder, emulate=emulate), folder


def load_opened(
    manifest: Path, *, store: str = "", emulate: bool, **place: Any
) -> tuple[Manifest, Store]:
    """The manifest with its decisions, and its store, opened.

    Args:
        manifest: As for :func:`load`.
        store: The URL that the user gave, or "".
        emulate: As for :func:`load`.
        place: As for :func:`load`.

    Raises:
        ManifestError, UsageError: As for :func:`load`.
        OutputError: The store cannot be read.
    """
    loaded, folder = load(manifest, emulate=emulate, **place)
    url = url_for(loaded, store, emulate=emulate)
    return loaded, open_store(folder, url, manifest=loaded)
