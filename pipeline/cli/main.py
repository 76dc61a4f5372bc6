"""The program: dispatch, and errors → a message and an exit code.

Only click is imported at the top. Each command imports what it needs when it runs, so
that ``--help`` is fast.
"""

import gc
import sys
import traceback
from collections.abc import Sequence

import click

from pipeline.cli.commands import cli
from pipeline.cli.console.streams import (
    ResultLost,
    clean_output,
    find_lost_result,
    tolerate_closed_pipe,
)
from pipeline.errors import ExitCode, ManifestError, PipelineError, UsageError

# Measured: a tenth of the CPU of many short jobs, and a thirtieth of a start.
_OBJECTS_PER_COLLECTION = 50_000


# Removed options, and what to use instead.
_REMOVED_OPTIONS = {"--rate": "use --rpm N, the most requests per minute"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    gc.set_threshold(_OBJECTS_PER_COLLECTION)
    clean_output()
    code = _with_result_kept(run_command(arguments))
    gc.freeze()  # the process ends: no need to collect what is left
    sys.exit(int(code))


def run_command(arguments: Sequence[str] | None = None) -> ExitCode:
    """Run one command; the only place that turns errors into exit codes.

    Args:
        arguments: The command line without the program's name; None for ``sys.argv``.
    """
    try:
        result = cli.main(
            None if arguments is None else list(arguments),
            prog_name="pipeline",
            standalone_mode=False,
        )
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        if (
            isinstance(error, click.NoSuchOption)
            and error.option_name in _REMOVED_OPTIONS
        ):
            _say(f"  next: {_REMOVED_OPTIONS[error.option_name]}")
        elif hint := _hint_for_missing(error):
            _say(f"  next: {hint}")
        return ExitCode.USAGE
    except PipelineError as error:
        if not isinstance(error, ResultLost):  # printed at the end
            show_error(error)
        return error.exit_code
    except SystemExit:
        # click exits like this, silently, when the reader of our output has closed it.
        return ExitCode.OK
    except Exception:  # noqa: BLE001 - a bug: show all of it
        traceback.print_exc()
        _say("this is a bug in pipeline: please report it with the lines above")
        return ExitCode.BUG
    return result if isinstance(result, ExitCode) else ExitCode.OK


def _hint_for_missing(error: click.ClickException) -> str:
    from pipeline.cli.missing_manifest import next_for

    return next_for(error)


def _with_result_kept(code: ExitCode) -> ExitCode:
    """The exit code, or that of a lost result if stdout could not be written."""
    lost = find_lost_result()
    if lost is None or code is ExitCode.BUG:
        return code
    show_error(lost)
    return lost.exit_code


def show_error(error: PipelineError) -> None:
    """Print an error with its next step."""
    if isinstance(error, ManifestError):
        from pipeline.cli.ci.log import annotate_faults

        for fault in error.faults:
            _say(str(fault))
        annotate_faults(error)
        if isinstance(error.__cause__, UsageError):  # to be fixed too
            show_error(error.__cause__)
        return
    _say(f"error: {error.message}")
    if error.hint:
        _say(f"  next: {error.hint}")


def _say(text: str) -> None:
    from pipeline.cli.console.printing import say
    from pipeline.cli.console.text import printable

    with tolerate_closed_pipe(sys.stderr):
        say(printable(text), err=True)
