"""``resolve``: the user's decision about an item whose outcome is unknown."""

import asyncio
from pathlib import Path

import click

from pipeline.cli.text import one_line
from pipeline.errors import ExitCode, UsageError
from pipeline.manifest import load_manifest
from pipeline.output_folder import output_folder
from pipeline.resolution import Resolution, resolve


def resolve_command(
    manifest: Path,
    item: str,
    *,
    adopt: str | None,
    resubmit: bool,
    give_up: bool,
    output: Path | None,
    emulate: bool,
    allow_outside: bool,
) -> ExitCode:
    """Write the decision into the ledger; a later run acts on it."""
    chosen = [adopt is not None, resubmit, give_up]
    if sum(chosen) != 1:
        raise UsageError(
            "resolve takes exactly one of --adopt JOB, --resubmit and --give-up",
            hint="look for the job in the web app first: a second one is paid for too",
        )
    kind = (Resolution.ADOPT, Resolution.RESUBMIT, Resolution.GIVE_UP)[
        chosen.index(True)
    ]
    loaded = load_manifest(manifest, allow_outside=allow_outside)
    folder = output_folder(loaded, output=output, emulate=emulate)
    job = asyncio.run(
        resolve(folder, item, kind, remote_id=adopt or "", emulate=emulate)
    )
    click.echo(f"{one_line(job.item_id)}: {job.status}")
    if kind is not Resolution.GIVE_UP:
        click.echo(f"next: pipeline run {manifest}")
    return ExitCode.OK
