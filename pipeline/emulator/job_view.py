"""The JSON of a job at a moment."""

from collections.abc import Callable

from pipeline.emulator.assets import Assets
from pipeline.emulator.echoes import echo_of, prompt_asset_id, prompt_is_archived
from pipeline.emulator.identity import PROJECT_ID
from pipeline.emulator.jobs import RUNNING, SUCCEEDED, TERMINAL, EmulatedJob
from pipeline.emulator.model_records import ModelRecord
from pipeline.emulator.pricing import tidy
from pipeline.emulator.profiles.listing import ListingProfile
from pipeline.emulator.timeline import iso, span_ms

RUNNING_SHARE = 0.9
ERROR_IN_METADATA = "metadata.error"


class JobView:
    """Describes jobs.

    Args:
        listing: What the answers show.
        assets: Where archived prompts are added.
        find_model: The record of a model, which may be gone since an earlier start.
    """

    def __init__(
        self,
        listing: ListingProfile,
        assets: Assets,
        find_model: Callable[[str], ModelRecord],
    ) -> None:
        self._listing = listing
        self._assets = assets
        self._find_model = find_model

    def identify(self, job: EmulatedJob) -> dict[str, object]:
        """The id of a job, and nothing else."""
        return {self._listing.job_id_key: job.job_id}

    def describe(
        self, job: EmulatedJob, moment_ms: int, *, is_listed: bool = False
    ) -> dict[str, object]:
        """The inner object of ``GET /jobs/{id}`` at a moment.

        Args:
            job: Any job.
            moment_ms: A time not before the job's creation.
            is_listed: The job is shown in a list, not read by its id.
        """
        listing = self._listing
        step = job.step_at(moment_ms)
        status = job.step_statuses[step]
        answer: dict[str, object] = {
            **self.identify(job),
            "jobType": job.job_type,
            "status": status,
            "progress": _progress(job, step, moment_ms),
            "createdAt": iso(job.created_ms),
            "updatedAt": iso(_updated_ms(job, moment_ms, span_ms(listing.heartbeat_s))),
            "authorId": job.author_id,
            "ownerId": PROJECT_ID,
            "statusHistory": [
                {"status": name, "date": iso(moment)}
                for name, moment in zip(
                    job.step_statuses[: step + 1], job.step_times, strict=False
                )
            ],
            "metadata": self._metadata(job, moment_ms, is_listed=is_listed),
        }
        if job.job_type == "custom":
            answer["billing"] = _billing(job, status)
        if status in TERMINAL and job.error and not self._has_error_in_metadata:
            answer[listing.failure_field] = job.error
        return answer

    @property
    def _has_error_in_metadata(self) -> bool:
        return self._listing.failure_field == ERROR_IN_METADATA

    def _metadata(
        self, job: EmulatedJob, moment_ms: int, *, is_listed: bool
    ) -> dict[str, object]:
        status = job.status_at(moment_ms)
        metadata: dict[str, object] = {}
        if job.job_type == "custom":
            metadata["input"] = self._echo(job, moment_ms)
        elif status == "success":
            metadata["output"] = {"entityId": job.entity_id}
            metadata["assetIds"] = [job.entity_id]
        if job.workflow_job_id:
            metadata["workflowJobId"] = job.workflow_job_id
        if job.error and status in TERMINAL:
            if self._has_error_in_metadata:
                metadata["error"] = job.error
            if job.hint:
                metadata["hint"] = job.hint
        if job.job_type == "custom":
            shows_assets = self._shows_assets(job, moment_ms, is_listed=is_listed)
            metadata["assetIds"] = list(job.asset_ids) if shows_assets else []
            if job.answer and status in SUCCEEDED:
                metadata["output"] = {"text": job.answer}
        return metadata

    def _echo(self, job: EmulatedJob, moment_ms: int) -> dict[str, object]:
        listing = self._listing
        if prompt_is_archived(job, moment_ms, listing):
            # The echo shows the id of the text asset, so it must be readable now.
            self._assets.add_prompt(prompt_asset_id(job), job)
        defaults = (
            self._find_model(job.model_id).defaults if listing.echo_defaults else {}
        )
        return echo_of(job, moment_ms, listing, defaults)

    def _shows_assets(
        self, job: EmulatedJob, moment_ms: int, *, is_listed: bool
    ) -> bool:
        if job.ends_ms is None or (is_listed and self._listing.list_omits_asset_ids):
            return False
        delay_ms = span_ms(self._listing.asset_ids_delay_s)
        return moment_ms >= job.ends_ms + delay_ms


def _updated_ms(job: EmulatedJob, moment_ms: int, heartbeat_ms: int) -> int:
    step = job.step_at(moment_ms)
    since_ms = job.step_times[step]
    if heartbeat_ms and job.step_statuses[step] == RUNNING:
        since_ms += max(moment_ms - since_ms, 0) // heartbeat_ms * heartbeat_ms
    return since_ms


def _progress(job: EmulatedJob, step: int, moment_ms: int) -> float:
    status = job.step_statuses[step]
    if status in SUCCEEDED:
        return 1
    if status in TERMINAL or status not in {RUNNING, "finalizing"}:
        return 0
    if status != RUNNING or step + 1 == len(job.step_times):
        return RUNNING_SHARE
    since, until = job.step_times[step], job.step_times[step + 1]
    done = (moment_ms - since) / max(until - since, 1)
    return round(min(max(done, 0.0), 1.0) * RUNNING_SHARE, 3)


def _billing(job: EmulatedJob, status: str) -> dict[str, object]:
    billing: dict[str, object] = {
        "cuCost": tidy(job.charged_cu),
        "cuDiscount": tidy(job.discount_cu),
    }
    gate_cu = job.quality_gate_cu + job.late_addon_cu * (status in TERMINAL)
    if gate_cu:
        failed = status in TERMINAL and status not in SUCCEEDED
        refunded = failed and job.refundable and not job.asset_ids
        billing["cuCostDetails"] = {"quality-gate": 0 if refunded else tidy(gate_cu)}
    if not job.refundable:
        billing["disableRefund"] = True
    return billing
