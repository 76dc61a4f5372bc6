"""Output streams: free of known secrets, and a closed pipe does not stop a run.

A result that cannot be written, such as on a full disk, is an error. Messages on
stderr may be lost without one.
"""

import errno
import io
import os
import stat
import sys
from codecs import lookup
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import TextIO

from pipeline.cli.console.workflow import CommandFilter, is_github
from pipeline.errors import OutputError
from pipeline.redaction import SECRETS

_STREAMS = ("stdin", "stdout", "stderr")  # in the order of their descriptors


class ResultLost(OutputError):
    """The output of a command cannot be written to stdout."""


class _CleanStream(io.TextIOWrapper):
    """A text stream that removes known secrets from what is written.

    Attributes:
        holds_result: Whether this is stdout.
        lost: The error that lost some of the text, or None. All later text is dropped.
        commands: Makes what GitHub would take for a command harmless; None elsewhere.
    """

    holds_result = False
    lost: OSError | None = None
    commands: CommandFilter | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding, but UTF-8 for ASCII: click bypasses an ASCII stream."""
        name = super().encoding
        return "utf-8" if lookup(name).name == "ascii" else name

    def write(self, text: str) -> int:
        clean = SECRETS.clean(text)
        if self.commands is not None:
            clean = self.commands.clean(clean)
        try:
            super().write(clean)
        except OSError as error:
            self.take(error)
        return len(text)

    def write_command(self, command: str) -> None:
        """Write a line that GitHub is to take for a command."""
        try:
            super().write(SECRETS.clean(f"{command}\n"))
            super().flush()
        except OSError as error:
            self.take(error)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.take(error)

    def take(self, error: OSError) -> None:
        """Handle a failed write: ignore it on stderr, raise it on stdout.

        Raises:
            ResultLost: Stdout cannot be written.
            OSError: The reader of stdout has closed it.
        """
        _drain(self)
        if not self.holds_result:
            return
        if error.errno == errno.EPIPE:
            raise error
        if self.lost is None:
            self.lost = error
        raise _lost(error)


def _lost(error: OSError) -> ResultLost:
    return ResultLost(
        f"cannot write to stdout: {error.strerror or error}",
        hint="free some space or redirect stdout elsewhere, then run again",
    )


def _drain(stream: TextIO) -> None:
    """Discard what is buffered, and all that follows."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    with suppress(OSError, ResultLost):
        stream.flush()


def clean_output() -> None:
    """Redact everything that this process writes to stdout and stderr.

    This includes tracebacks, logs and warnings of libraries: all of them look up the
    streams.
    """
    _open_closed()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            encoding, is_line_buffered = stream.encoding, stream.line_buffering
            is_written_through = stream.write_through
            clean = _CleanStream(
                stream.detach(),
                encoding=encoding,
                # An old Windows code page has no arrow: write a substitute, do not
                # crash.
                errors="backslashreplace",
                line_buffering=is_line_buffered,
                write_through=is_written_through,
            )
            clean.holds_result = name == "stdout"
            if is_github(os.environ) and not _is_file(clean):
                clean.commands = CommandFilter()
            setattr(sys, name, clean)
            setattr(sys, f"__{name}__", clean)


def _is_file(stream: TextIO) -> bool:
    """Whether a stream leads to a file, which no runner reads for commands."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # it has no descriptor
        return False


def send_command(command: str) -> None:
    """Send GitHub's runner a command, as made by ``workflow_command``, on stderr."""
    stream = sys.stderr
    with tolerate_closed_pipe(stream):
        if isinstance(stream, _CleanStream):
            stream.write_command(command)
        else:
            stream.write(f"{command}\n")


def _open_closed() -> None:
    """Open a descriptor for each standard stream that the parent process has closed.

    Otherwise the next file that is opened would get its number. Such a stream has
    nothing to read, and what is written to stdout is lost.
    """
    for number, name in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


def write_unchanged(text: str) -> None:
    """Write a line to stdout past the filter of secrets: the user asked for it.

    Raises:
        ResultLost: The line cannot be written.
    """
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(f"{text}\n".encode())
        sys.stdout.buffer.flush()
    except OSError as error:
        if isinstance(sys.stdout, _CleanStream):
            sys.stdout.take(error)
        raise


def find_lost_result() -> ResultLost | None:
    """The error if some of the output to stdout could not be written, or None."""
    stream = sys.stdout
    with suppress(OSError, ResultLost):
        stream.flush()
    lost = stream.lost if isinstance(stream, _CleanStream) else None
    return None if lost is None else _lost(lost)


class tolerate_closed_pipe(AbstractContextManager[None]):  # noqa: N801 - reads as a verb
    """Within the block, a closed pipe is ignored: paid jobs must still be collected.

    So is a stream that cannot be written, such as on a full disk; what is lost on
    stdout is remembered: see :func:`find_lost_result`.
    rich exits the process on a closed pipe, so that exit is suppressed too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, OSError | SystemExit | ResultLost):
            return False
        _drain(self._stream)
        return True
