"""``merge``: joins the output folders of shards into one."""

from pathlib import Path

from pipeline.cli.console.printing import print_json, print_note, say
from pipeline.cli.opening import find_folder
from pipeline.clock import SystemClock
from pipeline.counting import items_and_jobs, plural
from pipeline.errors import ExitCode
from pipeline.operations.join_reports import find_reports, join_reports
from pipeline.operations.merge import merge

_HINT = "name output folders, or stores such as s3://bucket/prefix"


def merge_command(
    places: tuple[str, ...],
    *,
    output: Path,
    store: str,
    junit: Path | None,
    as_json: bool,
) -> ExitCode:
    """Join the folders, and say what was done."""
    opened = [one if "://" in one else find_folder(one, hint=_HINT) for one in places]
    folders = [one for one in opened if isinstance(one, Path)]
    reports = find_reports(folders) if junit is not None else []
    merged = merge(opened, output, clock=SystemClock(), store=store)
    joined = 0 if junit is None else join_reports(reports, junit)
    for note in merged.notes:
        print_note(note)
    if as_json:
        print_json(
            event="merge",
            output=str(output),
            folders=list(merged.folders),
            store=merged.store.describe(),
            items=merged.items,
            jobs=merged.jobs,
            copied=merged.copied,
            lock_file=None if merged.lock_file is None else str(merged.lock_file),
            reports=joined,
        )
        return ExitCode.OK
    noun = "folder" if len(folders) == len(opened) else "place"
    say(
        f"{plural(len(opened), noun)} → {merged.store.describe()}:"
        f" {items_and_jobs(merged.items, merged.jobs)},"
        f" {plural(merged.copied, 'file')} copied"
    )
    if merged.lock_file is not None:
        say(f"  lock file: {merged.lock_file}")
    if junit is not None:
        say(f"  {plural(joined, 'report')} → {junit}")
    return ExitCode.OK
