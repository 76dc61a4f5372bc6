"""Opens SQLite files, and translates SQLite's errors into ours."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from shutil import copyfile
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
_NOT_ALLOWED = ("SQLITE_CANTOPEN", "SQLITE_READONLY")


def check_files(path: Path) -> None:
    """Refuse links and special files, which SQLite would follow or wait for.

    Raises:
        OutputError: The file, or one that SQLite keeps beside it, is a link out of its
            folder, or not a regular file.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        check_own(path.with_name(path.name + suffix))


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open the file; the threads of one ledger share the connection.

    Args:
        path: The file.
        read_only: Open it for reading, even in a folder that cannot be written.

    Raises:
        OutputError: It cannot be read.
    """
    if not read_only:
        return _open(str(path))
    try:
        return _open_checked(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith(_NOT_ALLOWED):
            raise
    try:
        return _connect_in_locked_folder(path)
    except (sqlite3.OperationalError, OSError) as error:
        raise OutputError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}",
            hint="make the folder and its files readable for you, then try again",
        ) from error


def _connect_in_locked_folder(path: Path) -> sqlite3.Connection:
    """Open the file in a folder where SQLite cannot create its other files.

    Without a WAL, the file contains everything. With one, a copy of both is read.
    """
    wal = path.with_name(f"{path.name}-wal")
    if not wal.exists() or not wal.stat().st_size:
        return _open_checked(path, "mode=ro&immutable=1")
    memory = _open(":memory:")
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            copy = Path(folder) / path.name
            copyfile(path, copy)
            copyfile(wal, copy.with_name(wal.name))
            with closing(_open(str(copy))) as opened:
                opened.backup(memory)
        memory.execute("PRAGMA query_only = ON")
    except BaseException:
        memory.close()
        raise
    return memory


def _open_checked(path: Path, mode: str) -> sqlite3.Connection:
    """Open the file and read from it: SQLite does not touch it before that."""
    connection = _open(f"{path.absolute().as_uri()}?{mode}", uri=True)
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _open(name: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        name,
        uri=uri,
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
            hint = "free some space, then run again"
            if name.startswith(_NOT_ALLOWED):
                hint = "make the folder writable, or choose another --output"
            raise OutputError(
                f"cannot write {self._path}: {error}", hint=hint
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
