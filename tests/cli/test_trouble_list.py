"""The list of failures at the end: it leaves room for what follows."""

import io

import pytest

from pipeline.cli.console.printing import Room, find_room
from pipeline.cli.trouble_list import trouble_lines
from pipeline.running.progress import Trouble


def trouble(number, *, reason="moderated", hint="change the prompt"):
    return Trouble(
        item_id=f"tree-{number}",
        reason=reason,
        hint=hint,
        place=f"icons.yaml:{number}",
    )


MANY = [trouble(number) for number in range(19)]
ODD = trouble(19, reason="bad size", hint="")


def test_without_a_terminal_each_failure_has_its_line():
    lines = trouble_lines([*MANY, ODD], total=20, room=None)

    assert lines[:2] == ["x tree-0 (icons.yaml:0): moderated", "    change the prompt"]
    assert len(lines) == 39


def test_what_fits_is_not_grouped():
    room = Room(columns=80, rows=4)

    lines = trouble_lines(MANY[:2], total=2, room=room)

    assert lines[2] == "x tree-1 (icons.yaml:1): moderated"


def test_what_does_not_fit_is_grouped_by_reason():
    room = Room(columns=80, rows=6)

    lines = trouble_lines([ODD, *MANY], total=20, room=room)

    assert lines == [
        "x 19 items: moderated",
        "    tree-0 (icons.yaml:0), tree-1 (icons.yaml:1), tree-2 (icons.yaml:2) and 16 more",
        "    change the prompt",
        "x tree-19 (icons.yaml:19): bad size",
    ]


@pytest.mark.parametrize("columns", [40, 80])
def test_the_rest_is_counted_once_the_room_is_full(columns):
    every = [trouble(number, reason=f"reason {number}") for number in range(30)]
    room = Room(columns=columns, rows=9)

    lines = trouble_lines(every, total=500, room=room)

    assert room.rows_of(lines) <= 9
    shown = sum(line.startswith("x ") for line in lines)
    assert shown >= 2
    assert lines[-1] == f"… and {500 - shown} more: pipeline status"


def test_one_failure_is_shown_however_small_the_terminal_is():
    lines = trouble_lines(MANY, total=19, room=Room(columns=80, rows=0))

    assert lines[0] == "x 19 items: moderated"


def test_nothing_that_failed_needs_no_line():
    assert trouble_lines([], total=0, room=Room(columns=80, rows=24)) == []


class Tty(io.StringIO):
    """A terminal without a device."""

    def isatty(self):
        return True


def test_a_terminal_that_does_not_say_its_size_has_the_usual_one(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)

    assert find_room(Tty()) == Room(columns=80, rows=24)
    assert find_room(io.StringIO()) is None


def test_the_size_that_the_user_sets_counts(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "12")

    assert find_room(Tty()) == Room(columns=40, rows=12)
