"""Progress events of a run: frozen records for a progress callback.

An event is sent only after the change it reports is durable. Callbacks run on the event
loop and must be quick.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from pipeline.job import FailureClass, JobStatus
from pipeline.record import Struct
from pipeline.stages.slots import SlotStatistics


class Launched(Struct, frozen=True, kw_only=True):
    """The run has begun: it holds its lock, and its start is in the ledger.

    Attributes:
        run_id: The run's number in the ledger, from 1.
        total: Jobs: the takes and steps of the selected items. Most items are one job.
        done: Of these, those whose files are in place.
        skipped: Of these, those that failed for good.
        to_submit: Of these, those that will be paid for.
        ceiling: Jobs that the service allows at once, or None if it does not say.
        quoted: The service's quotes for ``to_submit``, in compute units.
        items: The selected items, each once.
    """

    run_id: int
    total: int
    done: int
    skipped: int
    to_submit: int
    ceiling: int | None
    quoted: Decimal = Decimal(0)
    items: int = 0


class JobChanged(Struct, frozen=True, kw_only=True):
    """A job has reached a status.

    Attributes:
        item_id: The item of the job.
        status: The status in the ledger now.
        attempt: The number of the attempt, from 1.
        remote_id: The service's id, or "".
        reason: The reason for FAILED, UNKNOWN and PLANNED. For SUBMITTED: where the job
            came from, if nothing was sent for it. Else "".
        hint: The next step, or "".
        failure_class: Set for FAILED only.
        files: For SAVED: paths relative to the output folder.
        review: For SAVED: why a person has to look at the files, or "".
        charged: From SUBMITTED on: compute units, or None if the service did not say.
        refunded: For FAILED: compute units refunded, or None.
        place: For FAILED and UNKNOWN: ``file:line`` of the item in the manifest, or "".
    """

    item_id: str
    status: JobStatus
    attempt: int
    remote_id: str = ""
    reason: str = ""
    hint: str = ""
    failure_class: FailureClass | None = None
    files: tuple[str, ...] = ()
    review: str = ""
    charged: Decimal | None = None
    refunded: Decimal | None = None
    place: str = ""


class Blocked(Struct, frozen=True, kw_only=True):
    """An item cannot be made, because an item that it needs was not.

    Attributes:
        item_id: The item.
        reason: Which item is missing, and why: ``blocked by hero: moderated``.
        place: ``file:line`` of the item in the manifest.
    """

    item_id: str
    reason: str
    place: str = ""


class Warned(Struct, frozen=True, kw_only=True):
    """Something the user should know; the run goes on.

    Attributes:
        message: The warning.
        item_id: The item that it concerns, or "".
        has_failed: Whether something that was to be done was not, such as the gallery.
            ``--quiet`` tells it too.
    """

    message: str
    item_id: str = ""
    has_failed: bool = False


class Halted(Struct, frozen=True, kw_only=True):
    """No more jobs are submitted; jobs in flight are still collected.

    Attributes:
        reason: Why the run stops submitting.
        hint: The next step, or "".
        in_flight: How many jobs are in flight.
    """

    reason: str
    hint: str
    in_flight: int


class Paused(Struct, frozen=True, kw_only=True):
    """The service takes no submits for a while; everything else goes on.

    Sent when a pause begins or grows, and every minute while it lasts.

    Attributes:
        until: When submits continue, in UTC.
        left_s: Seconds until then.
    """

    until: datetime
    left_s: float


class SlotsChanged(Struct, frozen=True, kw_only=True):
    """The state of the limit on jobs in flight; sent when it may have changed."""

    slots: SlotStatistics


Event = Launched | JobChanged | Blocked | Warned | Halted | Paused | SlotsChanged
ProgressCallback = Callable[[Event], None]
