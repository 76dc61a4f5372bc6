"""Events of a run → the fields of ``--json``."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pipeline.cli.console.printing import (
    print_json,
)
from pipeline.cli.run_cost import (
    run_cost_fields,
)
from pipeline.clock import format_utc
from pipeline.errors import ExitCode
from pipeline.record import asdict
from pipeline.running.events import (
    Blocked,
    Event,
    Halted,
    JobChanged,
    Launched,
    Paused,
    Warned,
)
from pipeline.running.result import RunResult
from pipeline.units import units_number


def tell_event(event: Event, tell: Callable[..., None] = print_json) -> None:
    """Tell an event of a run in the form of ``--json``; those of slots are not told.

    Args:
        event: The event.
        tell: Called with its fields as named arguments.
    """
    match event:
        case Launched():
            fields = asdict(event) | {"quoted": units_number(event.quoted)}
            tell(event="launch", **fields)
        case JobChanged():
            tell(event="job", **_job_fields(event))
        case Blocked():
            tell(event="blocked", **asdict(event))
        case Warned():
            tell(event="warning", **asdict(event))
        case Halted():
            tell(event="halt", **asdict(event))
        case Paused():
            tell(event="pause", until=format_utc(event.until), left_s=event.left_s)


def _job_fields(event: JobChanged) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "item_id": event.item_id,
        "status": str(event.status),
        "attempt": event.attempt,
        "job_id": event.remote_id or None,
    }
    if event.reason:
        fields |= {"reason": event.reason, "hint": event.hint}
    if event.place:
        fields["place"] = event.place
    if event.failure_class is not None:
        fields["class"] = str(event.failure_class)
    if event.files:
        fields["files"] = list(event.files)
    if event.review:
        fields["needs_review"] = event.review
    if event.charged is not None:
        fields["charged"] = units_number(event.charged)
    if event.refunded is not None:
        fields["refunded"] = units_number(event.refunded)
    return fields


def tell_done(
    result: RunResult | None,
    code: ExitCode,
    *,
    charged: Decimal,
    tell: Callable[..., None] = print_json,
) -> None:
    """Tell the end of a run in the form of ``--json``.

    Args:
        result: None for a run that ended with an error.
        code: The exit code.
        charged: Units that were reported as charged.
        tell: Called with its fields as named arguments.
    """
    tell(
        event="done",
        exit_code=int(code),
        counts=dict(result.counts) if result is not None else {},
        needs_review=result.needs_review if result is not None else 0,
        cost=run_cost_fields(result, charged=charged),
        **_page_fields(result),
    )


def _page_fields(result: RunResult | None) -> dict[str, str]:
    if result is None or result.gallery is None:
        return {}
    return {"gallery": str(result.gallery)}
