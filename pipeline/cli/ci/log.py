"""The log of a step on GitHub: parts of it that are folded once they are complete."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.cli.console.streams import send_command
from pipeline.report.annotations import workflow_command


@contextmanager
def folded(title: str) -> Iterator[None]:
    """Within the block, everything that is printed belongs to one group of the log."""
    send_command(workflow_command("group", title))
    try:
        yield
    finally:
        send_command(workflow_command("endgroup"))
