"""A dry run that was none → what it may have started, booked as the item's own.

It was made of the item's exact payload, so the next run collects it, or finds out.
"""

from datetime import datetime

from pipeline.api.interface import QuoteAlarm
from pipeline.job import Job
from pipeline.ledger.ledger import Ledger
from pipeline.planning import PlannedItem
from pipeline.record import replace
from pipeline.running.failure import failure_of
from pipeline.running.intents import intent_of
from pipeline.running.marks import Marks
from pipeline.settings import Service


def book_alarm(
    ledger: Ledger,
    planned: PlannedItem,
    job: Job,
    alarm: QuoteAlarm,
    *,
    service: Service,
    made_with: str,
    marks: Marks | None,
    now: datetime,
) -> Job | None:
    """Book it, before anything else is done.

    Args:
        ledger: Open for writing.
        planned: The item whose price was asked for.
        job: Its attempt, PLANNED.
        alarm: With what was sent, and the job that was named, if any was.
        service: Which one it was asked of.
        made_with: The digest of the API key that asked.
        marks: What was listed before, or None: then a job can be found, and its
            absence cannot be proved.
        now: The service's time.

    Returns:
        The job: SUBMITTED, or UNKNOWN where none was named. None when the one that
        was named is another row's.
    """
    remote_id = alarm.remote_id
    if remote_id is not None and ledger.find_owned([remote_id]):
        return None
    intent = intent_of(planned, job, alarm.inputs, units=alarm.units, sent_at=now)
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
        return ledger.record_unknown(replace(job, failure=failure_of(alarm, None)))
    return ledger.record_submitted(
        replace(job, remote_id=remote_id, charged=alarm.units, submitted_at=now)
    )
