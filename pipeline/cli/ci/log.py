"""The log of a step on GitHub: folded groups, and marks in the files of the user."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.cli.ci.github import find_checkout
from pipeline.cli.ci.places import place_in
from pipeline.cli.console.streams import send_command
from pipeline.cli.console.text import printable
from pipeline.cli.console.workflow import is_github
from pipeline.errors import ManifestError
from pipeline.report.annotations import render_annotations, workflow_command
from pipeline.report.outcomes import Outcomes, Problem


@contextmanager
def folded(title: str) -> Iterator[None]:
    """Within the block, everything that is printed belongs to one group of the log."""
    send_command(workflow_command("group", title))
    try:
        yield
    finally:
        send_command(workflow_command("endgroup"))


def annotate(outcomes: Outcomes) -> None:
    """Mark the worst of the outcomes in the files of the user."""
    for line in render_annotations(outcomes):
        send_command(line)


def annotate_faults(error: ManifestError) -> None:
    """On GitHub, mark the first faults of a manifest in its files."""
    if is_github(os.environ):
        problems = problems_of(error, find_checkout(os.environ))
        annotate(Outcomes(problems=problems))


def problems_of(error: ManifestError, checkout: Path | None) -> list[Problem]:
    """The faults of a manifest, for a report."""
    return [
        Problem(
            message=printable(fault.message),
            hint=printable(fault.hint),
            place=place_in(checkout, fault.file, fault.line, fault.column),
        )
        for fault in error.faults
    ]
