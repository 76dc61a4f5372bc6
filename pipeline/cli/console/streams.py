"""Output: it holds no known secret, and its reader may go away, which stops nothing.

A result that cannot be written is an error, though, such as on a full disk. What is
only said on stderr may be lost.
"""

import errno
import io
import os
import sys
from codecs import lookup
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import TextIO

from pipeline.errors import OutputError
from pipeline.redaction import SECRETS

_STREAMS = ("stdin", "stdout", "stderr")  # in the order of their descriptors


class ResultLost(OutputError):
    """What a command prints on stdout cannot be written."""


class _CleanStream(io.TextIOWrapper):
    """Text as it is written, without known secrets.

    Attributes:
        holds_result: Whether it is stdout.
        lost: Why some of it is lost, or None. All that follows goes nowhere.
    """

    holds_result = False
    lost: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As it is, but for ASCII: click goes past such a stream, to its buffer."""
        name = super().encoding
        return "utf-8" if lookup(name).name == "ascii" else name

    def write(self, text: str) -> int:
        try:
            super().write(SECRETS.clean(text))
        except OSError as error:
            self.take(error)
        return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self.take(error)

    def take(self, error: OSError) -> None:
        """Go on with stderr; on stdout, tell a lost result from a reader who has gone.

        Raises:
            ResultLost: It is stdout, and it cannot be written.
            OSError: Its reader has gone.
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
        hint="free some space or give it another place, then type the same again",
    )


def _drain(stream: TextIO) -> None:
    """What is buffered, and all that follows, goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
    with suppress(OSError, ResultLost):
        stream.flush()


def clean_output() -> None:
    """Let all that this process writes to stdout and stderr pass the redactor.

    Tracebacks, logs and warnings of libraries too: they all look the streams up.
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
                # An old Windows code page has no arrow: a substitute, not a crash.
                errors="backslashreplace",
                line_buffering=is_line_buffered,
                write_through=is_written_through,
            )
            clean.holds_result = name == "stdout"
            setattr(sys, name, clean)
            setattr(sys, f"__{name}__", clean)


def _open_closed() -> None:
    """Give the streams that our caller has closed a descriptor of their own.

    Otherwise the next file that is opened would get it. Nothing can be read from them,
    and what is written to stdout is lost.
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
    """Write a line to stdout that holds a secret, because it was asked for by name.

    Raises:
        ResultLost: It cannot be written.
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
    """Why some of what belongs on stdout is not there, or None."""
    stream = sys.stdout
    with suppress(OSError, ResultLost):
        stream.flush()
    lost = stream.lost if isinstance(stream, _CleanStream) else None
    return None if lost is None else _lost(lost)


class whoever_reads(AbstractContextManager[None]):  # noqa: N801 - reads as a clause
    """A reader who has gone is no reason to leave what is paid for, nor a full disk.

    rich ends the process when its reader has gone, so that is held back too. What is
    lost on stdout is remembered: see :func:`find_lost_result`.
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
