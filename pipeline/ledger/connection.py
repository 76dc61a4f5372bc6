"""Opens SQLite files, and translates SQLite's errors into ours."""

import sqlite3
from pathlib import Path
from types import TracebackType

from pipeline.errors import LedgerDamaged, LedgerError, OutputError
from pipeline.storage.regular_file import check_own

_BUSY_TIMEOUT_S = 10.0
_STORAGE_ERRORS = (
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
)


def check_files(path: Path) -> None:
    """Refuse links and special files, which SQLite would follow or wait for.

    Raises:
        OutputError: The file, or one that SQLite keeps beside it, is a link out of its
            folder, or not a regular file.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        check_own(path.with_name(path.name + suffix))


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the file; the threads of one ledger share the connection."""
    if read_only:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            timeout=_BUSY_TIMEOUT_S,
            check_same_thread=False,
        )
    return sqlite3.connect(
        path,
        isolation_level=None,
        timeout=_BUSY_TIMEOUT_S,
        check_same_thread=False,
    )


class SqliteErrors:
    """A context manager that translates SQLite's errors into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, sqlite3.Error):
            return
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(_STORAGE_ERRORS):
            raise OutputError(
                f"cannot write {self._path}: {error}",
                hint="free some space or make the folder writable, then run again",
            ) from error
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise LedgerError(
                f"{self._path} is locked by another program",
                hint="close the program that has it open, then run again",
            ) from error
        # Text that Python cannot decode has no SQLite error code.
        if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or (
            not name and "decode" in str(error)
        ):
            raise LedgerDamaged(
                f"{self._path} is damaged: {error}",
                hint="run again: the ledger is set aside and rebuilt from the sidecars",
            ) from error
