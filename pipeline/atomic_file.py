"""Bytes → a file that is either whole and in place, or not there.

Pattern: write beside, fsync, rename, fsync the folder. Everything unfinished lives
in one folder, ``.partial`` of the output, so that what a kill left behind is
removed by emptying one folder, and the rename never crosses a file system.
Trade-off: one fsync a file. Out of scope: several writers of one name.

Plain functions block and belong in a thread; ``PartialFile`` is for the loop.
"""

import contextlib
import hashlib
import io
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import anyio.to_thread
from aiofiles.threadpool import wrap as wrap_in_threads
from aiofiles.threadpool.binary import AsyncFileIO

from pipeline.errors import OutputError
from pipeline.media_type import HEAD_SIZE_BYTES

T = TypeVar("T")

PARTIAL_FOLDER = ".partial"
FILE_MODE = 0o644  # never writable by group or world, whatever the umask allows
FOLDER_MODE = 0o755
CHUNK_SIZE_BYTES = 1 << 20  # 1.5 to 2.2 times the throughput of 64 KiB

Watcher = Callable[[bytes], None]  # is shown every block in order; may raise


class _DigestingFile(io.FileIO):
    """Hashes and shows what passes: both share the thread hop of the write.

    Unbuffered: what comes in large blocks would only be copied once more.
    """

    def __init__(self, path: Path, watch: Watcher | None = None) -> None:
        super().__init__(os.open(path, _CREATE_FLAGS, FILE_MODE), "wb")
        self.digest = hashlib.sha256()
        self._watch = watch
        # A cancelled write goes on in its thread: the descriptor must outlive it.
        self._in_use = threading.Lock()

    def writelines(self, pieces: Iterable[bytes]) -> None:  # type: ignore[override]
        """One block: joined here, where nobody waits for it."""
        self.write(b"".join(pieces))

    def write(self, block: bytes) -> int:  # type: ignore[override]
        self.digest.update(block)
        if self._watch is not None:
            self._watch(block)
        with self._in_use:
            left = memoryview(block)
            while left:  # a write may be cut short
                left = left[super().write(left) :]
        return len(block)

    def close(self) -> None:
        with self._in_use:
            super().close()


_CREATE_FLAGS = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
) | getattr(os, "O_NOFOLLOW", 0)


class PartialFile:
    """A file under way: ``async with PartialFile(folder) as partial: await write``.

    Leaving the block by an exception removes the file; otherwise it stays, closed,
    for :func:`put_in_place`.

    Args:
        output: The output folder.
        watch: Called with all content, in order, in the thread that writes it.

    Attributes:
        path: Where it is, inside ``.partial``.
        size_bytes: Bytes written so far.
        head: The first bytes, for recognising the type.
    """

    def __init__(self, output: Path, watch: Watcher | None = None) -> None:
        self.path = _new_partial_path(output)
        self.size_bytes = 0
        self.head = b""
        self._watch = watch
        self._writer: _DigestingFile | None = None
        self._file: AsyncFileIO | None = None

    async def __aenter__(self) -> Self:
        self._writer = await anyio.to_thread.run_sync(self._open)
        self._file = wrap_in_threads(self._writer)
        return self

    def _open(self) -> _DigestingFile:
        with storage_errors(self.path):
            return _made_with_its_folder(
                self.path, lambda: _DigestingFile(self.path, self._watch)
            )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._writer is not None
        with contextlib.suppress(OSError):
            self._writer.close()
        if error is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()

    async def write(self, *pieces: bytes) -> None:
        """Append pieces as one block, best of ``CHUNK_SIZE_BYTES``: one thread hop.

        Raises:
            OutputError: The disk is full or not writable.
            Exception: Whatever ``watch`` raises.
        """
        assert self._file is not None
        for piece in pieces:
            if len(self.head) == HEAD_SIZE_BYTES:
                break
            self.head += piece[: HEAD_SIZE_BYTES - len(self.head)]
        with storage_errors(self.path):
            await self._file.writelines(pieces)
        self.size_bytes += sum(map(len, pieces))

    def sync(self) -> str:
        """Write through to the disk and close; blocking.

        Returns:
            The SHA-256 of all content in hex.

        Raises:
            OutputError: The disk is full or not writable.
        """
        assert self._writer is not None
        with storage_errors(self.path):
            os.fsync(self._writer.fileno())
            self._writer.close()
        return self._writer.digest.hexdigest()


def is_inside(output: Path, path: Path) -> bool:
    """Whether a path is in the output folder, through no link that leads out."""
    return path.parent.resolve().is_relative_to(output.resolve())


def put_in_place(partial: Path, output: Path, name: str) -> Path:
    """Rename a synced partial file to ``output/name``; blocking.

    The name is durable after :func:`sync_folders`.

    Args:
        partial: A closed file in the same file system.
        output: The output folder; nothing is ever written outside of it.
        name: Relative, parts separated by ``/``.

    Returns:
        The final path.

    Raises:
        OutputError: Not writable, or ``name`` leaves ``output``, through a link too.
    """
    target = output / name
    with storage_errors(target):
        # Before anything is made: a folder must not appear beyond a link either.
        if target.parent != output and not is_inside(output, target):
            raise OutputError(
                f"{target} leads outside of the output folder",
                hint="remove the link and run again",
            )
        return _made_with_its_folder(target, lambda: partial.replace(target))


def write_in_place(content: bytes, output: Path, name: str) -> Path:
    """Write ``content`` to ``output/name`` at once or not at all; blocking.

    The name is durable after :func:`sync_folders`.

    Raises:
        OutputError: As :func:`put_in_place`.
    """
    partial = _new_partial_path(output)
    with storage_errors(partial):
        try:
            with _made_with_its_folder(
                partial, lambda: _DigestingFile(partial)
            ) as file:
                file.write(content)
                os.fsync(file.fileno())
            return put_in_place(partial, output, name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def sync_folders(files: Iterable[Path]) -> None:
    """Make the names of ``files`` durable, one fsync a folder; blocking.

    Raises:
        OutputError: The disk fails.
    """
    if os.name != "posix":
        return  # other systems cannot open a folder; their rename is journalled
    for folder in {path.parent for path in files}:
        with storage_errors(folder):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def remove_partial_files(output: Path) -> None:
    """Empty what an earlier, killed run left unfinished; the caller holds the lock."""
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
            raise OutputError(
                f"cannot write {self._path}: {reason}",
                hint="free some space or choose another --output, then run again",
            ) from error


def _made_with_its_folder(path: Path, make: Callable[[], T]) -> T:
    """Call ``make``; only where the folder of ``path`` is missing, make that before."""
    with contextlib.suppress(FileNotFoundError):
        return make()
    path.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    return make()


def _new_partial_path(output: Path) -> Path:
    return output / PARTIAL_FOLDER / secrets.token_hex(8)
