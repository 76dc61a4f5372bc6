"""Events of a run → its progress: counts by state, rate and time left. Pure."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from pipeline.activity import Activity
from pipeline.clock import Clock
from pipeline.job import FailureClass, JobStatus
from pipeline.pricing import Budget
from pipeline.pricing.budget import SharedBudget
from pipeline.running.events import (
    Blocked,
    Event,
    Halted,
    JobChanged,
    Launched,
    Paused,
    SlotsChanged,
    Warned,
)
from pipeline.running.line_progress import LineProgress
from pipeline.stages.slots import SlotStatistics

_RATE_WINDOW = 60  # saved items that the rate is computed from
_FAILURES_KEPT = 1000
_FILES_KEPT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An item that failed or is unsure, for a line of text.

    Attributes:
        item_id: The item.
        reason: Why.
        hint: The next step, or "".
        place: ``file:line`` in the manifest, or "".
        is_unsure: Whether it may still have a job.
    """

    item_id: str
    reason: str
    hint: str
    place: str = ""
    is_unsure: bool = False


@dataclass(slots=True)
class Progress:
    """The progress of a run; :meth:`take` must get every event.

    Attributes:
        activity: What the command does now; written by the command.
        total: Jobs in the run: takes and steps; what follows counts them too.
        items: The items that have these jobs.
        done: Jobs whose files were already in place.
        skipped: Jobs that failed for good earlier.
        saved: Jobs saved in this run.
        made: Jobs made in this run whose outputs stay at the service.
        states: Jobs in progress, by their current status.
        troubles: Items that failed or are unsure, by id, the latest last; bounded.
        failed: Jobs that failed in this run.
        failures: The same by failure class; None if there is none.
        blocked: Jobs that cannot be made because an item that they need was not.
        charged: Compute units charged for jobs submitted in this run.
        halted: Why nothing more is submitted, or None.
        paused_until: When the service accepts submits again, in UTC, or None.
        latest_files: The files saved last, relative to the output folder; bounded.
        budget: Of the run, once it has begun.
        lines: How far the items are that are made from one another, or None.
    """

    clock: Clock
    activity: Activity = field(init=False)
    started_s: float = 0.0
    total: int = 0
    items: int = 0
    done: int = 0
    skipped: int = 0
    saved: int = 0
    made: int = 0
    failed: int = 0
    blocked: int = 0
    run_id: int = 0
    charged: Decimal = Decimal(0)
    slots: SlotStatistics | None = None
    halted: Halted | None = None
    paused_until: datetime | None = None
    budget: Budget | SharedBudget | None = None
    lines: LineProgress | None = None
    warnings: int = 0
    files: int = 0
    latest_files: deque[str] = field(default_factory=lambda: deque(maxlen=_FILES_KEPT))
    failures: Counter[FailureClass | None] = field(default_factory=Counter)
    states: Counter[JobStatus] = field(default_factory=Counter)
    troubles: dict[str, Trouble] = field(default_factory=dict)
    _state_of: dict[str, JobStatus] = field(default_factory=dict)
    _saved_at_s: deque[float] = field(
        default_factory=lambda: deque(maxlen=_RATE_WINDOW)
    )

    def __post_init__(self) -> None:
        self.activity = Activity(self.clock)

    def take(self, event: Event) -> None:
        """Update the counts."""
        match event:
            case Launched():
                self.started_s = self.clock.monotonic_s()
                self.total, self.done = event.total, event.done
                self.items = event.items or event.total
                self.skipped, self.run_id = event.skipped, event.run_id
            case JobChanged():
                self._take_change(event)
            case Blocked():
                self.blocked += 1
                self._add_trouble(event.item_id, event.reason, place=event.place)
                if self.lines is not None:
                    self.lines.take(event)
            case SlotsChanged():
                self.slots = event.slots
            case Halted():
                self.halted = event
            case Paused():
                self.paused_until = event.until
            case Warned():
                self.warnings += 1

    @property
    def finished(self) -> int:
        """Jobs that need no more work."""
        unmade = self.skipped + self.failed + self.blocked
        return self.done + self.saved + self.made + unmade

    @property
    def figure(self) -> str:
        """``3 of 10``; ``3 of 10 jobs`` where items have several."""
        figure = f"{self.finished:,} of {self.total:,}"
        return figure if self.items == self.total else f"{figure} jobs"

    @property
    def waiting(self) -> int:
        """Jobs that wait for their turn."""
        busy = sum(self.states.values()) - self.states[JobStatus.PLANNED]
        return max(0, self.total - self.finished - busy)

    @property
    def paused_s(self) -> float:
        """Seconds until the service accepts submits again; 0 if it does now."""
        if self.paused_until is None:
            return 0.0
        left = self.paused_until - self.clock.utc_now()
        return max(0.0, left.total_seconds())

    @property
    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return self.clock.monotonic_s() - self.started_s

    @property
    def rate_per_min(self) -> float:
        """Recently saved items per minute; 0 before the second one."""
        if len(self._saved_at_s) < 2:  # noqa: PLR2004 - a span has two ends
            return 0.0
        span_s = (
            max(self.clock.monotonic_s(), self._saved_at_s[-1]) - self._saved_at_s[0]
        )
        return 60 * (len(self._saved_at_s) - 1) / span_s if span_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until the end at the current rate, or None while unknown."""
        rate = self.rate_per_min
        return 60 * (self.total - self.finished) / rate if rate else None

    def _take_change(self, change: JobChanged) -> None:
        before = self._state_of.pop(change.item_id, None)
        if before is not None:
            self.states[before] -= 1
        self.troubles.pop(change.item_id, None)
        if self.lines is not None:
            self.lines.take(change)
            if self.lines.is_made_unsaved(change):
                self.made += 1
                return
        match change.status:
            case JobStatus.SAVED:
                self.saved += 1
                self.files += len(change.files)
                self.latest_files += change.files
                self._saved_at_s.append(self.clock.monotonic_s())
                return
            case JobStatus.FAILED:
                self.failed += 1
                self.failures[change.failure_class] += 1
                self._add_trouble(
                    change.item_id, change.reason, change.hint, place=change.place
                )
                return
            case JobStatus.UNKNOWN:
                self._add_trouble(
                    change.item_id,
                    change.reason,
                    change.hint,
                    place=change.place,
                    is_unsure=True,
                )
            case JobStatus.SUBMITTED:
                self.charged += change.charged or 0
        self.states[change.status] += 1
        self._state_of[change.item_id] = change.status

    def _add_trouble(
        self,
        item_id: str,
        reason: str,
        hint: str = "",
        *,
        place: str,
        is_unsure: bool = False,
    ) -> None:
        self.troubles[item_id] = Trouble(
            item_id=item_id,
            reason=reason,
            hint=hint,
            place=place,
            is_unsure=is_unsure,
        )
        if len(self.troubles) > _FAILURES_KEPT:
            del self.troubles[next(iter(self.troubles))]
