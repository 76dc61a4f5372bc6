"""``validate``, ``plan`` and ``status``: what spends nothing and changes nothing."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from pipeline.cli.text import one_line, plural, printable
from pipeline.errors import ExitCode, ManifestError
from pipeline.job import JobStatus
from pipeline.launch import open_for_reading, output_folder, plan
from pipeline.manifest import load_manifest, validate_manifest
from pipeline.planning import Action, PlannedItem, Selection
from pipeline.planning.decision import SIGNS
from pipeline.verification import Finding, verify

LISTED_ITEMS = 100  # more are grouped by their template, unless --long
_FAILURES_SHOWN = 20


def validate_command(manifest: Path, *, allow_outside: bool, as_json: bool) -> ExitCode:
    """Every fault of the manifest at once."""
    try:
        loaded, count = validate_manifest(manifest, allow_outside=allow_outside)
    except ManifestError as error:
        if not as_json:
            raise
        print_faults(error)
        print_json(event="done", exit_code=int(error.exit_code))
        return error.exit_code
    for warning in loaded.warnings:
        click.echo(f"warning: {printable(warning)}", err=True)
    if as_json:
        print_json(event="done", exit_code=0, counts={"items": count})
    else:
        click.echo(f"{loaded.file}: {plural(count, 'item')}, no faults")
    return ExitCode.OK


def plan_command(
    manifest: Path,
    *,
    output: Path | None,
    emulate: bool,
    select: tuple[str, ...],
    limit: int | None,
    force: bool,
    allow_outside: bool,
    as_json: bool,
    long_form: bool,
) -> ExitCode:
    """What a run would do to each item and why."""
    loaded = load_manifest(manifest, allow_outside=allow_outside)
    listing = _PlanListing(as_json=as_json, long_form=long_form)
    made = plan(
        loaded,
        output=output,
        emulate=emulate,
        selection=Selection(globs=select, limit=limit, force=force),
        on_item=listing.add,
    )
    for warning in loaded.warnings:
        click.echo(f"warning: {printable(warning)}", err=True)
    listing.finish()
    counts = {str(action): made.counts[action] for action in Action}
    if as_json:
        print_json(event="plan", counts=counts, cost={"quoted": None})
        return ExitCode.OK
    parts = [
        f"{made.counts[action]:,} to {word}"
        for action, word in (
            (Action.SUBMIT, "submit"),
            (Action.SETTLE, "settle"),
            (Action.COLLECT, "collect"),
            (Action.FETCH, "fetch"),
        )
        if made.counts[action]
    ]
    parts += [
        f"{made.counts[action]:,} {word}"
        for action, word in ((Action.DONE, "done"), (Action.SKIP, "failed for good"))
        if made.counts[action]
    ]
    click.echo(f"{plural(made.total, 'item')}: {', '.join(parts) or 'nothing to do'}")
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
        charged = ledger.total_charged()
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
            cost={"charged": float(charged)},
        )
        return ExitCode.OK
    click.echo(f"{loaded.name}: {plural(loaded.item_count, 'item')} → {folder}")
    for status in JobStatus:
        if counts[status]:
            click.echo(f"  {counts[status]:>8,}  {status}")
    if not counts:
        click.echo("  nothing has been submitted yet")
    else:
        click.echo(f"  {charged:>8,}  compute units charged, refunds not taken off")
    for job in troubled[:_FAILURES_SHOWN]:
        click.echo(failure_line(job.item_id, job.failure.reason if job.failure else ""))
    if len(troubled) > _FAILURES_SHOWN:
        click.echo(f"  … and {len(troubled) - _FAILURES_SHOWN:,} more")
    return ExitCode.OK


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


def failure_line(item_id: str, reason: str) -> str:
    """``x oak: why``, in one line."""
    return f"x {one_line(item_id)}: {one_line(reason) or 'no reason given'}"


def print_faults(error: ManifestError) -> None:
    """A line of JSON for each fault."""
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
    """One line of JSON on stdout, at once; ASCII, whatever the stream's encoding."""
    click.echo(json.dumps(fields))


class _PlanListing:
    """Items as they are planned → lines; many are grouped by template and action."""

    def __init__(self, *, as_json: bool, long_form: bool) -> None:
        self._as_json = as_json
        self._long_form = long_form
        self._lines: list[str] | None = []
        self._groups: Counter[tuple[str, Action]] = Counter()

    def add(self, planned: PlannedItem) -> None:
        if self._as_json:
            print_json(
                event="item",
                item_id=planned.item.item_id,
                action=str(planned.action),
                reason=planned.reason,
                line=planned.item.line,
            )
            return
        sign = SIGNS[planned.action]
        line = f"{sign} {planned.item.item_id}: {one_line(planned.reason)}"
        if self._long_form:
            click.echo(line)
            return
        self._groups[planned.item.template_id, planned.action] += 1
        if self._lines is not None:
            self._lines.append(line)
            if len(self._lines) > LISTED_ITEMS:
                self._lines = None

    def finish(self) -> None:
        if self._lines is not None:
            for line in self._lines:
                click.echo(line)
            return
        for (template_id, action), count in self._groups.items():
            click.echo(f"{SIGNS[action]} {template_id}: {count:,} to {action}")
