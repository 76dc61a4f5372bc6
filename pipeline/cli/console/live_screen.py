"""Progress → a live display on a terminal, to stderr. Imports rich, which is slow."""

import sys
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from pipeline.cli.console.money import units_phrase
from pipeline.cli.console.progress import Progress, Trouble
from pipeline.cli.console.screen import BUSY, of_item, pace, pause_text
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import duration, one_line, printable
from pipeline.running.events import Event, Halted, Warned

_REFRESHES_PER_S = 8
_TROUBLES_SHOWN = 4


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
        """Print what the live display does not show."""
        match event:
            case Halted():
                self.say(f"stopped submitting: {one_line(event.reason)}")
                if event.hint:
                    self.say(f"  next: {one_line(event.hint)}")
            case Warned():
                self.say(f"warning: {of_item(event)}")

    def say(self, text: str) -> None:
        """Print a line."""
        with tolerate_closed_pipe(sys.stderr):
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
            pace(progress),
        )
        lines: list[RenderableType] = [head, bar, self._states(), self._slots()]
        if progress.paused_until is not None and progress.paused_s > 0:
            said = pause_text(progress.paused_until, progress.paused_s)
            lines.append(Text(f"  {said}", style="yellow"))
        lines += map(_trouble_line, list(progress.troubles.values())[-_TROUBLES_SHOWN:])
        return Group(*lines)

    def _states(self) -> Text:
        progress = self._progress
        text = Text("  ")
        text.append(f"{progress.saved + progress.done:,} saved", style="green")
        for status, word, style in BUSY:
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
        if slots.paused_s > 0 and not self._progress.paused_s:
            text.append(f", paused for {duration(slots.paused_s)}", style="yellow")
        if slots.others:
            whose = one_line(slots.scope or "team", 40)
            text.append(f", {slots.others} used by others in the {whose}", style="dim")
        if self._progress.charged:
            text.append(
                f"  ·  {units_phrase(self._progress.charged)} charged", style="dim"
            )
        return text


def _trouble_line(trouble: Trouble) -> Text:
    return Text.assemble(
        ("  ✗ ", "red"),
        one_line(trouble.item_id, 40),
        (f"  {one_line(trouble.reason, 100)}", "dim"),
        no_wrap=True,
        overflow="ellipsis",
    )
