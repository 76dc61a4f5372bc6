"""The lock file ↔ the ledger: each learns from the other what it does not know."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import LockError, UsageError
from pipeline.job import Job
from pipeline.ledger.ledger import Ledger
from pipeline.lockfile import check_size, keep_details, lock_path, read_lock, write_lock
from pipeline.manifest import Manifest
from pipeline.record import replace
from pipeline.settings import Service, is_loopback_url
from pipeline.storage.files import sha256_of
from pipeline.storage.regular_file import NotAFile, open_regular

logger = logging.getLogger(__name__)


def find_lock_file(manifest: Manifest, *, emulate: bool) -> Path | None:
    """The lock file of a manifest; None where the emulator's work is none of it."""
    return None if emulate else lock_path(manifest.path)


def learn_lock(
    ledger: Ledger,
    lock_file: Path | None,
    service: Service | None = None,
    *,
    item_count: int | None = None,
) -> None:
    """Record what a lock file knows of jobs that no row does.

    Args:
        ledger: Open for writing.
        lock_file: It need not be there.
        service: Whose jobs are learned; by default the ledger's own, or any.
        item_count: How many items the manifest has, or None: see ``read_lock``.

    Raises:
        LockError: It cannot be read; nothing of it is recorded.
        UsageError: It is another service's or project's.
    """
    if lock_file is None or not knows_more(lock_file, ledger, item_count):
        return
    header, jobs = read_lock(lock_file, item_count=item_count)
    facts = ledger.find_facts()
    if service is None and facts.base_url:
        service = Service(base_url=facts.base_url, project_id=facts.project_id)
    theirs = Service(base_url=header.service, project_id=header.project)
    if service is not None and service != theirs:
        if is_loopback_url(theirs.base_url):  # a rehearsal's, or a test's
            logger.warning("%s belongs to %s", lock_file, theirs.base_url)
            return
        raise UsageError(
            f"{lock_file} is of {theirs.base_url} {theirs.project_id}".rstrip()
            + f", not of {service.base_url} {service.project_id}".rstrip(),
            hint="set the environment back, or delete it: then all is paid for anew",
        )
    ledger.begin()
    try:
        for job in jobs:
            ledger.record_locked(job)
        ledger.record_facts(lock_sha256=_digest(lock_file))
    except BaseException:
        ledger.roll_back()
        raise
    ledger.commit()


def write_lock_file(
    lock_file: Path | None, ledger: Ledger, service: Service, *, orphans: Iterable[str]
) -> bool:
    """Bring a manifest's lock file up to date with the ledger.

    Args:
        lock_file: None for none.
        ledger: Open for writing.
        service: Whose jobs they are; another's lock file is left alone.
        orphans: Item ids that the manifest no longer has.

    Returns:
        False where the lock file is another service's.

    Raises:
        OutputError: It cannot be written.
        LockError: It was changed meanwhile and cannot be read.
    """
    if lock_file is None:
        return True
    # It may have been merged or pulled meanwhile: what it knows is not to be lost.
    learn_lock(ledger, lock_file, service)
    left_out = frozenset(orphans)
    jobs: Iterator[Job] = (
        # What a job is charged may not be said yet: its quote counts meanwhile.
        job if job.charged is not None else replace(job, charged=job.quoted)
        for job in ledger.find_lockable()
        if job.item_id not in left_out
    )
    if lock_file.is_file():
        header, locked = read_lock(lock_file)
        if (header.service, header.project) != (service.base_url, service.project_id):
            return False
        jobs = keep_details(_compared(jobs, read_lock(lock_file)[1]), locked)
    write_lock(
        lock_file, jobs, base_url=service.base_url, project_id=service.project_id
    )
    if lock_file.is_file():
        ledger.record_facts(lock_sha256=_digest(lock_file))
    return True


def _compared(jobs: Iterator[Job], locked: Iterator[Job]) -> Iterator[Job]:
    """The jobs; a file that is not the one that was locked is told of."""
    known = next(locked, None)
    for job in jobs:
        while known is not None and known.item_id < job.item_id:
            known = next(locked, None)
        is_same = known is not None and known.remote_id == job.remote_id
        locked_assets = known.assets if known is not None and is_same else ()
        hashes = {asset.asset_id: asset.sha256 for asset in locked_assets}
        for asset in job.assets:
            if hashes.get(asset.asset_id, asset.sha256) != asset.sha256:
                text = "%s is not the file that was locked: the service has another"
                logger.warning(text, asset.path)
        yield job


def knows_more(lock_file: Path | None, ledger: Ledger, item_count: int | None) -> bool:
    """Whether a lock file is there that the ledger has not seen as it is.

    Raises:
        LockError: It cannot be read, or is too large for so many items.
    """
    if lock_file is None or not lock_file.exists():
        return False
    check_size(lock_file, item_count)
    return ledger.find_facts().lock_sha256 != _digest(lock_file)


def _digest(path: Path) -> str:
    """Of what is in a file; "" for what is none, and whose reader says so."""
    try:
        with open_regular(path) as file:
            return sha256_of(file)
    except (NotAFile, FileNotFoundError, IsADirectoryError):
        return ""
    except OSError as error:
        raise LockError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="make it readable",
        ) from error
