"""``verify``: every file of an output folder against its sidecar."""

from collections import Counter
from pathlib import Path

import click

from pipeline.assets.checks.recorded import Finding
from pipeline.cli.console.printing import print_json
from pipeline.cli.console.text import one_line
from pipeline.errors import ExitCode
from pipeline.operations.verify import verify


def verify_command(output: Path, *, as_json: bool) -> ExitCode:
    """Check every asset against its sidecar."""
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
            "next: download what is missing, free, with: pipeline fetch MANIFEST"
        )
    return code
