"""Events of a run → the lines of ``--json``."""

from decimal import Decimal

from pipeline.cli.console.printing import print_json
from pipeline.errors import ExitCode
from pipeline.operations.event_fields import done_fields, event_fields
from pipeline.running.events import Event
from pipeline.running.result import RunResult


def tell_event(event: Event) -> None:
    """Print an event of a run; those of slots are not told."""
    fields = event_fields(event)
    if fields is not None:
        print_json(**fields)


def tell_done(result: RunResult | None, code: ExitCode, *, charged: Decimal) -> None:
    """Print the end of a run.

    Args:
        result: None for a run that ended with an error.
        code: The exit code.
        charged: Units that were reported as charged.
    """
    print_json(**done_fields(result, code, charged=charged))
