"""Logging, configured only here: to stderr with --debug, to a file with --log-file."""

import logging
import os
import sys
import time
from pathlib import Path

from pipeline.cli.console.text import printable
from pipeline.errors import OutputError

_LOG_FLAGS = os.O_CREAT | os.O_APPEND | os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)
_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"


class _PrintableFormatter(logging.Formatter):
    """Removes terminal control characters and known secrets from each line."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


class _LogFile(logging.FileHandler):
    """A log file; on a full disk the run goes on, and says once that it lacks lines."""

    _has_failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        error = sys.exc_info()[1]
        if not self._has_failed and isinstance(error, OSError):
            text = f"warning: the log file cannot be written: {error.strerror or error}"
            sys.stderr.write(printable(f"{text}\n"))
        self._has_failed = True


def configure_logging(*, debug: bool, log_file: Path | None) -> None:
    """Send the package's log where the user wants it; nowhere by default.

    Raises:
        OutputError: The log file cannot be written.
    """
    logger = logging.getLogger("pipeline")
    logger.handlers.clear()
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    handlers: list[logging.Handler] = []
    if debug:
        handlers.append(logging.StreamHandler())
    if log_file is not None:
        try:
            # Created here, so that neither group nor others may write, whatever the
            # umask. A pipe without a reader is an error, instead of blocking until
            # there is one.
            os.close(os.open(log_file, _LOG_FLAGS, 0o644))
            handlers.append(_LogFile(log_file, encoding="utf-8"))
        except OSError as error:
            raise OutputError(f"cannot write {log_file}: {error.strerror}") from error
    formatter = _PrintableFormatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    for handler in handlers:
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if handlers else logging.WARNING)
