"""``index``: a table of all sidecars of an output folder or store."""

from contextlib import ExitStack
from pathlib import Path

from pipeline.cli.console.printing import say
from pipeline.cli.opening import open_place
from pipeline.counting import plural
from pipeline.errors import ExitCode
from pipeline.operations.index import write_index


def index_command(place: str, *, out: Path) -> ExitCode:
    """Write the table, and say how large it is."""
    with ExitStack() as opened:
        store = open_place(place, opened)
        count = write_index(store, out)
        say(f"{out}: {plural(count, 'asset')} of {store.describe()}")
    return ExitCode.OK
