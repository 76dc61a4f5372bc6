"""What is about to be sent → the job as it is recorded before."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from pipeline.job import Job, JsonValue
from pipeline.planning import PlannedItem
from pipeline.record import replace


def intent_of(
    planned: PlannedItem,
    job: Job,
    inputs: Mapping[str, JsonValue],
    *,
    units: Decimal | None,
    sent_at: datetime,
) -> Job:
    """The attempt with all that is known of it before it is sent.

    Args:
        planned: The item.
        job: Its attempt, PLANNED.
        inputs: The exact payload.
        units: What the service quoted, in compute units, if it did.
        sent_at: The service's time.
    """
    return replace(
        job,
        request=dict(inputs),
        seed=_seed_in(inputs),
        derived_seed=planned.derived_seed,
        quoted=units,
        sent_at=sent_at,
    )


def _seed_in(inputs: Mapping[str, JsonValue]) -> int | None:
    seed = inputs.get("seed")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None
