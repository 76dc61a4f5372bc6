"""``redo``, ``restore``: options → a run of the takes that are meant."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pipeline.cli.console.printing import print_json, print_note
from pipeline.cli.console.streams import tolerate_closed_pipe
from pipeline.cli.options import RunOptions
from pipeline.cli.run import run_command
from pipeline.errors import ExitCode
from pipeline.operations.redo import NewTake, redo
from pipeline.operations.restore import restore


def redo_command(
    manifest: Path,
    items: Sequence[str],
    options: RunOptions,
    *,
    seed: int | None,
    note: str,
) -> ExitCode:
    """Make other takes of the named items, and report like a run."""

    def tell(takes: Sequence[NewTake]) -> None:
        for one in takes:
            if options.as_json:
                with tolerate_closed_pipe(sys.stdout):
                    print_json(
                        event="take",
                        item_id=one.item_id,
                        take=one.take,
                        decision="added",
                        replaces=one.replaces,
                        seed=one.seed,
                    )
            elif not options.quiet:
                seeded = "" if one.seed is None else f" with seed {one.seed}"
                print_note(
                    f"{one.item_id}: take {one.take} takes the place of take"
                    f" {one.replaces}{seeded}"
                )

    start = partial(redo, ids=items, seed=seed, note=note, on_takes=tell)
    return run_command(manifest, options, start=start)


def restore_command(
    manifest: Path, item: str, options: RunOptions, *, take: int
) -> ExitCode:
    """Bring a take back, and report like a run."""
    start = partial(restore, item_id=item, take=take)
    return run_command(manifest, options, start=start)
