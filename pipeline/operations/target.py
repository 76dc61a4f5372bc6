"""Target: the manifest, its output folder and the limits of a plan or run."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio.to_thread

from pipeline.clock import Clock
from pipeline.contract.contract_file import notes_on_contract
from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest, load_manifest
from pipeline.operations.connection import Connection, notes_on
from pipeline.output.folder import output_folder
from pipeline.planning import Selection
from pipeline.settings import Service, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The arguments that a plan and a run have in common.

    Attributes:
        manifest: The YAML file, or the result of ``load_manifest``.
        output: The output folder, or None for ``output/<name>``.
        emulate: Start the emulator in this process and use it; spends nothing.
        allow_outside: Allow references outside the manifest's folder.
        selection: The items to plan or run.
        settings: Limits and timeouts.
        clock: The clock to use.
    """

    manifest: str | os.PathLike[str] | Manifest
    output: str | os.PathLike[str] | None
    emulate: bool
    allow_outside: bool
    selection: Selection
    settings: Settings
    clock: Clock

    async def load(
        self,
        connection: Connection,
        *,
        on_name: Callable[[str], None] = lambda _name: None,
    ) -> Manifest:
        """The manifest, checked against the service's models.

        Args:
            connection: The service; asked only for models that are not in the cache,
                or were cached more than a day ago.
            on_name: Called with the manifest's name before any request.

        Raises:
            ManifestError: Every fault.
        """
        if isinstance(self.manifest, Manifest):
            return self.manifest
        return await anyio.to_thread.run_sync(
            partial(
                load_manifest,
                self.manifest,
                allow_outside=self.allow_outside,
                models=connection.catalog.find,
                on_name=on_name,
            )
        )

    def folder_of(self, loaded: Manifest) -> Path:
        """The output folder."""
        return output_folder(loaded, output=self.output, emulate=self.emulate)

    def lock_file_of(self, loaded: Manifest) -> Path | None:
        """The lock file of the manifest; None with the emulator."""
        return find_lock_file(loaded, emulate=self.emulate)

    @staticmethod
    def notes(
        loaded: Manifest, connection: Connection, service: Service
    ) -> tuple[str, ...]:
        """What the user should know about the manifest, its models and the service."""
        return (
            *loaded.warnings,
            *connection.catalog.notes,
            *notes_on(service, os.environ),
            *notes_on_contract(loaded.path.parent, service, os.environ),
        )
