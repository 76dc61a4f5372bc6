"""``validate``, ``status`` and ``verify``: what spends nothing and changes nothing."""

import asyncio
from collections import Counter
from pathlib import Path

import click

from pipeline.cli.money import units_text
from pipeline.cli.printing import (
    failure_line,
    print_faults,
    print_json,
    print_note,
)
from pipeline.cli.text import one_line, plural
from pipeline.errors import ExitCode, ManifestError
from pipeline.job import JobStatus
from pipeline.manifest import load_manifest
from pipeline.operations.run import validate
from pipeline.operations.spend import Spending, Sum
from pipeline.operations.verify import Finding, verify
from pipeline.output.folder import open_for_reading, output_folder
from pipeline.units import units_number

_FAILURES_SHOWN = 20


def validate_command(
    manifest: Path, *, allow_outside: bool, offline: bool, as_json: bool
) -> ExitCode:
    """Every fault of the manifest at once."""
    try:
        loaded, count, notes = asyncio.run(
            validate(manifest, allow_outside=allow_outside, offline=offline)
        )
    except ManifestError as error:
        if not as_json:
            raise
        print_faults(error)
        print_json(event="done", exit_code=int(error.exit_code))
        return error.exit_code
    for note in notes:
        print_note(note)
    if as_json:
        print_json(event="done", exit_code=0, counts={"items": count})
    else:
        click.echo(f"{loaded.file}: {plural(count, 'item')}, no faults")
    return ExitCode.OK


def status_command(
    manifest: Path,
    *,
    output: Path | None,
    emulate: bool,
    allow_outside: bool,
    as_json: bool,
) -> ExitCode:
    """Counts and reasons from the ledger."""
    loaded = load_manifest(manifest, allow_outside=allow_outside)
    folder = output_folder(loaded, output=output, emulate=emulate)
    with open_for_reading(folder) as ledger:
        counts = Counter(ledger.count_by_status())
        troubled = list(ledger.find_latest_jobs_in(JobStatus.FAILED, JobStatus.UNKNOWN))
        spending = Spending()
        for job in ledger.find_costs():
            spending.add(job, "")
    cost = spending.total
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
    click.echo(f"{loaded.name}: {plural(loaded.item_count, 'item')} → {folder}")
    _show_counts(counts, cost)
    for job in troubled[:_FAILURES_SHOWN]:
        click.echo(failure_line(job.item_id, job.failure.reason if job.failure else ""))
    if len(troubled) > _FAILURES_SHOWN:
        click.echo(f"  … and {len(troubled) - _FAILURES_SHOWN:,} more")
    return ExitCode.OK


def _show_counts(counts: Counter[JobStatus], cost: Sum) -> None:
    for status in JobStatus:
        if counts[status]:
            click.echo(f"  {counts[status]:>8,}  {status}")
    if not counts:
        click.echo("  nothing has been submitted yet")
        return
    click.echo(f"  {units_text(cost.charged):>8}  compute units charged")
    for units, word in ((cost.refunded, "refunded"), (cost.reserved, "reserved")):
        if units:
            click.echo(f"  {units_text(units):>8}  {word}")


def verify_command(output: Path, *, as_json: bool) -> ExitCode:
    """Every asset against its sidecar."""
    found: Counter[Finding] = Counter()
    for verified in verify(output):
        found[verified.finding] += 1
        if as_json:
            print_json(
                event="file",
                path=verified.path,
                finding=str(verified.finding),
                detail=verified.detail,
            )
        elif verified.finding is not Finding.OK:
            detail = f": {one_line(verified.detail)}" if verified.detail else ""
            click.echo(f"{verified.finding:>8}  {one_line(verified.path)}{detail}")
    sound = not found.total() - found[Finding.OK]
    code = ExitCode.OK if sound else ExitCode.ITEMS_FAILED
    if as_json:
        counts = {str(finding): found[finding] for finding in Finding}
        print_json(event="done", exit_code=int(code), counts=counts)
        return code
    parts = [f"{found[finding]:,} {finding}" for finding in Finding if found[finding]]
    click.echo(f"{output}: {', '.join(parts) or 'no assets'}")
    if found[Finding.MISSING]:
        click.echo(
            "next: get what is missing, free of charge, with: pipeline fetch MANIFEST"
        )
    return code
