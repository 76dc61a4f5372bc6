"""Lines that several commands print: JSON, faults, notes, failures."""

import json
import sys
from typing import Any

import click

from pipeline.cli.console.text import one_line
from pipeline.errors import ManifestError

_LONGEST_NOTE = 2000


def failure_line(item_id: str, reason: str) -> str:
    """``x oak: why``, in one line."""
    return f"x {one_line(item_id)}: {one_line(reason) or 'no reason given'}"


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


def print_json(**fields: Any) -> None:
    """Print a line of JSON to stdout and flush it; ASCII in any encoding."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def print_note(note: str) -> None:
    """Print something a person should know, in one line on stderr."""
    click.echo(f"note: {one_line(note, _LONGEST_NOTE)}", err=True)
