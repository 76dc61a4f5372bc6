"""Output: it holds no known secret, and its reader may go away, which stops nothing."""

import io
import os
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TextIO

from pipeline.redaction import SECRETS


class _CleanStream(io.TextIOWrapper):
    """Text as it is written, without known secrets."""

    def write(self, text: str) -> int:
        super().write(SECRETS.clean(text))
        return len(text)


def clean_output() -> None:
    """Let all that this process writes to stdout and stderr pass the redactor.

    Tracebacks, logs and warnings of libraries too: they all look the streams up.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif isinstance(stream, io.TextIOWrapper):
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
            setattr(sys, name, clean)
            setattr(sys, f"__{name}__", clean)


class tolerate_closed_pipe(AbstractContextManager[None]):  # noqa: N801 - reads as a clause
    """A reader who has gone is no reason to leave what is paid for.

    rich ends the process when its reader has gone, so that is held back too.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, OSError | SystemExit):
            return False
        # What is buffered, and all that follows, goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return True
