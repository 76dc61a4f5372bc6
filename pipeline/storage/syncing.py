"""fsync, where the file system can do it.

Some network drives and FUSE file systems refuse to sync a folder, some even a file.
What is written is there all the same; only a power cut may lose it. So a refusal is no
error: it is remembered, and said once. A disk that is full or fails is an error.
"""

import errno
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

_REFUSALS = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.ENOSYS}
    | {errno.EPERM, errno.EACCES}
)
# A folder is opened for reading, and some systems sync only what is open for writing.
_FOLDER_REFUSALS = _REFUSALS | {errno.EBADF}


class Unsynced(NamedTuple):
    """What a file system has refused to sync.

    Attributes:
        path: The first file or folder.
        reason: The system's words.
    """

    path: Path
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be synced ({self.reason}): files are saved there, but"
            " a power cut may lose the newest of them"
        )


class _Noted:
    """The first refusal since it was last asked for; written in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first: Unsynced | None = None

    def note(self, path: Path, error: OSError) -> None:
        with self._lock:
            if self._first is not None:
                return
            reason = error.strerror or str(error)
            self._first = Unsynced(path=path, reason=reason)
            logger.info("%s", self._first)

    def take(self) -> Unsynced | None:
        with self._lock:
            first, self._first = self._first, None
        return first


_NOTED = _Noted()


@contextmanager
def _noting_refusals(
    path: Path, refusals: frozenset[int] = _REFUSALS
) -> Iterator[None]:
    """Remember that the file system refuses to sync; other errors are raised."""
    try:
        yield
    except OSError as error:
        if error.errno not in refusals:
            raise
        _NOTED.note(path, error)


def sync_file(descriptor: int, path: Path) -> None:
    """Make the content of an open file durable; blocking.

    Args:
        descriptor: Open for writing.
        path: What to name where the file system refuses.

    Raises:
        OSError: The disk is full or fails.
    """
    with _noting_refusals(path):
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; blocking.

    Raises:
        OSError: The disk fails, or the folder is missing.
    """
    if os.name != "posix":
        return  # other systems cannot open a folder, and journal renames
    with _noting_refusals(folder, _FOLDER_REFUSALS):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def can_sync_files(folder: Path) -> bool:
    """Whether the file system of a folder takes the sync of a file; blocking.

    For programs that sync by themselves and take a refusal for a broken disk.
    """
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed below
    except OSError:
        return True  # whoever writes there is told what is wrong
    with file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno in _REFUSALS:
                _NOTED.note(folder, error)
                return False
    return True


def take_unsynced() -> Unsynced | None:
    """The first refusal since the last call, or None."""
    return _NOTED.take()
