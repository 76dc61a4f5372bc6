"""The output folder of a manifest: whose it is, its lock, its ledger.

One run at a time may write; readers work meanwhile.
"""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import (
    LedgerBusy,
    LedgerError,
    LockError,
    OutputError,
    UsageError,
)
from pipeline.job import Job
from pipeline.ledger.ledger import IN_MEMORY, LEDGER_NAME, Ledger
from pipeline.lockfile import check_size, keep_details, lock_path, read_lock, write_lock
from pipeline.manifest import Manifest
from pipeline.output.rebuild import find_asset_names, open_for_writing, rebuild
from pipeline.record import replace
from pipeline.settings import Service, is_loopback_url
from pipeline.storage.atomic_file import (
    FOLDER_MODE,
    remove_partial_files,
    storage_errors,
)
from pipeline.storage.regular_file import NotAFile, check_own, open_regular
from pipeline.version import __version__

logger = logging.getLogger(__name__)

LOCK_NAME = "ledger.lock"
LOCK_DIGEST = "lock_sha256"  # fact of the ledger: the lock file as it was last seen
OUTPUT_ROOT = Path("output")


def output_folder(
    manifest: Manifest, *, output: str | os.PathLike[str] | None, emulate: bool
) -> Path:
    """Where a manifest's assets go: ``output/<name>``, emulated ones apart."""
    return folder_of(manifest.name, output=output, emulate=emulate)


def folder_of(
    name: str, *, output: str | os.PathLike[str] | None, emulate: bool
) -> Path:
    """The same by the manifest's name."""
    if output is not None:
        return Path(output)
    return OUTPUT_ROOT / (f"{name}.emulated" if emulate else name)


def check_owner(folder: Path, service: Service) -> None:
    """Refuse a folder of another service before that service is asked anything.

    Raises:
        UsageError: It belongs to another service or project.
    """
    path = folder / LEDGER_NAME
    # A ledger that cannot be read is told of where it is opened to be used.
    with suppress(LedgerError, OutputError):
        if path.is_file():
            with (
                Ledger(path, read_only=True) as opened,
                opened if opened.is_current else opened.copy_in_memory() as ledger,
            ):
                _check_bound(ledger, service, folder)
        elif folder.is_dir():
            with Ledger(IN_MEMORY) as ledger:
                rebuild(ledger, folder)
                _check_bound(ledger, service, folder)


@contextmanager
def holding_output(
    folder: Path,
    service: Service,
    lock_file: Path | None = None,
    *,
    item_count: int | None = None,
) -> Iterator[tuple[Ledger, Ledger]]:
    """The output folder for oneself: its ledger for writing, and for reading.

    Args:
        folder: The output folder; made when missing.
        service: Which service it belongs to from now on.
        lock_file: Of the manifest: what it knows and the ledger does not is learned.
        item_count: How many items the manifest has, or None: see ``read_lock``.

    Raises:
        LedgerBusy: A run is at work in it.
        UsageError: It belongs to another service or project.
        LockError: The lock file cannot be read.
        LedgerError, OutputError: It cannot be used.
    """
    with _locked(folder), open_for_writing(folder) as ledger:
        _bind(ledger, service, folder)
        learn_lock(ledger, lock_file, service, item_count=item_count)
        with Ledger(folder / LEDGER_NAME, read_only=True) as reader:
            yield ledger, reader


@contextmanager
def holding_ledger(folder: Path) -> Iterator[Ledger]:
    """The output folder for oneself, whichever service it belongs to.

    Raises:
        LedgerBusy: A run is at work in it.
        LedgerError, OutputError: It cannot be used.
    """
    with _locked(folder), open_for_writing(folder) as ledger:
        yield ledger


@contextmanager
def open_for_reading(
    folder: Path,
    lock_file: Path | None = None,
    *,
    service: Service | None = None,
    item_count: int | None = None,
) -> Iterator[Ledger]:
    """What is remembered of an output folder, while a run may be at work in it.

    Where sidecars or the lock file know more than the ledger, it is shown as a run
    would find it.

    Args:
        folder: The output folder; it need not be there.
        lock_file: Of the manifest, or None.
        service: Whose jobs are learned of it; None for the ledger's own, or any.
        item_count: How many items the manifest has, or None: see ``read_lock``.

    Raises:
        LedgerError: The ledger cannot be read.
        LockError: Nor can the lock file.
        UsageError: A sidecar says what cannot be.
        OutputError: The ledger is a link that leads outside, or no file.
    """
    path = folder / LEDGER_NAME
    check_own(path)  # else a pipe in its place would count as no ledger
    if path.is_file():
        with Ledger(path, read_only=True) as ledger:
            is_current = ledger.is_current and not _knows_more(
                lock_file, ledger, item_count
            )
            if is_current and ledger.find_paths().issuperset(find_asset_names(folder)):
                yield ledger
                return
            with ledger.copy_in_memory() as copy:
                rebuild(copy, folder)
                learn_lock(copy, lock_file, service, item_count=item_count)
                yield copy
        return
    with Ledger(IN_MEMORY) as ledger:
        if folder.is_dir():
            rebuild(ledger, folder)
        learn_lock(ledger, lock_file, service, item_count=item_count)
        yield ledger


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
    if lock_file is None or not _knows_more(lock_file, ledger, item_count):
        return
    header, jobs = read_lock(lock_file, item_count=item_count)
    meta = ledger.find_meta()
    if service is None and "base_url" in meta:
        service = Service(base_url=meta["base_url"], project_id=meta["project_id"])
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
        ledger.record_meta(LOCK_DIGEST, _digest(lock_file))
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
        ledger.record_meta(LOCK_DIGEST, _digest(lock_file))
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


def _knows_more(lock_file: Path | None, ledger: Ledger, item_count: int | None) -> bool:
    """Whether a lock file is there that the ledger has not seen as it is.

    Raises:
        LockError: It cannot be read, or is too large for so many items.
    """
    if lock_file is None or not lock_file.exists():
        return False
    check_size(lock_file, item_count)
    return ledger.find_meta().get(LOCK_DIGEST) != _digest(lock_file)


def _digest(path: Path) -> str:
    """Of what is in a file; "" for what is none, and whose reader says so."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (NotAFile, FileNotFoundError, IsADirectoryError):
        return ""
    except OSError as error:
        raise LockError(
            f"{path} cannot be read: {error.strerror or error}",
            hint="make it readable",
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the output folder: one run at a time. The lock dies with the process.

    Raises:
        LedgerBusy: Another run holds it.
        OutputError: The folder cannot be made, or its lock file is a link that leads
            outside of it.
    """
    with storage_errors(folder):
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        check_own(folder / LOCK_NAME)  # it would be made, or emptied, through a link
        lock = FileLock(folder / LOCK_NAME, mode=0o644)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise LedgerBusy(
                f"another run is at work in {folder}",
                hint="wait for it to end, or choose another --output",
            ) from None
    try:
        remove_partial_files(folder)
        yield
        remove_partial_files(folder)
    finally:
        lock.release()


def _bind(ledger: Ledger, service: Service, folder: Path) -> None:
    """Make the ledger this service's, unless it is another's.

    Raises:
        UsageError: It is.
    """
    _check_bound(ledger, service, folder)
    if "base_url" not in ledger.find_meta():
        ledger.record_meta("base_url", service.base_url)
        ledger.record_meta("project_id", service.project_id)
        ledger.record_meta("tool", f"scenario-pipeline {__version__}")


def _check_bound(ledger: Ledger, service: Service, folder: Path) -> None:
    meta: Mapping[str, str] = ledger.find_meta()
    bound = meta if "base_url" in meta else ledger.find_origin()
    for key, value, word in (
        ("base_url", service.base_url, "service"),
        ("project_id", service.project_id, "project"),
    ):
        if bound and bound.get(key, "") != value:
            raise UsageError(
                f"{folder} belongs to the {word} {bound.get(key) or '(none named)'}, "
                f"not to {value or '(none named)'}",
                hint="choose another --output, or set the environment back",
            )
