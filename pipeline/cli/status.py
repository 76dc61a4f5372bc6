"""``status``: what the ledger says about a manifest, in numbers and reasons."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.cli.console.money import units_text
from pipeline.cli.console.printing import failure_line, print_json, say
from pipeline.cli.run_summary import find_places
from pipeline.counting import plural
from pipeline.errors import ExitCode
from pipeline.job import JobStatus
from pipeline.manifest import load_manifest
from pipeline.operations.spend import Sum
from pipeline.operations.status import read_status
from pipeline.output.folder import output_folder
from pipeline.units import units_number


def status_command(
    manifest: Path,
    *,
    output: Path | None,
    emulate: bool,
    allow_outside: bool,
    as_json: bool,
) -> ExitCode:
    """Print counts and reasons from the ledger."""
    loaded = load_manifest(manifest, allow_outside=allow_outside)
    folder = output_folder(loaded, output=output, emulate=emulate)
    status = read_status(folder)
    counts, troubled, cost = status.counts, status.troubled, status.cost
    if as_json:
        for job in troubled:
            print_json(
                event="item",
                item_id=job.item_id,
                status=str(job.status),
                job_id=job.remote_id,
                reason=job.failure.reason if job.failure else "",
                hint=job.failure.hint if job.failure else "",
            )
        print_json(
            event="status",
            output=str(folder),
            items=loaded.item_count,
            counts={str(status): counts[status] for status in JobStatus},
            cost={
                "charged": units_number(cost.charged),
                "refunded": units_number(cost.refunded),
                "reserved": units_number(cost.reserved),
            },
        )
        return ExitCode.OK
    say(f"{loaded.name}: {plural(loaded.item_count, 'item')} → {folder}")
    _show_counts(counts, cost)
    places = find_places(loaded, [job.item_id for job in troubled])
    for job in troubled:
        say(
            failure_line(
                job.item_id,
                job.failure.reason if job.failure else "",
                place=places.get(job.item_id, ""),
                is_unsure=job.status is JobStatus.UNKNOWN,
            )
        )
    return ExitCode.OK


def _show_counts(counts: Mapping[JobStatus, int], cost: Sum) -> None:
    for status in JobStatus:
        if counts[status]:
            say(f"  {counts[status]:>8,}  {status}")
    if not counts:
        say("  nothing has been submitted yet")
        return
    say(f"  {units_text(cost.charged):>8}  compute units charged")
    for units, word in ((cost.refunded, "refunded"), (cost.reserved, "reserved")):
        if units:
            say(f"  {units_text(units):>8}  {word}")
