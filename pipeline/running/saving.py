"""A finished job → its files in place, and the ledger's record of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.assets.delivery import Delivery
from pipeline.assets.downloader import Downloader, OutOfTime
from pipeline.assets.embedding import Reference, making_of
from pipeline.assets.receipt import Receipt
from pipeline.assets.sidecar import Source
from pipeline.assets.treatment import Treatment
from pipeline.errors import JobError
from pipeline.fault_points import reach
from pipeline.job import Asset, AssetId, FailureClass, Job, ReferenceAsset
from pipeline.ledger.ledger import Ledger
from pipeline.planning import Plan, PlannedItem
from pipeline.record import replace
from pipeline.running.failure import failure_of
from pipeline.running.likenesses import Likenesses
from pipeline.running.records import Records
from pipeline.running.renaming import Renaming
from pipeline.save_spec import Saving


class Saver:
    """Downloads a job's assets, puts them in place and records them, in this order.

    Args:
        plan: Sidecars name its manifest.
        ledger: For reading.
        records: Records each step.
        downloader: Downloads one asset.
        delivery: Puts files in place.
        renaming: Completes a rename whose files were replaced.
        likenesses: The pictures of the other items, for comparing.
        keeps_old: Keep all replaced files, not only edited ones.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        ledger: Ledger,
        records: Records,
        downloader: Downloader,
        delivery: Delivery,
        renaming: Renaming,
        likenesses: Likenesses,
        keeps_old: bool,
    ) -> None:
        self._manifest = plan.manifest
        self._ledger = ledger
        self._records = records
        self._downloader = downloader
        self._delivery = delivery
        self._renaming = renaming
        self._likenesses = likenesses
        self._keeps_old = keeps_old

    async def save(self, planned: PlannedItem, job: Job) -> Job:
        """SUCCEEDED → SAVED, or FAILED with the asset ids recorded.

        The job stays SUCCEEDED if the run stops before its files are downloaded.
        """
        reach("end-recorded")
        try:
            earlier = self._find_earlier(planned, job)
            source = self.source_of(planned, job)
            receipts = await self._delivery.fetch_all(
                job,
                self._downloader,
                treatments=self._find_treatments(planned, job, source),
                known=_find_known(planned, job, earlier),
            )
            receipts = self._compare(planned, receipts)
            await self._keep_old(job, earlier, receipts)
            job, superseded, notes = await self._delivery.put_in_place(
                job,
                receipts,
                outputs=planned.outputs,
                kind=planned.kind,
                source=source,
                earlier=earlier,
            )
            for note in notes:
                self._records.warn(job.item_id, note)
        except OutOfTime as error:
            self._records.warn(job.item_id, f"made but not fetched: {error.message}")
            return job
        except JobError as error:
            failure = failure_of(error, FailureClass.DOWNLOAD)
            return await self._records.failed(job, failure)
        reach("sidecar-placed")
        leftovers = _find_leftovers(job, superseded, earlier)
        job = await self._records.saved(job, leftovers)
        reach("saved-recorded")
        # Leftovers at an old name are recognised by the file at the new name, which may
        # be superseded; so superseded files are removed last.
        await self._renaming.finish(job)
        await self._delivery.remove(superseded)
        if leftovers:
            await self._records.cleared(leftovers)
        if job.review:
            self._records.warn(job.item_id, f"needs review: {job.review}")
        companions = len(job.remote_assets) - len(job.assets)
        if companions:
            left = f"{companions} companion files of other kinds stay at the service"
            self._records.warn(job.item_id, left)
        if len(job.assets) < planned.outputs:
            made = f"{len(job.assets)} of {planned.outputs} outputs were made"
            self._records.warn(job.item_id, made)
        return job

    def source_of(self, planned: PlannedItem, job: Job | None = None) -> Source:
        """The place of an item in the manifest, for its sidecars.

        Args:
            planned: The item.
            job: Its job, whose request says which files it uses; None for the item's.
        """
        request = (job or planned.job).request or {}
        folder = self._manifest.path.parent
        found = {
            one.asset_id: one
            for name, value in planned.params.items()
            for one in _find_references(value, request.get(name), folder)
        }
        return Source(
            name=self._manifest.name,
            file=planned.item.file,
            sha256=self._manifest.sha256,
            line=planned.item.line,
            references=tuple(found.values()),
        )

    def _find_earlier(self, planned: PlannedItem, job: Job) -> list[Job]:
        """All attempts of the item, with their files."""
        # The planned job still names the files that are being fetched again.
        earlier = [planned.job]
        if job.attempt == 1 and not planned.job.row_id:
            return earlier
        rows = self._ledger.find_jobs_of(job.item_id)
        # A run that was killed while it saved them in another form has left records.
        left = [
            asset
            for row_id, asset in self._ledger.find_assets_of(job.item_id)
            if row_id == job.row_id
        ]
        return [
            *earlier,
            *(
                replace(row, assets=tuple(left)) if row.row_id == job.row_id else row
                for row in rows
            ),
        ]

    def _find_treatments(
        self, planned: PlannedItem, job: Job, source: Source
    ) -> Mapping[AssetId, Treatment]:
        saving = planned.item.saving
        compares = self._likenesses.are_wanted
        if saving == Saving() and not compares:
            return {}
        return {
            asset_id: Treatment(
                saving=saving,
                making=making_of(job, asset_id, source.references),
                compares=compares,
            )
            for asset_id in job.remote_assets
        }

    def _compare(
        self, planned: PlannedItem, receipts: tuple[Receipt, ...]
    ) -> tuple[Receipt, ...]:
        """The receipts, with what comparing them with the other items has found."""
        if not self._likenesses.are_wanted:
            return receipts
        item_id = planned.item.item_id
        self._likenesses.forget(item_id)
        found = []
        for receipt in receipts:
            most = planned.item.saving.checks.similar_to_another
            if receipt.likeness and most is not None:
                result = self._likenesses.check(item_id, receipt.likeness, most)
                receipt = replace(receipt, checks=(*receipt.checks, result))  # noqa: PLW2901
            found.append(receipt)
        for receipt in receipts:
            self._likenesses.add(item_id, receipt.likeness)
        return tuple(found)

    async def _keep_old(
        self, job: Job, earlier: Sequence[Job], receipts: Sequence[Receipt]
    ) -> None:
        """Keep edited files under another name; with --keep-old, all replaced ones."""
        only_edited = not self._keeps_old
        kept = await self._delivery.keep_old(
            job, earlier, receipts, only_edited=only_edited
        )
        if kept:
            await self._records.moved(kept)
        for old, new in kept.items() if only_edited else ():
            self._records.warn(job.item_id, f"{old} was edited; it is kept as {new}")


def _find_known(
    planned: PlannedItem, job: Job, earlier: Sequence[Job]
) -> Mapping[AssetId, Asset]:
    """The recorded files of this job whose originals may be in the output folder."""
    recipe = planned.item.saving.save.recipe
    return {
        asset.asset_id: asset
        for other in earlier
        if other.row_id and other.row_id == job.row_id
        for asset in other.assets
        if asset.recipe or recipe  # else the file itself is missing
    }


def _find_leftovers(
    job: Job, superseded: Sequence[Asset], earlier: Sequence[Job]
) -> dict[str, str]:
    """Files of this job that are saved in another form now: old path to new path."""
    now = {asset.asset_id: asset.path for asset in job.assets}
    own = {
        asset.path
        for other in earlier
        if other.row_id == job.row_id
        for asset in other.assets
    }
    return {
        asset.path: now[asset.asset_id]
        for asset in superseded
        if asset.path in own and asset.asset_id in now
    }


def _find_references(value: object, sent: object, folder: Path) -> Iterator[Reference]:
    """The files in an input, each with the asset id that was sent in its place."""
    if isinstance(value, ReferenceAsset) and isinstance(sent, str):
        try:
            path = Path(os.path.relpath(value.path, folder)).as_posix()
        except ValueError:  # another drive
            path = value.path.as_posix()
        yield Reference(asset_id=sent, path=path, sha256=value.sha256)
    elif isinstance(value, list) and isinstance(sent, list):
        for inner, one in zip(value, sent, strict=False):
            yield from _find_references(inner, one, folder)
    elif isinstance(value, dict) and isinstance(sent, dict):
        for name, inner in value.items():
            yield from _find_references(inner, sent.get(name), folder)
