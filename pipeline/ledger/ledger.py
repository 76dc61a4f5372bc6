"""Ledger: ``record_*`` writes, ``find_*`` reads. Synchronous; knows no event loop.

Every change of a job's status goes through one statement that names the legal
statuses before it, so an illegal transition cannot be written.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.clock import format_utc, parse_utc
from pipeline.errors import LedgerError, OutputError
from pipeline.job import (
    LEGAL_TRANSITIONS,
    Asset,
    AssetId,
    Failure,
    FailureClass,
    Job,
    JobKey,
    JobStatus,
    RemoteId,
)
from pipeline.ledger.migrations import CURRENT_VERSION, check_version, migrate

LEDGER_NAME = "ledger.sqlite3"
_BUSY_TIMEOUT_S = 10.0
_STORAGE_ERRORS = (
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
)
_COLUMNS = (
    "row_id, item_id, attempt, job_key, request_key, model_id, status, request, seed,"
    " derived_seed, remote_id, base_url, project_id, author_id, charged, sent_at, submitted_at,"
    " finished_at, saved_at, remote_assets, echo, failure_class, failure_reason,"
    " failure_hint, failure_trace"
)
_INSERT = (
    f"INSERT INTO jobs ({_COLUMNS}) VALUES "  # noqa: S608 - constants alone
    f"(NULL{', ?' * (_COLUMNS.count(','))})"
)
_BEFORE = {
    status: tuple(
        before for before, after in LEGAL_TRANSITIONS.items() if status in after
    )
    for status in JobStatus
}


class Ledger:
    """One open ledger file.

    Args:
        path: The file; made when missing, unless ``read_only``.
        read_only: For ``status`` and ``plan``: works while a run writes.

    Raises:
        LedgerError: Damaged, of a newer version, or locked by another program.
        OutputError: The file cannot be made.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        with self._translated():
            self._connection = _connect(path, read_only=read_only)
            try:
                if not read_only:
                    self._connection.execute("PRAGMA journal_mode = WAL")
                    self._connection.execute("PRAGMA synchronous = FULL")
                    migrate(self._connection, path)
                elif check_version(self._connection, path) < CURRENT_VERSION:
                    raise LedgerError(
                        f"{path} has an older format",
                        hint="the next run brings it up to date",
                    )
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
        """Close the file; the last writer to leave folds the WAL into it."""
        self._connection.close()

    # --- transactions, for the writer ---------------------------------------

    def begin(self) -> None:
        """Open the transaction that following writes share."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the writes since :meth:`begin` durable (fsync).

        Raises:
            OutputError: The disk is full or fails; nothing of it is durable.
        """
        with self._translated():
            self._connection.execute("COMMIT")

    def roll_back(self) -> None:
        """Forget the writes since :meth:`begin`; does nothing outside of one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    # --- writing ------------------------------------------------------------

    def record_submitting(self, job: Job) -> Job:
        """Write the intent to submit ``job``, before the first byte of it leaves.

        A job that is not in the ledger yet becomes a new row.

        Returns:
            The job as SUBMITTING, with its row id.
        """
        return self._insert_or_advance(job, JobStatus.SUBMITTING)

    def record_submitted(self, job: Job) -> Job:
        """Write that the service has taken the job; ``remote_id`` is set.

        Another row that holds the same remote id loses it and becomes UNKNOWN: it
        had adopted a job whose own answer is here now.
        """
        with self._translated():
            self._connection.execute(
                "UPDATE jobs SET remote_id = NULL, status = ?"
                " WHERE remote_id = ? AND row_id != ?",
                (JobStatus.UNKNOWN, job.remote_id, job.row_id),
            )
        return self._advance(job, JobStatus.SUBMITTED)

    def record_planned(self, job: Job) -> Job:
        """Write that the submit was refused unpaid, or is proved not to exist."""
        return self._advance(job, JobStatus.PLANNED)

    def record_unknown(self, job: Job) -> Job:
        """Write that the submit's answer is lost."""
        return self._advance(job, JobStatus.UNKNOWN)

    def record_failed(self, job: Job) -> Job:
        """Write that the job ended without an asset; ``failure`` says why."""
        return self._insert_or_advance(job, JobStatus.FAILED)

    def record_succeeded(self, job: Job) -> Job:
        """Write which assets the service has made."""
        return self._advance(job, JobStatus.SUCCEEDED)

    def record_saved(self, job: Job) -> Job:
        """Write that the files of ``job.assets`` and their sidecars are in place."""
        with self._translated():
            self._connection.execute(
                "DELETE FROM assets WHERE row_id = ?", (job.row_id,)
            )
            self._connection.executemany(
                "INSERT INTO assets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        job.row_id,
                        asset.output_index,
                        asset.asset_id,
                        asset.path,
                        asset.sha256,
                        asset.size_bytes,
                        asset.media_type,
                        asset.width_px,
                        asset.height_px,
                    )
                    for asset in job.assets
                ],
            )
        return self._advance(job, JobStatus.SAVED)

    def record_upload(
        self, sha256: str, project_id: str, asset_id: AssetId, now: datetime
    ) -> None:
        """Remember under which id the service holds this content."""
        with self._translated():
            self._connection.execute(
                "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)",
                (sha256, project_id, asset_id, format_utc(now)),
            )

    def forget_upload(self, sha256: str, project_id: str) -> None:
        """The service no longer holds this content."""
        with self._translated():
            self._connection.execute(
                "DELETE FROM uploads WHERE sha256 = ? AND project_id = ?",
                (sha256, project_id),
            )

    def record_meta(self, key: str, value: str) -> None:
        """Remember one fact about the whole ledger."""
        with self._translated():
            self._connection.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)
            )

    def record_run_started(self, now: datetime) -> int:
        """Remember that a run began; returns its run id."""
        with self._translated():
            cursor = self._connection.execute(
                "INSERT INTO runs (started_at) VALUES (?)", (format_utc(now),)
            )
        return int(cursor.lastrowid or 0)

    def record_run_ended(self, run_id: int, now: datetime, exit_code: int) -> None:
        """Remember how a run ended."""
        with self._translated():
            self._connection.execute(
                "UPDATE runs SET ended_at = ?, exit_code = ? WHERE run_id = ?",
                (format_utc(now), exit_code, run_id),
            )

    # --- reading ------------------------------------------------------------

    def find_jobs_of(self, item_id: str) -> list[Job]:
        """Every attempt of an item, newest first; may be empty."""
        return list(self._jobs("WHERE item_id = ? ORDER BY attempt DESC", (item_id,)))

    def find_jobs_in(self, *statuses: JobStatus) -> Iterator[Job]:
        """Jobs in any of ``statuses``, oldest first."""
        marks = ", ".join("?" * len(statuses))
        return self._jobs(f"WHERE status IN ({marks}) ORDER BY row_id", statuses)

    def find_latest_jobs_in(self, *statuses: JobStatus) -> Iterator[Job]:
        """Items whose newest attempt is in any of ``statuses``, oldest first."""
        marks = ", ".join("?" * len(statuses))
        return self._jobs(
            f"WHERE status IN ({marks}) AND attempt = (SELECT max(attempt) FROM jobs"
            " AS other WHERE other.item_id = jobs.item_id) ORDER BY row_id",
            statuses,
        )

    def find_owned(self, remote_ids: Iterable[RemoteId]) -> set[RemoteId]:
        """Those of ``remote_ids`` that belong to a row, any attempt of any item."""
        owned = set()
        with self._translated():
            for remote_id in remote_ids:
                if self._connection.execute(
                    "SELECT 1 FROM jobs WHERE remote_id = ?", (remote_id,)
                ).fetchone():
                    owned.add(remote_id)
        return owned

    def find_path_owner(self, path: str) -> str | None:
        """The item whose newest asset record names this path, or None."""
        with self._translated():
            row = self._connection.execute(
                "SELECT item_id FROM assets JOIN jobs USING (row_id) WHERE path = ?"
                " ORDER BY row_id DESC LIMIT 1",
                (path,),
            ).fetchone()
        return None if row is None else str(row[0])

    def find_uploads(self, project_id: str) -> dict[str, AssetId]:
        """SHA-256 → asset id of every remembered reference asset of a project."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT sha256, asset_id FROM uploads WHERE project_id = ?",
                (project_id,),
            ).fetchall()
        return {sha256: AssetId(asset_id) for sha256, asset_id in rows}

    def find_meta(self) -> dict[str, str]:
        """All facts about the whole ledger."""
        with self._translated():
            return dict(self._connection.execute("SELECT key, value FROM meta"))

    def count_by_status(self) -> dict[JobStatus, int]:
        """How many items there are in each status, by their newest attempt."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT status, count(*) FROM jobs WHERE attempt ="
                " (SELECT max(attempt) FROM jobs AS other"
                "  WHERE other.item_id = jobs.item_id) GROUP BY status"
            ).fetchall()
        return {JobStatus(status): count for status, count in rows}

    def total_charged(self) -> Decimal:
        """Compute units charged for all jobs ever submitted, refunds not taken off."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT charged FROM jobs WHERE charged IS NOT NULL"
            )
            return sum((Decimal(text) for (text,) in rows), Decimal(0))

    # --- inside -------------------------------------------------------------

    def _insert_or_advance(self, job: Job, status: JobStatus) -> Job:
        if job.row_id:
            return self._advance(job, status)
        with self._translated():
            cursor = self._connection.execute(_INSERT, _row_of(job, status)[1:])
        return replace(job, row_id=cursor.lastrowid or 0, status=status)

    def _advance(self, job: Job, status: JobStatus) -> Job:
        before = _BEFORE[status]
        row = _row_of(job, status)
        marks = ", ".join("?" * len(before))
        with self._translated():
            cursor = self._connection.execute(
                "UPDATE jobs SET status = ?, request = ?, seed = ?, derived_seed = ?, remote_id = ?,"  # noqa: S608 - marks alone
                " base_url = ?, project_id = ?, author_id = ?, charged = ?,"
                " sent_at = ?, submitted_at = ?, finished_at = ?, saved_at = ?,"
                " remote_assets = ?, echo = ?, failure_class = ?, failure_reason = ?,"
                f" failure_hint = ?, failure_trace = ? WHERE row_id = ?"
                f" AND status IN ({marks})",
                (*row[6:], job.row_id, *before),
            )
        if cursor.rowcount != 1:
            raise IllegalTransition(
                f"{job.item_id}: no legal way from {job.status} to {status}"
            )
        return replace(job, status=status)

    def _jobs(self, where: str, values: tuple[object, ...] = ()) -> Iterator[Job]:
        with self._translated():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM jobs {where}",  # noqa: S608 - constants alone
                values,
            )
            for row in rows:
                yield self._job_from(row)

    def _job_from(self, row: tuple[Any, ...]) -> Job:
        status = JobStatus(row[6])
        return Job(
            row_id=row[0],
            item_id=row[1],
            attempt=row[2],
            job_key=JobKey(row[3]),
            request_key=JobKey(row[4]),
            model_id=row[5],
            status=status,
            request=json.loads(row[7]),
            seed=row[8],
            derived_seed=bool(row[9]),
            remote_id=None if row[10] is None else RemoteId(row[10]),
            base_url=row[11],
            project_id=row[12],
            author_id=row[13],
            charged=None if row[14] is None else Decimal(row[14]),
            sent_at=_time(row[15]),
            submitted_at=_time(row[16]),
            finished_at=_time(row[17]),
            saved_at=_time(row[18]),
            remote_assets=tuple(json.loads(row[19])),
            echo=None if row[20] is None else json.loads(row[20]),
            failure=None
            if row[22] is None
            else Failure(
                kind=None if row[21] is None else FailureClass(row[21]),
                reason=row[22],
                hint=row[23] or "",
                trace_id=row[24] or "",
            ),
            assets=self._assets_of(row[0]) if status is JobStatus.SAVED else (),
        )

    def _assets_of(self, row_id: int) -> tuple[Asset, ...]:
        rows = self._connection.execute(
            "SELECT output_index, asset_id, path, sha256, size_bytes, media_type,"
            " width_px, height_px FROM assets WHERE row_id = ? ORDER BY output_index",
            (row_id,),
        )
        return tuple(
            Asset(
                output_index=index,
                asset_id=AssetId(asset_id),
                path=path,
                sha256=sha256,
                size_bytes=size_bytes,
                media_type=media_type,
                width_px=width_px,
                height_px=height_px,
            )
            for index, asset_id, path, sha256, size_bytes, media_type, width_px, height_px in rows  # noqa: E501
        )

    def _translated(self) -> "_SqliteErrors":
        return _SqliteErrors(self.path)


class IllegalTransition(Exception):
    """A bug: a job was to take a step that its life does not have."""


class _SqliteErrors:
    """Within the block, an error of SQLite becomes one of ours."""

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
                hint="close what has it open, then run again",
            ) from error
        if isinstance(error, sqlite3.DatabaseError) and (
            name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
        ):
            raise LedgerError(
                f"{self._path} is damaged: {error}",
                hint="move it away and run again: the sidecars rebuild it",
            ) from error


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
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


def _row_of(job: Job, status: JobStatus) -> tuple[object, ...]:
    failure = job.failure
    return (
        job.row_id,
        job.item_id,
        job.attempt,
        job.job_key,
        job.request_key,
        job.model_id,
        status,
        json.dumps(job.request or {}, ensure_ascii=False),
        job.seed,
        int(job.derived_seed),
        job.remote_id,
        job.base_url,
        job.project_id,
        job.author_id,
        None if job.charged is None else str(job.charged),
        _text(job.sent_at),
        _text(job.submitted_at),
        _text(job.finished_at),
        _text(job.saved_at),
        json.dumps(job.remote_assets),
        None if job.echo is None else json.dumps(job.echo, ensure_ascii=False),
        None if failure is None else failure.kind,
        None if failure is None else failure.reason,
        None if failure is None else failure.hint,
        None if failure is None else failure.trace_id,
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else format_utc(moment)


def _time(text: str | None) -> datetime | None:
    return None if text is None else parse_utc(text)
