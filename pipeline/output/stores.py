"""The store of an output folder: opened, its sidecars copied home, its ledger kept.

On another machine, or after the disk is lost, the output folder is filled again from
the store: the newest snapshot of the ledger, and every sidecar.
"""

import errno
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from pipeline.assets.sidecar import MAX_SIDECAR_BYTES
from pipeline.errors import LedgerDamaged, LedgerError, OutputError, UsageError
from pipeline.job import SIDECAR_SUFFIX
from pipeline.ledger.ledger import LEDGER_NAME, Ledger
from pipeline.manifest import Manifest
from pipeline.output.names import MARKS_OF_OUTPUT, is_own
from pipeline.output.rebuild import follow_moves, search_since
from pipeline.output.store_owner import check_store_owner
from pipeline.settings import learn_secrets
from pipeline.storage.atomic_file import (
    copy_beside,
    create_partial,
    put_in_place,
    write_in_place,
)
from pipeline.storage.bucket_url import BucketUrl, parse_store_url
from pipeline.storage.files import STORE_NAME
from pipeline.storage.folder import Folder
from pipeline.storage.regular_file import read_regular
from pipeline.storage.store import Entry, Store

logger = logging.getLogger(__name__)

_READERS = 16
_MOST_URL_BYTES = 4096
# A name is too long, or leads through a file.
_NO_NAME_OF_OURS = {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
_SQLITE = "application/vnd.sqlite3"


def open_store(home: Path, url: str = "", *, manifest: Manifest | None = None) -> Store:
    """Open the store of an output folder, and copy new sidecars home.

    Args:
        home: The output folder; it need not exist.
        url: The store that was asked for; "" for the one that the folder has used, or
            the folder itself.
        manifest: That of the folder, if it may be the first time that it uses the
            store.

    Raises:
        UsageError: No URL of a store, or the folder belongs to another one, or the
            store to another manifest.
        OutputError: The store cannot be read; the hint says what to change.
    """
    bound = _find_bound(home)
    store = _store_of(home, url, bound)
    if store is None:
        return Folder(home)
    store.load()
    if manifest is not None and not bound and is_elsewhere(store):
        # Before anything of another manifest's comes home.
        check_store_owner(store, manifest.name)
    _copy_sidecars_home(store)
    return store


def try_store(home: Path, url: str, manifest: Manifest) -> Store | None:
    """Check that a run can use its store, and change nothing in the output folder.

    Args:
        home: The output folder; it need not exist.
        url: As for ``open_store``.
        manifest: That of the folder.

    Returns:
        The store; None if the files go into the output folder.

    Raises:
        UsageError: As ``open_store``.
        OutputError: The store cannot be read or written; the hint says what to change.
    """
    store = _store_of(home, url, _find_bound(home))
    if store is None or not is_elsewhere(store):
        return None
    store.load()
    check_store_owner(store, manifest.name)
    store.check_writable()
    return store


def _store_of(home: Path, url: str, bound: str) -> Store | None:
    """The store that was asked for or used before, not looked at; None for neither."""
    if bound and url and normal_url(url) != bound:
        raise UsageError(
            f"{home} belongs to the store {bound}, not to {normal_url(url)}",
            hint="choose another --output: each store has a folder of its own",
        )
    return _store_at(url or bound, home) if url or bound else None


def url_for(manifest: Manifest, chosen: str, *, emulate: bool) -> str:
    """The URL of the store of a manifest; "" for none.

    Args:
        manifest: With its ``store``.
        chosen: The URL that the user gave, or "".
        emulate: Whether the emulator is used: its files do not go among the real ones,
            unless the user says where.
    """
    if chosen or not manifest.store or not emulate:
        return chosen or manifest.store
    url = manifest.store.rstrip("/")
    has_prefix = "/" in url.partition("://")[2]
    return f"{url}.emulated" if has_prefix else f"{url}/emulated"


def normal_url(url: str) -> str:
    """The URL of a store in the one form in which it is recorded.

    Raises:
        UsageError: It is not one.
    """
    where = _parse_url(url)
    return where.as_uri() if isinstance(where, Path) else where.location


def _store_at(url: str, home: Path) -> Store:
    """A store, without looking at it."""
    where = _parse_url(url)
    if isinstance(where, Path):
        is_home = where.resolve() == home.resolve()
        return Folder(home) if is_home else Folder(where, home)
    from pipeline.storage.object_store import ObjectStore  # noqa: PLC0415 - 8 ms

    return ObjectStore(where, home)


def _parse_url(url: str) -> BucketUrl | Path:
    learn_secrets(os.environ)
    return parse_store_url(url, os.environ)


def bind_store(store: Store) -> None:
    """Record in the output folder where its files are.

    Raises:
        OutputError: The folder is not writable.
    """
    if is_elsewhere(store) and not _find_bound(store.home):
        write_in_place(f"{store.describe()}\n".encode(), store.home, STORE_NAME)


def is_elsewhere(store: Store) -> bool:
    """Whether the files are not in the output folder."""
    return not isinstance(store, Folder) or store.root != store.home


def option_for(store: Store, manifest: Manifest, *, emulate: bool) -> str:
    """The ``--store`` with which a command finds a store; "" if it needs none."""
    if not is_elsewhere(store) or _find_bound(store.home):
        return ""
    own = url_for(manifest, "", emulate=emulate)
    return "" if own and normal_url(own) == store.describe() else store.describe()


def list_own(store: Store) -> Iterator[Entry]:
    """The files of a store, without those of other stores inside of it.

    Those have a ledger, or a copy of one, in a folder of their own.
    """
    found = sorted(store.list_files(), key=lambda file: file.name)
    others = {
        f"{folder}/"
        for folder, _, last in (file.name.rpartition("/") for file in found)
        if folder and last in MARKS_OF_OUTPUT
    }
    for file in found:
        ends = (at + 1 for at, sign in enumerate(file.name) if sign == "/")
        if not others or others.isdisjoint(file.name[:end] for end in ends):
            yield file


def needs_snapshot(ledger: Ledger, store: Store) -> bool:
    """Whether the store has no copy of the ledger, or one from before the last work.

    A run that was killed has left it so. A store that the folder has not used yet needs
    none.
    """
    if not is_elsewhere(store) or not _find_bound(store.home):
        return False
    return bool(ledger.find_facts().copy_due) or not store.is_present(LEDGER_NAME)


def save_snapshot(ledger: Ledger, store: Store) -> None:
    """Put a copy of the ledger into the store, instead of the one before.

    Raises:
        OutputError: It cannot be written.
        NameTaken: Another run has put its own there.
    """
    if not is_elsewhere(store):
        return
    partial, file = create_partial(store.workspace)
    file.close()  # empty: the copy is written to it
    try:
        digest = ledger.snapshot(partial)
        store.place(partial, LEDGER_NAME, sha256=digest, media_type=_SQLITE)
        store.sync([LEDGER_NAME])
        ledger.record_facts(copy_due=None)
    finally:
        partial.unlink(missing_ok=True)


def restore_snapshot(store: Store) -> None:
    """Begin with the ledger that the store keeps, where the folder has none.

    Jobs that were sent after it was made are searched for, as after a lost ledger. One
    that is damaged is passed over: the sidecars say what is paid for.

    Raises:
        OutputError: It cannot be read now, or the folder is not writable.
        LedgerError: It is of a newer version, or of another program.
    """
    if not is_elsewhere(store) or (store.home / LEDGER_NAME).exists():
        return
    if not store.is_present(LEDGER_NAME):
        return
    try:
        with store.open(LEDGER_NAME) as source:
            partial = copy_beside(source, store.home)
    except OSError as error:  # it may be whole: a run must not begin without it
        raise OutputError(
            f"cannot read {store.describe(LEDGER_NAME)}: {error}",
            hint="check the store and the network, then run again",
        ) from error
    try:
        with Ledger(partial) as ledger:
            ledger.check()
            ledger.record_facts(copy_due=None)  # it is the copy
            follow_moves(ledger, store.home)
            ended = ledger.find_last_end()
            if ended is not None:
                search_since(ledger, ended)
        put_in_place(partial, store.home, LEDGER_NAME)
    except LedgerDamaged as error:
        logger.warning("the ledger in %s is not used: %s", store.describe(), error)
    except LedgerError as error:  # it is whole: this version cannot use it
        raise LedgerError(
            error.message.replace(str(partial), store.describe(LEDGER_NAME)),
            hint=error.hint,
        ) from error
    finally:
        for suffix in ("", "-wal", "-shm"):
            partial.with_name(partial.name + suffix).unlink(missing_ok=True)


def _find_bound(home: Path) -> str:
    """The URL of the store that a folder has used; "" for none.

    Raises:
        OutputError: It cannot be read.
    """
    path = home / STORE_NAME
    try:
        content = read_regular(path, limit_bytes=_MOST_URL_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise OutputError(
            f"cannot read {path}: {error.strerror or error}",
            hint="it names the store of this folder: make it readable, or delete it and"
            " give --store",
        ) from error
    return content.decode("utf-8", "replace").strip()


def _copy_sidecars_home(store: Store) -> None:
    """Copy the sidecars that are new, or newer than their copies."""
    if not is_elsewhere(store):
        return
    wanted = [one for one in list_own(store) if _is_wanted(store.home, one)]

    def copy(entry: Entry) -> None:
        with store.open(entry.name) as file:
            content = file.read()
        try:
            write_in_place(content, store.home, entry.name)
        except OutputError as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or cause.errno not in _NO_NAME_OF_OURS:
                raise
            logger.warning("%s is passed over: %s", store.describe(entry.name), cause)

    with ThreadPoolExecutor(_READERS) as pool:
        for _ in pool.map(copy, wanted):
            pass


def _is_wanted(home: Path, entry: Entry) -> bool:
    is_sidecar = entry.name.endswith(SIDECAR_SUFFIX) and not is_own(entry.name)
    if not is_sidecar or not 0 < entry.size_bytes <= MAX_SIDECAR_BYTES:
        return False
    if ".." in PurePosixPath(entry.name).parts or "\\" in entry.name:
        return False  # no name of ours
    try:
        about = (home / entry.name).stat()
    except OSError:
        return True
    return about.st_size != entry.size_bytes or about.st_mtime < entry.changed_s
