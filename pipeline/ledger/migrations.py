"""Migrations: upgrade a ledger of any version to the current tables.

The version is the number of steps taken, in SQLite's ``user_version``.
"""

import sqlite3
from importlib.resources import files
from pathlib import Path

from pipeline.errors import LedgerError

# Step N upgrades user_version N to N + 1; released steps are never edited.
STEPS: tuple[str, ...] = tuple(
    (files(__package__) / name).read_text("utf-8")
    for name in (
        "schema.sql",
        "schema_2_prices.sql",
        "schema_3_names.sql",
        "schema_4_marks.sql",
        "schema_5_contents.sql",
        "schema_6_roles.sql",
    )
)
CURRENT_VERSION = len(STEPS)


def find_version(connection: sqlite3.Connection) -> int:
    """The version of the tables; 0 for an empty file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def check_version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the tables.

    Args:
        connection: The open file.
        path: For messages.

    Raises:
        LedgerError: The file was made by a newer version of this tool.
    """
    version = find_version(connection)
    if version > CURRENT_VERSION:
        raise LedgerError(
            f"{path} was written by a newer version of pipeline "
            f"(format {version}; this version reads up to {CURRENT_VERSION})",
            hint="upgrade scenario-pipeline",
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Execute the missing steps, each with its version number in one transaction.

    Raises:
        LedgerError: As for :func:`check_version`, or the file belongs to another
            program.
    """
    for version in range(check_version(connection, path), CURRENT_VERSION):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{STEPS[version]}\n"
                f"PRAGMA user_version = {version + 1};\nCOMMIT;"
            )
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_ERROR":
                raise
            raise LedgerError(
                f"{path} is the database of another program: {error}",
                hint="move it away, or choose another --output",
            ) from error
