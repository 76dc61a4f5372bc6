"""Progress → a live display on a terminal, to stderr. Imports rich, which is slow."""

import sys
from collections.abc import Callable
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from pipeline.cli.console.money import units_phrase
from pipeline.cli.console.screen import BUSY, lost_text, of_item, pace, pause_text
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import duration, one_line, printable, wrapped
from pipeline.cli.console.waiting import OutageNews, phase_text
from pipeline.running.events import Event, Halted, Warned
from pipeline.running.progress import Progress, Trouble

_REFRESHES_PER_S = 8
_TROUBLES_SHOWN = 4
_WIDE = 80  # columns from which bar and figures share a line
_LONGEST_BAR = 40


class LiveScreen:
    """Counts by state, a bar, slots, rate, time left and the last failures."""

    def __init__(
        self,
        progress: Progress,
        *,
        title: str,
        emulated: bool,
        on_hint: Callable[[str], str] = lambda hint: hint,
    ) -> None:
        self._progress = progress
        self._outage = OutageNews(progress)
        self._on_hint = on_hint
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
                self.say(f"stopped submitting: {one_line(event.reason, 400)}")
                if event.hint:
                    self.say(f"  next: {one_line(self._on_hint(event.hint), 400)}")
            case Warned():
                self.say(f"warning: {of_item(event)}")

    def beat(self) -> None:
        """Print when an outage begins and ends; the display shows the rest."""
        if news := self._outage.find():
            self.say(news)

    def say(self, text: str) -> None:
        """Print a line."""
        with tolerate_closed_pipe(sys.stderr):
            # Wrapped here, for the same indents as on a plain terminal.
            self._console.print(Text(wrapped(printable(text), self._console.width)))

    def _render(self) -> RenderableType:
        progress = self._progress
        head = Text()
        head.append(one_line(self._title), style="bold")
        if self._emulated:
            head.append("  EMULATED: nothing is real, nothing is spent", style="yellow")
        lines: list[RenderableType] = [head, self._bar(), self._states(), self._slots()]
        if waiting := self._waiting():
            lines.append(waiting)
        if progress.paused_until is not None and progress.paused_s > 0:
            said = pause_text(progress.paused_until, progress.paused_s)
            lines.append(Text(f"  {said}", style="yellow"))
        lines += map(_trouble_line, list(progress.troubles.values())[-_TROUBLES_SHOWN:])
        return Group(*lines)

    def _bar(self) -> Text:
        """A bar of two characters, so that it can be read without colours."""
        progress = self._progress
        figures = f"{progress.finished:,} of {progress.total:,}  {pace(progress)}"
        is_wide = self._console.width >= _WIDE
        width = self._console.width - (len(figures) + 3 if is_wide else 2)
        width = max(1, min(_LONGEST_BAR, width))
        filled = width * progress.finished // max(1, progress.total)
        full, empty = self._characters(("█", "░"))
        text = Text.assemble(
            (full * filled, "green"), (empty * (width - filled), "dim")
        )
        text.append("  " if is_wide else "\n")
        return text.append(figures)

    def _characters(self, wanted: tuple[str, str]) -> tuple[str, str]:
        """For full and for empty; of ASCII if the terminal has no others."""
        return wanted if self._console.encoding.startswith("utf") else ("#", "-")

    def _waiting(self) -> Text | None:
        """What is waited for, unless the other lines show it."""
        progress = self._progress
        activity = progress.activity
        is_shown = not activity.phase and any(progress.states.values())
        text = Text("" if is_shown else phase_text(activity))
        text.append(lost_text(progress).removeprefix("; "), style="yellow")
        return Text.assemble("  ", text) if text else None

    def _states(self) -> Text:
        progress = self._progress
        text = Text("  ")
        text.append(f"{progress.saved + progress.done:,} saved", style="green")
        for status, word, style in BUSY:
            if progress.states[status]:
                text.append("  ·  ", style="dim")
                text.append(f"{progress.states[status]:,} {word}", style=style)
        if progress.waiting:
            text.append("  ·  ", style="dim")
            text.append(f"{progress.waiting:,} waiting")
        if progress.blocked:
            text.append("  ·  ", style="dim")
            text.append(f"{progress.blocked:,} blocked", style="red")
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
        taken, empty = self._characters(("■", "□"))
        text.append(taken * used, style="cyan")
        text.append(empty * free, style="dim")
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
