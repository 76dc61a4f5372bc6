"""A manifest → its faults, held against what its models take now; nothing is spent."""

import os
from functools import partial

import anyio.to_thread

from pipeline.clock import SystemClock
from pipeline.errors import UsageError
from pipeline.manifest import Manifest, validate_manifest
from pipeline.models.schema import ModelSchema
from pipeline.operations.connection import Connection, service_of
from pipeline.settings import Service, Settings

_READ_TIMEOUT_S = 10.0  # a person waits


async def validate(
    manifest: str | os.PathLike[str],
    *,
    allow_outside: bool = False,
    offline: bool = False,
) -> tuple[Manifest, int, tuple[str, ...]]:
    """Check a manifest against what its models take now, as far as that is known.

    Args:
        manifest: The YAML file.
        allow_outside: Let references lie outside of the manifest's folder.
        offline: Ask the service nothing.

    Returns:
        The manifest, how many items it makes, and what a person should know of the
        tables it was checked against.

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
            )
        )
        return loaded, count, (*loaded.warnings, *connection.catalog.notes)


async def find_model(
    model_id: str, *, offline: bool = False
) -> tuple[ModelSchema | None, tuple[str, ...]]:
    """What a model takes, and what a person should know of the table."""
    async with _readable_connection(offline=offline) as connection:
        schema = await anyio.to_thread.run_sync(connection.catalog.find, model_id)
        return schema, tuple(connection.catalog.notes)


def _readable_connection(*, offline: bool) -> Connection:
    """To the service that is set, or to none."""
    settings = Settings(read_timeout_s=_READ_TIMEOUT_S)
    clock = SystemClock()
    try:
        service, credentials = service_of(os.environ, emulate=False)
    except UsageError:
        service, credentials, offline = Service(base_url=""), None, True
    return Connection(credentials, settings, clock, service=service, offline=offline)
