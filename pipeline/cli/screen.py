"""Progress → a live picture on a terminal, or plain lines at a calm rate. To stderr."""

import sys
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.cli.progress import Progress, Trouble
from pipeline.cli.streams import whoever_reads
from pipeline.cli.text import duration, one_line, plural, printable
from pipeline.events import Event, Halted, JobChanged, Launched, Warned
from pipeline.job import JobStatus

_LINE_INTERVAL_S = 5.0
_REFRESHES_PER_S = 8
_TROUBLES_SHOWN = 4
_BUSY = (
    (JobStatus.SUBMITTING, "submitting", "yellow"),
    (JobStatus.SUBMITTED, "in flight", "cyan"),
    (JobStatus.SUCCEEDED, "downloading", "blue"),
    (JobStatus.UNKNOWN, "unsure", "magenta"),
)


class Screen(Protocol):
    """What shows a run to a person."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(self, *error: object) -> None:
        """End, leaving what should stay."""

    def take(self, event: Event) -> None:
        """An event, after ``progress`` has taken it."""

    def say(self, text: str) -> None:
        """A line of its own."""


class LiveScreen:
    """Counts by state, a bar, slots, rate, time left and the last failures."""

    def __init__(self, progress: Progress, *, title: str, emulated: bool) -> None:
        self._progress = progress
        self._title = title
        self._emulated = emulated
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=_REFRESHES_PER_S,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def take(self, event: Event) -> None:
        """What the picture does not show."""
        match event:
            case Halted():
                self.say(f"stopped submitting: {one_line(event.reason)}")
                if event.hint:
                    self.say(f"  next: {one_line(event.hint)}")
            case Warned():
                self.say(f"warning: {_of_item(event)}")

    def say(self, text: str) -> None:
        """A line of its own."""
        with whoever_reads(sys.stderr):
            self._console.print(Text(printable(text)))

    def _render(self) -> RenderableType:
        progress = self._progress
        head = Text()
        head.append(one_line(self._title), style="bold")
        if self._emulated:
            head.append("  EMULATED: nothing is real, nothing is spent", style="yellow")
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(
                total=max(1, progress.total), completed=progress.finished, width=40
            ),
            f"{progress.finished:,} of {progress.total:,}",
            _pace(progress),
        )
        lines: list[RenderableType] = [head, bar, self._states(), self._slots()]
        lines += map(_trouble_line, list(progress.troubles.values())[-_TROUBLES_SHOWN:])
        return Group(*lines)

    def _states(self) -> Text:
        progress = self._progress
        text = Text("  ")
        text.append(f"{progress.saved + progress.done:,} saved", style="green")
        for status, word, style in _BUSY:
            if progress.states[status]:
                text.append("  ·  ", style="dim")
                text.append(f"{progress.states[status]:,} {word}", style=style)
        waiting = progress.total - progress.finished - sum(progress.states.values())
        if waiting > 0:
            text.append("  ·  ", style="dim")
            text.append(f"{waiting:,} waiting")
        if progress.failed + progress.skipped:
            text.append("  ·  ", style="dim")
            text.append(f"{progress.failed + progress.skipped:,} failed", style="red")
        return text

    def _slots(self) -> Text:
        slots = self._progress.slots
        if slots is None:
            return Text("  finding out how many jobs the service allows", style="dim")
        text = Text("  ")
        used = min(slots.in_flight, 40)
        free = max(0, min(slots.limit, 40) - used)
        text.append("■" * used, style="cyan")
        text.append("□" * free, style="dim")
        text.append(f"  {slots.in_flight} of {slots.limit} slots", style="dim")
        if slots.paused_s > 0:
            text.append(f", paused for {duration(slots.paused_s)}", style="yellow")
        if self._progress.charged:
            text.append(f"  ·  {self._progress.charged:,} units charged", style="dim")
        return text


class PlainScreen:
    """Plain lines: one every few seconds, and one for each failure."""

    def __init__(self, progress: Progress, *, title: str, emulated: bool) -> None:
        self._progress = progress
        self._title = title
        self._emulated = emulated
        self._said_at_s = 0.0
        self._console = Console(
            stderr=True, highlight=False, soft_wrap=True, no_color=True
        )

    def __enter__(self) -> Self:
        self.say(self._title)
        if self._emulated:
            self.say("EMULATED: nothing is real, nothing is spent")
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def take(self, event: Event) -> None:
        """Failures at once, progress every few seconds."""
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
                self.say(f"warning: {_of_item(event)}")
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
        """A line of its own."""
        with whoever_reads(sys.stderr):
            self._console.print(Text(printable(text)))

    def _tell_progress(self) -> None:
        progress = self._progress
        now_s = progress.clock.monotonic_s()
        if now_s - self._said_at_s < _LINE_INTERVAL_S:
            return
        self._said_at_s = now_s
        busy = ", ".join(
            f"{progress.states[status]:,} {word}"
            for status, word, _ in _BUSY
            if progress.states[status]
        )
        self.say(
            f"{progress.finished:,} of {progress.total:,}"
            f"{', ' + busy if busy else ''}, {_pace(progress)}"
        )


class QuietScreen:
    """Says only what stops the run."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def take(self, event: Event) -> None:
        """Only what stops the run."""
        if isinstance(event, Halted):
            self.say(f"stopped submitting: {one_line(event.reason, 400)}")

    def say(self, text: str) -> None:
        """A line of its own."""
        with whoever_reads(sys.stderr):
            self._console.print(Text(printable(text)))


def _trouble_line(trouble: Trouble) -> Text:
    return Text.assemble(
        ("  ✗ ", "red"),
        one_line(trouble.item_id, 40),
        (f"  {one_line(trouble.reason, 100)}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _pace(progress: Progress) -> str:
    words = [duration(progress.elapsed_s)]
    if progress.rate_per_min:
        words.append(f"{progress.rate_per_min:,.0f} a minute")
    if progress.left_s is not None and progress.finished < progress.total:
        words.append(f"{duration(progress.left_s)} left")
    return ", ".join(words)


def _of_item(event: Warned) -> str:
    prefix = f"{one_line(event.item_id)}: " if event.item_id else ""
    return prefix + one_line(event.message, 400)
