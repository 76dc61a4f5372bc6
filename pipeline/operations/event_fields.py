"""Events of a run → the fields of ``--json`` and of the event log."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

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
from pipeline.running.joint import JointResult
from pipeline.running.result import RunResult
from pipeline.units import units_number


def event_fields(event: Event) -> dict[str, Any] | None:  # noqa: PLR0911 - one a kind
    """An event as JSON, its kind as ``event``; None for those of slots."""
    match event:
        case Launched():
            fields = asdict(event) | {"quoted": units_number(event.quoted)}
            return {"event": "launch", **fields}
        case JobChanged():
            return {"event": "job", **_job_fields(event)}
        case Blocked():
            return {"event": "blocked", **asdict(event)}
        case Warned():
            return {"event": "warning", **asdict(event)}
        case Halted():
            return {"event": "halt", **asdict(event)}
        case Paused():
            until = format_utc(event.until)
            return {"event": "pause", "until": until, "left_s": event.left_s}
    return None


def done_fields(
    result: RunResult | None, code: ExitCode, *, charged: Decimal = Decimal(0)
) -> dict[str, Any]:
    """The end of a run as JSON.

    Args:
        result: None for a run that ended with an error.
        code: The exit code.
        charged: Units that were reported as charged, where the result does not say.
    """
    return {
        "event": "done",
        "exit_code": int(code),
        "counts": dict(result.counts) if result is not None else {},
        "needs_review": result.needs_review if result is not None else 0,
        "cost": run_cost_fields(result, charged=charged),
        **_page_fields(result),
    }


def run_cost_fields(
    result: RunResult | JointResult | None, *, charged: Decimal
) -> dict[str, Any]:
    """What a run has cost, as JSON numbers.

    Args:
        result: None for a run that ended with an error: then little is known.
        charged: Units that were reported as charged.
    """
    if result is None:
        return {"quoted": None, "charged": units_number(charged)}
    cost = result.cost
    return {
        "quoted": units_number(cost.quoted),
        "charged": units_number(cost.charged),
        "addons": {name: units_number(units) for name, units in cost.addons.items()},
        "refunded": units_number(cost.refunded),
        "reserved": units_number(cost.reserved),
        "taken": units_number(cost.taken),
        "left": units_number(cost.left),
        "team_left": units_number(cost.team_left),
    }


def _page_fields(result: RunResult | None) -> Mapping[str, str]:
    if result is None or result.gallery is None:
        return {}
    return {"gallery": str(result.gallery)}


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
