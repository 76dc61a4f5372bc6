"""Relocating: files that we made → the same files under other names, and the records.

A file is placed at its new name before the ledger records the move, and removed from
the old name after. Possible leftovers are recorded first, and the next command that
opens the ledger removes them. So a crash at any point loses no file.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from pipeline.assets.mover import (
    clear_renamed,
    find_movable,
    find_vacant,
    place_renamed,
)
from pipeline.assets.sidecar import Source
from pipeline.errors import DownloadFailed
from pipeline.fault_points import reach
from pipeline.job import Asset, Job
from pipeline.ledger.ledger import Ledger
from pipeline.naming import numbered_stem, split_stem, split_take, wanted_path
from pipeline.planning import PlannedItem
from pipeline.planning.takes import Layout
from pipeline.storage.store import Store

Write = Callable[..., Awaitable[Any]]  # as LedgerWriter.write


class Relocating:
    """Moves files within an output folder.

    Args:
        ledger: For reading.
        writer: The ledger to record with, whose methods are passed to ``write``.
        write: Makes one record durable.
        store: Where the files are.
        emulated: Whether the emulator made the assets; recorded in sidecars.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        writer: Ledger,
        write: Write,
        store: Store,
        emulated: bool,
    ) -> None:
        self._ledger = ledger
        self._writer = writer
        self._write = write
        self._store = store
        self._emulated = emulated
        self._lock = anyio.Lock()  # two takes must not move the same files

    async def lay_out(self, layout: Layout, source: Source) -> list[Job]:
        """Move the files of an item's takes to where they belong.

        Args:
            layout: From the plan.
            source: The item's place in the manifest, for the sidecars.

        Returns:
            The newest attempts of the takes whose files have moved.

        Raises:
            DownloadFailed: Another file already has a new name.
            OutputError: The disk is full or not writable.
        """

        def is_last(job_id: str) -> bool:
            return layout.stems[job_id] == layout.base_id

        async with self._lock:
            # The chosen take last: then its name is free.
            for job_id in sorted(layout.misplaced, key=is_last):
                output = layout.chosen_output
                await self._move(job_id, layout.stems[job_id], output, source)
        return [self._ledger.find_jobs_of(one)[0] for one in sorted(layout.misplaced)]

    async def make_room(self, planned: PlannedItem, source: Source) -> None:
        """Before the files of a take are saved: move those that have their names.

        Raises:
            DownloadFailed: Another file already has a new name.
            OutputError: The disk is full or not writable.
        """
        output = planned.chosen_output
        if not planned.siblings and not output:
            return
        async with self._lock:
            for job_id in planned.siblings:
                base, take = split_take(job_id)
                if self._has_files_at(planned.stem, job_id):
                    await self._move(job_id, numbered_stem(base, take), output, source)
            await self._move(planned.item.item_id, planned.stem, output, source)

    def _has_files_at(self, stem: str, job_id: str) -> bool:
        found = (
            split_stem(asset.path, job_id)
            for _, asset in self._ledger.find_assets_of(job_id)
        )
        return any(one is not None and one[0] == stem for one in found)

    async def _move(
        self, job_id: str, stem: str, chosen_output: int, source: Source
    ) -> None:
        files = self._ledger.find_files_of(job_id)
        paths: dict[str, str] = {}
        for job, asset in files:
            wanted = wanted_path(
                asset.path,
                job_id,
                stem,
                output=asset.output_index,
                count=sum(other.row_id == job.row_id for other, _ in files),
                chosen_output=chosen_output,
            )
            if wanted is not None and wanted != asset.path:
                paths[asset.path] = wanted
        if not paths:
            return
        # An output that was the chosen one leaves its name before another takes it.
        first = {old: new for old, new in paths.items() if new not in paths}
        for part in (first, {old: paths[old] for old in paths.keys() - first.keys()}):
            await self._move_paths(job_id, files, part, source)

    async def _move_paths(
        self,
        job_id: str,
        files: Sequence[tuple[Job, Asset]],
        paths: Mapping[str, str],
        source: Source,
    ) -> None:
        if not paths:
            return
        files = [(job, asset) for job, asset in files if asset.path in paths]
        self.check_owners(paths, {job_id})
        await self.place(files, paths, source)
        await self._write(self._writer.record_relocated, paths)
        reach("move-recorded")
        await self.clear(paths)

    def check_owners(self, paths: Mapping[str, str], ids: Collection[str]) -> None:
        """Check that no other item owns a new path.

        Raises:
            DownloadFailed: One does.
        """
        for path in paths.values():
            owner = self._ledger.find_path_owner(path)
            if owner is not None and owner not in ids:
                raise DownloadFailed(
                    f"{path} already belongs to item {owner}",
                    hint="rename one of the two items; if the other is no longer in the"
                    " manifest, run: pipeline prune",
                )

    async def place(
        self,
        files: Sequence[tuple[Job, Asset]],
        paths: Mapping[str, str],
        source: Source,
    ) -> None:
        """Place files at their new names; leftovers of a crash are recorded first.

        Args:
            files: Assets at their old paths; each job as its sidecar is to name it.
            paths: Old path to new path.
            source: The item's place in the manifest.
        """
        movable = await anyio.to_thread.run_sync(
            find_movable, self._store, files, paths
        )
        vacant = await anyio.to_thread.run_sync(
            find_vacant, self._store, paths.values()
        )
        leftovers = {new: old for old, new in paths.items() if new in vacant}
        await self._write(self._writer.record_leftovers, leftovers)
        place = partial(place_renamed, emulated=self._emulated)
        await anyio.to_thread.run_sync(place, self._store, movable, paths, source)

    async def clear(self, paths: Mapping[str, str]) -> None:
        """Remove files at the old paths that are also at the new ones."""
        if not paths:
            return
        own = {
            old: new
            for old, new in paths.items()
            if self._ledger.find_path_owner(old) is None
        }
        cleared = await anyio.to_thread.run_sync(clear_renamed, self._store, own)
        done = [*cleared, *(paths.keys() - own.keys())]
        await self._write(self._writer.forget_leftovers, done)
