"""One job: its schedule, and its form in the journal.

Everything about a job is decided when it is made. Its state at any moment is computed
from its schedule, so nothing has to be moved later. Which jobs exist is left to
``job_store``, their order to ``job_index``, and the JSON to ``job_view``.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from pipeline.emulator.outcomes import UNKNOWN_STATUS, Outcome
from pipeline.emulator.timeline import span_ms

SUCCEEDED = frozenset({"success", UNKNOWN_STATUS})
TERMINAL = SUCCEEDED | {"failure", "canceled", "failed"}
RUNNING = "in-progress"
TUPLE_FIELDS = ("step_times", "step_statuses", "asset_ids")


@dataclass(slots=True, kw_only=True)
class EmulatedJob:
    """One job of any type.

    Attributes:
        number: Its position in the order of creation, from 0.
        job_id: Its public id.
        job_type: ``custom`` or ``upload``.
        author_id: Who submitted it.
        created_ms: When it was submitted.
        step_times: When each status begins, ascending. The first is ``created_ms``.
        step_statuses: The status that begins at each of these times.
        model_id: The model of a custom job.
        inputs: The inputs that it runs with, as sent.
        dropped: Inputs that were sent and dropped.
        seed: The seed that it uses.
        shows_seed: The model has a seed, so the echo shows it.
        script: The words in brackets that have decided how it goes.
        asset_ids: Its outputs: those of the model first, then the companion files.
        companions: How many of the outputs are companion files.
        image_format: The format of painted pictures; "" is what the model or the
            profile says.
        answer: The result of a model that answers instead of making files, or "".
        broken_assets: Its assets end as ``error``.
        charged_cu: What the generation was charged.
        quality_gate_cu: What the quality gate was charged.
        late_addon_cu: A further charge of the quality gate that is shown only at the
            end.
        discount_cu: What was discounted.
        refundable: The charge is refunded if the job fails.
        error: The text of the failure that it ends with.
        hint: The advice that goes with it.
        entity_id: The asset that an upload has made.
        workflow_job_id: The job of the workflow that it is a child of, or "".
        is_ours: A client of this emulator has submitted it.
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
    shows_seed: bool = True
    script: str = ""
    asset_ids: tuple[str, ...] = ()
    companions: int = 0
    image_format: str = ""
    answer: str = ""
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
        """The index of the status at a moment."""
        return max(bisect_right(self.step_times, moment_ms) - 1, 0)

    def status_at(self, moment_ms: int) -> str:
        """The status at a moment."""
        return self.step_statuses[self.step_at(moment_ms)]

    @property
    def ends_ms(self) -> int | None:
        """When the last status begins; None for a job that never ends."""
        return self.step_times[-1] if self.step_statuses[-1] in TERMINAL else None

    @property
    def results(self) -> int:
        """How many of the outputs are the model's own."""
        return len(self.asset_ids) - self.companions

    @property
    def total_cu(self) -> float:
        """Everything that it was charged."""
        return self.charged_cu + self.quality_gate_cu + self.late_addon_cu


def schedule(
    created_ms: int, outcome: Outcome, status_path: tuple[tuple[str, float], ...]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """When each status of a new job begins, and the statuses.

    Args:
        created_ms: When the job was submitted.
        outcome: How long it lives, and how it ends.
        status_path: The statuses before the last, each with the fraction of the life
            at which it begins.
    """
    life_ms = span_ms(outcome.life_s)
    times = [created_ms + round(life_ms * start) for _, start in status_path]
    statuses = [status for status, _ in status_path]
    if not outcome.status:
        running = statuses.index(RUNNING) + 1 if RUNNING in statuses else len(statuses)
        return tuple(times[:running]), tuple(statuses[:running])
    return (*times, created_ms + life_ms), (*statuses, outcome.status)


JOB_FIELDS = tuple(item.name for item in fields(EmulatedJob))


def record_of_job(job: EmulatedJob) -> dict[str, object]:
    """A job as a record of the journal."""
    return {name: getattr(job, name) for name in JOB_FIELDS}


def job_of_record(record: Mapping[str, object]) -> EmulatedJob:
    """The inverse of :func:`record_of_job`. Unknown keys are ignored."""
    values = {name: record[name] for name in JOB_FIELDS if name in record}
    for name in TUPLE_FIELDS:
        values[name] = tuple(values[name])  # type: ignore[arg-type]
    return EmulatedJob(**values)  # type: ignore[arg-type]
