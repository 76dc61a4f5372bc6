"""What a run tells while it goes on: frozen records for a progress callback.

An event is sent after the change it tells of is durable. Callbacks run on the event
loop and must be quick.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from pipeline.job import FailureClass, JobStatus
from pipeline.record import Struct
from pipeline.stages.slots import SlotStatistics


class Launched(Struct, frozen=True, kw_only=True):
    """The run has begun: its lock is held and its start is in the ledger.

    Attributes:
        run_id: Counted per ledger, from 1.
        total: Items the run is about.
        done: Of these, items whose files are there.
        skipped: Of these, items that failed for good.
        to_submit: Of these, items that will be paid for.
        ceiling: Jobs the service allows at once, or None if it does not say.
        quoted: Compute units that ``to_submit`` costs by the service's quotes.
    """

    run_id: int
    total: int
    done: int
    skipped: int
    to_submit: int
    ceiling: int | None
    quoted: Decimal = Decimal(0)


class JobChanged(Struct, frozen=True, kw_only=True):
    """A job has reached a status.

    Attributes:
        item_id: Whose job it is.
        status: As it is in the ledger now.
        attempt: From 1.
        remote_id: The service's id, or "".
        reason: Why, for FAILED, UNKNOWN and PLANNED; else "".
        hint: The next step, or "".
        failure_class: For FAILED.
        files: For SAVED: paths relative to the output folder.
        charged: From SUBMITTED on: compute units, or None if unsaid.
        refunded: For FAILED: compute units given back, or None.
    """

    item_id: str
    status: JobStatus
    attempt: int
    remote_id: str = ""
    reason: str = ""
    hint: str = ""
    failure_class: FailureClass | None = None
    files: tuple[str, ...] = ()
    charged: Decimal | None = None
    refunded: Decimal | None = None


class Warned(Struct, frozen=True, kw_only=True):
    """Something a person should know; nothing stops."""

    message: str
    item_id: str = ""


class Halted(Struct, frozen=True, kw_only=True):
    """No more jobs are submitted; what is in flight is still collected.

    Attributes:
        reason: Why.
        hint: The next step, or "".
        in_flight: Jobs that are still collected.
    """

    reason: str
    hint: str
    in_flight: int


class Paused(Struct, frozen=True, kw_only=True):
    """The service takes no submits for a while; everything else goes on.

    Sent when a pause begins or grows, and every minute while it lasts.

    Attributes:
        until: When submits go on, in UTC.
        left_s: Seconds until then.
    """

    until: datetime
    left_s: float


class SlotsChanged(Struct, frozen=True, kw_only=True):
    """How the limit on jobs in flight stands; sent when it may have moved."""

    slots: SlotStatistics


Event = Launched | JobChanged | Warned | Halted | Paused | SlotsChanged
ProgressCallback = Callable[[Event], None]
