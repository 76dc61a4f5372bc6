"""Ledger: ``record_*`` methods write, ``find_*`` methods read. Synchronous.

The reading ones are in ``reader``. Every change of a job's status goes through one
statement that requires a legal status before it, so an illegal transition cannot be
written.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.clock import format_utc, format_utc_or_none
from pipeline.errors import ExitCode, LedgerDamaged, UnexpectedAnswer
from pipeline.job import (
    LEGAL_TRANSITIONS,
    Asset,
    AssetId,
    Job,
    JobStatus,
    Mark,
)
from pipeline.ledger.connection import check_files, connect
from pipeline.ledger.facts import Facts, meta_value
from pipeline.ledger.migrations import CURRENT_VERSION, check_version, migrate
from pipeline.ledger.reader import LedgerReader
from pipeline.ledger.rows import (
    ASSET_COLUMNS,
    CHANGING_COLUMNS,
    COLUMNS,
    asset_values,
    changing_values,
    checks_text,
    fixed_values,
    placeholders,
)
from pipeline.record import replace
from pipeline.storage.atomic_file import storage_errors
from pipeline.storage.files import sha256_of
from pipeline.storage.syncing import can_sync_files

LEDGER_NAME = "ledger.sqlite3"
IN_MEMORY = Path(":memory:")
_INSERT = (
    f"INSERT INTO jobs ({', '.join(COLUMNS[1:])})"  # noqa: S608 - constants alone
    f" VALUES ({', '.join('?' * len(COLUMNS[1:]))})"
)
_INSERT_ASSET = (
    f"INSERT INTO assets (row_id, {', '.join(ASSET_COLUMNS)})"  # noqa: S608 - constants alone
    f" VALUES (?{', ?' * len(ASSET_COLUMNS)})"
)
_UPDATE = (
    f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in CHANGING_COLUMNS)}"  # noqa: S608 - constants alone
    " WHERE row_id = ?"
)
_BEFORE = {
    status: tuple(
        before for before, after in LEGAL_TRANSITIONS.items() if status in after
    )
    for status in JobStatus
}


def _sync_of(path: Path) -> str:
    """How SQLite syncs; it takes a file system that refuses to for a broken disk."""
    return "FULL" if path == IN_MEMORY or can_sync_files(path.parent) else "OFF"


class IllegalTransition(Exception):
    """A bug: a job was to change to a status that may not follow its current one."""


class Ledger(LedgerReader):
    """One open ledger file.

    Args:
        path: The file; created if missing, unless ``read_only``. ``IN_MEMORY`` for a
            ledger without a file.
        read_only: For ``status`` and ``plan``: works while a run writes.

    Attributes:
        path: As given.
        is_current: Whether the tables have the current version. A reader of older
            tables has to copy the ledger.

    Raises:
        LedgerError: The file is damaged, of a newer version, or locked by another
            program.
        OutputError: The file cannot be created, is a link out of its folder, or is not
            a regular file.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.is_current = True
        if path != IN_MEMORY:
            check_files(path)
        with self._translated():
            self._connection = connect(path, read_only=read_only)
            try:
                if not read_only:
                    self._connection.execute(f"PRAGMA synchronous = {_sync_of(path)}")
                    self._connection.execute("PRAGMA journal_mode = WAL")
                    migrate(self._connection, path)
                else:
                    version = check_version(self._connection, path)
                    self.is_current = version == CURRENT_VERSION
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the last connection to close merges the WAL into it."""
        self._connection.close()

    def check(self) -> None:
        """Check the whole file if the last run did not end cleanly.

        Raises:
            LedgerDamaged: Parts of it cannot be read.
        """
        self.find_facts()
        with self._translated():
            last = self._connection.execute(
                "SELECT exit_code FROM runs ORDER BY run_id DESC LIMIT 1"
            ).fetchone()
            if last is None or last[0] not in {None, int(ExitCode.STORAGE)}:
                return
            (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise LedgerDamaged(f"{self.path} is damaged: {verdict}")
        if last[0] is not None:
            for _ in self._jobs(""):
                pass  # the pages may be sound, but not the rows in them

    def copy_in_memory(self) -> "Ledger":
        """A writable copy of this ledger that exists only in memory."""
        copy = Ledger(IN_MEMORY)
        with self._translated():
            self._connection.backup(copy._connection)
            migrate(copy._connection, self.path)
        return copy

    def copy_history_of(self, other: "Ledger") -> None:
        """Record what another ledger knows besides its jobs, marks and facts.

        That is its uploads, the contents of assets, and its runs. What is known already
        is not recorded again.
        """
        uploads, contents, runs = other.find_history()
        with self._translated():
            write = self._connection.executemany
            write("INSERT OR IGNORE INTO uploads VALUES (?, ?, ?, ?)", uploads)
            write("INSERT OR IGNORE INTO contents VALUES (?, ?)", contents)
            write(
                "INSERT INTO runs (started_at, ended_at, exit_code)"
                " SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM runs"
                " WHERE started_at = ?1 AND ended_at IS ?2 AND exit_code IS ?3)",
                runs,
            )

    def replace_with(self, other: "Ledger") -> None:
        """Replace all that this ledger has by a copy of another one, or nothing of it.

        Raises:
            OutputError: The disk is full or fails.
        """
        with self._translated():
            other._connection.backup(self._connection)  # noqa: SLF001 - same class

    # --- transactions, for the writer ---------------------------------------

    def begin(self) -> None:
        """Begin a transaction for the writes that follow."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the writes since :meth:`begin` durable (fsync).

        Raises:
            OutputError: The disk is full or fails; none of the writes is durable.
        """
        with self._translated():
            self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Discard the writes since :meth:`begin`; no effect outside a transaction."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    # --- writing ------------------------------------------------------------

    def record_submitting(self, job: Job) -> Job:
        """Record the write-ahead intent to submit ``job``, before anything is sent.

        A job without a row gets a new one.

        Returns:
            The job as SUBMITTING, with its row id.
        """
        return self._insert_or_advance(job, JobStatus.SUBMITTING)

    def record_submitted(self, job: Job) -> Job:
        """Record that the service has accepted the job; ``remote_id`` must be set.

        If another row in flight has the same remote id, it loses it and becomes
        UNKNOWN: it had adopted the job before this submit's answer arrived.

        Raises:
            UnexpectedAnswer: Another row owns the job, and it has already ended.
        """
        before = _BEFORE[JobStatus.SUBMITTED]
        with self._translated():
            owner = self._connection.execute(
                "SELECT item_id, status FROM jobs"
                " WHERE remote_id = ? AND row_id != ? AND status != ?",
                (job.remote_id, job.row_id, JobStatus.SUBMITTED),
            ).fetchone()
            if owner is not None:
                raise UnexpectedAnswer(
                    f"the service answered with job {job.remote_id}, which belongs to"
                    f" item {owner[0]} and is {owner[1]}"
                )
            self._connection.execute(
                "UPDATE jobs SET remote_id = NULL, status = ?"  # noqa: S608 - constants alone
                " WHERE remote_id = ? AND row_id != ? AND EXISTS"
                " (SELECT 1 FROM jobs AS ours WHERE ours.row_id = ?"
                f" AND ours.status IN ({placeholders(before)}))",
                (JobStatus.UNKNOWN, job.remote_id, job.row_id, job.row_id, *before),
            )
        return self._advance(job, JobStatus.SUBMITTED)

    def record_planned(self, job: Job) -> Job:
        """Record that the submit was refused without a charge, or made no job.

        A job without a row gets a new one.
        """
        return self._insert_or_advance(job, JobStatus.PLANNED)

    def record_unknown(self, job: Job) -> Job:
        """Record that the submit's answer was lost."""
        return self._advance(job, JobStatus.UNKNOWN)

    def record_unsettled(self, job: Job) -> Job:
        """Record why a job stays UNKNOWN, unless its status has changed meanwhile."""
        with self._translated():
            self._connection.execute(
                f"{_UPDATE} AND status = ?",
                (
                    *changing_values(job, JobStatus.UNKNOWN),
                    job.row_id,
                    JobStatus.UNKNOWN,
                ),
            )
        return job

    def record_failed(self, job: Job) -> Job:
        """Record that the job ended without an asset; ``failure`` says why."""
        return self._insert_or_advance(job, JobStatus.FAILED)

    def record_succeeded(self, job: Job) -> Job:
        """Record the assets that the service has made."""
        return self._advance(job, JobStatus.SUCCEEDED)

    def record_saved(self, job: Job) -> Job:
        """Record that the files of ``job.assets`` and their sidecars are in place."""
        saved = self._advance(job, JobStatus.SAVED)
        with self._translated():
            self._connection.execute(
                "DELETE FROM assets WHERE row_id = ?", (job.row_id,)
            )
            self._write_assets(job.row_id, job)
        return saved

    def record_found(self, job: Job) -> None:
        """Record a SAVED job that is known only from a sidecar."""
        self.record_saved(self._insert_or_advance(job, JobStatus.SUCCEEDED))

    def record_made(self, job: Job) -> None:
        """Record a SUCCEEDED job that is known only from the sidecar of another."""
        self._insert_or_advance(job, JobStatus.SUCCEEDED)

    def record_salvaged(self, job: Job) -> None:
        """Record a row of a damaged ledger as a new row, with any status."""
        with self._translated():
            cursor = self._connection.execute(
                _INSERT, (*fixed_values(job), *changing_values(job, job.status))
            )
            self._write_assets(cursor.lastrowid or 0, job)

    def record_locked(self, job: Job) -> None:
        """Record a job from a lock file as a new attempt, unless a row owns it.

        Its ``assets`` are left out: until they are fetched, a file at such a path may
        have any origin.
        """
        if job.remote_id is None or self.find_owned([job.remote_id]):
            return
        with self._translated():
            job = replace(job, attempt=self.find_last_attempt(job.item_id) + 1)
            self._connection.execute(
                _INSERT, (*fixed_values(job), *changing_values(job, job.status))
            )
            self._write_contents(job)

    def record_renamed(self, old: str, new: str, paths: Mapping[str, str]) -> int:
        """Move every attempt of an item to its new id, after attempts already there.

        Args:
            old: The old id of the item.
            new: The new id.
            paths: Old path to new path of its assets; the old paths are recorded as
                leftovers.

        Returns:
            The offset added to the attempt numbers: the attempts that the new id had.
        """
        with self._translated():
            own = self.find_last_attempt(new)
            moved = self._connection.execute(
                "UPDATE jobs SET item_id = ?, attempt = attempt + ? WHERE item_id = ?",
                (new, own, old),
            ).rowcount
        self.record_relocated(paths)
        return own if moved else 0

    def record_reassigned(
        self, new: str, attempts: Mapping[int, int], paths: Mapping[str, str]
    ) -> None:
        """Give attempts to another item.

        Args:
            new: The item.
            attempts: The number of the row, to its number among the item's attempts.
            paths: Old path to new path of their assets; as for
                :meth:`record_relocated`.
        """
        with self._translated():
            self._connection.executemany(
                "UPDATE jobs SET item_id = ?, attempt = ? WHERE row_id = ?",
                [(new, attempt, row_id) for row_id, attempt in attempts.items()],
            )
        self.record_relocated(paths)

    def record_relocated(self, paths: Mapping[str, str]) -> None:
        """Record that files have moved, and that they are still at the old paths too.

        Args:
            paths: Old path to new path of assets.
        """
        self.record_moved(paths)
        self.forget_leftovers(paths.values())
        self.record_leftovers(paths)

    def record_leftovers(self, paths: Mapping[str, str]) -> None:
        """Record files that can be removed, because they are at another path too.

        Args:
            paths: The path to remove, to the path to keep.
        """
        with self._translated():
            self._connection.executemany(
                "INSERT OR REPLACE INTO leftovers VALUES (?, ?)", paths.items()
            )

    def record_moved(self, paths: Mapping[str, str]) -> None:
        """Record that assets have moved: old path to new path."""
        with self._translated():
            for prefix_before, prefix in (("", "\n"), ("\n", "")):
                # In two steps: a new path may be the old path of another asset.
                self._connection.executemany(
                    "UPDATE assets SET path = ? WHERE path = ?",
                    [
                        (prefix + new, prefix_before + (new if prefix_before else old))
                        for old, new in paths.items()
                    ],
                )

    def record_checks(self, row_id: int, asset: Asset) -> None:
        """Record what the checks of an asset found since it was saved."""
        with self._translated():
            self._connection.execute(
                "UPDATE assets SET checks = ?, likeness = ?"
                " WHERE row_id = ? AND path = ?",
                (checks_text(asset.checks), asset.likeness, row_id, asset.path),
            )

    def forget_assets(self, paths: Iterable[str]) -> None:
        """Delete the asset records of these paths; their files are gone for good."""
        with self._translated():
            self._connection.executemany(
                "DELETE FROM assets WHERE path = ?", [(path,) for path in paths]
            )

    def forget_leftovers(self, paths: Iterable[str]) -> None:
        """Delete the leftover records of these paths."""
        with self._translated():
            self._connection.executemany(
                "DELETE FROM leftovers WHERE path = ?", [(path,) for path in paths]
            )

    def record_upload(
        self, sha256: str, project_id: str, asset_id: AssetId, now: datetime
    ) -> None:
        """Record the asset id under which the service holds this content."""
        with self._translated():
            self._connection.execute(
                "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)",
                (sha256, project_id, asset_id, format_utc(now)),
            )

    def forget_upload(self, sha256: str, project_id: str) -> None:
        """Forget the asset id of this content: the service may no longer hold it."""
        with self._translated():
            self._connection.execute(
                "DELETE FROM uploads WHERE sha256 = ? AND project_id = ?",
                (sha256, project_id),
            )

    def record_mark(self, mark: Mark) -> Mark:
        """Record a mark for the submits that follow."""
        with self._translated():
            cursor = self._connection.execute(
                "INSERT INTO marks (created_at, listed, reconciled) VALUES (?, ?, 0)",
                (
                    format_utc_or_none(mark.created_at),
                    json.dumps(mark.listed),
                ),
            )
        return replace(mark, mark_id=cursor.lastrowid or 0)

    def record_reconciled(self, mark_ids: Iterable[int]) -> None:
        """Record that every job made since these marks was compared with the rows."""
        with self._translated():
            self._connection.executemany(
                "UPDATE marks SET reconciled = 1 WHERE mark_id = ?",
                [(mark_id,) for mark_id in mark_ids],
            )

    def snapshot(self, path: Path) -> str:
        """Write a compact copy to a new or empty file, while others may read.

        Returns:
            The SHA-256 of its bytes in hex.

        Raises:
            OutputError: The disk is full or not writable.
        """
        with self._translated():
            self._connection.execute("VACUUM INTO ?", (str(path),))
        with storage_errors(path), path.open("rb") as file:
            return sha256_of(file)

    def record_facts(self, **facts: str | tuple[str, ...] | datetime | None) -> None:
        """Record facts about the whole ledger; None deletes one.

        Args:
            facts: Attributes of :class:`Facts`.
        """
        unknown = facts.keys() - set(Facts.__struct_fields__)
        assert not unknown, unknown
        with self._translated():
            for key, value in facts.items():
                text = meta_value(value)
                if text is None:
                    self._connection.execute("DELETE FROM meta WHERE key = ?", (key,))
                else:
                    self._connection.execute(
                        "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, text)
                    )

    def bind_project(self, project_id: str) -> str:
        """Record the project of the key, unless one is already recorded.

        Returns:
            The project that the ledger is now bound to, or "".
        """
        bound = self.find_facts().key_project
        if not bound and project_id:
            self.record_facts(key_project=project_id)
        return bound or project_id

    def record_manifest(self, name: str) -> None:
        """Record that a manifest with this name uses the ledger."""
        names = self.find_facts().manifests
        if name not in names:
            names = (*names, name)
        self.record_facts(manifest=name, manifests=names)

    def record_run_started(self, now: datetime) -> int:
        """Record the start of a run; returns its run id."""
        with self._translated():
            cursor = self._connection.execute(
                "INSERT INTO runs (started_at) VALUES (?)", (format_utc(now),)
            )
        return int(cursor.lastrowid or 0)

    def record_run_ended(self, run_id: int, now: datetime, exit_code: int) -> None:
        """Record the end of a run, with its exit code."""
        with self._translated():
            self._connection.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ? WHERE run_id = ?",
                (format_utc(now), exit_code, run_id),
            )

    # --- inside -------------------------------------------------------------

    def _write_assets(self, row_id: int, job: Job) -> None:
        # A path has one owner: the file of an earlier attempt is no longer there.
        self._connection.executemany(
            "DELETE FROM assets WHERE path = ?",
            [(asset.path,) for asset in job.assets],
        )
        self._connection.executemany(
            _INSERT_ASSET,
            [asset_values(row_id, asset) for asset in job.assets],
        )
        self._write_contents(job)

    def _write_contents(self, job: Job) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO contents VALUES (?, ?)",
            [(asset.asset_id, asset.content_sha256) for asset in job.assets],
        )

    def _insert_or_advance(self, job: Job, status: JobStatus) -> Job:
        if job.row_id:
            return self._advance(job, status)
        with self._translated():
            cursor = self._connection.execute(
                _INSERT, (*fixed_values(job), *changing_values(job, status))
            )
        return replace(job, row_id=cursor.lastrowid or 0, status=status)

    def _advance(self, job: Job, status: JobStatus) -> Job:
        before = _BEFORE[status]
        with self._translated():
            cursor = self._connection.execute(
                f"{_UPDATE} AND status IN ({placeholders(before)})",
                (*changing_values(job, status), job.row_id, *before),
            )
        if cursor.rowcount != 1:
            raise IllegalTransition(
                f"{job.item_id}: no legal transition from {job.status} to {status}"
            )
        return replace(job, status=status)
