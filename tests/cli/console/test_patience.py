"""Patience: a command that computes for long says so."""

import threading

from pipeline.cli.console import asking
from pipeline.cli.console.patience import Patience


class Waits:
    """So many waits end with time gone by; the next one with the end of the block."""

    def __init__(self, count):
        self._left = count
        self.seconds = []
        self.over = threading.Event()

    def __call__(self, seconds):
        if not self._left:
            self.over.set()
            return True
        self._left -= 1
        self.seconds.append(seconds)
        return False


def test_a_command_that_is_silent_for_ten_seconds_says_that_it_works(capsys):
    waits = Waits(2)
    with Patience("status", wait=waits):
        waits.over.wait(10)

    assert max(waits.seconds) < 10
    assert capsys.readouterr().err.splitlines() == [
        "status: still working, 8 s",
        "status: still working, 16 s",
    ]


def test_a_question_that_waits_for_its_answer_is_not_disturbed(capsys):
    waits = Waits(2)
    asking.is_open.set()
    try:
        with Patience("prune", wait=waits):
            waits.over.wait(10)
    finally:
        asking.is_open.clear()

    assert capsys.readouterr().err == ""


def test_a_quick_command_says_nothing(capsys):
    with Patience("status"):
        pass

    assert capsys.readouterr().err == ""
