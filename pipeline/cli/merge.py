"""``merge``: joins the output folders of shards into one."""

from pathlib import Path

from pipeline.cli.console.printing import print_json, print_note, say
from pipeline.clock import SystemClock
from pipeline.counting import plural
from pipeline.errors import ExitCode
from pipeline.operations.join_reports import find_reports, join_reports
from pipeline.operations.merge import merge


def merge_command(
    places: tuple[Path, ...], *, output: Path, junit: Path | None, as_json: bool
) -> ExitCode:
    """Join the folders, and say what was done."""
    reports = find_reports(places) if junit is not None else []
    merged = merge(places, output, clock=SystemClock())
    joined = 0 if junit is None else join_reports(reports, junit)
    for note in merged.notes:
        print_note(note)
    if as_json:
        print_json(
            event="merge",
            output=str(output),
            folders=[str(folder) for folder in merged.folders],
            items=merged.items,
            copied=merged.copied,
            lock_file=None if merged.lock_file is None else str(merged.lock_file),
            reports=joined,
        )
        return ExitCode.OK
    say(
        f"{plural(len(merged.folders), 'folder')} → {output}:"
        f" {plural(merged.items, 'item')}, {plural(merged.copied, 'file')} copied"
    )
    if merged.lock_file is not None:
        say(f"  lock file: {merged.lock_file}")
    if junit is not None:
        say(f"  {plural(joined, 'report')} → {junit}")
    return ExitCode.OK
