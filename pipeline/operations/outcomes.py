"""Items as they stand → their outcomes, as reports of a run show them."""

from collections.abc import Callable
from datetime import datetime

from pipeline.job import Job
from pipeline.report.outcomes import ItemOutcome, Place
from pipeline.running.items import ItemRecord, ItemStatus
from pipeline.stages.uploader import references_in


def outcome_of(
    record: ItemRecord,
    *,
    since: datetime,
    place: Callable[[str, int], Place],
    clean: Callable[[str], str],
    on_hint: Callable[[str, str], str],
) -> ItemOutcome:
    """The outcome of an item.

    Args:
        record: How it stands.
        since: When the run began, in UTC: files that were saved later are its own.
        place: Makes a place of a file and a line.
        clean: Makes text of the service and of the user fit to be shown.
        on_hint: Completes the commands that a hint about an item names.
    """
    worst, files = record.worst, record.files
    newest = worst.attempts[0] if worst.attempts else None
    ended = newest
    if worst.status is ItemStatus.SAVED:
        ended = (record.steps[-1] if record.steps else record.chosen).made
    failure = newest.failure if newest else None
    status = worst.status
    is_failed = status is ItemStatus.FAILED
    return ItemOutcome(
        item_id=clean(record.item_id),
        status=str(status),
        reason=clean(worst.reason),
        hint=clean(on_hint(worst.hint, record.item_id)) if worst.hint else "",
        kind=str(failure.kind or "") if failure and is_failed else "",
        place=place(record.item.file, record.item.line),
        model=record.item.model_id,
        charged=record.cost,
        attempts=sum(len(one.attempts) for one in (*record.takes, *record.steps)),
        made_s=_seconds_of(ended),
        is_new=_has_ended_since(ended, since),
        files=tuple(clean(file.asset.path) for file in files),
        review=clean(next((one.asset.review for one in files if one.asset.review), "")),
        pictures=tuple(str(one.path) for one in references_in(record.item.params)),
    )


def _has_ended_since(job: Job | None, since: datetime) -> bool:
    ended_at = None if job is None else job.saved_at or job.finished_at
    return ended_at is not None and ended_at >= since


def _seconds_of(job: Job | None) -> float:
    """How long the service worked on a job; 0 if it has not said."""
    if job is None or job.submitted_at is None or job.finished_at is None:
        return 0.0
    return max(0.0, (job.finished_at - job.submitted_at).total_seconds())
