"""Rebuilds a missing or damaged ledger, so that nothing is paid for again.

Its rows come from the readable part of the old ledger and from the sidecars.
"""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline.assets.mover import clear_renamed
from pipeline.assets.originals import ORIGINALS_FOLDER
from pipeline.assets.sidecar import DamagedSidecar, NoSidecar, load_sidecar
from pipeline.errors import LedgerDamaged, LedgerError, OutputError, UsageError
from pipeline.job import KEPT_MARK, SIDECAR_SUFFIX, Asset, Job, JobStatus, RemoteId
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.output.names import MARKS_OF_OUTPUT
from pipeline.record import asdict, replace
from pipeline.storage.atomic_file import PARTIAL_FOLDER, storage_errors
from pipeline.storage.regular_file import leads_outside

logger = logging.getLogger(__name__)

SEARCH_MARGIN = timedelta(hours=1)  # jobs of the same batch that left no sidecar
_MOST_AHEAD = timedelta(days=366)  # clocks may be wrong, including this machine's
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)  # before the service's first job


def open_for_writing(output: Path) -> Ledger:
    """Open the ledger of a locked output folder for writing; rebuild it if necessary.

    A missing ledger is rebuilt from the sidecars. A ledger older than the sidecars,
    such as a restored copy, gets the missing jobs from them. A damaged ledger is set
    aside, never deleted, and rebuilt from its readable part and the sidecars.

    Raises:
        LedgerError: The ledger was written by a newer version.
        OutputError: The folder is not writable, or links lead out of it.
        UsageError: A sidecar has impossible values.
    """
    path = output / LEDGER_NAME
    try:
        ledger = Ledger(path)
        try:
            ledger.check()
            clear_leftovers(ledger, output)
            rebuild(ledger, output)
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
        except BaseException:
            ledger.close()
            raise
    return ledger


def clear_leftovers(ledger: Ledger, output: Path) -> None:
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
    cleared = [*clear_renamed(output, own), *(left.keys() - own.keys())]
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
        ledger.record_facts(rebuilt_since=_search_from(times))
    ledger.commit()


def rebuild(ledger: Ledger, output: Path) -> int:
    """Record every job that is known only from the sidecars below ``output``.

    Also records from when on the service has to be searched for further jobs of ours:
    see ``running.adoption``.

    Args:
        ledger: Open for writing.
        output: The output folder.

    Returns:
        How many jobs were recorded.

    Raises:
        UsageError, OutputError: As for :func:`find_saved_jobs`; nothing is recorded.
    """
    jobs = list(find_saved_jobs(output, passed_over=ledger.find_paths()))
    owned = ledger.find_owned(job.remote_id for job in jobs if job.remote_id)
    missing = [job for job in jobs if job.remote_id not in owned]
    if not missing:
        return 0
    ledger.begin()
    for job in missing:
        attempts = ledger.find_jobs_of(job.item_id)
        ledger.record_found(replace(job, attempt=len(attempts) + 1))
        if job.author_id:
            ledger.record_facts(author_id=job.author_id)
    times = [job.submitted_at for job in missing if job.submitted_at]
    if times:
        ledger.record_facts(rebuilt_since=_search_from(times))
    ledger.commit()
    return len(missing)


def _search_from(times: Sequence[datetime]) -> datetime:
    return max(min(times), _LONG_AGO) - SEARCH_MARGIN


def find_asset_names(output: Path) -> list[str]:
    """Names of files with a sidecar, sorted; other output folders are left out."""
    names: list[str] = []
    for folder, below, files in os.walk(output):
        here = Path(folder)
        if here != output and not MARKS_OF_OUTPUT.isdisjoint(files):
            below.clear()
            continue
        if here == output:
            below[:] = set(below) - {PARTIAL_FOLDER, ORIGINALS_FOLDER}
        prefix = "" if here == output else here.relative_to(output).as_posix() + "/"
        names += [
            prefix + name.removesuffix(SIDECAR_SUFFIX)
            for name in files
            if name.endswith(SIDECAR_SUFFIX) and (here / name).is_file()
        ]
    return sorted(names)


def find_saved_jobs(
    output: Path, *, passed_over: AbstractSet[str] = frozenset()
) -> Iterator[Job]:
    """The jobs that the sidecars name, each with the assets that have a sidecar.

    Attempts of one item keep their order and are renumbered from 1.

    Args:
        output: The output folder.
        passed_over: Names of assets whose sidecars are not read.

    Raises:
        UsageError: A sidecar has impossible values.
        OutputError: A possible sidecar is behind a link out of the folder.
    """
    jobs: dict[RemoteId | None, Job] = {}
    assets: dict[RemoteId | None, dict[int, tuple[bool, Asset]]] = {}
    for name in find_asset_names(output):
        job = None if name in passed_over else _read_sidecar(output, name)
        if job is None:
            continue
        other = jobs.get(job.remote_id)
        if other is None or (other.charged or 0) <= (job.charged or 0):
            jobs[job.remote_id] = job  # if two differ, the higher charge counts
        asset, is_home = _at_home(job)
        known = assets.setdefault(job.remote_id, {})
        if is_home or asset.output_index not in known:
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
    homes = (job.item_id, f"{job.item_id}-{asset.output_index}")
    if stem in homes or stem.startswith(tuple(home + KEPT_MARK for home in homes)):
        return asset, True
    home = homes[1] if len(job.remote_assets) > 1 else homes[0]
    return replace(asset, path=f"{home}{dot}{extension}"), False
