"""Delivery: a succeeded Job → its assets and sidecars in place, old ones kept aside.

All files of a job are complete before the first is put in place, and each sidecar is
written after its asset, so a reader never finds a sidecar without its asset.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import anyio
import anyio.to_thread

from pipeline.assets.checks.standing import Standing, find_standing
from pipeline.assets.companions import Fetched, sort_by_role
from pipeline.assets.downloader import Downloader, Receipt
from pipeline.assets.mover import is_foreign, place_copy
from pipeline.assets.sidecar import Source, render_sidecar
from pipeline.clock import Clock
from pipeline.errors import DownloadFailed
from pipeline.fault_points import reach
from pipeline.job import (
    KEPT_MARK,
    PREVIEW,
    PREVIEW_MARK,
    SIDECAR_SUFFIX,
    Asset,
    AssetId,
    Job,
)
from pipeline.naming import is_kept, item_of, wanted_path
from pipeline.record import Struct, replace
from pipeline.storage.atomic_file import (
    CHUNK_SIZE_BYTES,
    put_in_place,
    sync_folders,
    write_in_place,
)
from pipeline.storage.batching import Batcher
from pipeline.storage.files import digest_of, have_same_content, is_present
from pipeline.storage.media_type import HEAD_SIZE_BYTES, extension_of, media_type_of
from pipeline.storage.regular_file import is_inside

_TEXTS = frozenset({"text/plain", "application/json"})


class Delivery:
    """Puts the files of jobs into the output folder.

    Args:
        output: The output folder.
        clock: The source of ``saved_at``.
        find_owner: Finds the item that a path already belongs to, or None.
        is_emulated: Whether the emulator made the assets; asked for each sidecar.
        may_be_named: Whether an item of the manifest may produce a file of this name
            (without extension); a kept file must not take it.
    """

    def __init__(
        self,
        output: Path,
        clock: Clock,
        *,
        find_owner: Callable[[str], str | None],
        is_emulated: Callable[[], bool],
        may_be_named: Callable[[str], bool] = lambda _stem: False,
    ) -> None:
        self._output = output
        self._clock = clock
        self._find_owner = find_owner
        self._is_emulated = is_emulated
        self._may_be_named = may_be_named
        self._puts: Batcher[_Put, list[Path]] = Batcher(
            self._put,
            after_batch=lambda placed: sync_folders(
                itertools.chain.from_iterable(placed)
            ),
        )

    async def fetch_all(self, job: Job, downloader: Downloader) -> tuple[Receipt, ...]:
        """Download every asset of a job, all at once, in the service's order.

        Raises:
            DownloadFailed, Unavailable, UnexpectedAnswer: One of them could not be
                fetched whole before the deadline.
            OutputError: The disk is full or not writable.
        """
        if job.has_text_result and job.remote_id is not None:
            return (await downloader.download_result(job.remote_id, self._output),)
        if len(job.remote_assets) == 1:
            return (await downloader.download(job.remote_assets[0], self._output),)
        receipts: dict[int, Receipt] = {}
        failures: list[Exception] = []

        async def fetch_one(index: int, asset_id: AssetId) -> None:
            try:
                receipts[index] = await downloader.download(asset_id, self._output)
            except Exception as error:  # noqa: BLE001 - raised again below
                failures.append(error)

        async with anyio.create_task_group() as downloads:
            for index, asset_id in enumerate(job.remote_assets):
                downloads.start_soon(fetch_one, index, asset_id)
        if failures:
            for receipt in receipts.values():
                receipt.partial.unlink(missing_ok=True)
            raise failures[0]
        return tuple(receipts[index] for index in range(len(job.remote_assets)))

    async def keep_old(
        self,
        job: Job,
        earlier: Sequence[Job],
        receipts: Sequence[Receipt],
        *,
        only_edited: bool,
    ) -> dict[str, str]:
        """Give the files of other attempts, and their sidecars, a permanent name.

        They have both names until :meth:`put_in_place` and :meth:`remove`.

        Args:
            job: The job whose files will replace them.
            earlier: All attempts of the item.
            receipts: The new files' receipts: a killed run may have put one in place
                already.
            only_edited: Only those that somebody has edited by hand.

        Returns:
            Their current paths, mapped to the permanent ones.

        Raises:
            OutputError: The disk is full or not writable.
        """
        if not any(one.assets for one in earlier if one.row_id != job.row_id):
            return {}
        return await anyio.to_thread.run_sync(
            self._keep, job, earlier, {one.sha256 for one in receipts}, only_edited
        )

    async def put_in_place(
        self,
        job: Job,
        receipts: Sequence[Receipt],
        *,
        stem: str,
        outputs: int,
        chosen_output: int = 0,
        kind: str,
        source: Source,
        earlier: Sequence[Job],
    ) -> tuple[Job, tuple[Asset, ...], list[str]]:
        """Rename the files and write the sidecars.

        Args:
            job: SUCCEEDED.
            receipts: One per asset, in order.
            stem: Their name without number and extension.
            outputs: How many files were asked for: one is named by the stem alone,
                several are numbered from 1.
            chosen_output: With ``choose: one``, the output that has the item's own name
                if the take is the chosen one; else 0.
            kind: What the model makes, or "": see :mod:`pipeline.assets.companions`.
            source: Where the item is defined, for the sidecars.
            earlier: All attempts of the item, whose files these replace.

        Returns:
            The job with its assets, the assets it supersedes, and warnings about the
            files that it has replaced or left alone.

        Raises:
            DownloadFailed: A file of another item has the name.
            OutputError: The disk is full or not writable.
        """
        files = sort_by_role(kind, zip(job.remote_assets, receipts, strict=True))
        wanted = [*files.outputs, *files.previews]
        names = _names(stem, files.outputs, outputs)
        if chosen_output:
            names = [
                wanted_path(
                    name,
                    job.item_id,
                    stem,
                    output=index,
                    count=len(names),
                    chosen_output=chosen_output,
                )
                or name
                for index, name in enumerate(names, start=1)
            ]
        names += _names(stem + PREVIEW_MARK, files.previews, 1)
        assets = tuple(
            Asset(
                asset_id=asset_id,
                output_index=index,
                path=name,
                sha256=receipt.sha256,
                size_bytes=receipt.size_bytes,
                media_type=receipt.media_type,
                width_px=receipt.width_px,
                height_px=receipt.height_px,
                role="" if index <= len(files.outputs) else PREVIEW,
            )
            for index, ((asset_id, receipt), name) in enumerate(
                zip(wanted, names, strict=True), start=1
            )
        )
        for _, receipt in files.others:
            receipt.partial.unlink(missing_ok=True)
        self._check_owners(job, assets)
        job = replace(job, assets=assets, saved_at=self._clock.utc_now())
        kept_receipts = [receipt for _, receipt in wanted]
        known = {asset.sha256 for other in earlier for asset in other.assets}
        own = {
            asset.sha256
            for other in earlier
            if other.row_id == job.row_id
            for asset in other.assets
        }
        notes: list[str] = []
        await self._puts.run(_Put(job, kept_receipts, source, known, own, notes))
        kept = {asset.path.casefold() for asset in assets}
        superseded = tuple(
            asset
            for other in earlier
            for asset in other.assets
            if asset.path.casefold() not in kept
            and (other.row_id == job.row_id or not is_kept(asset.path, job.item_id))
            and self._find_owner(asset.path) in {None, job.item_id}
        )
        return job, superseded, notes

    async def remove(self, superseded: Sequence[Asset]) -> None:
        """Remove replaced files, unless somebody has edited them since."""
        if superseded:
            await anyio.to_thread.run_sync(self._remove, superseded)

    def _put(self, put: "_Put") -> list[Path]:
        """Put files in place; their names are durable once their folders are synced."""
        self._check_strangers(put.job, put.known)
        placed = []
        for asset, receipt in zip(put.job.assets, put.receipts, strict=True):
            if asset.sha256 in put.own and self._stays(put, asset, receipt):
                receipt.partial.unlink(missing_ok=True)
                continue
            placed.append(put_in_place(receipt.partial, self._output, asset.path))
            reach("asset-placed")
            sidecar = render_sidecar(
                put.job, asset, put.source, emulated=self._is_emulated()
            )
            write_in_place(sidecar, self._output, asset.path + SIDECAR_SUFFIX)
        return placed

    def _stays(self, put: "_Put", asset: Asset, receipt: Receipt) -> bool:
        """Whether to keep a file that the user has edited, not the fetched one.

        A file that is cut off, or a pointer to the saved one, is replaced. A damaged
        file is replaced too, but kept under another name: it may have been an edit.
        """
        if not self._is_edited(asset, put.known):
            return False
        standing, _ = find_standing(self._output, asset, by_hash=True)
        path = self._output / asset.path
        if standing is Standing.EDITED:
            return True
        if standing is Standing.MISSING or _is_cut_off(path, receipt.partial):
            return False
        if standing is Standing.BROKEN and _is_text(path):
            text = f"{asset.path} differs from the saved file and is left alone"
            put.notes.append(f"{text}: delete it to fetch the saved file again")
            return True
        kept = self._free_name(asset.path, put.job.attempt)
        place_copy(self._output, asset.path, kept)
        put.notes.append(f"{asset.path} was {standing}: it is kept as {kept}")
        return False

    def _keep(
        self,
        job: Job,
        earlier: Sequence[Job],
        coming: AbstractSet[str],
        only_edited: bool,
    ) -> dict[str, str]:
        known = {asset.sha256 for other in earlier for asset in other.assets}
        paths: dict[str, str] = {}
        placed = []
        for other in earlier:
            for asset in other.assets if other.row_id != job.row_id else ():
                old = asset.path
                is_there = is_present(self._output, old)
                if old in paths or not is_there or is_kept(old, job.item_id):
                    continue
                if only_edited and not self._is_edited(asset, known):
                    continue
                if digest_of(self._output, old) in coming - {asset.sha256}:
                    continue  # a killed run already put the new file in place
                paths[old] = new = self._free_name(old, other.attempt)
                placed.append(place_copy(self._output, old, new))
                if is_present(self._output, old + SIDECAR_SUFFIX):
                    place_copy(self._output, old + SIDECAR_SUFFIX, new + SIDECAR_SUFFIX)
        sync_folders(placed)
        return paths

    def _free_name(self, old: str, attempt: int) -> str:
        """A name that nothing has or will have, or the one it was given before."""
        stem, dot, ending = old.rpartition(".")
        names = (f"{stem}{KEPT_MARK}{attempt}{suffix}" for suffix in _suffixes())
        return next(
            f"{name}{dot}{ending}"
            for name in names
            if not self._may_be_named(name)
            and self._is_free(old, f"{name}{dot}{ending}")
        )

    def _is_free(self, old: str, new: str) -> bool:
        return self._find_owner(new) is None and not any(
            os.path.lexists(self._output / (new + suffix))
            and not have_same_content(self._output, old + suffix, new + suffix)
            for suffix in ("", SIDECAR_SUFFIX)
        )

    def _remove(self, superseded: Sequence[Asset]) -> None:
        for asset in superseded:
            path = self._output / asset.path
            if digest_of(self._output, asset.path) == asset.sha256:
                path.unlink(missing_ok=True)
                (self._output / (asset.path + SIDECAR_SUFFIX)).unlink(missing_ok=True)

    def _is_edited(self, asset: Asset, known: AbstractSet[str]) -> bool:
        if not is_present(self._output, asset.path):
            return False  # an empty file counts as missing
        digest = digest_of(self._output, asset.path)
        if digest in {"", asset.sha256} or digest in known:
            return False
        # Nor does a pointer to what was saved hold anybody's work.
        _, pointer = find_standing(self._output, asset)
        return pointer is None or not (
            pointer.is_of(asset.sha256, asset.size_bytes) or pointer.sha256 in known
        )

    def _check_strangers(self, job: Job, known: AbstractSet[str]) -> None:
        """Refuse to replace a file that no run of ours wrote."""
        for asset in job.assets:
            path = self._output / asset.path
            sidecar = self._output / (asset.path + SIDECAR_SUFFIX)
            if not os.path.lexists(path) and not os.path.lexists(sidecar):
                continue
            if path.is_symlink() or not is_inside(self._output, path):
                continue  # a link is replaced, never followed
            if self._find_owner(asset.path) is not None:
                continue
            is_taken = not sidecar.exists() and self._is_edited(asset, known)
            is_noted = not sidecar.is_symlink() and is_foreign(self._output, asset.path)
            if is_taken or is_noted:
                there = sidecar if is_noted else path
                raise DownloadFailed(
                    f"{there} already exists and was not made by pipeline",
                    hint="move it away and run again: the asset is paid for and kept",
                )

    def _check_owners(self, job: Job, assets: Sequence[Asset]) -> None:
        for asset in assets:
            # A JSON asset may have the name of another item's sidecar.
            names = (
                asset.path,
                asset.path + SIDECAR_SUFFIX,
                asset.path.removesuffix(SIDECAR_SUFFIX),
            )
            found = {self._find_owner(name) for name in names} - {None}
            # A step may take the name that the item's own file had.
            owners = {
                owner
                for owner in found
                if owner is not None and item_of(owner) != item_of(job.item_id)
            }
            for owner in owners:
                raise DownloadFailed(
                    f"{asset.path} already belongs to item {owner}",
                    hint="rename one of the two; if that item is gone: pipeline prune",
                )


class _Put(Struct, frozen=True):
    """The files of a job that are put in place together, in order.

    Attributes:
        job: With its assets.
        receipts: One per asset.
        source: Where the item is defined.
        known: The SHA-256 of everything that attempts of the item have produced.
        own: The same for this attempt alone, if its files are fetched again.
        notes: Collects warnings for the user.
    """

    job: Job
    receipts: Sequence[Receipt]
    source: Source
    known: AbstractSet[str]
    own: AbstractSet[str]
    notes: list[str]


def _names(stem: str, files: Sequence[Fetched], wanted: int) -> list[str]:
    """The names of files: the stem alone, or numbered from 1 if there are several."""
    several = wanted > 1 or len(files) > 1
    return [
        f"{stem}{f'-{number}' if several else ''}.{extension_of(receipt.media_type)}"
        for number, (_, receipt) in enumerate(files, start=1)
    ]


def _is_cut_off(path: Path, whole: Path) -> bool:
    """Whether a file is the beginning of another."""
    with path.open("rb") as left, whole.open("rb") as right:
        while block := left.read(CHUNK_SIZE_BYTES):
            if block != right.read(len(block)):
                return False
    return True


def _is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return media_type_of(file.read(HEAD_SIZE_BYTES)) in _TEXTS


def _suffixes() -> Iterator[str]:
    """What distinguishes kept files of the same name: nothing, then numbers."""
    yield ""
    yield from (f"_{number}" for number in itertools.count(2))
