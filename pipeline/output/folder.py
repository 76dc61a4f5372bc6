"""The output folder of a manifest: its owner, its lock and its ledger.

Only one run at a time may write; readers can work meanwhile.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import (
    LedgerBusy,
    LedgerError,
    OutputError,
    UsageError,
)
from pipeline.ledger.facts import Facts
from pipeline.ledger.ledger import IN_MEMORY, LEDGER_NAME, Ledger
from pipeline.lockfile.reconcile import find_lock_file, knows_more, learn_lock
from pipeline.manifest import Manifest
from pipeline.output.names import LOCK_NAME
from pipeline.output.rebuild import (
    find_missing_jobs,
    find_written_s,
    open_for_writing,
    rebuild,
)
from pipeline.output.stores import restore_snapshot
from pipeline.settings import EMULATOR_NAME, Service
from pipeline.storage.atomic_file import (
    FOLDER_MODE,
    remove_partial_files,
    storage_errors,
)
from pipeline.storage.files import SHARED_NAME, is_shared
from pipeline.storage.folder import Folder
from pipeline.storage.regular_file import check_own
from pipeline.storage.store import Store
from pipeline.storage.syncing import sync_file, sync_folder, take_unsynced
from pipeline.version import __version__

OUTPUT_ROOT = Path("output")
_OF_A_REHEARSAL = (
    "a run with --emulate made what is there: delete that folder, or choose another"
    " --output; for files in a store, choose another --store too"
)
_LOOK_S = 0.1  # longer than another command takes to see whether a run is in progress
_ESCAPED_BYTE = re.compile(r"\\u(dc[89a-f][0-9a-f])")


def output_folder(
    manifest: Manifest, *, output: str | os.PathLike[str] | None, emulate: bool
) -> Path:
    """The folder for a manifest's assets: ``output/<name>``, or another one to emulate.

    Args:
        manifest: The manifest.
        output: The folder that the user chose, or None.
        emulate: Whether the emulator is used: the default is then
            ``output/<name>.emulated``.
    """
    return folder_of(manifest.name, output=output, emulate=emulate)


def folder_of(
    name: str, *, output: str | os.PathLike[str] | None, emulate: bool
) -> Path:
    """As :func:`output_folder`, from the manifest's name alone."""
    if output is not None:
        return Path(output)
    return OUTPUT_ROOT / (f"{name}.emulated" if emulate else name)


def check_owner(folder: Path, service: Service) -> None:
    """Refuse a folder of another service, before any request is sent.

    Raises:
        UsageError: The folder belongs to another service or project.
    """
    path = folder / LEDGER_NAME
    # An unreadable ledger is reported later, when it is opened for use.
    with suppress(LedgerError, OutputError):
        if _is_there(path):
            with (
                Ledger(path, read_only=True) as opened,
                opened if opened.is_current else opened.copy_in_memory() as ledger,
            ):
                _check_bound(ledger, service, folder)
        elif folder.is_dir():
            with Ledger(IN_MEMORY) as ledger:
                rebuild(ledger, folder)
                _check_bound(ledger, service, folder)


def check_manifest(ledger: Ledger, output: Path, manifest: Manifest) -> None:
    """Refuse a folder of another manifest or profile: each would replace its files.

    A folder whose manifest is gone, because it was moved or renamed, may be taken over;
    so may that of a profile which the manifest no longer has.

    Args:
        ledger: Of the folder.
        output: The output folder.
        manifest: The manifest that wants to use it.

    Raises:
        UsageError: The folder belongs to another manifest or profile, which still
            exists.
    """
    facts = ledger.find_facts()
    owner = facts.manifest_file
    if not owner or is_shared(output):
        return
    if owner == _relative(manifest.path, output):
        is_gone = facts.profile and facts.profile not in manifest.profiles
        if facts.profile == manifest.profile or is_gone:
            return
        names = (facts.profile, manifest.profile)
        theirs, ours = (f"profile '{one}'" if one else "no profile" for one in names)
        raise UsageError(
            f"{output} belongs to {manifest.file} with {theirs}, not with {ours}",
            hint="choose another --output: each profile has a folder of its own",
        )
    other = Path(os.path.normpath(output.resolve() / _unescape(owner)))
    if not os.path.isfile(other):  # noqa: PTH113 - no error where it cannot be seen
        return
    raise UsageError(
        f"{output} belongs to the manifest {other}, not to {manifest.path}",
        hint=f"give this manifest a 'name:' of its own, or choose another --output; to"
        f" share the folder, make an empty file {output / SHARED_NAME}",
    )


def claim(ledger: Ledger, output: Path, manifest: Manifest) -> None:
    """Record that a folder belongs to a manifest from now on.

    Raises:
        UsageError: As :func:`check_manifest`.
    """
    check_manifest(ledger, output, manifest)
    ledger.record_manifest(manifest.name)
    ledger.record_facts(
        manifest_file=_relative(manifest.path, output), profile=manifest.profile
    )


def _relative(manifest: Path, output: Path) -> str:
    """The manifest's path as seen from the folder, so that both may be moved.

    Bytes that are not UTF-8, which the ledger cannot hold, are escaped.
    """
    try:
        path = os.path.relpath(manifest.resolve(), output.resolve())
    except ValueError:  # another drive
        path = str(manifest.resolve())
    return Path(path).as_posix().encode("utf-8", "backslashreplace").decode()


def _unescape(path: str) -> str:
    return _ESCAPED_BYTE.sub(lambda found: chr(int(found[1], 16)), path)


@contextmanager
def holding_output(
    folder: Path,
    service: Service,
    lock_file: Path | None = None,
    *,
    item_count: int | None = None,
    store: Store | None = None,
) -> Iterator[tuple[Ledger, Ledger]]:
    """Hold an output folder exclusively, with its ledger open for writing and reading.

    Args:
        folder: The output folder; created if missing.
        service: The service to bind the folder to.
        lock_file: The manifest's lock file, or None. Its jobs that the ledger does not
            have are recorded.
        item_count: How many items the manifest has, or None: see ``read_lock``.
        store: Where its files are; None for the folder itself.

    Raises:
        LedgerBusy: A run is in progress in the folder.
        UsageError: The folder belongs to another service or project.
        LockError: The lock file cannot be read.
        LedgerError, OutputError: The folder cannot be used.
    """
    with _all_locked(folder, store), open_for_writing(folder, store) as ledger:
        _bind(ledger, service, folder)
        learn_lock(ledger, lock_file, service, item_count=item_count)
        with Ledger(folder / LEDGER_NAME, read_only=True) as reader:
            yield ledger, reader


@contextmanager
def holding_ledger(folder: Path, store: Store | None = None) -> Iterator[Ledger]:
    """Hold an output folder of any service exclusively, with its ledger for writing.

    Args:
        folder: The output folder.
        store: Where its files are; None for the folder itself.

    Raises:
        LedgerBusy: A run is in progress in the folder.
        LedgerError, OutputError: The folder cannot be used.
    """
    with _all_locked(folder, store), open_for_writing(folder, store) as ledger:
        yield ledger


@contextmanager
def holding_idle(folder: Path) -> Iterator[None]:
    """Keep runs out of an output folder that is only read.

    Raises:
        LedgerBusy: A run is in progress in the folder.
        OutputError: Its ``ledger.lock`` is a link out of the folder.
    """
    path = folder / LOCK_NAME
    check_own(path)  # a link's target would be emptied
    lock = FileLock(path, mode=0o644)
    # Where the file cannot be written, no run can be.
    with suppress(PermissionError):
        if path.is_file():
            _acquire(lock, folder)
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a run is in progress in an output folder.

    Raises:
        OutputError: As for :func:`holding_idle`.
    """
    try:
        with holding_idle(folder):
            return False
    except LedgerBusy:
        return True


@contextmanager
def open_for_reading(
    folder: Path,
    lock_file: Path | None = None,
    *,
    service: Service | None = None,
    item_count: int | None = None,
) -> Iterator[Ledger]:
    """Open the ledger of an output folder for reading; a run may be in progress.

    If sidecars or the lock file know more than the ledger, a copy in memory shows the
    state that a run would find.

    Args:
        folder: The output folder; it need not exist.
        lock_file: The manifest's lock file, or None.
        service: The service whose jobs to take from the lock file; None for the
            ledger's own service, or any.
        item_count: How many items the manifest has, or None: see ``read_lock``.

    Raises:
        LedgerError: The ledger cannot be read.
        LockError: The lock file cannot be read.
        UsageError: A sidecar has impossible values, or the lock file belongs to another
            service.
        OutputError: The ledger is a link out of the folder, or not a regular file.
    """
    path = folder / LEDGER_NAME
    check_own(path)  # else a pipe in its place would count as a missing ledger
    if _is_there(path):
        written_s = find_written_s(path)
        with Ledger(path, read_only=True) as ledger:
            is_current = ledger.is_current and not knows_more(
                lock_file, ledger, item_count
            )
            if is_current and not find_missing_jobs(
                ledger, folder, written_s=written_s
            ):
                yield ledger
                return
            with ledger.copy_in_memory() as copy:
                rebuild(copy, folder, written_s=written_s)
                learn_lock(copy, lock_file, service, item_count=item_count)
                yield copy
        return
    with Ledger(IN_MEMORY) as ledger:
        if folder.is_dir():
            rebuild(ledger, folder)
        learn_lock(ledger, lock_file, service, item_count=item_count)
        yield ledger


@contextmanager
def open_ledger_of(
    manifest: Manifest, output: Path, *, emulate: bool
) -> Iterator[Ledger]:
    """As :func:`open_for_reading`, with the lock file of a manifest.

    Args:
        manifest: The manifest.
        output: Its output folder; it need not exist.
        emulate: Whether the folder belongs to the emulator; then the lock file is
            ignored.
    """
    lock_file = find_lock_file(manifest, emulate=emulate)
    with open_for_reading(output, lock_file, item_count=manifest.most_jobs) as ledger:
        yield ledger


def is_by_emulator(facts: Facts, *, emulate: bool) -> bool:
    """Whether what a ledger knows was made by the emulator.

    Args:
        facts: Of the ledger.
        emulate: What counts as long as the ledger has not been used.
    """
    if not facts.base_url:
        return emulate
    return facts.base_url == EMULATOR_NAME or facts.is_emulated


def _is_there(ledger: Path) -> bool:
    """Whether an output folder has a ledger.

    Raises:
        OutputError: The folder cannot be read.
    """
    try:
        ledger.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise OutputError(
            f"cannot read {ledger.parent}: {error.strerror or error}",
            hint="make the folder and its files readable for you, then try again",
        ) from error
    return ledger.is_file()


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
def _all_locked(folder: Path, store: Store | None) -> Iterator[None]:
    """Lock the output folder, and the folder of its files if that is another one.

    Where the folder has no ledger, it begins with the one that the store keeps.
    """
    with ExitStack() as held:
        held.enter_context(_locked(folder))
        if isinstance(store, Folder) and store.root != folder:
            held.enter_context(_locked(store.root))
        if store is not None:
            restore_snapshot(store)
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the output folder for one run; the lock ends with the process.

    Raises:
        LedgerBusy: Another run holds the lock.
        OutputError: The folder cannot be created, or its ``ledger.lock`` is a link out
            of the folder.
    """
    with storage_errors(folder):
        folder.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        check_own(folder / LOCK_NAME)  # a link's target would be created or emptied
        lock = FileLock(folder / LOCK_NAME, mode=0o644)
        _acquire(lock, folder)
    try:
        remove_partial_files(folder)
        yield
        remove_partial_files(folder)
    finally:
        lock.release()


def _acquire(lock: FileLock, folder: Path) -> None:
    try:
        lock.acquire(timeout=_LOOK_S, poll_interval=_LOOK_S / 10)
    except Timeout:
        raise LedgerBusy(
            f"another run is in progress in {folder}",
            hint="wait for it to end, or choose another --output",
        ) from None


def _bind(ledger: Ledger, service: Service, folder: Path) -> None:
    """Bind a new ledger to this service.

    Raises:
        UsageError: The ledger is bound to another service or project.
    """
    _check_bound(ledger, service, folder)
    if not ledger.find_facts().tool:
        ledger.record_facts(
            base_url=service.base_url,
            project_id=service.project_id,
            tool=f"scenario-pipeline {__version__}",
        )


def _hint_to_part(bound: str, value: str) -> str:
    if bound == EMULATOR_NAME:
        return _OF_A_REHEARSAL
    if value == EMULATOR_NAME:
        return "leave out --emulate, or choose another --output, and another --store"
    return "choose another --output, or restore the environment"


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
                hint=_hint_to_part(bound, value),
            )
