"""``check``: the saved pictures of a manifest against its ``checks:``."""

import os
from pathlib import Path

import click

from pipeline.cli.console.printing import print_json
from pipeline.cli.console.text import one_line, plural
from pipeline.clock import SystemClock
from pipeline.errors import ExitCode
from pipeline.manifest import load_manifest
from pipeline.models.schema import load_shipped_model
from pipeline.operations.check import check, count_open
from pipeline.operations.connection import offline_catalog
from pipeline.output.folder import output_folder


def check_command(
    manifest: Path,
    *,
    output: Path | None,
    emulate: bool,
    allow_outside: bool,
    as_json: bool,
) -> ExitCode:
    """Check the pictures again, and say which of them need review."""
    catalog = offline_catalog(SystemClock(), os.environ)
    models = load_shipped_model if emulate else catalog.find
    loaded = load_manifest(manifest, allow_outside=allow_outside, models=models)
    folder = output_folder(loaded, output=output, emulate=emulate)
    checked = check(loaded, folder)
    left = count_open(checked)
    code = ExitCode.ITEMS_FAILED if left else ExitCode.OK
    if as_json:
        for one in checked:
            print_json(
                event="check",
                item_id=one.item_id,
                path=one.asset.path,
                needs_review=one.asset.review,
                checks={result.name: result.why for result in one.asset.checks},
            )
        counts = {"passed": len(checked) - left, "needs_review": left}
        print_json(event="done", exit_code=int(code), counts=counts)
        return code
    for one in checked:
        if one.asset.review:
            click.echo(review_line(one.item_id, one.asset.path, one.asset.review))
    said = f"{len(checked) - left:,} passed"
    said += f", {left:,} {'needs' if left == 1 else 'need'} review" if left else ""
    click.echo(f"{folder}: {plural(len(checked), 'picture')} checked, {said}")
    return code


def review_line(item_id: str, path: str, why: str) -> str:
    """``? oak: oak.png: alpha: it has no transparency``, in one line."""
    return f"? {one_line(item_id)}: {one_line(path)}: {one_line(why, 400)}"
