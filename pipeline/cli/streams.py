"""Output whose reader may go away, which stops nothing."""

import os
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TextIO


class whoever_reads(AbstractContextManager[None]):  # noqa: N801 - reads as a clause
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
