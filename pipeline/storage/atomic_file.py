"""Bytes → a file that is either complete and in place, or absent.

Pattern: write to a temporary file, fsync, rename, fsync the folder. All unfinished
files are in the output's ``.partial`` folder. So emptying one folder removes what a
killed run left behind, and the rename never crosses a file system. Trade-off: one fsync
per file. Out of scope: several writers of one name.

Plain functions block and belong in a thread; ``PartialFile`` is for the event loop.
"""

import contextlib
import errno
import hashlib
import io
import itertools
import os
import secrets
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

import anyio
from aiofiles.threadpool import wrap as wrap_in_threads
from aiofiles.threadpool.binary import AsyncFileIO

from pipeline.errors import OutputError
from pipeline.fault_points import reach
from pipeline.storage.batching import Batcher
from pipeline.storage.media_type import HEAD_SIZE_BYTES
from pipeline.storage.regular_file import is_inside
from pipeline.storage.store import Watcher, WriteCall
from pipeline.storage.syncing import sync_file, sync_folder

T = TypeVar("T")

PARTIAL_FOLDER = ".partial"
FILE_MODE = 0o644  # never writable by group or others, whatever the umask
FOLDER_MODE = 0o755
CHUNK_SIZE_BYTES = 1 << 20  # 1.5 to 2.2 times the throughput of 64 KiB
SMALL_FILE_BYTES = 1 << 20  # a larger file is worth a thread call of its own
_SMALL_PIECE_BYTES = 1 << 16  # smaller ones are joined: each piece has overhead

_PROCESS_TOKEN = secrets.token_hex(8)
_numbers = itertools.count(1)

_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


class _DigestingFile(io.FileIO):
    """Hashes what is written and passes it to a watcher; opened by its first write.

    So one thread call is enough for a whole file. Unbuffered: a buffer would only copy
    large pieces once more.

    Attributes:
        digest: SHA-256 of what has been written.
        is_last: Whether the next write is the last: it syncs and closes too.
    """

    def __init__(self, path: Path, watch: Watcher | None = None) -> None:
        # FileIO's own __init__ runs at the first write; until then it counts as closed.
        self.digest = hashlib.sha256()
        self.is_last = False
        self._path = path
        self._watch = watch
        self._is_over = False
        # A cancelled write continues in its thread: the descriptor must outlive it.
        self._in_use = threading.Lock()

    def writelines(self, pieces: Sequence[bytes]) -> None:  # type: ignore[override]
        """Do everything that belongs to one thread call."""
        for piece in _without_small_ones(pieces):
            self.digest.update(piece)
            if self._watch is not None:
                self._watch(piece)
            with self._in_use:
                self._open()
                _write_all(super(), piece)
        reach("chunk-written")
        if self.is_last:
            with self._in_use:
                self._open()  # also for an empty file
                sync_file(self.fileno(), self._path)
                self._is_over = True
                super().close()

    def close(self) -> None:
        with self._in_use:
            self._is_over = True
            super().close()

    def _open(self) -> None:
        if self._is_over:
            raise ValueError("write to a closed file")
        if self.closed:
            super().__init__(_create(self._path), "wb")


class PartialFile:
    """A file being written: ``async with``, :meth:`write`, and a last :meth:`finish`.

    Each is at most one thread call. Leaving the block by an exception removes the file;
    otherwise it stays, closed, for :func:`put_in_place`.

    Args:
        output: The output folder.
        watch: Called with all content, in order, in the writing thread.

    Attributes:
        path: Where it is, inside ``.partial``, after the first write.
        size_bytes: Bytes written so far.
        head: The first bytes, for recognising the type.
    """

    def __init__(self, output: Path, watch: Watcher | None = None) -> None:
        self.path = new_partial_path(output)
        self.size_bytes = 0
        self.head = b""
        self._writer = _DigestingFile(self.path, watch)
        self._file: AsyncFileIO = wrap_in_threads(self._writer)

    @property
    def pending(self) -> Path:
        """Where the finished file is."""
        return self.path

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()
        if error is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces, ideally some MiB of them: they are written in one thread call.

        Raises:
            OutputError: The disk is full or not writable.
            Exception: Whatever ``watch`` raises.
        """
        await self._append(pieces, self._write_in_own_thread_call)

    async def finish(
        self,
        pieces: Sequence[bytes],
        batcher: Batcher[WriteCall, None] | None = None,
    ) -> str:
        """Append the last pieces, sync to disk and close.

        Args:
            pieces: The rest of the content, or all of it.
            batcher: Lets small files share a thread call; a large one has its own.

        Returns:
            The SHA-256 of all content in hex.

        Raises:
            OutputError: The disk is full or not writable.
            Exception: Whatever ``watch`` raises.
        """
        self._writer.is_last = True
        size_bytes = self.size_bytes + sum(map(len, pieces))
        if batcher is not None and size_bytes <= SMALL_FILE_BYTES:
            await self._append(
                pieces, lambda last: batcher.run(partial(self._writer.writelines, last))
            )
        else:
            await self._append(pieces, self._write_in_own_thread_call)
        return self._writer.digest.hexdigest()

    async def _append(
        self,
        pieces: Sequence[bytes],
        write: Callable[[Sequence[bytes]], Awaitable[None]],
    ) -> None:
        for piece in pieces:
            if len(self.head) == HEAD_SIZE_BYTES:
                break
            self.head += piece[: HEAD_SIZE_BYTES - len(self.head)]
        with storage_errors(self.path):
            await write(pieces)
        self.size_bytes += sum(map(len, pieces))

    async def _write_in_own_thread_call(self, pieces: Sequence[bytes]) -> None:
        # Not interrupted: an exception must leave nothing that is still being written.
        with anyio.CancelScope(shield=True):
            await self._file.writelines(pieces)


def new_partial_path(output: Path) -> Path:
    """A unique path for an unfinished file; creates nothing."""
    # A forked process has the same token and goes on with the same numbers.
    name = f"{_PROCESS_TOKEN}-{os.getpid():x}-{next(_numbers):x}"
    return output / PARTIAL_FOLDER / name


def create_partial(output: Path) -> tuple[Path, BinaryIO]:
    """A new, empty partial file, open for writing; blocking.

    Raises:
        OutputError: It cannot be created.
    """
    path = new_partial_path(output)
    with storage_errors(path):
        return path, os.fdopen(_create(path), "wb")


def try_writing(output: Path) -> None:
    """Create a file and remove it; blocking.

    Raises:
        OutputError: It cannot be created.
    """
    partial, file = create_partial(output)
    file.close()
    partial.unlink()


def copy_beside(source: BinaryIO, output: Path) -> Path:
    """Copy the rest of a file into a new partial file, and sync it; blocking.

    Raises:
        OutputError: It cannot be written.
        OSError: ``source`` cannot be read.
    """
    partial, file = create_partial(output)
    try:
        with file:
            while block := source.read(CHUNK_SIZE_BYTES):
                with storage_errors(partial):
                    file.write(block)
            with storage_errors(partial):
                file.flush()
                sync_file(file.fileno(), partial)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return partial


def put_in_place(partial: Path, output: Path, name: str) -> Path:
    """Rename a synced partial file to ``output/name``; blocking.

    The name is durable after :func:`sync_folders`.

    Args:
        partial: A closed file in the same file system.
        output: The output folder; nothing is ever written outside it.
        name: Relative, parts separated by ``/``.

    Returns:
        The final path.

    Raises:
        OutputError: It is not writable, or ``name`` leaves ``output``, even through a
            link.
    """
    target = output / name
    with storage_errors(target):
        # Before anything is created: no folder must appear beyond a link either.
        if target.parent != output and not is_inside(output, target):
            raise OutputError(
                f"{target} leads outside of the output folder",
                hint="remove the link and run again",
            )
        return _with_folder_made(target, lambda: partial.replace(target))


def write_in_place(
    content: bytes, output: Path, name: str, *, sync: bool = True
) -> Path:
    """Write ``content`` to ``output/name`` completely or not at all; blocking.

    The name is durable after :func:`sync_folders`.

    Args:
        content: All of it.
        output: As for :func:`put_in_place`.
        name: As for :func:`put_in_place`.
        sync: False for a file that can be made again after a power cut.

    Raises:
        OutputError: As for :func:`put_in_place`.
    """
    partial = new_partial_path(output)
    with storage_errors(partial):
        try:
            with io.FileIO(_create(partial), "wb") as file:
                _write_all(file, content)
                if sync:
                    sync_file(file.fileno(), partial)
            return put_in_place(partial, output, name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def write_beside(path: Path, content: bytes) -> None:
    """Write one of the user's own files, completely or not at all; blocking.

    Raises:
        OutputError: It cannot be written.
    """
    folder = path.absolute().parent
    had_partial = (folder / PARTIAL_FOLDER).exists()
    write_in_place(content, folder, path.name)
    if not had_partial:  # do not leave our folder beside a person's files
        with contextlib.suppress(OSError):
            (folder / PARTIAL_FOLDER).rmdir()


def sync_folders(files: Iterable[Path]) -> None:
    """Make the names of ``files`` durable, with one fsync per folder; blocking.

    A folder that its file system cannot sync is passed over: see ``syncing``.

    Raises:
        OutputError: The disk fails.
    """
    for folder in {path.parent for path in files}:
        with storage_errors(folder):
            sync_folder(folder)


def remove_partial_files(output: Path) -> None:
    """Remove what a killed run left unfinished; the caller must hold the lock."""
    folder = output / PARTIAL_FOLDER
    if folder.is_symlink():  # nothing is written through it
        with storage_errors(folder):
            folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


class storage_errors(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a verb
    """Within the block, an OSError becomes an OutputError that names ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            first = "free some space"
            if error.errno in _NOT_ALLOWED:
                first = "make the folder writable"
            raise OutputError(
                f"cannot write {self._path}: {reason}",
                hint=f"{first} or choose another --output, then run again",
            ) from error


def _with_folder_made(path: Path, make: Callable[[], T]) -> T:
    """Call ``make``; if the folder of ``path`` is missing, create it and retry."""
    with contextlib.suppress(FileNotFoundError):
        return make()
    path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    return make()


def check_no_link(folder: Path) -> None:
    """Refuse to create anything in one of our folders if it is a link.

    Raises:
        OutputError: It is one.
    """
    if folder.is_symlink():
        raise OutputError(
            f"{folder} is a link: nothing is written through it",
            hint="remove the link and run again",
        )


_CREATE_FLAGS = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
) | getattr(os, "O_NOFOLLOW", 0)


def _create(path: Path) -> int:
    """Create a file, and its folder if needed, and return its descriptor.

    Raises:
        OutputError: The folder is a link, which may lead anywhere.
    """
    check_no_link(path.parent)
    return _with_folder_made(path, lambda: os.open(path, _CREATE_FLAGS, FILE_MODE))


def _without_small_ones(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, with small pieces joined up to ``CHUNK_SIZE_BYTES``."""
    small: list[bytes] = []
    small_bytes = 0
    for piece in pieces:
        if len(piece) >= _SMALL_PIECE_BYTES and not small:
            yield piece
            continue
        small.append(piece)
        small_bytes += len(piece)
        if small_bytes >= CHUNK_SIZE_BYTES:
            yield b"".join(small)
            small, small_bytes = [], 0
    if small:
        yield b"".join(small)


def _write_all(file: Any, content: bytes) -> None:
    left = memoryview(content)
    while left:  # a write may be partial
        left = left[file.write(left) :]
