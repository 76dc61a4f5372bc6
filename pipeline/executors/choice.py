"""The text of ``--executor`` → where assets are fetched. Pure."""

import os
import re

from pipeline.errors import UsageError
from pipeline.record import Struct

HERE = "here"
_MOST_PROCESSES = 256
_EXAMPLES = "write processes:4, dask:local, dask:tcp://host:8786, or here"


class Choice(Struct, frozen=True, kw_only=True):
    """Where assets are fetched; in this process if nothing is set.

    Attributes:
        processes: How many processes of their own; 0 for none.
        scheduler: The address of a Dask scheduler; "" for none.
        is_local: Whether a Dask cluster is started on this machine.
    """

    processes: int = 0
    scheduler: str = ""
    is_local: bool = False

    @property
    def is_here(self) -> bool:
        """Whether it is this process."""
        return self == Choice()


def check_executor(text: str) -> str:
    """The text itself, if it can be read.

    Raises:
        UsageError: It cannot.
    """
    parse_executor(text)
    return text


def parse_executor(text: str) -> Choice:
    """Read where assets are to be fetched.

    Args:
        text: ``here`` or "", ``processes:4``, ``dask:local``, ``dask:tcp://host:8786``.

    Raises:
        UsageError: Anything else.
    """
    kind, _, rest = text.strip().partition(":")
    if text.strip() in {"", HERE}:
        return Choice()
    if text == "processes":
        return Choice(processes=os.cpu_count() or 1)
    if kind == "processes" and re.fullmatch(r"[1-9]\d{0,2}", rest):
        return Choice(processes=min(int(rest), _MOST_PROCESSES))
    if (kind, rest) == ("dask", "local"):
        return Choice(is_local=True)
    if kind == "dask" and re.fullmatch(r"(tcp|tls)://[^\s/@]+:\d+", rest):
        return Choice(scheduler=rest)
    shown = text if "@" not in text else "…@…"  # there may be a password before it
    raise UsageError(f"--executor '{shown[:100]}' is not known", hint=_EXAMPLES)
