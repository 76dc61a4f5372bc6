"""The progress of a run in a notebook: one output that changes."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.clock import Clock
from pipeline.counting import plural
from pipeline.report.notebook import render_progress
from pipeline.running.events import Event
from pipeline.running.progress import Progress

_LEAST_S = 0.25  # between two pictures of it
_FAILURES_SHOWN = 3


@contextmanager
def showing_progress(
    tell: Callable[[Event], None], clock: Clock
) -> Iterator[Callable[[Event], None]]:
    """In a notebook, show the progress of a run while the block lasts.

    Args:
        tell: Is told every event.
        clock: The clock to use.

    Yields:
        What to tell the events instead of ``tell``.
    """
    show = find_display()
    if show is None:
        yield tell
        return
    shown = _Picture(show, Progress(clock))

    def tell_both(event: Event) -> None:
        shown.take(event)
        tell(event)

    try:
        yield tell_both
    finally:
        shown.show()


def find_display() -> Any | None:
    """The module ``IPython.display`` if this process is a notebook's, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if not hasattr(shell, "kernel"):  # a terminal, or no IPython at all
        return None
    return importlib.import_module("IPython.display")


class _Picture:
    """One output that shows where a run stands."""

    def __init__(self, display: Any, progress: Progress) -> None:
        self._display = display
        self._progress = progress
        self._handle: Any = None
        self._shown_at_s = float("-inf")

    def take(self, event: Event) -> None:
        self._progress.take(event)
        now_s = self._progress.clock.monotonic_s()
        if self._progress.total and now_s - self._shown_at_s >= _LEAST_S:
            self._shown_at_s = now_s
            self.show()

    def show(self) -> None:
        progress = self._progress
        if not progress.total:
            return
        html = self._display.HTML(
            render_progress(
                done=progress.finished,
                total=progress.total,
                text=_sentence(progress),
                lines=tuple(_lines(progress)),
            )
        )
        if self._handle is None:
            self._handle = self._display.display(html, display_id=True)
        else:
            self._handle.update(html)


def _sentence(progress: Progress) -> str:
    noun = "item" if progress.items == progress.total else "job"
    parts = [
        f"{progress.done + progress.saved:,} of {plural(progress.total, noun)} saved",
        f"{plural(progress.charged, 'unit')} charged",
    ]
    failed = progress.failed + progress.blocked + progress.skipped
    if failed:
        parts.insert(1, f"{failed:,} failed")
    if progress.slots is not None and progress.slots.in_flight:
        parts.append(f"{progress.slots.in_flight:,} in flight")
    return ", ".join(parts)


def _lines(progress: Progress) -> Iterator[str]:
    if progress.halted is not None:
        yield f"nothing more is submitted: {progress.halted.reason}"
    elif progress.paused_s and progress.paused_until is not None:
        yield f"submits pause until {progress.paused_until:%H:%M} UTC"
    for trouble in list(progress.troubles.values())[-_FAILURES_SHOWN:]:
        yield f"{trouble.item_id}: {trouble.reason}"
