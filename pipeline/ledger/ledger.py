"""Ledger: ``record_*`` methods write, ``find_*`` methods read. Synchronous.

Every change of a job's status goes through one statement that requires a legal status
before it, so an illegal transition cannot be written.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.clock import format_utc, parse_utc
from pipeline.errors import ExitCode, LedgerDamaged, LedgerError, UnexpectedAnswer
from pipeline.job import (
    LEGAL_TRANSITIONS,
    UNSURE,
    Asset,
    AssetId,
    FailureClass,
    Job,
    JobKey,
    JobStatus,
    Mark,
    RemoteId,
    committed_units,
)
from pipeline.ledger.connection import SqliteErrors, check_files, connect
from pipeline.ledger.facts import Facts, facts_from, meta_value
from pipeline.ledger.migrations import CURRENT_VERSION, check_version, migrate
from pipeline.ledger.rows import (
    CHANGING_COLUMNS,
    COLUMNS,
    ImpossibleUnits,
    asset_from,
    asset_values,
    changing_values,
    fixed_values,
    job_from,
    mark_from,
    units_from,
)
from pipeline.naming import split_take
from pipeline.record import replace
from pipeline.storage.syncing import can_sync_files

LEDGER_NAME = "ledger.sqlite3"
IN_MEMORY = Path(":memory:")
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM jobs"  # noqa: S608 - constants alone
_UNREADABLE = (ValueError, TypeError, ArithmeticError)
_LEFT_OUT_OF_COSTS = {
    "request": "'{}'",
    "remote_assets": "'[]'",
    "echo": "NULL",
    "finished_at": "NULL",
    "saved_at": "NULL",
}
_SELECT_COSTS = (
    "SELECT "  # noqa: S608 - constants alone
    + ", ".join(_LEFT_OUT_OF_COSTS.get(name, name) for name in COLUMNS)
    + " FROM jobs ORDER BY row_id"
)
_INSERT = (
    f"INSERT INTO jobs ({', '.join(COLUMNS[1:])})"  # noqa: S608 - constants alone
    f" VALUES ({', '.join('?' * len(COLUMNS[1:]))})"
)
_UPDATE = (
    f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in CHANGING_COLUMNS)}"  # noqa: S608 - constants alone
    " WHERE row_id = ?"
)
_IS_LATEST = (
    "attempt = (SELECT max(attempt) FROM jobs AS other"
    " WHERE other.item_id = jobs.item_id)"
)
_LOCKABLE = (
    JobStatus.SAVED,
    JobStatus.SUCCEEDED,
    JobStatus.SUBMITTED,
    FailureClass.DOWNLOAD,
    FailureClass.TIMED_OUT,
)
_IS_LOCKABLE = (
    # The plus signs keep SQLite from an index that would make it sort all rows.
    "+remote_id IS NOT NULL"
    " AND (+status IN (?, ?, ?) OR +status = 'failed' AND failure_class IN (?, ?))"
)
# Known only from a lock file: its files have never been here.
_IS_HEARSAY = "(+status = 'succeeded' AND sent_at IS NULL AND made_with = '')"
_NEWEST_LOCKABLE = (
    f"SELECT row_id FROM jobs AS other WHERE other.item_id = jobs.item_id"  # noqa: S608 - constants alone
    f" AND {_IS_LOCKABLE}"
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


class Ledger:
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
                f" AND ours.status IN ({_marks(before)}))",
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
        created_at = mark.created_at
        with self._translated():
            cursor = self._connection.execute(
                "INSERT INTO marks (created_at, listed, reconciled) VALUES (?, ?, 0)",
                (
                    None if created_at is None else format_utc(created_at),
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

    # --- reading ------------------------------------------------------------

    def find_jobs_of(self, item_id: str) -> list[Job]:
        """Every attempt of an item, newest first; may be empty."""
        return list(self._jobs("WHERE item_id = ? ORDER BY attempt DESC", (item_id,)))

    def find_jobs_in(self, *statuses: JobStatus) -> Iterator[Job]:
        """Jobs in any of ``statuses``, oldest first."""
        return self._jobs(
            f"WHERE status IN ({_marks(statuses)}) ORDER BY row_id", statuses
        )

    def find_unsure_units(self) -> Decimal:
        """Compute units of attempts for which it is unknown whether they made a job."""
        jobs = self.find_jobs_in(*UNSURE)
        return sum((job.committed for job in jobs), Decimal(0))

    def find_latest_jobs_in(self, *statuses: JobStatus) -> Iterator[Job]:
        """Items whose newest attempt is in any of ``statuses``, oldest first."""
        return self._jobs(
            f"WHERE status IN ({_marks(statuses)}) AND {_IS_LATEST} ORDER BY row_id",
            statuses,
        )

    def find_lockable(self) -> Iterator[Job]:
        """The jobs for the lock file, one per item, sorted by item id.

        For each item, its newest attempt that is SAVED (with its assets), SUCCEEDED,
        SUBMITTED, or FAILED although the job or its files may still be available.
        """
        return self._jobs(
            f"WHERE {_IS_LOCKABLE} AND row_id = ifnull("
            f"({_NEWEST_LOCKABLE} AND NOT {_IS_HEARSAY} ORDER BY attempt DESC LIMIT 1),"
            f" ({_NEWEST_LOCKABLE} ORDER BY attempt DESC LIMIT 1)) ORDER BY item_id",
            (*_LOCKABLE, *_LOCKABLE, *_LOCKABLE),
        )

    def find_owned(self, remote_ids: Iterable[RemoteId]) -> set[RemoteId]:
        """The subset of ``remote_ids`` that any row owns."""
        owned = set()
        with self._translated():
            for remote_id in remote_ids:
                if self._connection.execute(
                    "SELECT 1 FROM jobs WHERE remote_id = ?", (remote_id,)
                ).fetchone():
                    owned.add(remote_id)
        return owned

    def find_job(self, remote_id: RemoteId) -> Job | None:
        """The attempt that owns a job of the service, or None."""
        return next(self._jobs("WHERE remote_id = ?", (remote_id,)), None)

    def find_author(self, made_with: str) -> str:
        """The author of the newest job that was sent with an API key, or "".

        Args:
            made_with: The digest of the key.
        """
        with self._translated():
            row = self._connection.execute(
                "SELECT author_id FROM jobs WHERE made_with = ? AND author_id != ''"
                " AND sent_at IS NOT NULL ORDER BY row_id DESC LIMIT 1",
                (made_with,),
            ).fetchone()
        return "" if row is None else str(row[0])

    def find_remote_ids(self, mark_id: int) -> set[RemoteId]:
        """Remote ids of all known jobs that were sent since a mark."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT remote_id FROM jobs"
                " WHERE mark_id >= ? AND remote_id IS NOT NULL",
                (mark_id,),
            ).fetchall()
        return {RemoteId(remote_id) for (remote_id,) in rows}

    def find_without_job(self, mark_ids: Iterable[int]) -> Iterator[Job]:
        """Attempts that were sent after these marks and own no job, newest first."""
        for mark_id in sorted(mark_ids, reverse=True):
            yield from self._jobs(
                "WHERE mark_id = ? AND remote_id IS NULL ORDER BY row_id DESC",
                (mark_id,),
            )

    def find_mark(self, mark_id: int) -> Mark | None:
        """A mark by its number."""
        return next((mark for mark in self._marks("mark_id = ?", (mark_id,))), None)

    def find_open_marks(self) -> list[Mark]:
        """Marks of runs that have not been reconciled, oldest first."""
        return list(self._marks("reconciled = 0"))

    def _marks(self, where: str, values: tuple[object, ...] = ()) -> Iterator[Mark]:
        with self._translated():
            for row in self._connection.execute(
                "SELECT mark_id, created_at, listed FROM marks"  # noqa: S608 - constants alone
                f" WHERE {where} ORDER BY mark_id",
                values,
            ):
                try:
                    yield mark_from(row)
                except (ValueError, TypeError) as error:
                    raise LedgerDamaged(
                        f"{self.path} is damaged: mark {row[0]} cannot be read"
                    ) from error

    def find_paths(self) -> set[str]:
        """Every path of an asset record or a leftover."""
        with self._translated():
            return {
                path
                for (path,) in self._connection.execute(
                    "SELECT path FROM assets UNION ALL SELECT path FROM leftovers"
                )
            }

    def find_leftovers(self) -> dict[str, str]:
        """Leftovers of renames that are not removed yet: path to the path to keep."""
        with self._translated():
            return dict(self._connection.execute("SELECT * FROM leftovers"))

    def copy_in_memory(self) -> "Ledger":
        """A writable copy of this ledger that exists only in memory."""
        copy = Ledger(IN_MEMORY)
        with self._translated():
            self._connection.backup(copy._connection)
            migrate(copy._connection, self.path)
        return copy

    def find_path_owner(self, path: str) -> str | None:
        """The item whose newest asset record names this path, or None."""
        with self._translated():
            row = self._connection.execute(
                "SELECT item_id FROM assets JOIN jobs USING (row_id) WHERE path = ?"
                " ORDER BY row_id DESC LIMIT 1",
                (path,),
            ).fetchone()
        return None if row is None else str(row[0])

    def find_last_end(self) -> datetime | None:
        """When the newest run ended; None without one, or if it did not end."""
        with self._translated():
            row = self._connection.execute(
                "SELECT ended_at FROM runs ORDER BY run_id DESC LIMIT 1"
            ).fetchone()
        try:
            return None if row is None or row[0] is None else parse_utc(row[0])
        except (ValueError, TypeError) as error:
            raise LedgerDamaged(
                f"{self.path} is damaged: the end of its newest run cannot be read"
            ) from error

    def find_last_row_id(self) -> int:
        """The highest row number; 0 if there are no rows."""
        with self._translated():
            (last,) = self._connection.execute(
                "SELECT ifnull(max(row_id), 0) FROM jobs"
            ).fetchone()
        return int(last)

    def find_row_ids(self, item_id: str) -> list[int]:
        """The numbers of an item's rows."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT row_id FROM jobs WHERE item_id = ?", (item_id,)
            ).fetchall()
        return [row_id for (row_id,) in rows]

    def find_last_attempt(self, item_id: str) -> int:
        """The number of an item's newest attempt; 0 if there is none."""
        with self._translated():
            (attempt,) = self._connection.execute(
                "SELECT ifnull(max(attempt), 0) FROM jobs WHERE item_id = ?", (item_id,)
            ).fetchone()
        return int(attempt)

    def has_takes(self) -> bool:
        """Whether any item has a row of a further take."""
        with self._translated():
            row = self._connection.execute(
                "SELECT 1 FROM jobs WHERE instr(item_id, '@') LIMIT 1"
            ).fetchone()
        return row is not None

    def find_take_ids(self, base_id: str) -> list[str]:
        """The job ids of an item's takes that have rows, sorted by number."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT DISTINCT item_id FROM jobs"
                # The sign after @ is A.
                " WHERE item_id = ? OR item_id > ? AND item_id < ?",
                (base_id, f"{base_id}@", f"{base_id}A"),
            ).fetchall()
        known = [job_id for (job_id,) in rows if split_take(job_id)[0] == base_id]
        return sorted(known, key=lambda job_id: split_take(job_id)[1])

    def find_step_ids(self, base_id: str) -> list[str]:
        """The job ids of an item's steps that have rows, sorted."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT DISTINCT item_id FROM jobs"
                # The sign after + is a comma.
                " WHERE item_id > ? AND item_id < ? ORDER BY item_id",
                (f"{base_id}+", f"{base_id},"),
            ).fetchall()
        return [job_id for (job_id,) in rows]

    def find_items(self) -> Iterator[tuple[str, int]]:
        """Every item that has a row, with the number of its oldest; sorted by id."""
        with self._translated():
            yield from self._connection.execute(
                "SELECT item_id, min(row_id) FROM jobs GROUP BY item_id"
            )

    def has_request(
        self, *, job_key: JobKey, request_key: JobKey, not_of: str = ""
    ) -> bool:
        """Whether a row of another item has one of these keys."""
        with self._translated():
            row = self._connection.execute(
                "SELECT 1 FROM jobs WHERE job_key = ? AND item_id <> ? UNION ALL"
                " SELECT 1 FROM jobs WHERE request_key = ? AND item_id <> ? LIMIT 1",
                (job_key, not_of, request_key, not_of),
            ).fetchone()
        return row is not None

    def find_items_asking(
        self, *, job_key: JobKey, request_key: JobKey
    ) -> list[tuple[str, int]]:
        """Items with a row that has one of these keys, and its number, oldest first."""
        with self._translated():
            return self._connection.execute(
                "SELECT item_id, min(row_id) AS oldest FROM"
                " (SELECT item_id, row_id FROM jobs WHERE job_key = ? UNION"
                " SELECT item_id, row_id FROM jobs WHERE request_key = ?)"
                " GROUP BY item_id ORDER BY oldest",
                (job_key, request_key),
            ).fetchall()

    def find_assets_of(self, item_id: str) -> list[tuple[int, Asset]]:
        """Every asset record of an item's rows, each with its row's number."""
        return [
            (row_id, asset)
            for row_id in self.find_row_ids(item_id)
            for asset in self._assets_of(row_id)
        ]

    def find_content(self, asset_id: AssetId) -> str:
        """The SHA-256 of what an asset of the service holds, or "" if unknown."""
        with self._translated():
            row = self._connection.execute(
                "SELECT sha256 FROM contents WHERE asset_id = ?", (asset_id,)
            ).fetchone()
        return "" if row is None else str(row[0])

    def find_asset_ids(self, sha256: str) -> list[AssetId]:
        """Every asset id under which the service made this content."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT asset_id FROM contents WHERE sha256 = ?", (sha256,)
            ).fetchall()
        return [AssetId(asset_id) for (asset_id,) in rows]

    def find_uploads(self, project_id: str) -> dict[str, AssetId]:
        """SHA-256 → asset id of every uploaded reference of a project."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT sha256, asset_id FROM uploads WHERE project_id = ?",
                (project_id,),
            ).fetchall()
        return {sha256: AssetId(asset_id) for sha256, asset_id in rows}

    def find_facts(self) -> Facts:
        """The facts about the whole ledger.

        If no run has bound the ledger yet, service and project are those of its first
        job.

        Raises:
            LedgerDamaged: A fact cannot be read.
        """
        with self._translated():
            meta = dict(self._connection.execute("SELECT key, value FROM meta"))
            if "base_url" not in meta:
                origin = self._connection.execute(
                    "SELECT base_url, project_id FROM jobs ORDER BY row_id LIMIT 1"
                ).fetchone()
                if origin is not None:
                    meta |= zip(("base_url", "project_id"), origin, strict=True)
        try:
            return facts_from(meta)
        except _UNREADABLE as error:
            raise LedgerDamaged(f"{self.path} is damaged: {error}") from error

    def count_by_status(self) -> dict[JobStatus, int]:
        """The number of items in each status, by their newest attempt."""
        with self._translated():
            rows = self._connection.execute(
                f"SELECT status, count(*) FROM jobs WHERE {_IS_LATEST} GROUP BY status"  # noqa: S608 - constants alone
            ).fetchall()
        try:
            return {JobStatus(status): count for status, count in rows}
        except ValueError as error:
            raise LedgerDamaged(f"{self.path} is damaged: {error}") from error

    def find_commitments(self) -> Iterator[tuple[int, JobStatus, Decimal]]:
        """Row id, status and committed compute units of every attempt."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT row_id, status, quoted, charged, refunded, remote_id,"
                " failure_class FROM jobs"
            )
            for row_id, status, quoted, charged, refunded, remote_id, kind in rows:
                try:
                    units = committed_units(
                        JobStatus(status),
                        quoted=units_from(quoted),
                        charged=units_from(charged),
                        refunded=units_from(refunded),
                        is_submitted=remote_id is not None,
                        kind=None if kind is None else FailureClass(kind),
                    )
                except ImpossibleUnits as error:
                    raise self._edited(row_id, error) from error
                except (ValueError, ArithmeticError) as error:
                    raise LedgerDamaged(
                        f"{self.path} is damaged: job {row_id} cannot be read"
                    ) from error
                yield row_id, JobStatus(status), units

    def find_overcharges(self) -> Iterator[tuple[Decimal, Decimal]]:
        """Quoted and charged units of every attempt charged above its quote."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT quoted, charged FROM jobs"
                " WHERE CAST(charged AS REAL) > CAST(quoted AS REAL)"
            )
            for quoted, charged in rows:
                try:
                    yield Decimal(quoted), Decimal(charged)
                except ArithmeticError:
                    continue  # reported when the whole row is read

    def find_costs(self) -> Iterator[Job]:
        """Every attempt, oldest first, with only the columns that its cost needs.

        Left out are the request, the echo, the assets, and the times after the submit.
        """
        with self._translated():
            for row in self._connection.execute(_SELECT_COSTS):
                try:
                    job = job_from(row, ())
                except ImpossibleUnits as error:
                    raise self._edited(row[0], error) from error
                except (*_UNREADABLE, AttributeError) as error:
                    raise LedgerDamaged(
                        f"{self.path} is damaged: job {row[0]} cannot be read",
                        hint="run again: the ledger is set aside and rebuilt",
                    ) from error
                yield job

    def find_item_ids(self) -> Iterator[str]:
        """Every item that has an attempt, each once, sorted."""
        with self._translated():
            for (item_id,) in self._connection.execute(
                "SELECT DISTINCT item_id FROM jobs ORDER BY item_id"
            ):
                yield item_id

    # --- inside -------------------------------------------------------------

    def _write_assets(self, row_id: int, job: Job) -> None:
        # A path has one owner: the file of an earlier attempt is no longer there.
        self._connection.executemany(
            "DELETE FROM assets WHERE path = ?",
            [(asset.path,) for asset in job.assets],
        )
        self._connection.executemany(
            "INSERT INTO assets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [asset_values(row_id, asset) for asset in job.assets],
        )
        self._write_contents(job)

    def _write_contents(self, job: Job) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO contents VALUES (?, ?)",
            [(asset.asset_id, asset.sha256) for asset in job.assets],
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
                f"{_UPDATE} AND status IN ({_marks(before)})",
                (*changing_values(job, status), job.row_id, *before),
            )
        if cursor.rowcount != 1:
            raise IllegalTransition(
                f"{job.item_id}: no legal transition from {job.status} to {status}"
            )
        return replace(job, status=status)

    def _jobs(self, where: str, values: tuple[object, ...] = ()) -> Iterator[Job]:
        with self._translated():
            for row in self._connection.execute(f"{_SELECT} {where}", values):
                try:
                    job = job_from(row, ())
                except ImpossibleUnits as error:
                    raise self._edited(row[0], error) from error
                except (ValueError, TypeError, ArithmeticError) as error:
                    raise LedgerDamaged(
                        f"{self.path} is damaged: job {row[0]} cannot be read",
                        hint="run again: the ledger is set aside and rebuilt",
                    ) from error
                if job.status is JobStatus.SAVED:
                    job = replace(job, assets=self._assets_of(job.row_id))
                yield job

    def _assets_of(self, row_id: int) -> tuple[Asset, ...]:
        rows = self._connection.execute(
            "SELECT output_index, asset_id, path, sha256, size_bytes, media_type,"
            " width_px, height_px, role FROM assets WHERE row_id = ?"
            " ORDER BY output_index",
            (row_id,),
        )
        return tuple(map(asset_from, rows))

    def _edited(self, row_id: int, error: ImpossibleUnits) -> LedgerError:
        # Not LedgerDamaged: a rebuilt ledger would not know what this row has cost.
        return LedgerError(
            f"{self.path} has an impossible amount for job {row_id}:"
            f" {str(error)[:40]} units",
            hint="restore a copy of the file, or correct the number; nothing is paid"
            " for until then",
        )

    def _translated(self) -> SqliteErrors:
        return SqliteErrors(self.path)


def _marks(values: tuple[object, ...]) -> str:
    return ", ".join("?" * len(values))
