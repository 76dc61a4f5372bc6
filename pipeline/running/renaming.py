"""Renaming: moves the files and ledger rows of renamed items to their new names.

A file is placed at its new name before the ledger records the rename, and removed from
the old name after. Possible leftovers are recorded first, and the next run removes
them. So a crash at any point loses no file and causes no second payment.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import anyio.to_thread

from pipeline.assets.mover import (
    clear_renamed,
    find_movable,
    find_unrecorded,
    find_vacant,
    place_renamed,
)
from pipeline.assets.sidecar import Source
from pipeline.errors import DownloadFailed
from pipeline.fault_points import reach
from pipeline.job import UNFINISHED, Asset, Job
from pipeline.ledger.ledger import Ledger
from pipeline.planning import Action, PlannedItem
from pipeline.record import replace
from pipeline.running.records import Records

# What follows the item's id in the name of a file: role, number, age, ending.
_REST = re.compile(r"(\.preview)?(-\d+)?(\.old-\d+(_\d+)?)?\.[A-Za-z0-9]+")


class Renaming:
    """Carries out renames.

    Args:
        ledger: For reading.
        records: Writes each step.
        output: The output folder.
        emulated: Whether the emulator made the assets; recorded in sidecars.
    """

    def __init__(
        self, ledger: Ledger, *, records: Records, output: Path, emulated: bool
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._output = output
        self._emulated = emulated
        # By new id, for items that are not saved yet: the old id and its leftovers.
        self._left: dict[str, tuple[str, Mapping[str, str]]] = {}

    async def rename_unfinished(self, old_ids: Mapping[str, str]) -> None:
        """Move unfinished jobs to their items' new names, before recovery starts.

        Args:
            old_ids: New id to old id of every renamed item.
        """
        if not old_ids:
            return
        new_ids = {old: new for new, old in old_ids.items()}
        unfinished = {job.item_id for job in self._ledger.find_jobs_in(*UNFINISHED)}
        for old in sorted(unfinished & new_ids.keys()):
            await self._records.renamed(old, new_ids[old], {})

    async def carry_out(self, planned: PlannedItem, source: Source) -> PlannedItem:
        """Move an item's files and rows to its new name.

        Args:
            planned: The item, with the action RENAME.
            source: Its place in the manifest, for the sidecars.

        Returns:
            The item with the action that follows and the new paths.

        Raises:
            DownloadFailed: Another item owns a new path; nothing has changed.
            OutputError: The disk is full or not writable.
        """
        old, new = planned.old_id, planned.item.item_id
        files = self._find_files(old, new)
        paths = {
            asset.path: new + asset.path[len(old) :]
            for _, asset in files
            if asset.path.startswith(old) and _REST.fullmatch(asset.path[len(old) :])
        }
        self._check_owners(planned, paths)
        await self._place(files, paths, source)
        earlier = await self._records.renamed(old, new, paths)
        reach("rename-recorded")
        if planned.then is Action.DONE:
            await self._clear(paths)
        else:
            self._left[new] = old, paths
        assets = tuple(
            replace(asset, path=paths.get(asset.path, asset.path))
            for asset in planned.job.assets
        )
        attempt = planned.job.attempt + earlier
        job = replace(planned.job, item_id=new, attempt=attempt, assets=assets)
        return replace(planned, action=planned.then, job=job)

    async def _place(
        self,
        files: Sequence[tuple[Job, Asset]],
        paths: Mapping[str, str],
        source: Source,
    ) -> None:
        """Place files at their new names; leftovers of a crash are recorded first."""
        movable = await anyio.to_thread.run_sync(
            find_movable, self._output, files, paths
        )
        vacant = await anyio.to_thread.run_sync(
            find_vacant, self._output, paths.values()
        )
        await self._records.renaming(
            {old: new for old, new in paths.items() if new in vacant}
        )
        place = partial(place_renamed, emulated=self._emulated)
        await anyio.to_thread.run_sync(place, self._output, movable, paths, source)

    async def finish(self, job: Job) -> None:
        """Once a renamed item is saved, remove its leftovers at the old name.

        A crash between an asset and its sidecar may leave a file that no record names.
        """
        if job.item_id not in self._left:
            return
        old, paths = self._left.pop(job.item_id)
        names = [asset.path for asset in job.assets]
        unnamed = {old + name[len(job.item_id) :]: name for name in names}
        await self._clear({**unnamed, **paths})

    async def _clear(self, paths: Mapping[str, str]) -> None:
        """Remove files at the old paths that are also at the new ones."""
        if not paths:
            return
        own = {
            old: new
            for old, new in paths.items()
            if self._ledger.find_path_owner(old) is None
        }
        cleared = await anyio.to_thread.run_sync(clear_renamed, self._output, own)
        await self._records.cleared([*cleared, *(paths.keys() - own.keys())])

    def _find_files(self, old: str, new: str) -> list[tuple[Job, Asset]]:
        """Every asset of the item's attempts, under the old or the new name."""
        jobs = {
            job.row_id: replace(job, item_id=new)
            for item_id in (old, new)
            for job in self._ledger.find_jobs_of(item_id)
        }
        known = [
            (row_id, asset)
            for item_id in (old, new)
            for row_id, asset in self._ledger.find_assets_of(item_id)
        ]
        # A crash may have happened between the last sidecar and its record.
        unknown = [
            (row_id, asset)
            for row_id in jobs.keys() - {row_id for row_id, _ in known}
            for asset in find_unrecorded(self._output, old, jobs[row_id])
        ]
        return [(jobs[row_id], asset) for row_id, asset in (*known, *unknown)]

    def _check_owners(self, planned: PlannedItem, paths: Mapping[str, str]) -> None:
        ids = {None, planned.old_id, planned.item.item_id}
        for path in paths.values():
            owner = self._ledger.find_path_owner(path)
            if owner not in ids:
                raise DownloadFailed(
                    f"{path} already belongs to item {owner}",
                    hint="rename one of the two items; if the other is no longer in the"
                    " manifest, run: pipeline prune",
                )
