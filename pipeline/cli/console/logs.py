"""Logging, configured only here: to stderr with --debug, to a file with --log-file."""

import logging
import os
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
            handlers.append(logging.FileHandler(log_file, encoding="utf-8"))
        except OSError as error:
            raise OutputError(f"cannot write {log_file}: {error.strerror}") from error
    formatter = _PrintableFormatter(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    for handler in handlers:
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if handlers else logging.WARNING)
