"""Write-ahead intents: the row that is durable before its request is sent.

After a crash, a row that is still SUBMITTING marks a request that may have reached the
service; the next run settles it instead of sending it again.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import cast

from pipeline.api.interface import RemoteJob, UnexpectedJob
from pipeline.job import Job, JsonValue, ParamValue
from pipeline.ledger.ledger import Ledger
from pipeline.planning import PlannedItem
from pipeline.record import replace
from pipeline.running.failure import failure_of
from pipeline.running.marks import Marks
from pipeline.settings import Service
from pipeline.stages.uploader import references_in


def intent_of(
    planned: PlannedItem,
    job: Job,
    inputs: Mapping[str, JsonValue],
    *,
    units: Decimal | None,
    sent_at: datetime,
) -> Job:
    """The write-ahead intent of an attempt: everything known before it is sent.

    Args:
        planned: The item.
        job: Its attempt, PLANNED.
        inputs: The exact payload.
        units: Compute units that the service quoted, or None without a quote.
        sent_at: The current time of the service.
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
    """Record a job that a dry run may have started as the item's own job.

    The dry run carried the item's exact payload, so the next run can collect the job,
    or settle whether it exists.

    Args:
        ledger: Open for writing.
        planned: The item whose price was asked for.
        job: Its attempt, PLANNED.
        unexpected: What was sent, and the job that the answer named, if any.
        service: The service that was asked.
        made_with: The digest of the API key that was used.
        marks: The starting point in the job list; with None, a job can be found, but
            its absence cannot be proved.
        now: The current time of the service.

    Returns:
        The job: SUBMITTED, or UNKNOWN when the answer named no job. None when the job
        that it named belongs to another row.
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


def record_adopted(
    ledger: Ledger,
    planned: PlannedItem,
    job: Job,
    remote: RemoteJob,
    *,
    service: Service,
    made_with: str,
    quoted: Decimal | None,
) -> Job:
    """Record a job that another run made for the same request as the item's own.

    Args:
        ledger: Open for writing.
        planned: The item.
        job: Its attempt, PLANNED.
        remote: The job, as it was listed.
        service: The service that lists it.
        made_with: The digest of the API key that sees it.
        quoted: What counts until the service says what it charged, or None.

    Returns:
        The job: SUBMITTED.
    """
    job = ledger.record_submitting(
        replace(
            job,
            request=_request_of(planned.params, remote.inputs),
            seed=_seed_in(planned.params),
            derived_seed=planned.derived_seed,
            base_url=service.base_url,
            project_id=service.project_id,
            made_with=made_with,
            mark_id=None,
            sent_at=None,
            quoted=quoted if remote.charged is None else None,
            failure=None,
        )
    )
    return ledger.record_submitted(
        replace(
            job,
            remote_id=remote.remote_id,
            author_id=remote.author_id,
            charged=remote.charged,
            addons=remote.addons,
            submitted_at=remote.created_at,
        )
    )


def _request_of(
    params: Mapping[str, ParamValue], shown: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """The inputs of a job as they were sent: ours, with the asset ids that it shows."""
    return {
        name: shown[name]
        if any(references_in({name: value}))
        else cast("JsonValue", value)
        for name, value in params.items()
    }


def _seed_in(inputs: Mapping[str, ParamValue]) -> int | None:
    seed = inputs.get("seed")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else None
