"""``show``: a saved file → the manifest item that would make it again."""

import sys
from pathlib import Path

import click

from pipeline.cli.console.printing import find_room, print_note
from pipeline.cli.console.text import printable
from pipeline.errors import ExitCode
from pipeline.operations.show import read_making, render_item
from pipeline.storage.regular_file import RegularFile


def show_command(path: Path, *, pictures: bool) -> ExitCode:
    """Print the item to stdout, and what should be known about it to stderr."""
    shown = read_making(path)
    if pictures:
        from pipeline.cli.console.pictures.sheet import show_pictures

        room = find_room(sys.stderr)
        most = None if room is None else room.rows * 2 // 3
        show_pictures([RegularFile(path)], most_rows=most)
    if shown.is_changed:
        print_note(f"{path} was changed since it was saved; this made the saved file")
    if shown.is_embedded:
        print_note(f"{path} has no sidecar; this is embedded in it")
    for line in render_item(shown):
        click.echo(printable(line))
    return ExitCode.OK
