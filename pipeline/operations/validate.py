"""Validate: checks a manifest against the current inputs of its models.

Spends nothing.
"""

import os
from functools import partial

import anyio.to_thread

from pipeline.clock import SystemClock
from pipeline.errors import UsageError
from pipeline.manifest import Manifest, validate_manifest
from pipeline.models.schema import ModelSchema
from pipeline.operations.connection import Connection, service_of
from pipeline.settings import Service, Settings

_READ_TIMEOUT_S = 10.0  # short, because a user is waiting


async def validate(
    manifest: str | os.PathLike[str],
    *,
    allow_outside: bool = False,
    offline: bool = False,
    profile: str = "",
) -> tuple[Manifest, int, tuple[str, ...]]:
    """Check a manifest against the current inputs of its models, if they are known.

    Args:
        manifest: The YAML file.
        allow_outside: Allow references outside the manifest's folder.
        offline: Send the service no requests.
        profile: The profile whose jobs are counted; all of them are checked.

    Returns:
        The manifest, the number of its jobs, and notes for the user on references
        and on the model tables that were used.

    Raises:
        ManifestError: Every fault.
    """
    async with _readable_connection(offline=offline) as connection:
        loaded, count = await anyio.to_thread.run_sync(
            partial(
                validate_manifest,
                manifest,
                allow_outside=allow_outside,
                models=connection.catalog.find,
                profile=profile,
            )
        )
        notes = (*loaded.warnings, *loaded.files.notes, *connection.catalog.notes)
        return loaded, count, notes


async def find_model(
    model_id: str, *, offline: bool = False
) -> tuple[ModelSchema | None, tuple[str, ...]]:
    """The inputs of a model, and notes for the user on the table that was used."""
    async with _readable_connection(offline=offline) as connection:
        schema = await anyio.to_thread.run_sync(connection.catalog.find, model_id)
        return schema, tuple(connection.catalog.notes)


def _readable_connection(*, offline: bool) -> Connection:
    """A connection to the configured service; offline if none is configured."""
    settings = Settings(read_timeout_s=_READ_TIMEOUT_S)
    clock = SystemClock()
    try:
        service, credentials = service_of(os.environ, emulate=False)
    except UsageError:
        service, credentials, offline = Service(base_url=""), None, True
    return Connection(credentials, settings, clock, service=service, offline=offline)
