"""Lines that several commands print: JSON, faults, notes, failures."""

import json
import os
import sys
from typing import Any, TextIO

import click

from pipeline.cli.console.subject import current_manifest
from pipeline.cli.console.text import one_line, wrapped
from pipeline.errors import ManifestError

_LONGEST_NOTE = 2000


def say(text: str = "", *, err: bool = False) -> None:
    """Print text for a person; on a terminal, its lines break between words.

    Args:
        text: Printable.
        err: To stderr instead of stdout.
    """
    width = _terminal_width(sys.stderr if err else sys.stdout)
    click.echo(text if width is None else wrapped(text, width), err=err)


def _terminal_width(stream: TextIO) -> int | None:
    """The columns of a terminal; None if the stream leads elsewhere."""
    if not stream.isatty():
        return None
    named = os.environ.get("COLUMNS", "")
    if named.isascii() and named.isdigit() and int(named) > 0:
        return int(named)
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


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
