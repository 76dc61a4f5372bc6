"""Synchronises the lock file and the ledger: each gets the other's missing jobs."""

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
    """The lock file of a manifest; None for the emulator, whose jobs are not locked."""
    return None if emulate else lock_path(manifest.path, manifest.profile)


def learn_lock(
    ledger: Ledger,
    lock_file: Path | None,
    service: Service | None = None,
    *,
    item_count: int | None = None,
) -> None:
    """Record the jobs of a lock file that the ledger does not have.

    Args:
        ledger: Open for writing.
        lock_file: The lock file, which need not exist; or None.
        service: The service that the lock file must belong to; None for the ledger's
            own service, or any.
        item_count: How many items the manifest has, or None: see ``read_lock``.

    Raises:
        LockError: The lock file cannot be read; nothing is recorded.
        UsageError: The lock file belongs to another service or project.
    """
    if lock_file is None or not knows_more(lock_file, ledger, item_count):
        return
    header, jobs = read_lock(lock_file, item_count=item_count)
    facts = ledger.find_facts()
    if service is None and facts.base_url:
        service = Service(base_url=facts.base_url, project_id=facts.project_id)
    theirs = Service(base_url=header.service, project_id=header.project)
    if service is not None and service != theirs:
        if is_loopback_url(theirs.base_url):
            if is_loopback_url(service.base_url):  # another rehearsal
                logger.warning("%s belongs to %s", lock_file, theirs.base_url)
                return
            raise _is_rehearsed(lock_file, theirs, service)
        raise UsageError(
            f"{lock_file} belongs to {theirs.base_url} {theirs.project_id}".rstrip()
            + f", not to {service.base_url} {service.project_id}".rstrip(),
            hint="restore the environment, or delete the lock file; without it,"
            " everything is paid for again",
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


def check_not_rehearsed(lock_file: Path | None, service: Service) -> None:
    """Refuse to pay beside the lock file of a rehearsal on this machine.

    :func:`learn_lock` takes two services on this machine for two rehearsals. Call this
    when one of them has turned out to be real.

    Args:
        lock_file: The lock file, which need not exist; or None.
        service: The real service.

    Raises:
        UsageError: The lock file belongs to another service.
        LockError: It cannot be read.
    """
    if lock_file is None or not lock_file.is_file():
        return
    header, _ = read_lock(lock_file)
    theirs = Service(base_url=header.service, project_id=header.project)
    if theirs != service and is_loopback_url(theirs.base_url):
        raise _is_rehearsed(lock_file, theirs, service)


def _is_rehearsed(lock_file: Path, theirs: Service, service: Service) -> UsageError:
    # Ignored, it would let every fresh checkout pay again, and lock nothing.
    return UsageError(
        f"{lock_file} is from a rehearsal at {theirs.base_url}: it locks"
        f" nothing that {service.base_url} has made",
        hint="delete it, run again, and commit the new one",
    )


def write_lock_file(
    lock_file: Path | None, ledger: Ledger, service: Service, *, orphans: Iterable[str]
) -> bool:
    """Update a manifest's lock file from the ledger.

    Args:
        lock_file: The lock file, or None to write none.
        ledger: Open for writing.
        service: The service of the jobs. The lock file of another service is left
            alone.
        orphans: Item ids that the manifest no longer has.

    Returns:
        False if the lock file belongs to another service.

    Raises:
        OutputError: The lock file cannot be written.
        LockError: The lock file was changed meanwhile and cannot be read.
    """
    if lock_file is None:
        return True
    # The lock file may have been merged or pulled meanwhile: keep what it has.
    learn_lock(ledger, lock_file, service)
    left_out = frozenset(orphans)
    jobs: Iterator[Job] = (
        # If the charge is not known yet, the quote stands in for it.
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
    """Pass the jobs through; warn about files that differ from the locked ones."""
    known = next(locked, None)
    for job in jobs:
        while known is not None and known.item_id < job.item_id:
            known = next(locked, None)
        is_same = known is not None and known.remote_id == job.remote_id
        locked_assets = known.assets if known is not None and is_same else ()
        # How a file is saved is the user's choice, and no concern of the service.
        hashes = {asset.asset_id: asset.content_sha256 for asset in locked_assets}
        for asset in job.assets:
            if hashes.get(asset.asset_id, asset.content_sha256) != asset.content_sha256:
                text = "%s differs from the locked file: the service sent another one"
                logger.warning(text, asset.path)
        yield job


def knows_more(lock_file: Path | None, ledger: Ledger, item_count: int | None) -> bool:
    """Whether the lock file has content that the ledger has not taken in yet.

    Raises:
        LockError: The lock file cannot be read, or is too large for so many items.
    """
    if lock_file is None or not lock_file.exists():
        return False
    check_size(lock_file, item_count)
    return ledger.find_facts().lock_sha256 != _digest(lock_file)


def _digest(path: Path) -> str:
    """The SHA-256 of a file; "" if it is missing or not a file, for readers to report.

    Raises:
        LockError: The file cannot be read.
    """
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
