"""The folder of a gallery: which of its files are ours, and how they get there.

An index in the folder lists them. A file that it does not list is never replaced or
removed. Nor is one that it lists and that no gallery writes, such as an asset: anybody
can have changed the index. It is written before the first file and after the last, so
that it lists the files of a command that was killed too.
"""

import json
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from pipeline.errors import LedgerBusy, OutputError, UsageError
from pipeline.job import SIDECAR_SUFFIX
from pipeline.storage.atomic_file import (
    FOLDER_MODE,
    PARTIAL_FOLDER,
    copy_beside,
    new_partial_path,
    put_in_place,
    remove_partial_files,
    storage_errors,
    write_in_place,
)
from pipeline.storage.files import digest_of, remove_empty_folders
from pipeline.storage.regular_file import (
    check_own,
    is_inside,
    open_regular,
    read_regular,
)
from pipeline.storage.store import Content

GALLERY_FOLDER = "gallery"  # in the output folder, where it is by default
INDEX_NAME = ".gallery-files"
LOCK_NAME = ".gallery-lock"
_MOST_INDEX_BYTES = 64 << 20
# The page, small pictures, scripts with 3D models, the viewer, copies.
_OURS = re.compile(
    r"[^/]+\.(html|js|css)|(thumbnails|previews)/[^/]+\.webp|models/[^/]+\.js|vendor/[^/]+"
    r"|references/[^/]+|files/.+",
    re.DOTALL,
)
_PASSED_OVER = frozenset({INDEX_NAME, LOCK_NAME, PARTIAL_FOLDER})


class GalleryFolder:
    """One gallery's folder, held by one command; see :func:`holding_gallery`.

    Args:
        path: The folder; it exists.
        listed: What its index lists: name to size in bytes.

    Attributes:
        path: As given.
    """

    def __init__(self, path: Path, listed: Mapping[str, int]) -> None:
        self.path = path
        self._listed = dict(listed)
        self._wanted: dict[str, int] = {}

    @property
    def size_bytes(self) -> int:
        """The size of the files of this gallery together."""
        return sum(self._wanted.values())

    def size_of(self, name: str) -> int:
        """The size of one of its files; 0 if it has none of this name."""
        return self._wanted.get(name, 0)

    def begin(self, names: Iterable[str]) -> None:
        """Say which files will be written; call it once, before the first.

        Raises:
            UsageError: One of them is there and not ours.
            OutputError: The folder is not writable.
        """
        new = [name for name in names if name not in self._listed]
        for name in new:
            if os.path.lexists(self.path / name):
                raise UsageError(
                    f"{self.path / name} is in the way, and no gallery has written it",
                    hint="move it away, or take another: pipeline gallery --out DIR",
                )
        self._write_index({**dict.fromkeys(new, 0), **self._listed})

    def has(self, name: str) -> bool:
        """Whether a file of an earlier gallery is there, whole; then it is kept."""
        size_bytes = self._listed.get(name, 0)
        path = self.path / name
        with suppress(OSError):
            if size_bytes and is_inside(self.path, path):
                about = path.lstat()
                if about.st_size == size_bytes:
                    self._wanted[name] = size_bytes
                    return True
        return False

    def write(self, name: str, content: bytes) -> None:
        """Write a file, completely or not at all; from any thread.

        It is not synced: a file that a power cut leaves behind is made again.

        Raises:
            OutputError: The folder is not writable, or a link leads out of it.
        """
        write_in_place(content, self.path, name, sync=False)
        self._wanted[name] = len(content)

    def copy(self, source: Path, name: str) -> None:
        """Give a file a second name in the folder, or copy it where that cannot be.

        Raises:
            OutputError: The folder is not writable, or a link leads out of it.
            OSError: The file cannot be read.
        """
        if self.has(name) and _are_same(source, self.path / name):
            return
        partial = new_partial_path(self.path)
        with storage_errors(partial):
            partial.parent.mkdir(FOLDER_MODE, exist_ok=True)
        try:
            os.link(source, partial)
        except (OSError, NotImplementedError):
            with open_regular(source) as file, storage_errors(partial):
                with partial.open("xb") as copy:
                    shutil.copyfileobj(file, copy)
                shutil.copystat(source, partial)
        self._place(partial, name)

    def fetch(self, content: Content, name: str, sha256: str) -> None:
        """Copy a file that is not on this machine, unless its bytes are here already.

        Args:
            content: The file.
            name: Its name in the folder.
            sha256: Of its bytes, in hex.

        Raises:
            OutputError: The folder is not writable, or a link leads out of it.
            OSError: The file cannot be read.
        """
        if self.has(name) and digest_of(self.path, name) == sha256:
            return
        with content.open("rb") as source:
            partial = copy_beside(source, self.path)
        self._place(partial, name)

    def finish(self) -> None:
        """Remove what an earlier gallery left behind, and list what is there now.

        Raises:
            OutputError: The folder is not writable.
        """
        for name in self._listed.keys() - self._wanted.keys():
            path = self.path / name
            if is_inside(self.path, path) and not path.is_dir():
                with storage_errors(path):
                    path.unlink(missing_ok=True)
                remove_empty_folders(self.path, path.parent)
        self._write_index(self._wanted)

    def leave(self) -> None:
        """After an interruption: list what is whole, so that it is not made again.

        Raises:
            OutputError: The folder is not writable.
        """
        self._write_index({**self._listed, **self._wanted})

    def _place(self, partial: Path, name: str) -> None:
        size_bytes = partial.stat().st_size
        put_in_place(partial, self.path, name)
        self._wanted[name] = size_bytes

    def _write_index(self, files: Mapping[str, int]) -> None:
        if files == self._listed and (self.path / INDEX_NAME).exists():
            return
        text = json.dumps(files, indent=0, sort_keys=True)
        write_in_place(text.encode(), self.path, INDEX_NAME)
        self._listed = dict(files)


@contextmanager
def holding_gallery(path: Path) -> Iterator[GalleryFolder]:
    """Hold a gallery's folder exclusively; it is created if missing.

    Raises:
        UsageError: It has other things in it.
        LedgerBusy: Another command writes it.
        OutputError: It cannot be created or written.
    """
    with storage_errors(path):
        path.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        is_ours = os.path.lexists(path / INDEX_NAME)
        others = [] if is_ours else _find_others(path)
    if others:
        raise UsageError(
            f"{path} is not a gallery: it has other things in it, such as {others[0]}",
            hint="choose a new or an empty folder: pipeline gallery --out DIR",
        )
    check_own(path / LOCK_NAME)
    check_own(path / INDEX_NAME)
    with storage_errors(path):
        lock = FileLock(path / LOCK_NAME, mode=0o644)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise LedgerBusy(
                f"another command is writing the gallery in {path}",
                hint="wait for it to end, then run again",
            ) from None
    try:
        remove_partial_files(path)
        folder = GalleryFolder(path, read_index(path))
        try:
            yield folder
        except BaseException:
            with suppress(OutputError):  # the reason matters more
                folder.leave()
            raise
        finally:
            remove_partial_files(path)
    finally:
        lock.release()


def read_index(path: Path) -> dict[str, int]:
    """What the index of a gallery lists: name to size; empty if it cannot be read.

    Only names of files that a gallery can have written.
    """
    try:
        found = json.loads(
            read_regular(path / INDEX_NAME, limit_bytes=_MOST_INDEX_BYTES)
        )
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        name: size_bytes
        for name, size_bytes in found.items()
        if isinstance(size_bytes, int) and _is_below(name) and _may_be_ours(path, name)
    }


def find_gallery_files(names: Collection[str], output: Path) -> set[str]:
    """Which of these files belong to galleries.

    Args:
        names: Relative to the output folder, parts separated by ``/``.
        output: The output folder.
    """
    found: set[str] = set()
    for name in names:
        folder, _, last = name.rpartition("/")
        if last == INDEX_NAME and folder:
            own = {*read_index(output / folder), INDEX_NAME, LOCK_NAME}
            found.update(f"{folder}/{one}" for one in own)
            unfinished = f"{folder}/{PARTIAL_FOLDER}/"
            found.update(one for one in names if one.startswith(unfinished))
    return found


def _is_below(name: str) -> bool:
    """Whether a name is one of a file in the folder or below, on every system."""
    parts = PurePosixPath(name).parts
    return (
        name == "/".join(parts)
        and not name.startswith("/")
        and "\\" not in name
        and ":" not in name
        and not {"..", *_PASSED_OVER} & {*parts}
        and parts != ()
    )


def _may_be_ours(folder: Path, name: str) -> bool:
    """Whether a gallery writes files of this name; an asset has a sidecar beside it."""
    sidecar = folder / f"{name}{SIDECAR_SUFFIX}"
    return _OURS.fullmatch(name) is not None and not os.path.lexists(sidecar)


def _are_same(source: Path, copy: Path) -> bool:
    """Whether a copy is up to date; one file with two names always is."""
    one, other = source.stat(), copy.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _find_others(path: Path) -> list[str]:
    return sorted({one.name for one in path.iterdir()} - _PASSED_OVER)
