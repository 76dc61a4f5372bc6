"""A finished job → its files in place, and the ledger's record of them."""

from collections.abc import Sequence

from pipeline.assets.delivery import Delivery
from pipeline.assets.downloader import Downloader, OutOfTime, Receipt
from pipeline.assets.sidecar import Source
from pipeline.errors import JobError
from pipeline.fault_points import reach
from pipeline.job import FailureClass, Job
from pipeline.ledger.ledger import Ledger
from pipeline.planning import Plan, PlannedItem
from pipeline.running.failure import failure_of
from pipeline.running.records import Records
from pipeline.running.relocating import Relocating
from pipeline.running.renaming import Renaming


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
        keeps_old: bool,
    ) -> None:
        self._plan = plan
        self._ledger = ledger
        self._records = records
        self._downloader = downloader
        self._delivery = delivery
        self._renaming = renaming
        self._relocating = relocating
        self._keeps_old = keeps_old

    async def save(self, planned: PlannedItem, job: Job) -> Job:
        """SUCCEEDED → SAVED, or FAILED with the asset ids recorded.

        The job stays SUCCEEDED if the run stops before its files are downloaded.
        """
        reach("end-recorded")
        try:
            receipts = await self._delivery.fetch_all(job, self._downloader)
            # The planned job still names the files that are being fetched again.
            earlier = [planned.job]
            if job.attempt > 1 or planned.job.row_id:  # else there is no earlier one
                earlier += self._ledger.find_jobs_of(job.item_id)
            await self._relocating.make_room(planned, self.source_of(planned))
            if planned.siblings:
                earlier = [planned.job, *self._ledger.find_jobs_of(job.item_id)]
            await self._keep_old(job, earlier, receipts)
            job, superseded, notes = await self._delivery.put_in_place(
                job,
                receipts,
                stem=planned.stem,
                outputs=planned.outputs,
                chosen_output=planned.chosen_output,
                kind=planned.kind,
                source=self.source_of(planned),
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
        job = await self._records.saved(job)
        reach("saved-recorded")
        # Leftovers at an old name are recognised by the file at the new name, which may
        # be superseded; so superseded files are removed last.
        await self._renaming.finish(job)
        await self._delivery.remove(superseded)
        companions = len(job.remote_assets) - len(job.assets)
        if companions:
            left = f"{companions} companion files of other kinds stay at the service"
            self._records.warn(job.item_id, left)
        if len(job.assets) < planned.outputs:
            made = f"{len(job.assets)} of {planned.outputs} outputs were made"
            self._records.warn(job.item_id, made)
        return job

    def source_of(self, planned: PlannedItem) -> Source:
        """The place of an item in the manifest, for its sidecars."""
        return source_at(self._plan, planned.item.line)

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
