"""Patience: a command that says nothing of its own says that it is still working."""

import sys
import threading
from collections.abc import Callable
from typing import Self

from pipeline.cli.console import asking
from pipeline.cli.console.printing import say
from pipeline.cli.console.screen import LONGEST_SILENCE_S
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.console.text import duration


class Patience:
    """While the block runs, says so on stderr every few seconds.

    For commands that compute and have no screen. Nothing is said while a question
    waits for its answer.

    Args:
        name: Of the command.
        wait: Suspends for so many seconds; whether the block has ended meanwhile.
            None for the machine's clock.
    """

    def __init__(
        self, name: str, *, wait: Callable[[float], bool | None] | None = None
    ) -> None:
        self._name = name
        self._ended = threading.Event()
        self._wait = wait or self._ended.wait
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Self:
        self._teller.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._teller.join()

    def _tell(self) -> None:
        worked_s = 0.0
        while not self._wait(LONGEST_SILENCE_S):
            worked_s += LONGEST_SILENCE_S
            if not asking.is_open.is_set():
                with tolerate_closed_pipe(sys.stderr):
                    text = f"{self._name}: still working, {duration(worked_s)}"
                    say(text, err=True)
