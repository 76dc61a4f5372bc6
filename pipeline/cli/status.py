"""``status``: what the ledger says about a manifest, in numbers and reasons."""

from collections.abc import Mapping
from pathlib import Path

import click

from pipeline.cli.console.money import units_text
from pipeline.cli.console.printing import failure_line, print_json
from pipeline.cli.console.text import one_line, plural
from pipeline.cli.loading import load
from pipeline.errors import ExitCode
from pipeline.job import JobStatus
from pipeline.operations.spend import Sum
from pipeline.operations.status import read_status
from pipeline.units import units_number

_FAILURES_SHOWN = 20


def status_command(
    manifest: Path,
    *,
    output: Path | None,
    emulate: bool,
    profile: str,
    allow_outside: bool,
    as_json: bool,
) -> ExitCode:
    """Print counts and reasons from the ledger."""
    loaded, folder = load(
        manifest,
        output=output,
        emulate=emulate,
        profile=profile,
        allow_outside=allow_outside,
    )
    status = read_status(folder, loaded.review)
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
            stale=list(status.stale),
        )
        return ExitCode.OK
    click.echo(f"{loaded.name}: {plural(loaded.item_count, 'item')} → {folder}")
    _show_counts(counts, cost)
    for job in troubled[:_FAILURES_SHOWN]:
        click.echo(failure_line(job.item_id, job.failure.reason if job.failure else ""))
    if len(troubled) > _FAILURES_SHOWN:
        click.echo(f"  … and {len(troubled) - _FAILURES_SHOWN:,} more")
    for sentence in status.stale[:_FAILURES_SHOWN]:
        click.echo(f"  {one_line(sentence)}")
    if len(status.stale) > _FAILURES_SHOWN:
        click.echo(f"  … and {len(status.stale) - _FAILURES_SHOWN:,} more decisions")
    return ExitCode.OK


def _show_counts(counts: Mapping[JobStatus, int], cost: Sum) -> None:
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
