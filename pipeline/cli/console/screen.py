"""Progress → plain lines every few seconds, to stderr; see also live_screen."""

import sys
from datetime import datetime
from typing import Protocol, Self

import click

from pipeline.cli.console.progress import Progress
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import duration, one_line, printable
from pipeline.counting import plural
from pipeline.job import JobStatus
from pipeline.running.events import Event, Halted, JobChanged, Launched, Paused, Warned

_LINE_INTERVAL_S = 5.0
_SAME_DAY_S = 12 * 3600.0  # within this, a time is clear without its date
BUSY = (
    (JobStatus.SUBMITTING, "submitting", "yellow"),
    (JobStatus.SUBMITTED, "in flight", "cyan"),
    (JobStatus.SUCCEEDED, "downloading", "blue"),
    (JobStatus.UNKNOWN, "unsure", "magenta"),
)


class Screen(Protocol):
    """Shows a run to a person."""

    def __enter__(self) -> Self:
        """Start to show the run."""

    def __exit__(self, *error: object) -> None:
        """Stop, leaving on the screen what should stay."""

    def take(self, event: Event) -> None:
        """Show an event that ``progress`` has already taken."""

    def say(self, text: str) -> None:
        """Print a line."""


class PlainScreen:
    """Plain lines: one every few seconds, and one for each failure."""

    def __init__(self, progress: Progress, *, title: str, emulated: bool) -> None:
        self._progress = progress
        self._title = title
        self._emulated = emulated
        self._said_at_s = 0.0

    def __enter__(self) -> Self:
        self.say(self._title)
        if self._emulated:
            self.say("EMULATED: nothing is real, nothing is spent")
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def take(self, event: Event) -> None:
        """Print failures at once, and progress every few seconds."""
        match event:
            case Launched():
                self._said_at_s = self._progress.clock.monotonic_s()
                self.say(
                    f"{plural(event.total, 'item')}: {event.done:,} done, "
                    f"{event.to_submit:,} to submit"
                )
            case Halted():
                self.say(f"stopped submitting: {one_line(event.reason, 400)}")
                if event.hint:
                    self.say(f"  next: {one_line(event.hint, 400)}")
            case Warned():
                self.say(f"warning: {of_item(event)}")
            case Paused():
                self.say(f"{pause_text(event.until, event.left_s)}; the rest continues")
            case JobChanged(status=JobStatus.FAILED):
                self.say(
                    f"failed: {one_line(event.item_id)}: {one_line(event.reason, 400)}"
                )
            case JobChanged(status=JobStatus.UNKNOWN):
                self.say(
                    f"unsure: {one_line(event.item_id)}: {one_line(event.reason, 400)}"
                )
        self._tell_progress()

    def say(self, text: str) -> None:
        """Print a line."""
        with tolerate_closed_pipe(sys.stderr):
            click.echo(printable(text), err=True)

    def _tell_progress(self) -> None:
        progress = self._progress
        now_s = progress.clock.monotonic_s()
        if now_s - self._said_at_s < _LINE_INTERVAL_S:
            return
        self._said_at_s = now_s
        busy = ", ".join(
            f"{progress.states[status]:,} {word}"
            for status, word, _ in BUSY
            if progress.states[status]
        )
        self.say(
            f"{progress.finished:,} of {progress.total:,}"
            f"{', ' + busy if busy else ''}, {pace(progress)}"
        )


class QuietScreen:
    """Prints only what stops the run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def take(self, event: Event) -> None:
        """Print only what stops the run."""
        if isinstance(event, Halted):
            self.say(f"stopped submitting: {one_line(event.reason, 400)}")

    def say(self, text: str) -> None:
        """Print a line."""
        with tolerate_closed_pipe(sys.stderr):
            click.echo(printable(text), err=True)


def pause_text(until: datetime, left_s: float) -> str:
    """``the service takes no submits until 14:05:30 (another 12:03 min)``."""
    local = until.astimezone()
    day = "" if left_s < _SAME_DAY_S else f"{local:%Y-%m-%d} "
    return (
        f"the service takes no submits until {day}{local:%H:%M:%S}"
        f" (another {duration(left_s)})"
    )


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
