"""Progress → what the live screen shows, as lines that fit its width. Pure.

Each line is made of parts. A narrow terminal breaks it between them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from pipeline.cli.console.money import CuPrice, units_phrase, units_text
from pipeline.cli.console.screen import (
    BUSY,
    CompleteHint,
    as_it_is,
    lost_text,
    pace,
    pause_text,
    requests_text,
)
from pipeline.cli.console.text import duration, one_line, wrapped
from pipeline.cli.console.waiting import phase_text
from pipeline.job import JobStatus
from pipeline.running.line_progress import LineState
from pipeline.running.progress import Progress, Trouble

_WIDE = 80  # columns from which bar and figures share a line
_LONGEST_BAR = 40
_SLOTS_SHOWN = 24
_SHORT_BAR = 10
_MOST_LINES = 3
_MOST_TROUBLES = 4
_GAP = "  ·  "
_WORDS = {status: word for status, word, _ in BUSY} | {
    JobStatus.SUCCEEDED: "is made",
    JobStatus.SAVED: "is saved",
    JobStatus.FAILED: "failed",
    JobStatus.PLANNED: "is next",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """What the live screen is drawn on.

    Attributes:
        width: In columns.
        height: In rows.
        is_unicode: Whether the terminal has more than ASCII.
    """

    width: int
    height: int
    is_unicode: bool = True

    def bar(self, part: int, whole: int, width: int, style: str) -> Text:
        """A bar of two characters, so that it can be read without colours."""
        full, empty = ("█", "░") if self.is_unicode else ("#", "-")
        filled = width * min(part, whole) // max(1, whole)
        return Text.assemble((full * filled, style), (empty * (width - filled), "dim"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """What does not change while a run is shown.

    Attributes:
        title: Of the run.
        emulated: Whether nothing is real.
        price: Of a compute unit, or None.
        on_hint: Completes the commands that a hint names.
    """

    title: str
    emulated: bool
    price: CuPrice | None = None
    on_hint: CompleteHint = as_it_is

    def render(self, progress: Progress, canvas: Canvas) -> list[Text]:
        """The lines to show now, none wider than the canvas."""
        lines = [
            *self._head(canvas),
            *_overall(progress, canvas),
            *_flow(_states(progress), canvas),
            *_flow(_limits(progress, canvas), canvas),
            *_flow(self._spending(progress, canvas), canvas),
            *_flow(_waiting(progress), canvas),
            *_lines(progress, canvas),
        ]
        return [*lines, *self._troubles(progress, canvas, rows=len(lines))]

    def _head(self, canvas: Canvas) -> Iterable[Text]:
        title = wrapped(one_line(self.title), canvas.width).split("\n")
        parts = [Text(line, style="bold") for line in title]
        if not self.emulated:
            return parts
        warning = "EMULATED: nothing is real, nothing is spent"
        if cell_len(parts[-1].plain) + 2 + len(warning) <= canvas.width:
            parts[-1].append("  ").append(warning, style="not bold yellow")
            return parts
        told = wrapped(warning, canvas.width).split("\n")
        return [*parts, *(Text(line, style="yellow") for line in told)]

    def _spending(self, progress: Progress, canvas: Canvas) -> Iterable[Text]:
        if progress.charged:
            charged = units_phrase(progress.charged, self.price)
            yield Text(f"{charged} charged", style="dim")
        budget = progress.budget
        if budget is None or budget.limit is None:
            return
        taken, limit = budget.taken, budget.limit
        bar = canvas.bar(
            int(taken), int(limit), _SHORT_BAR, "yellow" if taken < limit else "red"
        )
        text = f"  {units_text(taken)} of {units_phrase(limit, self.price)}"
        yield Text.assemble(("budget  ", "dim"), bar, (text, "dim"))

    def _troubles(
        self, progress: Progress, canvas: Canvas, *, rows: int
    ) -> Iterable[Text]:
        """The latest failures with place and hint, as many as fit."""
        left = canvas.height - rows - 1
        shown: list[Text] = []
        latest = list(progress.troubles.values())[-_MOST_TROUBLES:]
        for trouble in reversed(latest):
            lines = self._trouble(trouble, canvas)
            if len(shown) + len(lines) > left:
                break
            shown = [*lines, *shown]
        return shown

    def _trouble(self, trouble: Trouble, canvas: Canvas) -> list[Text]:
        sign = "!" if trouble.is_unsure else "✗" if canvas.is_unicode else "x"
        where = f" ({one_line(trouble.place, 60)})" if trouble.place else ""
        text = f"  {sign} {one_line(trouble.item_id, 60)}{where}: "
        text += one_line(trouble.reason, 160) or "no reason given"
        lines = [Text(line) for line in wrapped(text, canvas.width).split("\n")]
        lines[0].stylize("magenta" if trouble.is_unsure else "red", 2, 3)
        if trouble.hint:
            hint = one_line(self.on_hint(trouble.hint, trouble.item_id), 160)
            told = wrapped(f"    {hint}", canvas.width).split("\n")
            lines += [Text(line, style="dim") for line in told]
        return lines


def _overall(progress: Progress, canvas: Canvas) -> Iterable[Text]:
    figures = f"{progress.figure}  {pace(progress)}"
    is_wide = canvas.width >= _WIDE
    width = canvas.width - (len(figures) + 3 if is_wide else 2)
    width = max(1, min(_LONGEST_BAR, width))
    bar = canvas.bar(progress.finished, progress.total, width, "green")
    if is_wide:
        return [Text.assemble(bar, "  ", figures)]
    told = wrapped(f"  {figures}", canvas.width).split("\n")
    return [bar, *map(Text, told)]


def _states(progress: Progress) -> Iterable[Text]:
    yield Text(f"{progress.saved + progress.done:,} saved", style="green")
    if progress.made:
        yield Text(f"{progress.made:,} made for later steps", style="green")
    for status, word, style in BUSY:
        if progress.states[status]:
            yield Text(f"{progress.states[status]:,} {word}", style=style)
    if progress.waiting:
        yield Text(f"{progress.waiting:,} waiting")
    if progress.blocked:
        yield Text(f"{progress.blocked:,} blocked", style="red")
    if progress.failed + progress.skipped:
        yield Text(f"{progress.failed + progress.skipped:,} failed", style="red")


def _limits(progress: Progress, canvas: Canvas) -> Iterable[Text]:
    """The jobs in flight and the requests, each against its limit."""
    slots = progress.slots
    if slots is None:
        yield Text("finding out how many jobs the service allows", style="dim")
    else:
        width = max(1, min(slots.limit, _SLOTS_SHOWN, canvas.width - 22))
        taken, empty = ("■", "□") if canvas.is_unicode else ("#", "-")
        used = min(slots.in_flight, width)
        text = Text.assemble((taken * used, "cyan"), (empty * (width - used), "dim"))
        text.append(f"  {slots.in_flight} of {slots.limit} slots", style="dim")
        yield text
        if slots.paused_s > 0 and not progress.paused_s:
            yield Text(f"submits pause for {duration(slots.paused_s)}", style="yellow")
        if slots.others:
            whose = one_line(slots.scope or "team", 40)
            yield Text(f"{slots.others} used by others in the {whose}", style="dim")
    if requests := requests_text(progress):
        is_held = progress.activity.requests.held_s > 0
        yield Text(requests, style="yellow" if is_held else "dim")


def _waiting(progress: Progress) -> Iterable[Text]:
    """What is waited for, unless the other lines show it."""
    if progress.paused_until is not None and progress.paused_s > 0:
        said = pause_text(progress.paused_until, progress.paused_s)
        yield Text(said, style="yellow")
    activity = progress.activity
    is_shown = not activity.phase and any(progress.states.values())
    if not is_shown and (phase := phase_text(activity)):
        yield Text(phase)
    if lost := lost_text(progress):
        yield Text(lost.removeprefix("; "), style="yellow")


def _lines(progress: Progress, canvas: Canvas) -> Iterable[Text]:
    """The lines of a chain that are at work, and how many are complete."""
    lines = progress.lines
    if lines is None or not lines.total:
        return
    if lines.total > 1:
        text = f"{lines.complete:,} of {lines.total:,} lines complete"
        yield from _flow([Text(text, style="dim")], canvas)
    for state in lines.active(_MOST_LINES):
        yield from _flow(_line(state, canvas), canvas, gap="  ")


def _line(state: LineState, canvas: Canvas) -> Sequence[Text]:
    bar = canvas.bar(state.made, state.total, min(state.total, _SHORT_BAR), "green")
    latest = f"{one_line(state.latest, 40)} {_WORDS.get(state.status, '')}"
    return [
        Text.assemble("line of ", one_line(state.root, 40)),
        Text.assemble(bar, f"  {state.made} of {state.total}"),
        Text(latest.rstrip(), style="red" if "failed" in latest else "dim"),
    ]


def _flow(
    parts: Iterable[Text], canvas: Canvas, *, gap: str = _GAP, indent: int = 2
) -> Iterable[Text]:
    """The parts in as few lines as fit; a part that is wider has its words wrapped."""
    line = Text()
    for part in parts:
        if line and line.cell_len + cell_len(gap) + part.cell_len <= canvas.width:
            line.append(gap, style="dim").append_text(part)
            continue
        if line:
            yield line
        line = Text(" " * indent).append_text(part)
        if line.cell_len > canvas.width:
            told = wrapped(line.plain, canvas.width).split("\n")
            style = part.style
            yield from (Text(one, style=style) for one in told[:-1])
            line = Text(told[-1], style=style)
    if line:
        yield line
