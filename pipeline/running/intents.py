"""Write-ahead intents: what is about to be sent → the row that is written before it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from pipeline.api.interface import UnexpectedJob
from pipeline.job import Job, JsonValue
from pipeline.ledger.ledger import Ledger
from pipeline.planning import PlannedItem
from pipeline.record import replace
from pipeline.running.failure import failure_of
from pipeline.running.marks import Marks
from pipeline.settings import Service


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


def record_unexpected_job(
    ledger: Ledger,
    planned: PlannedItem,
    job: Job,
    unexpected: UnexpectedJob,
    *,
    service: Service,
    made_with: str,
    marks: Marks | None,
    now: datetime,
) -> Job | None:
    """Record what a dry run may have started as the item's own job.

    It was made of the item's exact payload, so the next run collects it, or settles it.

    Args:
        ledger: Open for writing.
        planned: The item whose price was asked for.
        job: Its attempt, PLANNED.
        unexpected: With what was sent, and the job that was named, if any was.
        service: Which one it was asked of.
        made_with: The digest of the API key that asked.
        marks: What was listed before, or None: then a job can be found, and its
            absence cannot be proved.
        now: The service's time.

    Returns:
        The job: SUBMITTED, or UNKNOWN where none was named. None when the one that
        was named is another row's.
    """
    remote_id = unexpected.remote_id
    if remote_id is not None and ledger.find_owned([remote_id]):
        return None
    intent = intent_of(
        planned, job, unexpected.inputs, units=unexpected.units, sent_at=now
    )
    job = ledger.record_submitting(
        replace(
            intent,
            base_url=service.base_url,
            project_id=service.project_id,
            made_with=made_with,
            mark_id=None if marks is None else marks.record(ledger),
            failure=None,
        )
    )
    if remote_id is None:
        return ledger.record_unknown(replace(job, failure=failure_of(unexpected, None)))
    return ledger.record_submitted(
        replace(job, remote_id=remote_id, charged=unexpected.units, submitted_at=now)
    )


def _seed_in(inputs: Mapping[str, JsonValue]) -> int | None:
    seed = inputs.get("seed")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None
