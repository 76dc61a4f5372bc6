"""Reassigning: attempts whose items have swapped or shifted their ids.

Each attempt goes to the item that asks for it now, with its files. A file is never
overwritten: one that is in the way, and is to go elsewhere later or nowhere, gets the
name of a kept file first, such as ``oak.old-1.png``. Every step can be repeated, so a
crash at any point loses no file, and the next run goes on.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

from pipeline.assets.sidecar import Source
from pipeline.fault_points import reach
from pipeline.job import KEPT_MARK, Asset, Job
from pipeline.ledger.ledger import Ledger
from pipeline.naming import is_kept, split_stem
from pipeline.planning.rename import Reassignment
from pipeline.record import replace
from pipeline.running.relocating import Relocating, Write
from pipeline.storage.store import Store

_Files = list[tuple[Job, Asset]]


class Reassigning:
    """Carries out reassignments.

    Args:
        ledger: For reading.
        writer: The ledger to record with, whose methods are passed to ``write``.
        write: Makes one record durable.
        relocating: Moves the files.
        store: Where the files are.
        may_be_named: Whether an item may make a file of this name, without extension.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        writer: Ledger,
        write: Write,
        relocating: Relocating,
        store: Store,
        may_be_named: Callable[[str], bool],
    ) -> None:
        self._ledger = ledger
        self._writer = writer
        self._write = write
        self._relocating = relocating
        self._store = store
        self._may_be_named = may_be_named

    async def carry_out(
        self, moves: Sequence[Reassignment], source_at: Callable[[int], Source]
    ) -> list[Job]:
        """Give every attempt to its new item, in an order in which names are free.

        Args:
            moves: From the plan.
            source_at: A line of the manifest, for the sidecars.

        Returns:
            The newest attempt of each item that has got some.

        Raises:
            DownloadFailed: A file that we did not make has one of the names.
            OutputError: The disk is full or not writable.
        """
        waiting = {row_id: move for move in moves for row_id in move.rows}
        for first in moves:
            # What is in the way goes first, unless the moves are a circle.
            stack = [first] if first.rows[0] in waiting else []
            while stack:
                move = stack[-1]
                for row_id in move.rows:
                    waiting.pop(row_id, None)
                blockers = self._blockers(move)
                rows = (job.row_id for job, _ in blockers)
                before = next((waiting[row] for row in rows if row in waiting), None)
                if before is not None:
                    stack.append(before)
                    continue
                source = source_at(move.line)
                for job, asset in blockers:
                    await self._set_aside(job, asset, source)
                await self._reassign(move, source)
                stack.pop()
        return [self._ledger.find_jobs_of(move.new_id)[0] for move in moves]

    def _files_of(self, move: Reassignment) -> _Files:
        files = self._ledger.find_files_of(move.old_id)
        return [(job, asset) for job, asset in files if job.row_id in move.rows]

    def _paths_of(self, move: Reassignment) -> dict[str, str]:
        """Old path → new path; the newest files lose the mark of kept ones."""
        paths: dict[str, str] = {}
        for job, asset in self._files_of(move):
            found = split_stem(asset.path, move.old_id)
            if found is None:
                continue
            rest = found[1]
            if job.row_id == move.newest and KEPT_MARK in rest:
                number, _, age = rest.partition(KEPT_MARK)
                rest = f"{number}.{age.rpartition('.')[2]}"
            paths[asset.path] = move.stem + rest
        return paths

    def _blockers(self, move: Reassignment) -> _Files:
        """Files that have the item's names, or are in the place of new ones."""
        own = set(move.rows)
        taken = set(self._paths_of(move).values())
        found: dict[str, tuple[Job, Asset]] = {}
        owners = {self._ledger.find_path_owner(path) for path in taken}
        for job_id in sorted({move.new_id, *(one for one in owners if one)}):
            for job, asset in self._ledger.find_files_of(job_id):
                is_old = job_id == move.new_id and not is_kept(asset.path, job_id)
                if job.row_id not in own and (is_old or asset.path in taken):
                    found[asset.path] = job, asset
        return list(found.values())

    async def _set_aside(self, job: Job, asset: Asset, source: Source) -> None:
        stem, _, ending = asset.path.rpartition(".")
        names = (f"{stem}{KEPT_MARK}{job.attempt}{suffix}" for suffix in _suffixes())
        kept = next(
            f"{name}.{ending}"
            for name in names
            if not self._may_be_named(name) and self._is_free(f"{name}.{ending}")
        )
        paths = {asset.path: kept}
        await self._relocating.place([(job, asset)], paths, source)
        await self._write(self._writer.record_relocated, paths)
        reach("move-recorded")
        await self._relocating.clear(paths)

    def _is_free(self, path: str) -> bool:
        is_there = self._store.exists(path)
        return not is_there and self._ledger.find_path_owner(path) is None

    async def _reassign(self, move: Reassignment, source: Source) -> None:
        last = self._ledger.find_last_attempt(move.new_id)
        attempts = {row: last + number for number, row in enumerate(move.rows, 1)}
        files = [
            (replace(job, item_id=move.new_id, attempt=attempts[job.row_id]), asset)
            for job, asset in self._files_of(move)
        ]
        paths = self._paths_of(move)
        self._relocating.check_owners(paths, {move.old_id, move.new_id})
        await self._relocating.place(files, paths, source)
        await self._write(self._writer.record_reassigned, move.new_id, attempts, paths)
        reach("rename-recorded")
        await self._relocating.clear(paths)


def _suffixes() -> Iterator[str]:
    yield ""
    yield from (f"_{number}" for number in itertools.count(2))
