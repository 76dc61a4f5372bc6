"""Output streams: free of known secrets, and a closed pipe does not stop a run."""

import io
import os
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TextIO

from pipeline.redaction import SECRETS


class _CleanStream(io.TextIOWrapper):
    """A text stream that removes known secrets from what is written."""

    def write(self, text: str) -> int:
        super().write(SECRETS.clean(text))
        return len(text)


def clean_output() -> None:
    """Redact everything that this process writes to stdout and stderr.

    This includes tracebacks, logs and warnings of libraries: all of them look up the
    streams.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the parent process
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif isinstance(stream, io.TextIOWrapper):
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
            setattr(sys, name, clean)
            setattr(sys, f"__{name}__", clean)


class tolerate_closed_pipe(AbstractContextManager[None]):  # noqa: N801 - reads as a verb
    """Within the block, a closed pipe is ignored: paid jobs must still be collected.

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
        if not isinstance(error, OSError | SystemExit):
            return False
        # Discard what is buffered, and all that follows.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return True
