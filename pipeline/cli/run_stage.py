"""Where a run is shown, and how signals stop it."""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from pipeline.cli.console.money import CuPrice, units_phrase
from pipeline.cli.console.printing import (
    Room,
)
from pipeline.cli.console.screen import (
    PlainScreen,
    QuietScreen,
    Screen,
    is_live,
)
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import duration
from pipeline.cli.next_step import complete_hint
from pipeline.cli.options import RunOptions
from pipeline.counting import plural
from pipeline.planning import Plan
from pipeline.running.joint import JointRun
from pipeline.running.progress import Progress
from pipeline.storage.store import NamedContent


class Stage:
    """Where a run is shown, once its plan is known."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.plan: Plan | None = None
        self.told: frozenset[str] = frozenset()  # warnings that have been shown

    def beat(self) -> None:
        """Let the current screen say what is waited for."""
        self.screen.beat()


def make_screen(title: str, options: RunOptions, progress: Progress) -> Screen:
    """The screen for a run.

    Args:
        title: What runs, and where its files go.
        options: Of the command.
        progress: Has taken every event before the screen does.
    """
    if options.quiet:
        return QuietScreen()
    if is_live() and not options.debug:
        from pipeline.cli.console.live_screen import LiveScreen

        return LiveScreen(
            progress,
            title=title,
            emulated=options.emulate,
            price=options.cu_price,
            on_hint=complete_hint,
        )
    return PlainScreen(
        progress, title=title, emulated=options.emulate, on_hint=complete_hint
    )


@contextmanager
def stopping_by_signals(
    stage: Stage, progress: Progress, price: CuPrice | None
) -> Iterator[Callable[[JointRun], None]]:
    """First SIGINT or SIGTERM: stop submitting. Second: leave.

    Uses ``signal.signal``, because Windows lacks the event loop's own handlers.
    """
    counted = 0
    handled = [signal.SIGINT, signal.SIGTERM]
    previous: dict[int, Any] = {}

    def on_start(begun: JointRun) -> None:
        loop = asyncio.get_running_loop()
        progress.budget = begun.budget

        def handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            nonlocal counted
            if begun.is_over:  # what is left, such as the gallery, may be cut off
                signal.signal(number, previous[number])
                signal.raise_signal(number)
                return
            counted += 1
            with suppress(RuntimeError):  # the loop has just ended: nothing to stop
                loop.call_soon_threadsafe(stop if counted == 1 else begun.abandon)

        def stop() -> None:
            longest_s = begun.stop()
            with tolerate_closed_pipe(sys.stderr):
                jobs = plural(begun.in_flight, "job")
                units = units_phrase(begun.find_units_in_flight(), price)
                rest = f"{jobs} in flight ({units} paid) will be collected"
                if not begun.in_flight:
                    rest = "what is made will be downloaded"
                stage.screen.say(
                    f"stopping: nothing more is submitted; {rest}, which takes at most"
                    f" {duration(longest_s)}; press Ctrl-C again to leave at once"
                )

        if threading.current_thread() is threading.main_thread():
            for number in handled:
                previous[number] = signal.signal(number, handle)

    try:
        yield on_start
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def print_thumbnails(
    progress: Progress, find: Callable[[str], NamedContent], room: Room | None
) -> int:
    """Thumbnails of what was saved last, on half of the terminal at most.

    Args:
        progress: Has the names of the files.
        find: A name → the file.
        room: What is left of the terminal.

    Returns:
        How many rows they took.
    """
    from pipeline.cli.console.pictures.sheet import is_picture, show_pictures

    latest = reversed(progress.latest_files)
    pictures = [find(name) for name in latest if is_picture(name)]
    most = None if room is None else room.rows // 2
    return show_pictures(pictures, most_rows=most)
