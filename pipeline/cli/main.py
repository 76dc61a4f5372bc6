"""The program: dispatch, and errors → a message and an exit code.

Only click is imported at the top. Each command imports what it needs when it runs, so
that ``--help`` is fast.
"""

import gc
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

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
        _show_misuse(error)
        return ExitCode.USAGE
    except PipelineError as error:
        if not isinstance(error, ResultLost):  # printed at the end
            _show(error)
        return error.exit_code
    except SystemExit:
        # click exits like this, silently, when the reader of our output has closed it.
        return ExitCode.OK
    except Exception:  # noqa: BLE001 - a bug: show all of it
        traceback.print_exc()
        _say("this is a bug in pipeline: please report it with the lines above")
        return ExitCode.BUG
    return result if isinstance(result, ExitCode) else ExitCode.OK


def _show_misuse(error: click.ClickException) -> None:
    if isinstance(error, click.MissingParameter) and _is_manifest(error.param):
        _show(_no_manifest(error))
        return
    error.show()
    if isinstance(error, click.NoSuchOption) and error.option_name in _REMOVED_OPTIONS:
        _say(f"  next: {_REMOVED_OPTIONS[error.option_name]}")


def _is_manifest(parameter: click.Parameter | None) -> bool:
    return parameter is not None and parameter.name == "manifest"


def _no_manifest(error: click.MissingParameter) -> UsageError:
    """The error of a command without its manifest: names one that is there."""
    command = error.ctx.info_name if error.ctx is not None else "run"
    found = [
        path
        for folder in (Path("manifests"), Path())
        for path in sorted(folder.glob("[!.]*.y*ml"))
    ]
    example = found[0].as_posix() if found else "icons.yaml"
    hint = shlex.join(["pipeline", command or "run", example])
    more = f" (there are {len(found):,} YAML files here)" if len(found) > 1 else ""
    return UsageError(f"no manifest is named: which YAML file?{more}", hint=hint)


def _with_result_kept(code: ExitCode) -> ExitCode:
    """The exit code, or that of a lost result if stdout could not be written."""
    lost = find_lost_result()
    if lost is None or code is ExitCode.BUG:
        return code
    _show(lost)
    return lost.exit_code


def _show(error: PipelineError) -> None:
    if isinstance(error, ManifestError):
        for fault in error.faults:
            _say(str(fault))
        if isinstance(error.__cause__, UsageError):  # to be fixed too
            _show(error.__cause__)
        return
    _say(f"error: {error.message}")
    if error.hint:
        _say(f"  next: {error.hint}")


def _say(text: str) -> None:
    from pipeline.cli.console.printing import say
    from pipeline.cli.console.text import printable

    with tolerate_closed_pipe(sys.stderr):
        say(printable(text), err=True)
