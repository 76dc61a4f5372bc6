"""A finished job → its files in place, and the ledger's record of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from pipeline.assets.checks.media import MEDIA_TYPES, MISSING, can_check_media
from pipeline.assets.delivery import Delivery
from pipeline.assets.downloader import Downloader
from pipeline.assets.embedding import making_of
from pipeline.assets.least_rate import OutOfTime
from pipeline.assets.lineage import StepRecord, UsedOutput, names_in, record_of
from pipeline.assets.receipt import Receipt
from pipeline.assets.sidecar import Source, find_sent_files
from pipeline.assets.treatment import Treatment
from pipeline.counting import choose, plural
from pipeline.errors import JobError
from pipeline.fault_points import reach
from pipeline.job import (
    Asset,
    AssetId,
    FailureClass,
    ItemOutput,
    Job,
    JsonValue,
    ReferenceAsset,
)
from pipeline.ledger.ledger import Ledger
from pipeline.planning import Plan, PlannedItem
from pipeline.planning.lines import find_used
from pipeline.record import replace
from pipeline.running.failure import failure_of
from pipeline.running.likenesses import Likenesses
from pipeline.running.records import Records
from pipeline.running.relocating import Relocating
from pipeline.running.renaming import Renaming
from pipeline.save_spec import Saving


def source_at(plan: Plan, line: int) -> Source:
    """A line of a plan's manifest, for the sidecars of the item there."""
    manifest = plan.manifest
    return Source(
        name=manifest.name, file=manifest.file, sha256=manifest.sha256, line=line
    )


class Saver:
    """Downloads a job's assets, puts them in place and records them, in this order.

    Args:
        plan: Sidecars name its manifest.
        ledger: For reading.
        records: Records each step.
        downloader: Downloads one asset.
        delivery: Puts files in place.
        renaming: Completes a rename whose files were replaced.
        relocating: Makes room for the files of a take.
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
        relocating: Relocating,
        likenesses: Likenesses,
        keeps_old: bool,
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._records = records
        self._downloader = downloader
        self._delivery = delivery
        self._renaming = renaming
        self._relocating = relocating
        self._likenesses = likenesses
        self._keeps_old = keeps_old
        self._uploads: Mapping[str, AssetId] | None = None
        self._has_told_of_media = False

    async def save(self, planned: PlannedItem, job: Job) -> Job:
        """SUCCEEDED → SAVED, or FAILED with the asset ids recorded.

        The job stays SUCCEEDED if the run stops before its files are downloaded.
        """
        reach("end-recorded")
        if not job.request:  # known only from a lock file, which holds no inputs
            job = replace(job, request=self._request_of(planned, job))
        try:
            earlier = self._find_earlier(planned, job)
            source = self.source_of(planned, job)
            receipts = await self._delivery.fetch_all(
                job,
                self._downloader,
                kind=planned.kind,
                treatments=self._find_treatments(planned, job, source),
                known=_find_known(planned, job, earlier),
            )
            receipts = self._compare(planned, receipts)
            earlier += self._others_of(planned)
            await self._relocating.make_room(
                planned, source_at(self._plan, planned.item.line)
            )
            if planned.siblings:
                earlier = self._find_earlier(planned, job)
            await self._keep_old(job, earlier, receipts)
            job, superseded, notes = await self._delivery.put_in_place(
                job,
                receipts,
                stem=planned.stem,
                outputs=planned.outputs,
                chosen_output=planned.chosen_output,
                kind=planned.kind,
                source=source,
                earlier=earlier,
            )
            for note in notes:
                self._records.warn(job.item_id, note)
        except OutOfTime as error:
            text = f"made but not fetched: {error.message}"
            self._records.warn(job.item_id, text, has_failed=True)
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
        self._tell_made(planned, job, receipts)
        return job

    def _tell_made(
        self, planned: PlannedItem, job: Job, receipts: Sequence[Receipt]
    ) -> None:
        if job.review:
            self._records.warn(job.item_id, f"needs review: {job.review}")
        saved = {asset.asset_id for asset in job.assets}
        left = [asset_id for asset_id in job.remote_assets if asset_id not in saved]
        if left:
            text = f"companions of other kinds stay at the service: {', '.join(left)}"
            self._records.warn(job.item_id, text)
        if len(job.outputs) < planned.outputs:
            outputs = plural(planned.outputs, "output")
            was = choose(len(job.outputs), "was", "were")
            made = f"{len(job.outputs)} of {outputs} {was} made"
            self._records.warn(job.item_id, made, has_failed=True)
        unopened = any(one.media_type in MEDIA_TYPES for one in receipts)
        if unopened and not self._has_told_of_media and not can_check_media():
            self._has_told_of_media = True
            self._records.warn("", MISSING)

    def source_of(self, planned: PlannedItem, job: Job) -> Source:
        """The place of an item in the manifest, for the sidecars of a job."""
        return replace(
            source_at(self._plan, planned.item.line),
            variables=planned.item.variables,
            references=find_sent_files(planned.params, job.request or {}),
            parents=tuple(
                UsedOutput(
                    input=name,
                    item_id=used.item_id,
                    output=used.index,
                    asset_id=used.asset_id,
                    sha256=used.sha256,
                )
                for name, used in find_used(planned.params)
            ),
            steps=tuple(self._steps_before(planned, job)),
        )

    def _steps_before(self, planned: PlannedItem, job: Job) -> Iterator[StepRecord]:
        """The jobs before this one whose outputs are not saved, the latest first."""
        lines = self._plan.lines
        waiting = [(planned.item, job)]
        while waiting:
            item, made = waiting.pop()
            used = names_in(dict(made.request or {}))
            for parent in item.parents:
                before = lines.find(parent)
                if before is None or before.is_saved:
                    continue
                for one in self._ledger.find_jobs_of(parent):
                    if one.remote_id and not used.isdisjoint(one.remote_assets):
                        yield record_of(one)
                        waiting.append((before, one))
                        break

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

    def _others_of(self, planned: PlannedItem) -> Sequence[Job]:
        """Jobs whose files may have the item's name until now: its steps, or itself."""
        item = planned.item
        ids = self._ledger.find_step_ids(item.base)
        if item.is_last_step:
            ids += self._ledger.find_take_ids(item.base)
        return [
            job
            for job_id in ids
            if job_id != item.item_id
            for job in self._ledger.find_jobs_of(job_id)
        ]

    def _request_of(self, planned: PlannedItem, job: Job) -> dict[str, JsonValue]:
        """The request of an item as the manifest has it now, which asks for the same.

        The asset ids of references are those that the ledger knows, else null.
        """
        if self._uploads is None:
            self._uploads = self._ledger.find_uploads(job.project_id)
        uploads = self._uploads

        def sent(value: object) -> JsonValue:
            if isinstance(value, ReferenceAsset):
                return uploads.get(value.sha256)
            if isinstance(value, ItemOutput):
                return value.asset_id or None
            if isinstance(value, list):
                return [sent(inner) for inner in value]
            if isinstance(value, dict):
                return {key: sent(inner) for key, inner in value.items()}
            return cast("JsonValue", value)

        request = {name: sent(value) for name, value in planned.params.items()}
        return request if job.seed is None else {**request, "seed": job.seed}

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
