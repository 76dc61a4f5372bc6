"""Target: which manifest, where its files go, and how the service is reached."""

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
    """What a plan and a run have in common.

    Attributes:
        manifest: The YAML file, or what ``load_manifest`` made of it.
        output: The output folder, or None for ``output/<name>``.
        emulate: Start the emulator inside this process and use it: spends nothing.
        allow_outside: Let references lie outside of the manifest's folder.
        selection: Which items the command is about.
        settings: Limits and timeouts.
        clock: Whose time is spent.
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
        """The manifest, checked against what the service says of its models.

        Args:
            connection: To the service; asked only where no table of today is kept.
            on_name: Called with its name before anything is asked.

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
        """What a person should know of the manifest, its models and the service."""
        return (
            *loaded.warnings,
            *connection.catalog.notes,
            *notes_on(service, os.environ),
            *notes_on_contract(loaded.path.parent, service, os.environ),
        )
