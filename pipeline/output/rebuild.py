"""Rebuilds a missing, damaged or outdated ledger, so that nothing is paid for again.

Its rows come from the readable part of the old ledger and from the sidecars. Of the
sidecars that the ledger knows, only those that were changed since it was last written
are read again, such as those that came with ``git pull``.
"""

import contextlib
import logging
import os
import re
import stat
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.assets.lineage import job_of
from pipeline.assets.mover import clear_renamed
from pipeline.assets.originals import ORIGINALS_FOLDER
from pipeline.assets.sidecar import (
    DamagedSidecar,
    NoSidecar,
    PointerSidecar,
    load_origin,
    load_sidecar,
)
from pipeline.errors import LedgerDamaged, LedgerError, OutputError, UsageError
from pipeline.job import (
    KEPT_MARK,
    PREVIEW_MARK,
    SIDECAR_SUFFIX,
    Asset,
    Job,
    JobStatus,
    RemoteId,
)
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.naming import split_stem, stems_of
from pipeline.output.names import MARKS_OF_OUTPUT
from pipeline.record import asdict, replace
from pipeline.storage.atomic_file import PARTIAL_FOLDER, storage_errors
from pipeline.storage.files import STORE_NAME
from pipeline.storage.folder import Folder
from pipeline.storage.regular_file import leads_outside
from pipeline.storage.store import Store

logger = logging.getLogger(__name__)

SEARCH_MARGIN = timedelta(hours=1)  # jobs of the same batch that left no sidecar
_NOT_ASSETS = frozenset({PARTIAL_FOLDER, ORIGINALS_FOLDER})
_TIME_STEP_S = 0.05  # more than the step of a file system's clock
_MOST_AHEAD = timedelta(days=366)  # clocks may be wrong, including this machine's
_WRONG = (UsageError, OutputError)
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)  # before the service's first job


def open_for_writing(output: Path, store: Store | None = None) -> Ledger:
    """Open the ledger of a locked output folder for writing; rebuild it if necessary.

    A missing ledger is rebuilt from the sidecars. A ledger older than the sidecars,
    such as a restored copy, gets the missing jobs from them. A damaged ledger is set
    aside, never deleted, and rebuilt from its readable part and the sidecars.

    Args:
        output: The output folder.
        store: Where its files are; None for the folder itself.

    Raises:
        LedgerError: The ledger was written by a newer version.
        OutputError: The folder is not writable, or links lead out of it.
        UsageError: A sidecar has impossible values.
    """
    path = output / LEDGER_NAME
    written_s = find_written_s(path)
    try:
        ledger = Ledger(path)
        try:
            ledger.check()
            _clear_leftovers(ledger, output, store)
            if rebuild(ledger, output, written_s=written_s):
                _clear_leftovers(ledger, output, store)
        except BaseException:
            ledger.close()
            raise
    except LedgerDamaged as error:
        aside = _set_aside(path)
        logger.warning("%s; set aside as %s", error.message, aside.name)
        ledger = Ledger(path)
        try:
            _salvage(aside, ledger)
            rebuild(ledger, output)
            _clear_leftovers(ledger, output, store)
        except BaseException:
            ledger.close()
            raise
    return ledger


def _clear_leftovers(ledger: Ledger, output: Path, store: Store | None) -> None:
    """As :func:`clear_leftovers`, unless the files are in a store that is not open."""
    if store is not None or not (output / STORE_NAME).exists():
        clear_leftovers(ledger, store or Folder(output))


def clear_leftovers(ledger: Ledger, store: Store) -> None:
    """Finish renames that a crash interrupted: remove files left at old paths.

    Raises:
        OutputError: The folder is not writable.
    """
    left = ledger.find_leftovers()
    own = {
        old: new
        # Where a file has moved twice, its first move first: it needs the second name.
        for old, new in sorted(left.items(), key=lambda moved: moved[1] not in left)
        if not ledger.find_path_owner(old)
    }
    cleared = [*clear_renamed(store, own), *(left.keys() - own.keys())]
    if cleared:
        ledger.forget_leftovers(cleared)


def _set_aside(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    with storage_errors(path):
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(aside.with_name(aside.name + suffix))
    return aside


def _salvage(damaged: Path, ledger: Ledger) -> None:
    """Copy the rows before the first one that cannot be read."""
    facts = Facts()
    jobs: list[Job] = []
    with (
        contextlib.suppress(LedgerError, OutputError),
        Ledger(damaged, read_only=True) as opened,
        opened if opened.is_current else opened.copy_in_memory() as source,
    ):
        facts = source.find_facts()
        jobs.extend(source.find_jobs_in(*JobStatus))
    ledger.begin()
    ledger.record_facts(**asdict(facts))
    for job in jobs:
        # Marks are not salvaged, and their numbers are used again.
        ledger.record_salvaged(replace(job, mark_id=None))
    times = [at for job in jobs if (at := job.submitted_at or job.sent_at)]
    if times:
        search_since(ledger, min(times))
    ledger.commit()


def rebuild(ledger: Ledger, output: Path, *, written_s: float = 0.0) -> int:
    """Record every job that is known only from the sidecars below ``output``.

    If whole items were unknown, also records from when on the service has to be
    searched for further jobs of ours: see ``running.adoption``.

    Args:
        ledger: Open for writing.
        output: The output folder.
        written_s: When the ledger's file was last written: see :func:`find_written_s`.

    Returns:
        How many jobs were recorded.

    Raises:
        UsageError, OutputError: As for :func:`find_saved_jobs`; nothing is recorded.
    """
    known = ledger.find_paths()
    twins: dict[str, str] = {}
    missing = find_missing_jobs(ledger, output, written_s=written_s, twins=twins)
    if not missing:
        return 0
    ledger.begin()
    for job in missing:
        attempt = ledger.find_last_attempt(job.item_id) + 1
        is_saved = job.status is JobStatus.SAVED
        record = ledger.record_found if is_saved else ledger.record_made
        record(replace(job, attempt=attempt))
        if job.author_id:
            ledger.record_facts(author_id=job.author_id)
    times = [
        job.submitted_at
        for job in missing
        if job.submitted_at and not known.issuperset(one.path for one in job.assets)
    ]
    if times:
        search_since(ledger, min(times))
    ledger.record_leftovers(twins)
    ledger.commit()
    return len(missing)


def find_missing_jobs(
    ledger: Ledger,
    output: Path,
    *,
    written_s: float,
    twins: dict[str, str] | None = None,
) -> list[Job]:
    """The jobs of sidecars that no row owns.

    Args:
        ledger: For reading.
        output: The output folder.
        written_s: When the ledger's file was last written: see :func:`find_written_s`.
        twins: As for :func:`find_saved_jobs`.

    Raises:
        UsageError, OutputError: As for :func:`find_saved_jobs`.
    """
    known = ledger.find_paths()
    ended = ledger.find_last_end()
    # A restored copy has a new file time, but knows of no run since it was made.
    since_s = written_s if ended is None else min(written_s, ended.timestamp())
    unchanged = {
        name
        for name, changed_s in _find_sidecars(output)
        if name in known and changed_s < since_s - _TIME_STEP_S
    }
    jobs = list(
        find_saved_jobs(output, passed_over=unchanged, in_ledger=known, twins=twins)
    )
    jobs += _find_steps(output, jobs)
    owned = ledger.find_owned(job.remote_id for job in jobs if job.remote_id)
    missing = {job.remote_id: job for job in jobs if job.remote_id not in owned}
    return list(missing.values())


def _find_steps(output: Path, jobs: Sequence[Job]) -> list[Job]:
    """The jobs without files of their own that the sidecars of these jobs name."""
    found: list[Job] = []
    for job in jobs:
        for asset in job.assets[:1]:
            with contextlib.suppress(ValueError):
                steps = load_origin(output, asset.path).steps
                found += map(job_of, reversed(steps))
    return found


def find_written_s(ledger: Path) -> float:
    """When a ledger's file was last written, in seconds since 1970; 0 without one.

    Ask before the ledger is opened for writing.
    """
    times = [0.0]
    for suffix in ("", "-wal"):
        with contextlib.suppress(OSError):
            about = ledger.with_name(ledger.name + suffix).stat()
            if about.st_size:  # readers leave an empty one
                times.append(about.st_mtime)
    return max(times)


def search_since(ledger: Ledger, since: datetime) -> None:
    """Record that jobs made since then may be ours; an earlier time stays."""
    since = max(since, _LONG_AGO) - SEARCH_MARGIN
    known = ledger.find_facts().rebuilt_since
    ledger.record_facts(rebuilt_since=since if known is None else min(since, known))


def follow_moves(ledger: Ledger, output: Path) -> None:
    """Record where the files of a ledger are now, if they have moved since.

    Args:
        ledger: A copy that may be older than the sidecars.
        output: The output folder, with the sidecars of today.

    Raises:
        UsageError, OutputError: As for :func:`find_saved_jobs`.
    """
    now = {
        (job.remote_id, asset.output_index): asset.path
        for job in find_saved_jobs(output, in_ledger=ledger.find_paths())
        for asset in job.assets
    }
    moved = {
        asset.path: now[job.remote_id, asset.output_index]
        for job in ledger.find_jobs_in(JobStatus.SAVED)
        for asset in job.assets
        if (job.remote_id, asset.output_index) in now
    }
    ledger.record_moved({old: new for old, new in moved.items() if old != new})


def has_results(output: Path) -> bool:
    """Whether anything has ever been made in an output folder.

    Raises:
        OutputError: It cannot be looked at.
    """
    with storage_errors(output):
        return (output / LEDGER_NAME).is_file() or bool(find_asset_names(output))


def find_asset_names(output: Path) -> list[str]:
    """Names of files with a sidecar, sorted; other output folders are left out."""
    return sorted(name for name, _ in _find_sidecars(output))


def _find_sidecars(output: Path) -> Iterator[tuple[str, float]]:
    """Each file's name and when its sidecar was changed, in seconds since 1970.

    A JSON file that has a sidecar itself is an asset, whatever is in it.
    """
    for folder, below, files in os.walk(output):
        here = Path(folder)
        if here != output and not MARKS_OF_OUTPUT.isdisjoint(files):
            below.clear()
            continue
        if here == output:
            below[:] = [one for one in below if one not in _NOT_ASSETS]
        there = set(files)
        prefix = "" if here == output else here.relative_to(output).as_posix() + "/"
        for name in files:
            if name.endswith(SIDECAR_SUFFIX) and name + SIDECAR_SUFFIX not in there:
                changed_s = _find_changed_s(os.path.join(folder, name))  # noqa: PTH118 - faster
                if changed_s is not None:
                    yield prefix + name.removesuffix(SIDECAR_SUFFIX), changed_s


def _find_changed_s(path: str) -> float | None:
    """When a file, or the link to it, was changed; None if it is not a file."""
    try:
        about = os.lstat(path)
        # Programs that copy may keep the time of the content, but not the other one.
        changed_s = max(about.st_mtime, about.st_ctime)
        if stat.S_ISLNK(about.st_mode):
            about = os.stat(path)  # noqa: PTH116 - faster
            changed_s = max(changed_s, about.st_mtime, about.st_ctime)
    except OSError:
        return None
    return changed_s if stat.S_ISREG(about.st_mode) else None


def find_saved_jobs(
    output: Path,
    *,
    passed_over: AbstractSet[str] = frozenset(),
    in_ledger: AbstractSet[str] = frozenset(),
    twins: dict[str, str] | None = None,
) -> Iterator[Job]:
    """The jobs that the sidecars name, each with the assets that have a sidecar.

    Attempts of one item keep their order and are renumbered from 1.

    Args:
        output: The output folder.
        passed_over: Names of assets whose sidecars are not read.
        in_ledger: Names of assets that the ledger knows: their sidecars stop nothing.
        twins: Collects files that are there twice, because the file of a take was moved
            when the power went: the path that is not taken, to the one that is.

    Raises:
        UsageError: A sidecar has impossible values.
        OutputError: A possible sidecar is behind a link out of the folder.
    """
    jobs: dict[RemoteId | None, Job] = {}
    assets: dict[RemoteId | None, dict[int, tuple[bool, Asset]]] = {}
    for name in find_asset_names(output):
        job = None
        if name not in passed_over:
            with contextlib.suppress(*(_WRONG if name in in_ledger else ())):
                job = _read_sidecar(output, name)
        if job is None:
            continue
        other = jobs.get(job.remote_id)
        if other is None or (other.charged or 0) <= (job.charged or 0):
            jobs[job.remote_id] = job  # if two differ, the higher charge counts
        asset, is_home = _at_home(job)
        known = assets.setdefault(job.remote_id, {})
        before = known.get(asset.output_index)
        twin = before[1].path if before is not None and before[0] and is_home else ""
        if twins is not None and _differ_in_stem(job.item_id, twin, asset.path):
            twins[twin] = asset.path
        if is_home or before is None:
            known[asset.output_index] = (is_home, asset)
    attempts: dict[str, int] = {}
    for job in sorted(jobs.values(), key=lambda job: job.attempt):
        attempts[job.item_id] = attempts.get(job.item_id, 0) + 1
        found = assets[job.remote_id]
        yield replace(
            job,
            attempt=attempts[job.item_id],
            assets=tuple(found[index][1] for index in sorted(found)),
        )


def _differ_in_stem(job_id: str, left: str, right: str) -> bool:
    one, other = split_stem(left, job_id), split_stem(right, job_id)
    return one is not None and other is not None and one[1] == other[1]


def _read_sidecar(output: Path, name: str) -> Job | None:
    """The job of a sidecar; None for another JSON file.

    A damaged sidecar stops the command: without it, its asset would be paid for again,
    and its cost is unknown.
    """
    path = output / (name + SIDECAR_SUFFIX)
    try:
        job = load_sidecar(output, name)
    except DamagedSidecar as error:
        raise _damaged(path, str(error)) from error
    except PointerSidecar as error:
        raise OutputError(
            f"{path} is {error}, not the sidecar itself",
            hint="fetch it, with git lfs pull or git annex get: without it, the asset"
            " beside it may be paid for again; if the lock file lists the asset, the"
            " pointer may be deleted",
        ) from error
    except NoSidecar:
        return None
    except OSError:
        # Links into a content store keep the suffix; others do not lead to a sidecar.
        target = os.path.realpath(path)
        if leads_outside(output, path) and target.endswith(SIDECAR_SUFFIX):
            raise OutputError(
                f"{path} is a link that leads outside the output folder",
                hint="replace the link with the sidecar itself, then run again; without"
                " it, the asset beside it may be paid for again",
            ) from None
        return None
    latest = datetime.now(UTC) + _MOST_AHEAD
    moments = (job.submitted_at, job.finished_at, job.saved_at)
    if any(moment is not None and moment > latest for moment in moments):
        raise _damaged(path, "a time far in the future")
    return job


def _damaged(path: Path, wrong: str) -> UsageError:
    return UsageError(
        f"{path} has an impossible value: {wrong}",
        hint="restore the file from version control, or correct the value; without"
        " the file, the asset beside it would be paid for again",
    )


def _at_home(job: Job) -> tuple[Asset, bool]:
    """The asset of a sidecar with the path where it belongs, and whether it is there.

    A copied or moved file still proves that the asset is paid for. If its own place is
    empty, the asset is fetched again, free of charge.
    """
    (asset,) = job.assets
    stem, dot, extension = asset.path.rpartition(".")
    mark = PREVIEW_MARK if asset.role else ""
    bases = [own + mark for own in stems_of(job.item_id)]
    homes = [home for base in bases for home in (base, f"{base}-{asset.output_index}")]
    if stem in homes or stem.startswith(tuple(home + KEPT_MARK for home in homes)):
        return asset, True
    for base in bases if asset.role else ():
        if re.fullmatch(rf"{re.escape(base)}-\d+({KEPT_MARK}.*)?", stem):
            return asset, True  # companions have numbers of their own
    number = f"-{asset.output_index}" if len(job.remote_assets) > 1 else ""
    home = job.item_id + mark + number
    return replace(asset, path=f"{home}{dot}{extension}"), False
