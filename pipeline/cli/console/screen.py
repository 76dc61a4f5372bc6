"""Progress → plain lines every few seconds, to stderr; see also live_screen."""

import os
import sys
from datetime import datetime
from typing import Protocol, Self

from pipeline.cli.console.printing import say
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import duration, one_line, printable
from pipeline.cli.console.waiting import OutageNews, is_lost, phase_text
from pipeline.counting import items_and_jobs, plural
from pipeline.job import JobStatus
from pipeline.running.events import (
    Event,
    Halted,
    JobChanged,
    Launched,
    Paused,
    Warned,
)
from pipeline.running.progress import Progress

_LINE_INTERVAL_S = 5.0
LONGEST_SILENCE_S = 8.0  # with a beat a second: never more than ten
_SAME_DAY_S = 12 * 3600.0  # within this, a time is clear without its date
_DUMB_TERMINALS = {"dumb", "unknown"}
BUSY = (
    (JobStatus.SUBMITTING, "submitting", "yellow"),
    (JobStatus.SUBMITTED, "in flight", "cyan"),
    (JobStatus.SUCCEEDED, "downloading", "blue"),
    (JobStatus.UNKNOWN, "unsure", "magenta"),
)


class CompleteHint(Protocol):
    """Completes the commands that a hint names."""

    def __call__(self, hint: str, item_id: str = "", /) -> str:
        """The hint, about this item or none, ready to be typed."""


def as_it_is(hint: str, item_id: str = "", /) -> str:  # noqa: ARG001 - a CompleteHint
    """The hint itself."""
    return hint


class Screen(Protocol):
    """Shows a run to a person."""

    def __enter__(self) -> Self:
        """Start to show the run."""

    def __exit__(self, *error: object) -> None:
        """Stop, leaving on the screen what should stay."""

    def take(self, event: Event) -> None:
        """Show an event that ``progress`` has already taken."""

    def beat(self) -> None:
        """Say what is waited for, if nothing was said for a while."""

    def say(self, text: str) -> None:
        """Print a line."""


class QuietScreen:
    """Prints only what stops the run, and what else it fails to do."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def take(self, event: Event) -> None:
        """Print only what fails."""
        match event:
            case Halted():
                self.say(f"stopped submitting: {one_line(event.reason, 400)}")
            case Warned(has_failed=True):
                self.say(f"warning: {of_item(event)}")

    def beat(self) -> None:
        """Stay quiet."""

    def say(self, text: str) -> None:
        """Print a line."""
        with tolerate_closed_pipe(sys.stderr):
            say(printable(text), err=True)


class PhaseScreen(QuietScreen):
    """Before the plan is known: says what takes long, and what stops the run."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._outage = OutageNews(progress)
        self._said_at_s = progress.clock.monotonic_s()

    def beat(self) -> None:
        """Say what the command does, if nothing was said for a while."""
        if news := self._outage.find():
            self.say(news)
        elif self._is_silent():
            self.say(self._status())

    def say(self, text: str) -> None:
        """Print a line."""
        self._said_at_s = self._progress.clock.monotonic_s()
        super().say(text)

    def _is_silent(self) -> bool:
        silent_s = self._progress.clock.monotonic_s() - self._said_at_s
        return silent_s >= LONGEST_SILENCE_S

    def _status(self) -> str:
        activity = self._progress.activity
        text = (
            f"{phase_text(activity) or 'working'}, {duration(activity.phase_lasts_s)}"
        )
        return text + lost_text(self._progress)


class PlainScreen(PhaseScreen):
    """Plain lines: one every few seconds, and one for each thing that goes wrong.

    Failed items are listed at the end, by ``cli.run_summary``: said once.

    Args:
        progress: Has taken every event before this screen does.
        title: The first line.
        emulated: Whether nothing is real.
        on_hint: Completes the commands that a hint names.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        title: str,
        emulated: bool,
        on_hint: CompleteHint = as_it_is,
    ) -> None:
        super().__init__(progress)
        self._title = title
        self._emulated = emulated
        self._on_hint = on_hint
        self._told_at_s = 0.0
        self._unsure: set[str] = set()

    def __enter__(self) -> Self:
        self.say(self._title)
        if self._emulated:
            self.say("EMULATED: nothing is real, nothing is spent")
        return self

    def take(self, event: Event) -> None:
        """Print what goes wrong at once, and progress every few seconds."""
        match event:
            case Launched():
                self._told_at_s = self._progress.clock.monotonic_s()
                self.say(
                    f"{items_and_jobs(event.items or event.total, event.total)}:"
                    f" {event.done:,} done, "
                    f"{event.to_submit:,} to submit"
                )
            case Halted():
                self.say(f"stopped submitting: {one_line(event.reason, 400)}")
                if event.hint:
                    self.say(f"  next: {one_line(self._on_hint(event.hint), 400)}")
            case Warned():
                self.say(f"warning: {of_item(event)}")
            case Paused():
                self.say(f"{pause_text(event.until, event.left_s)}; the rest continues")
            case JobChanged():
                self._take_change(event)
        if self._progress.clock.monotonic_s() - self._told_at_s >= _LINE_INTERVAL_S:
            self.say(self._status())

    def _take_change(self, change: JobChanged) -> None:
        """Say that a submit's outcome is unknown, and later how that ended."""
        item_id = one_line(change.item_id)
        if change.status is JobStatus.UNKNOWN:
            # A second time, it is still unknown after the search: the end tells it.
            if change.item_id not in self._unsure:
                self._unsure.add(change.item_id)
                reason = one_line(change.reason, 400)
                is_open = "" if change.hint else "; looking for its job"
                self.say(f"unsure: {item_id}: {reason}{is_open}")
        elif change.item_id in self._unsure:
            self._unsure.discard(change.item_id)
            self.say(f"settled: {item_id}: {_SETTLED[change.status]}")

    def _status(self) -> str:
        self._told_at_s = self._progress.clock.monotonic_s()
        return f"{', '.join(status_words(self._progress))}{lost_text(self._progress)}"


_SETTLED = {
    JobStatus.PLANNED: "the service made no job of it, so nothing was paid",
    JobStatus.SUBMITTING: "the service made no job of it; it is submitted again",
    JobStatus.SUBMITTED: "its job was found",
    JobStatus.SUCCEEDED: "its job was found, and has ended",
    JobStatus.SAVED: "its job was found, and its files are saved",
    JobStatus.FAILED: "it has failed",
}


def status_words(progress: Progress) -> list[str]:
    """``3 of 10``, ``2 in flight``, ``5 waiting``, ``23 s``, …: how far a run is."""
    words = [progress.figure]
    words += [
        f"{progress.states[status]:,} {word}"
        for status, word, _ in BUSY
        if progress.states[status]
    ]
    if progress.waiting:
        words.append(f"{progress.waiting:,} waiting{_held_by_others(progress)}")
    if progress.failed:
        words.append(f"{progress.failed:,} failed")
    if progress.paused_until is not None and progress.paused_s:
        words.append(pause_text(progress.paused_until, progress.paused_s))
    activity = progress.activity
    if activity.phase or not any(progress.states.values()):
        words += [text] if (text := phase_text(activity)) else []
    return [*words, pace(progress)]


def _held_by_others(progress: Progress) -> str:
    slots = progress.slots
    if slots is None or not slots.others:
        return ""
    whose = one_line(slots.scope or "team", 40)
    return f" ({plural(slots.others, 'slot')} used by others in the {whose})"


def lost_text(progress: Progress) -> str:
    """``; no answer from the service for 40 s``, or ""."""
    activity = progress.activity
    if not is_lost(activity):
        return ""
    lost_s = max(activity.failing_s, activity.silent_s)
    return f"; no answer from the service for {duration(lost_s)}"


def is_live() -> bool:
    """Whether stderr is a terminal that can redraw lines."""
    is_dumb = os.environ.get("TERM", "").lower() in _DUMB_TERMINALS
    return sys.stderr.isatty() and not is_dumb


def requests_text(progress: Progress) -> str:
    """``62 of 95 requests a minute``; "" without a limit."""
    requests = progress.activity.requests
    words = []
    if requests.limit is not None:
        words.append(f"{requests.used:,} of {requests.limit:,} requests a minute")
    if requests.held_s > 0:
        words.append(f"all requests pause for {duration(requests.held_s)}")
    return ", ".join(words)


def pause_text(until: datetime, left_s: float) -> str:
    """``submits pause until 14:05:30 (another 12:03 min)``."""
    local = until.astimezone()
    day = "" if left_s < _SAME_DAY_S else f"{local:%Y-%m-%d} "
    return f"submits pause until {day}{local:%H:%M:%S} (another {duration(left_s)})"


def pace(progress: Progress) -> str:
    """``42 s, 30 a minute, 1:05 min left``, as far as known."""
    words = [duration(progress.elapsed_s)]
    if progress.rate_per_min:
        words.append(f"{progress.rate_per_min:,.0f} a minute")
    if progress.left_s is not None and progress.finished < progress.total:
        words.append(f"{duration(progress.left_s)} left")
    return ", ".join(words)


def of_item(event: Warned) -> str:
    """A warning in one line, its item first."""
    prefix = f"{one_line(event.item_id)}: " if event.item_id else ""
    return prefix + one_line(event.message, 400)
