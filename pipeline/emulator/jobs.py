"""One job: its schedule, and the JSON it shows at a moment.

A job is decided when it is made; afterwards nothing about it has to be moved,
because every state is computed from the schedule. Which jobs exist is left to
``service``, their order to ``job_index``.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.emulator.identity import PROJECT_ID
from pipeline.emulator.outcomes import ODD_STATUS, Outcome
from pipeline.emulator.pricing import tidy
from pipeline.emulator.profile import EmulatorProfile
from pipeline.emulator.timeline import iso, span_ms

SUCCEEDED = frozenset({"success", ODD_STATUS})
TERMINAL = SUCCEEDED | {"failure", "canceled", "failed"}
RUNNING = "in-progress"
RUNNING_SHARE = 0.9


@dataclass(slots=True, kw_only=True)
class EmulatedJob:
    """One job of any type.

    Attributes:
        number: Its position in order of creation, from 0.
        job_id: Its public id.
        job_type: ``custom`` or ``upload``.
        author_id: Who submitted it.
        created_ms: When.
        step_times: When each status begins, ascending; the first is ``created_ms``.
        step_statuses: The statuses, as many.
        model_id: For custom jobs.
        inputs: What it runs with, as sent.
        dropped: What it was sent and dropped.
        seed: The seed in effect.
        asset_ids: Its outputs, images first, then companions.
        images: How many of them are images.
        image_format: ``png``, ``jpeg`` or ``webp``.
        broken_assets: Its assets end as ``error``.
        charged_cu: The main action.
        quality_gate_cu: The add-on.
        late_addon_cu: What the quality gate takes besides, named at the end.
        discount_cu: What was taken off.
        refundable: A failure gives the charge back.
        error: Text of the failure it ends with.
        hint: Advice beside it.
        entity_id: For uploads, the asset they made.
        workflow_job_id: The job of the workflow whose child it is, or "".
        is_ours: Somebody has sent it to this emulator.
    """

    number: int
    job_id: str
    job_type: str
    author_id: str
    created_ms: int
    step_times: tuple[int, ...]
    step_statuses: tuple[str, ...]
    model_id: str = ""
    inputs: Mapping[str, object] = field(default_factory=dict)
    dropped: Mapping[str, object] = field(default_factory=dict)
    seed: int = 0
    asset_ids: tuple[str, ...] = ()
    images: int = 0
    image_format: str = "png"
    broken_assets: bool = False
    charged_cu: float = 0
    quality_gate_cu: float = 0
    late_addon_cu: float = 0
    discount_cu: float = 0
    refundable: bool = True
    error: str = ""
    hint: str = ""
    entity_id: str = ""
    workflow_job_id: str = ""
    is_ours: bool = True

    def step_at(self, moment_ms: int) -> int:
        """Index of the status at a moment."""
        return max(bisect_right(self.step_times, moment_ms) - 1, 0)

    def status_at(self, moment_ms: int) -> str:
        """The status at a moment."""
        return self.step_statuses[self.step_at(moment_ms)]

    @property
    def ends_ms(self) -> int | None:
        """When the last status begins; None for a job that never ends."""
        return self.step_times[-1] if self.step_statuses[-1] in TERMINAL else None

    @property
    def total_cu(self) -> float:
        """Everything it was charged."""
        return self.charged_cu + self.quality_gate_cu + self.late_addon_cu


def schedule(
    created_ms: int, outcome: Outcome, profile: EmulatorProfile
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """When each status of a new job begins, and the statuses."""
    life_ms = span_ms(outcome.life_s)
    times = [created_ms + round(life_ms * start) for _, start in profile.status_path]
    statuses = [status for status, _ in profile.status_path]
    if not outcome.status:
        running = statuses.index(RUNNING) + 1 if RUNNING in statuses else len(statuses)
        return tuple(times[:running]), tuple(statuses[:running])
    return (*times, created_ms + life_ms), (*statuses, outcome.status)


def updated_at(job: EmulatedJob, moment_ms: int, heartbeat_ms: int) -> int:
    """``updatedAt`` at a moment: the last status, or the last heartbeat."""
    step = job.step_at(moment_ms)
    since_ms = job.step_times[step]
    if heartbeat_ms and job.step_statuses[step] == RUNNING:
        since_ms += max(moment_ms - since_ms, 0) // heartbeat_ms * heartbeat_ms
    return since_ms


def describe_job(
    job: EmulatedJob,
    moment_ms: int,
    profile: EmulatorProfile,
    echo: Mapping[str, object],
    *,
    is_listed: bool = False,
) -> dict[str, object]:
    """The inner object of ``GET /jobs/{id}`` at a moment.

    Args:
        job: Any job.
        moment_ms: A time not before its creation.
        profile: What the answer shows.
        echo: ``metadata.input``, for custom jobs.
        is_listed: It is shown in a list, not read by its id.
    """
    step = job.step_at(moment_ms)
    status = job.step_statuses[step]
    metadata = _metadata(job, status, echo, profile)
    if job.job_type == "custom":
        shown = _has_asset_ids(job, status, moment_ms, profile, is_listed=is_listed)
        metadata["assetIds"] = list(job.asset_ids) if shown else []
    answer: dict[str, object] = {
        profile.job_id_key: job.job_id,
        "jobType": job.job_type,
        "status": status,
        "progress": _progress(job, step, moment_ms),
        "createdAt": iso(job.created_ms),
        "updatedAt": iso(updated_at(job, moment_ms, span_ms(profile.heartbeat_s))),
        "authorId": job.author_id,
        "ownerId": PROJECT_ID,
        "statusHistory": [
            {"status": name, "date": iso(moment)}
            for name, moment in zip(
                job.step_statuses[: step + 1], job.step_times, strict=False
            )
        ],
        "metadata": metadata,
    }
    if job.job_type == "custom":
        answer["billing"] = _billing(job, status)
    if status == profile.failed_status and profile.failure_field != "metadata.error":
        answer[profile.failure_field] = job.error
    return answer


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


def _metadata(
    job: EmulatedJob,
    status: str,
    echo: Mapping[str, object],
    profile: EmulatorProfile,
) -> dict[str, object]:
    if job.job_type != "custom":
        metadata: dict[str, object] = {}
        if status == "success":
            metadata["output"] = {"entityId": job.entity_id}
            metadata["assetIds"] = [job.entity_id]
    else:
        metadata = {"input": echo}
    if job.workflow_job_id:
        metadata["workflowJobId"] = job.workflow_job_id
    if job.error and status in TERMINAL:
        if profile.failure_field == "metadata.error":
            metadata["error"] = job.error
        if job.hint:
            metadata["hint"] = job.hint
    return metadata


def _has_asset_ids(
    job: EmulatedJob,
    status: str,
    moment_ms: int,
    profile: EmulatorProfile,
    *,
    is_listed: bool,
) -> bool:
    if status not in TERMINAL or job.ends_ms is None:
        return False
    if is_listed and profile.list_omits_asset_ids:
        return False
    return moment_ms >= job.ends_ms + span_ms(profile.asset_ids_delay_s)
