"""Output whose reader may go away, which stops nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def whoever_reads(stream: TextIO) -> Iterator[None]:
    """A reader who has gone is no reason to leave what is paid for.

    rich ends the process when its reader has gone, so that is held back too.
    """
    try:
        yield
    except (OSError, SystemExit):
        # What is buffered, and all that follows, goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
