"""Renaming: moves the files and ledger rows of renamed items to their new names.

A file is placed at its new name before the ledger records the rename, and removed from
the old name after. Possible leftovers are recorded first, and the next run removes
them. So a crash at any point loses no file and causes no second payment.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.assets.mover import find_unrecorded
from pipeline.assets.sidecar import Source
from pipeline.fault_points import reach
from pipeline.job import UNFINISHED, Asset, Job
from pipeline.ledger.ledger import Ledger
from pipeline.naming import split_stem, stems_of, wanted_path
from pipeline.planning import Action, PlannedItem
from pipeline.record import replace
from pipeline.running.records import Records
from pipeline.running.relocating import Relocating


class Renaming:
    """Carries out renames.

    Args:
        ledger: For reading.
        records: Writes each step.
        relocating: Moves the files.
        output: The output folder.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        records: Records,
        relocating: Relocating,
        output: Path,
    ) -> None:
        self._ledger = ledger
        self._records = records
        self._relocating = relocating
        self._output = output
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
            asset.path: self._name_of(planned, job, asset, files)
            for job, asset in files
            if split_stem(asset.path, old) is not None
        }
        self._relocating.check_owners(paths, {old, new})
        await self._relocating.place(files, paths, source)
        earlier = await self._records.renamed(old, new, paths)
        reach("rename-recorded")
        if planned.then is Action.DONE:
            await self._relocating.clear(paths)
        else:
            self._left[new] = old, paths
        assets = tuple(
            replace(asset, path=paths.get(asset.path, asset.path))
            for asset in planned.job.assets
        )
        attempt = planned.job.attempt + earlier
        job = replace(planned.job, item_id=new, attempt=attempt, assets=assets)
        return replace(planned, action=planned.then, job=job)

    async def finish(self, job: Job) -> None:
        """Once a renamed item is saved, remove its leftovers at the old name.

        A crash between an asset and its sidecar may leave a file that no record names.
        """
        if job.item_id not in self._left:
            return
        old, paths = self._left.pop(job.item_id)
        unnamed = {
            stem + found[1]: asset.path
            for asset in job.assets
            if (found := split_stem(asset.path, job.item_id)) is not None
            for stem in stems_of(old)
        }
        await self._relocating.clear({**unnamed, **paths})

    def _name_of(
        self,
        planned: PlannedItem,
        job: Job,
        asset: Asset,
        files: Sequence[tuple[Job, Asset]],
    ) -> str:
        """The new path of a file that has the stem of the old item."""
        found = split_stem(asset.path, planned.old_id)
        assert found is not None
        if not planned.chosen_output:
            return planned.stem + found[1]
        new_id = planned.item.item_id
        wanted = wanted_path(
            stems_of(new_id)[1] + found[1],
            new_id,
            planned.stem,
            output=asset.output_index,
            count=sum(other.row_id == job.row_id for other, _ in files),
            chosen_output=planned.chosen_output,
        )
        return wanted or planned.stem + found[1]

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
