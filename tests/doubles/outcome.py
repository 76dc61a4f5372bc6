"""How one job of the service goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.api.interface import RemoteStatus
from pipeline.job import AssetId, JsonValue, RemoteId

PATH = (("queued", 0.0), ("warming-up", 0.1), ("in-progress", 0.2), ("finalizing", 0.9))
ENDS = {
    "success": RemoteStatus.SUCCESS,
    "failure": RemoteStatus.FAILURE,
    "canceled": RemoteStatus.CANCELED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one job goes.

    Attributes:
        ends: The last status; "" for a job that never ends.
        duration_s: From submit to the last status; None for the service's usual.
        path: Statuses before the last and the fraction of the life at which each
            begins.
        outputs: How many assets, of a failure too; None for as many as were asked for.
        files: Their contents, instead of pictures.
        output: A result in the record of the job.
        charged: Compute units; None for what was quoted.
        refunds: Whether they are given back after a failure.
        answered: Units that the answer to the submit names; None for ``charged``.
        discount: Units that the job's record shows on top of what is charged.
    """

    ends: str = "success"
    error: str = ""
    hint: str = ""
    duration_s: float | None = None
    path: tuple[tuple[str, float], ...] = PATH
    outputs: int | None = None
    files: tuple[bytes, ...] = ()
    output: JsonValue = None
    charged: Decimal | None = None
    refunds: bool = True
    answered: Decimal | None = None
    discount: Decimal = Decimal(0)


@dataclass(slots=True, kw_only=True)
class FakeJob:
    """A job of the service's; every state follows from its steps."""

    number: int
    remote_id: RemoteId
    model_id: str
    inputs: Mapping[str, JsonValue]
    author_id: str
    created_s: float
    steps: tuple[tuple[float, str], ...]
    asset_ids: tuple[AssetId, ...]
    outcome: Outcome

    def step_at(self, moment_s: float) -> tuple[float, str]:
        return max(step for step in self.steps if step[0] <= moment_s + 1e-9)

    @property
    def ended_s(self) -> float | None:
        return self.steps[-1][0] if self.outcome.ends else None
