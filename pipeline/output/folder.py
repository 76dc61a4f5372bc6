"""The output folder of a manifest: whose it is, its lock, its ledger.

One run at a time may write; readers work meanwhile.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import (
    LedgerBusy,
    LedgerError,
    OutputError,
    UsageError,
)
from pipeline.ledger.ledger import IN_MEMORY, LEDGER_NAME, Ledger
from pipeline.lockfile.reconcile import knows_more, learn_lock
from pipeline.manifest import Manifest
from pipeline.output.names import LOCK_NAME
from pipeline.output.rebuild import find_asset_names, open_for_writing, rebuild
from pipeline.settings import Service
from pipeline.storage.atomic_file import (
    FOLDER_MODE,
    remove_partial_files,
    storage_errors,
)
from pipeline.storage.regular_file import check_own
from pipeline.storage.syncing import sync_file, sync_folder, take_unsynced
from pipeline.version import __version__

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
            is_current = ledger.is_current and not knows_more(
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


def try_writing(folder: Path) -> str:
    """Write and sync a file in a folder, and remove it.

    Returns:
        What a file system that refuses to sync means for a run, or "".

    Raises:
        OSError: Nothing can be written there.
    """
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        sync_file(file.fileno(), folder)
        sync_folder(folder)
    return str(take_unsynced() or "")


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
    if not ledger.find_facts().tool:
        ledger.record_facts(
            base_url=service.base_url,
            project_id=service.project_id,
            tool=f"scenario-pipeline {__version__}",
        )


def _check_bound(ledger: Ledger, service: Service, folder: Path) -> None:
    facts = ledger.find_facts()
    if not facts.base_url:
        return
    for bound, value, word in (
        (facts.base_url, service.base_url, "service"),
        (facts.project_id, service.project_id, "project"),
    ):
        if bound != value:
            raise UsageError(
                f"{folder} belongs to the {word} {bound or '(none named)'}, "
                f"not to {value or '(none named)'}",
                hint="choose another --output, or set the environment back",
            )
