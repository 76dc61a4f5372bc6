"""Target: the manifest, its output folder and the limits of a plan or run."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import anyio.to_thread

from pipeline.clock import Clock
from pipeline.contract.contract_file import notes_on_contract
from pipeline.errors import InputError, UsageError
from pipeline.ledger.ledger import Ledger
from pipeline.lockfile.reconcile import find_lock_file
from pipeline.manifest import Manifest, load_manifest
from pipeline.manifest.review_file import with_review
from pipeline.operations.connection import Connection, notes_on
from pipeline.output.folder import output_folder
from pipeline.output.stores import open_store, url_for
from pipeline.planning import Orphan, Plan, PlannedItem, Selection, make_plan
from pipeline.planning.shards import share_of
from pipeline.pricing.budget import smaller
from pipeline.settings import Settings
from pipeline.storage.folder import Folder
from pipeline.storage.store import Store

Source = str | os.PathLike[str] | Mapping[str, Any] | Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The arguments that a plan and a run have in common.

    Attributes:
        manifest: The YAML file, what it would say as a mapping, or the result of
            ``load_manifest``.
        output: The output folder, or None for ``output/<name>``.
        emulate: Start the emulator in this process and use it; spends nothing.
        allow_outside: Allow references outside the manifest's folder.
        profile: The manifest's profile to use, or "".
        selection: The items to plan or run.
        settings: Limits and timeouts.
        clock: The clock to use.
        store: The URL of the store for the files; "" for the manifest's own, or none.
    """

    manifest: Source
    output: str | os.PathLike[str] | None
    emulate: bool
    allow_outside: bool
    profile: str
    selection: Selection
    settings: Settings
    clock: Clock
    store: str = ""

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
            UsageError: The manifest has no such profile, or was loaded without it.
        """
        if isinstance(self.manifest, Manifest):
            self._check_profile(self.manifest)
            return self._reviewed(self.manifest)
        loaded = await anyio.to_thread.run_sync(
            partial(
                load_manifest,
                self.manifest,
                allow_outside=self.allow_outside,
                models=connection.catalog.find,
                on_name=on_name,
                profile=self.profile,
            )
        )
        return self._reviewed(loaded)

    def _check_profile(self, loaded: Manifest) -> None:
        if self.profile not in {"", loaded.profile}:
            raise UsageError(
                f"the manifest was not loaded with profile '{self.profile[:80]}'",
                hint="give the profile to load_manifest instead",
            )

    def _reviewed(self, loaded: Manifest) -> Manifest:
        """The manifest with the decisions about the files of this output folder."""
        if not self.emulate:
            return loaded
        return with_review(loaded, self.folder_of(loaded), emulate=True)

    def store_url_of(self, loaded: Manifest) -> str:
        """The URL of the store of the manifest; "" for none."""
        return url_for(loaded, self.store, emulate=self.emulate)

    def open_store(self, loaded: Manifest) -> Store:
        """Open the store of the manifest, and copy new sidecars home; blocking.

        Raises:
            UsageError, OutputError: As for ``open_store`` of the output area.
        """
        url = self.store_url_of(loaded)
        return open_store(self.folder_of(loaded), url, manifest=loaded)

    async def report_faults_first(self, error: UsageError) -> NoReturn:
        """Raise the manifest's own faults, if it has any, or else ``error``.

        Users work on the manifest first, and most of it can be checked without a
        service. Only that part is checked.

        Args:
            error: The reason why there is no service, such as missing credentials.

        Raises:
            ManifestError: Every fault; ``error`` is its cause.
            UsageError: ``--select`` matches no item; else ``error``.
        """
        try:
            await anyio.to_thread.run_sync(self._check_offline)
        except InputError as fault:
            raise fault from error
        raise error

    def _check_offline(self) -> None:
        loaded = self.manifest
        if not isinstance(loaded, Manifest):
            loaded = load_manifest(
                loaded, allow_outside=self.allow_outside, profile=self.profile
            )
        make_plan(
            loaded,
            Folder(self.folder_of(loaded)),
            ledger=None,
            selection=self.selection,
        )

    async def plan(
        self,
        loaded: Manifest,
        store: Store,
        ledger: Ledger,
        *,
        on_item: Callable[[PlannedItem], None],
        on_orphan: Callable[[Orphan], None] | None = None,
    ) -> Plan:
        """The plan, made in a thread; see ``make_plan``."""
        return await anyio.to_thread.run_sync(
            partial(
                make_plan,
                loaded,
                store,
                ledger=ledger,
                selection=self.selection,
                on_item=on_item,
                on_orphan=on_orphan,
            )
        )

    def settings_for(self, plan: Plan) -> Settings:
        """The settings, with the manifest's own budget if it is smaller.

        Of either, a shard has its share.
        """
        limit = smaller(self.settings.max_cost, plan.manifest.max_cost)
        division = plan.selection.division
        if division is not None:
            limit = share_of(limit, own=division.own, total=division.total)
        return replace(self.settings, max_cost=limit)

    def folder_of(self, loaded: Manifest) -> Path:
        """The output folder."""
        return output_folder(loaded, output=self.output, emulate=self.emulate)

    def lock_file_of(self, loaded: Manifest) -> Path | None:
        """The lock file of the manifest; None with the emulator."""
        return find_lock_file(loaded, emulate=self.emulate)

    @staticmethod
    def notes(plan: Plan, connection: Connection) -> tuple[str, ...]:
        """What the user should know about the plan, its models and the service."""
        service, loaded = connection.service, plan.manifest
        repeated = plan.repeats.describe(loaded)
        return (
            *loaded.warnings,
            *plan.notes,
            *((repeated,) if repeated else ()),
            *loaded.files.notes,
            *connection.catalog.notes,
            *notes_on(service, os.environ),
            *notes_on_contract(loaded.path.parent, service, os.environ),
        )
