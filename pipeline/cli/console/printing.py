"""Lines that several commands print: JSON, faults, notes, failures."""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TextIO

import click

from pipeline.cli.console.subject import current_manifest
from pipeline.cli.console.text import one_line, wrapped
from pipeline.errors import ManifestError

_LONGEST_NOTE = 2000
_USUAL_COLUMNS, _USUAL_ROWS = 80, 24  # of a terminal that does not say


def say(text: str = "", *, err: bool = False) -> None:
    """Print text for a person; on a terminal, its lines break between words.

    Args:
        text: Printable.
        err: To stderr instead of stdout.
    """
    room = find_room(sys.stderr if err else sys.stdout)
    click.echo(text if room is None else wrapped(text, room.columns), err=err)


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much fits a terminal.

    Attributes:
        columns: At least 1.
        rows: At least 0.
    """

    columns: int
    rows: int

    def rows_of(self, lines: Iterable[str]) -> int:
        """The rows that these lines take, broken between words."""
        return sum(1 + wrapped(line, self.columns).count("\n") for line in lines)

    def without(self, rows: int) -> "Room":
        """The same with fewer rows."""
        return replace(self, rows=max(0, self.rows - rows))


def find_width(*, err: bool = False) -> int | None:
    """The columns of stdout, or of stderr; None if it is no terminal."""
    room = find_room(sys.stderr if err else sys.stdout)
    return None if room is None else room.columns


def find_room(stream: TextIO) -> Room | None:
    """The size of a terminal; None if the stream leads elsewhere."""
    if not stream.isatty():
        return None
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        size = os.terminal_size((0, 0))
    columns = _named_size("COLUMNS") or size.columns or _USUAL_COLUMNS
    return Room(columns=columns, rows=_named_size("LINES") or size.lines or _USUAL_ROWS)


def _named_size(variable: str) -> int:
    """A size that the user sets, or 0."""
    named = os.environ.get(variable, "")
    return int(named) if named.isascii() and named.isdigit() else 0


def failure_line(
    item_id: str, reason: str, *, place: str = "", is_unsure: bool = False
) -> str:
    """``x oak (icons.yaml:12): why``, in one line; with ``!`` for an unsure item.

    Args:
        item_id: The item.
        reason: Why it failed or is unsure.
        place: ``file:line`` in the manifest, or "".
        is_unsure: Whether it may still have a job.
    """
    where = f" ({one_line(place)})" if place else ""
    why = one_line(reason, 400) or "no reason given"
    return f"{'! ' if is_unsure else 'x '}{one_line(item_id)}{where}: {why}"


def print_faults(error: ManifestError) -> None:
    """Print a line of JSON for each fault."""
    for fault in error.faults:
        print_json(
            event="fault",
            file=fault.file,
            line=fault.line,
            column=fault.column,
            message=fault.message,
            hint=fault.hint,
        )


def print_json(*, event: str, **fields: Any) -> None:
    """Print an event as a line of JSON to stdout and flush it; ASCII in any encoding.

    If it is about one of several manifests, it says about which. ``##[`` would be a
    command to GitHub's runner, so it is written as an escape.
    """
    manifest = current_manifest()
    named = {"event": event, **({"manifest": manifest} if manifest else {})}
    line = json.dumps(named | fields).replace("##[", "#\\u0023[")
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def print_note(note: str) -> None:
    """Print something a person should know, in one line on stderr."""
    say(f"note: {one_line(note, _LONGEST_NOTE)}", err=True)
