"""The ``find_*`` methods of the ledger. Synchronous."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.clock import parse_utc
from pipeline.errors import LedgerDamaged, LedgerError
from pipeline.job import (
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
from pipeline.ledger.connection import SqliteErrors
from pipeline.ledger.facts import Facts, facts_from
from pipeline.ledger.rows import (
    ASSET_COLUMNS,
    COLUMNS,
    ImpossibleUnits,
    asset_from,
    job_from,
    mark_from,
    placeholders,
    units_from,
)
from pipeline.naming import split_take
from pipeline.record import replace

_SELECT = f"SELECT {', '.join(COLUMNS)} FROM jobs"  # noqa: S608 - constants alone
_UNREADABLE = (ValueError, TypeError, ArithmeticError)
_LEFT_OUT_OF_COSTS = {
    "request": "'{}'",
    "remote_assets": "'[]'",
    "echo": "NULL",
    "saved_at": "NULL",
}
_SELECT_COSTS = (
    "SELECT "  # noqa: S608 - constants alone
    + ", ".join(_LEFT_OUT_OF_COSTS.get(name, name) for name in COLUMNS)
    + " FROM jobs ORDER BY row_id"
)
_SELECT_ASSETS = f"SELECT {', '.join(ASSET_COLUMNS)} FROM assets"  # noqa: S608 - constants alone
_SELECT_SIGNS = (
    "SELECT row_id, item_id, status, remote_id, charged, quoted, refunded,"
    " submitted_at, finished_at, saved_at, failure_reason, failure_hint FROM jobs"
)
_SELECT_FILE_SIGNS = (
    "SELECT row_id, path, sha256, original_sha256, checks FROM assets"
    " ORDER BY row_id, output_index"
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


class LedgerReader:
    """Reads one open ledger file; :class:`Ledger` opens it.

    Attributes:
        path: As given to :class:`Ledger`.

    Raises:
        LedgerError: The file is damaged, of a newer version, or locked by another
            program.
    """

    path: Path
    _connection: sqlite3.Connection

    def find_jobs_of(self, item_id: str) -> list[Job]:
        """Every attempt of an item, newest first; may be empty."""
        return list(self._jobs("WHERE item_id = ? ORDER BY attempt DESC", (item_id,)))

    def find_jobs_in(self, *statuses: JobStatus) -> Iterator[Job]:
        """Jobs in any of ``statuses``, oldest first."""
        return self._jobs(
            f"WHERE status IN ({placeholders(statuses)}) ORDER BY row_id", statuses
        )

    def find_unsure_units(self) -> Decimal:
        """Compute units of attempts for which it is unknown whether they made a job."""
        jobs = self.find_jobs_in(*UNSURE)
        return sum((job.committed for job in jobs), Decimal(0))

    def find_latest_jobs_in(self, *statuses: JobStatus) -> Iterator[Job]:
        """Items whose newest attempt is in any of ``statuses``, oldest first."""
        return self._jobs(
            f"WHERE status IN ({placeholders(statuses)}) AND {_IS_LATEST}"
            " ORDER BY row_id",
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

    def find_files_of(self, item_id: str) -> list[tuple[Job, Asset]]:
        """Every asset record of an item, with the attempt that made it."""
        jobs = {job.row_id: job for job in self.find_jobs_of(item_id)}
        return [(jobs[row], asset) for row, asset in self.find_assets_of(item_id)]

    def find_content(self, asset_id: AssetId) -> str:
        """The SHA-256 of an asset as the service made it, or "" if unknown."""
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

    def find_checked(self) -> Iterator[tuple[str, Asset]]:
        """Item and asset of every checked file of a newest attempt, by item."""
        with self._translated():
            rows = self._connection.execute(
                f"SELECT item_id, {', '.join(ASSET_COLUMNS)}"  # noqa: S608 - constants alone
                " FROM assets JOIN jobs USING (row_id)"
                f" WHERE (checks <> '' OR likeness <> '') AND status = ?"
                f" AND {_IS_LATEST} ORDER BY item_id, output_index",
                (JobStatus.SAVED,),
            )
            for item_id, *columns in rows:
                yield item_id, self._asset_from(tuple(columns))

    def find_originals(self) -> dict[str, str]:
        """The SHA-256 of the original of each recorded file that differs from it."""
        with self._translated():
            return dict(
                self._connection.execute(
                    "SELECT path, original_sha256 FROM assets"
                    " WHERE original_sha256 <> ''"
                )
            )

    def find_uploads(self, project_id: str) -> dict[str, AssetId]:
        """SHA-256 → asset id of every uploaded reference of a project."""
        with self._translated():
            rows = self._connection.execute(
                "SELECT sha256, asset_id FROM uploads WHERE project_id = ?",
                (project_id,),
            ).fetchall()
        return {sha256: AssetId(asset_id) for sha256, asset_id in rows}

    def find_all_uploads(self) -> dict[AssetId, str]:
        """Asset id → SHA-256 of every uploaded reference, of any project."""
        with self._translated():
            rows = self._connection.execute("SELECT asset_id, sha256 FROM uploads")
            return {AssetId(asset_id): sha256 for asset_id, sha256 in rows}

    def find_history(self) -> tuple[list[Any], list[Any], list[Any]]:
        """The rows of uploads, of contents and of runs, as the tables have them."""
        with self._translated():
            uploads, contents, runs = (
                self._connection.execute(f"SELECT {columns}").fetchall()
                for columns in (
                    "* FROM uploads",
                    "* FROM contents",
                    "started_at, ended_at, exit_code FROM runs ORDER BY run_id",
                )
            )
        return uploads, contents, runs

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

    def find_commitments(
        self, counts: Callable[[str], bool] | None = None
    ) -> Iterator[tuple[int, JobStatus, Decimal]]:
        """Row id, status and committed compute units of every attempt.

        Args:
            counts: Whether the attempts of an item count; None if all do.
        """
        with self._translated():
            rows = self._connection.execute(
                "SELECT item_id, row_id, status, quoted, charged, refunded, remote_id,"
                " failure_class FROM jobs"
            )
            for (
                item_id,
                row_id,
                status,
                quoted,
                charged,
                refunded,
                remote_id,
                kind,
            ) in rows:
                if counts is not None and not counts(item_id):
                    continue
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

        Left out are the request, the echo, the assets, and when its files were saved.
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

    def find_version(self) -> int:
        """A number that changes when another connection has written."""
        with self._translated():
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def find_signs(self) -> dict[int, tuple[str, int]]:
        """Row number → item, and a hash of what is shown of the row and its files.

        Equal hashes of the same process mean that nothing has changed.
        """
        with self._translated():
            found = {
                row_id: (str(item_id), hash(shown))
                for row_id, item_id, *values in self._connection.execute(_SELECT_SIGNS)
                for shown in [tuple(values)]
            }
            for row_id, *values in self._connection.execute(_SELECT_FILE_SIGNS):
                if row_id in found:
                    item_id, sign = found[row_id]
                    found[row_id] = item_id, hash((sign, *values))
        return found

    def find_item_ids(self) -> Iterator[str]:
        """Every item that has an attempt, each once, sorted."""
        with self._translated():
            for (item_id,) in self._connection.execute(
                "SELECT DISTINCT item_id FROM jobs ORDER BY item_id"
            ):
                yield item_id

    # --- inside -------------------------------------------------------------

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

    def _assets_of(self, row_id: int) -> tuple[Asset, ...]:
        rows = self._connection.execute(
            f"{_SELECT_ASSETS} WHERE row_id = ? ORDER BY output_index", (row_id,)
        )
        return tuple(map(self._asset_from, rows))

    def _asset_from(self, row: tuple[Any, ...]) -> Asset:
        try:
            return asset_from(row)
        except (ValueError, TypeError, AttributeError) as error:
            raise LedgerDamaged(
                f"{self.path} is damaged: an asset cannot be read",
                hint="run again: the ledger is set aside and rebuilt",
            ) from error

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
