"""Delivery: a succeeded Job → its assets and sidecars in place, old ones kept aside.

All files of a job are complete before the first is put in place, and each sidecar is
written after its asset, so a reader never finds a sidecar without its asset.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import anyio
import anyio.to_thread

from pipeline.assets.checks.standing import Standing, find_standing
from pipeline.assets.companions import Fetched, sort_by_role
from pipeline.assets.downloader import Downloader
from pipeline.assets.mover import is_foreign
from pipeline.assets.originals import keep_original
from pipeline.assets.receipt import Receipt
from pipeline.assets.sidecar import Source, render_sidecar
from pipeline.assets.treatment import Treatment, as_it_came
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
from pipeline.record import Struct, field, replace
from pipeline.storage.atomic_file import CHUNK_SIZE_BYTES
from pipeline.storage.batching import Batcher
from pipeline.storage.media_type import HEAD_SIZE_BYTES, extension_of, media_type_of
from pipeline.storage.store import Content, Store

_TEXTS = frozenset({"text/plain", "application/json"})
_NONE: Mapping[AssetId, Any] = {}
_SENDERS = 16  # jobs whose files are sent to a bucket at a time


class Delivery:
    """Puts the files of jobs into their store.

    Args:
        store: Where the files belong.
        clock: The source of ``saved_at``.
        find_owner: Finds the item that a path already belongs to, or None.
        is_emulated: Whether the emulator made the assets; asked for each sidecar.
        may_be_named: Whether an item of the manifest may produce a file of this name
            (without extension); a kept file must not take it.
        draws: Whether the gallery will want thumbnails of the files.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        find_owner: Callable[[str], str | None],
        is_emulated: Callable[[], bool],
        may_be_named: Callable[[str], bool] = lambda _stem: False,
        draws: bool = False,
    ) -> None:
        self._store = store
        self._clock = clock
        self._find_owner = find_owner
        self._is_emulated = is_emulated
        self._may_be_named = may_be_named
        self._draws = draws
        self._puts: Batcher[_Put, list[str]] = Batcher(
            self._put,
            after_batch=lambda placed: store.sync(
                itertools.chain.from_iterable(placed)
            ),
        )
        self._senders = anyio.CapacityLimiter(_SENDERS)

    async def fetch_all(
        self,
        job: Job,
        downloader: Downloader,
        *,
        kind: str = "",
        treatments: Mapping[AssetId, Treatment] = _NONE,
        known: Mapping[AssetId, Asset] = _NONE,
    ) -> tuple[Receipt, ...]:
        """Download every asset of a job, all at once, in the service's order.

        Args:
            job: SUCCEEDED.
            downloader: Downloads one asset.
            kind: What the model makes, or "": see :mod:`pipeline.assets.companions`.
            treatments: What is done with each output; left out for nothing.
                Companions stay as they came.
            known: The recorded assets whose originals may be here.

        Raises:
            DownloadFailed, Unavailable, UnexpectedAnswer: One of them could not be
                fetched whole before the deadline.
            OutputError: The disk is full or not writable.
        """
        if job.has_text_result and job.remote_id is not None:
            return (await downloader.download_result(job.remote_id, self._store),)

        async def download(asset_id: AssetId) -> Receipt:
            return await downloader.download(
                asset_id,
                self._store,
                treatment=treatments.get(asset_id),
                known=known.get(asset_id),
                draws=self._draws,
            )

        if len(job.remote_assets) == 1:
            return (await download(job.remote_assets[0]),)
        receipts: dict[int, Receipt] = {}
        failures: list[Exception] = []

        async def fetch_one(index: int, asset_id: AssetId) -> None:
            try:
                receipts[index] = await download(asset_id)
            except Exception as error:  # noqa: BLE001 - raised again below
                failures.append(error)

        async with anyio.create_task_group() as downloads:
            for index, asset_id in enumerate(job.remote_assets):
                downloads.start_soon(fetch_one, index, asset_id)
        if failures:
            for receipt in receipts.values():
                _discard(receipt)
            raise failures[0]
        fetched = [
            (asset_id, receipts[index])
            for index, asset_id in enumerate(job.remote_assets)
        ]
        outputs = {asset_id for asset_id, _ in sort_by_role(kind, fetched).outputs}
        return tuple(
            receipt if asset_id in outputs else as_it_came(receipt)
            for asset_id, receipt in fetched
        )

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
                original_sha256=receipt.original.sha256 if receipt.original else "",
                original_size_bytes=receipt.original.size_bytes
                if receipt.original
                else 0,
                recipe=receipt.recipe,
                checks=receipt.checks,
                likeness=receipt.likeness,
            )
            for index, ((asset_id, receipt), name) in enumerate(
                zip(wanted, names, strict=True), start=1
            )
        )
        for _, receipt in files.others:
            _discard(receipt)
        self._check_owners(job, assets)
        job = replace(job, assets=assets, saved_at=self._clock.utc_now())
        kept_receipts = [receipt for _, receipt in wanted]
        known = {asset.sha256 for other in earlier for asset in other.assets}
        own = tuple(
            asset
            for other in earlier
            if other.row_id == job.row_id
            for asset in other.assets
        )
        notes = [
            f"{asset.path}: {note}"
            for asset, receipt in zip(assets, kept_receipts, strict=True)
            for note in receipt.notes
        ]
        put = _Put(job, kept_receipts, source, known, own, notes)
        if self._store.is_remote:  # one file must not wait for another one's upload
            await anyio.to_thread.run_sync(self._send, put, limiter=self._senders)
        else:
            await self._puts.run(put)
        kept = {asset.path.casefold() for asset in assets}
        superseded = tuple(
            # An edit has been kept under another name.
            replace(asset, sha256=put.moved.get(asset.path, asset.sha256))
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

    def _send(self, put: "_Put") -> None:
        """As :meth:`_put`; what cannot be put in place does not stay in memory."""
        try:
            self._put(put)
        except BaseException:
            for receipt in put.receipts:
                _discard(receipt)
            raise

    def _put(self, put: "_Put") -> list[str]:
        """Put files in place; their names are durable once their folders are synced."""
        self._check_strangers(put.job, put.known)
        own = {asset.sha256 for asset in put.own}
        placed = []
        self._keep_own_edits(put, own)
        for asset, receipt in zip(put.job.assets, put.receipts, strict=True):
            if asset.sha256 in own and self._stays(put, asset, receipt):
                _discard(receipt)
                continue
            if receipt.original is not None:
                placed.append(keep_original(self._store, receipt.original))
                reach("original-placed")
            self._store.place(
                receipt.partial,
                asset.path,
                sha256=asset.sha256,
                media_type=asset.media_type,
            )
            placed.append(asset.path)
            reach("asset-placed")
            sidecar = render_sidecar(
                put.job, asset, put.source, emulated=self._is_emulated()
            )
            self._store.write(sidecar, asset.path + SIDECAR_SUFFIX)
        return placed

    def _keep_own_edits(self, put: "_Put", own: AbstractSet[str]) -> None:
        """Keep edits of files that are saved in another form now under another name."""
        coming = {asset.path: asset.sha256 for asset in put.job.assets}
        remade = {asset.asset_id for asset in put.job.assets}
        known = put.known | set(coming.values())
        for asset in put.own:
            if asset.asset_id not in remade and asset.path not in coming:
                continue
            # One that is only fetched again is judged in its place.
            is_same = coming.get(asset.path) in own
            if is_same or asset.path in put.moved or not self._is_edited(asset, known):
                continue
            standing, _ = find_standing(self._store, asset, by_hash=True)
            kept = self._free_name(asset.path, put.job.attempt)
            self._store.copy(asset.path, kept)
            put.moved[asset.path] = self._store.digest_of(asset.path)
            put.notes.append(f"{asset.path} was {standing}: it is kept as {kept}")

    def _stays(self, put: "_Put", asset: Asset, receipt: Receipt) -> bool:
        """Whether to keep a file that the user has edited, not the fetched one.

        A file that is cut off, or a pointer to the saved one, is replaced. A damaged
        file is replaced too, but kept under another name: it may have been an edit.
        """
        if not self._is_edited(asset, put.known):
            return False
        standing, _ = find_standing(self._store, asset, by_hash=True)
        file = self._store.file(asset.path)
        if standing is Standing.EDITED:
            return True
        if standing is Standing.MISSING or _is_cut_off(file, receipt.partial):
            return False
        if standing is Standing.BROKEN and _is_text(file):
            text = f"{asset.path} differs from the saved file and is left alone"
            put.notes.append(f"{text}: delete it to fetch the saved file again")
            return True
        kept = self._free_name(asset.path, put.job.attempt)
        self._store.copy(asset.path, kept)
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
                is_there = self._store.is_present(old)
                if old in paths or not is_there or is_kept(old, job.item_id):
                    continue
                if only_edited and not self._is_edited(asset, known):
                    continue
                if self._store.digest_of(old) in coming - {asset.sha256}:
                    continue  # a killed run already put the new file in place
                paths[old] = new = self._free_name(old, other.attempt)
                self._store.copy(old, new)
                placed.append(new)
                if self._store.is_present(old + SIDECAR_SUFFIX):
                    self._store.copy(old + SIDECAR_SUFFIX, new + SIDECAR_SUFFIX)
        self._store.sync(placed)
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
            self._store.exists(new + suffix)
            and not self._store.have_same_content(old + suffix, new + suffix)
            for suffix in ("", SIDECAR_SUFFIX)
        )

    def _remove(self, superseded: Sequence[Asset]) -> None:
        for asset in superseded:
            if self._store.digest_of(asset.path) == asset.sha256:
                self._store.remove(asset.path)
                self._store.remove(asset.path + SIDECAR_SUFFIX)

    def _is_edited(self, asset: Asset, known: AbstractSet[str]) -> bool:
        if not self._store.is_present(asset.path):
            return False  # an empty file counts as missing
        digest = self._store.digest_of(asset.path)
        if digest in {"", asset.sha256} or digest in known:
            return False
        # Nor does a pointer to what was saved hold anybody's work.
        _, pointer = find_standing(self._store, asset)
        return pointer is None or not (
            pointer.is_of(asset.sha256, asset.size_bytes) or pointer.sha256 in known
        )

    def _check_strangers(self, job: Job, known: AbstractSet[str]) -> None:
        """Refuse to replace a file that no run of ours wrote."""
        for asset in job.assets:
            store, name, sidecar = self._store, asset.path, asset.path + SIDECAR_SUFFIX
            if not store.exists(name) and not store.exists(sidecar):
                continue
            if store.is_link(name) or not store.is_inside(name):
                continue  # a link is replaced, never followed
            if self._find_owner(asset.path) is not None:
                continue
            is_taken = store.size_of(sidecar) < 0 and self._is_edited(asset, known)
            is_noted = not store.is_link(sidecar) and is_foreign(store, name)
            if is_taken or is_noted:
                there = store.describe(sidecar if is_noted else name)
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
        own: The files of this attempt, if they are fetched again.
        notes: Collects warnings for the user.
        moved: Collects the paths of edits that are under another name now, with their
            SHA-256.
    """

    job: Job
    receipts: Sequence[Receipt]
    source: Source
    known: AbstractSet[str]
    own: Sequence[Asset]
    notes: list[str]
    moved: dict[str, str] = field(default_factory=dict)


def _names(stem: str, files: Sequence[Fetched], wanted: int) -> list[str]:
    """The names of files: the stem alone, or numbered from 1 if there are several."""
    several = wanted > 1 or len(files) > 1
    return [
        f"{stem}{f'-{number}' if several else ''}.{extension_of(receipt.media_type)}"
        for number, (_, receipt) in enumerate(files, start=1)
    ]


def _is_cut_off(file: Content, whole: Content) -> bool:
    """Whether a file is the beginning of another."""
    with file.open("rb") as left, whole.open("rb") as right:
        while block := left.read(CHUNK_SIZE_BYTES):
            if block != right.read(len(block)):
                return False
    return True


def _is_text(file: Content) -> bool:
    with file.open("rb") as opened:
        return media_type_of(opened.read(HEAD_SIZE_BYTES)) in _TEXTS


def _discard(receipt: Receipt) -> None:
    receipt.partial.unlink(missing_ok=True)
    if receipt.original is not None:
        receipt.original.partial.unlink(missing_ok=True)


def _suffixes() -> Iterator[str]:
    """What distinguishes kept files of the same name: nothing, then numbers."""
    yield ""
    yield from (f"_{number}" for number in itertools.count(2))
