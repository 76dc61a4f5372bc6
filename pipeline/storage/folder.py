"""Folder: a store that is a local folder; the usual one."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import OutputError
from pipeline.storage.atomic_file import (
    FOLDER_MODE,
    PartialFile,
    check_no_link,
    copy_beside,
    new_partial_path,
    put_in_place,
    storage_errors,
    sync_folders,
    try_writing,
    write_in_place,
)
from pipeline.storage.files import (
    digest_of,
    have_same_content,
    is_present,
    remove_empty_folders,
)
from pipeline.storage.regular_file import RegularFile, is_inside, open_regular
from pipeline.storage.store import (
    Entry,
    NamedContent,
    NewFile,
    Pending,
    Store,
    Watcher,
)


class Folder:
    """A local folder with the files of a manifest.

    A file is replaced by a rename: whoever writes holds the lock of the folder.

    Args:
        root: The folder.
        home: The output folder, with ledger and sidecars; None for ``root`` itself.
    """

    is_remote = False

    def __init__(self, root: Path, home: Path | None = None) -> None:
        self.root = self.workspace = root
        self.home = root if home is None else home

    def load(self) -> None:
        """Check that the folder is there, or can be made."""
        if self.root != self.home and not self.root.parent.is_dir():
            raise OutputError(
                f"there is no folder {self.root.parent}",
                hint="mount the disk or create the folder, then run again",
            )

    def check_writable(self) -> None:
        """Write and remove a file, if the folder is not the locked output folder."""
        if self.root != self.home:
            with storage_errors(self.root):
                self.root.mkdir(FOLDER_MODE, exist_ok=True)
            try_writing(self.root)

    def describe(self, name: str = "") -> str:
        """The path, or the URL where it is not the output folder."""
        path = self.root / name
        return str(path) if self.root == self.home else path.as_uri()

    def exists(self, name: str) -> bool:
        """Whether anything has the name, be it a link that leads nowhere."""
        return os.path.lexists(self.root / name)

    def size_of(self, name: str) -> int:
        """The size of a file, through links; -1 if there is none."""
        try:
            return (self.root / name).stat().st_size
        except OSError:
            return -1

    def is_present(self, name: str) -> bool:
        """Whether the folder has this file, and it is not empty."""
        return is_present(self.root, name)

    def is_inside(self, name: str) -> bool:
        """Whether the name leads out of the folder through no link."""
        return is_inside(self.root, self.root / name)

    def is_link(self, name: str) -> bool:
        """Whether the name is a link."""
        return (self.root / name).is_symlink()

    def are_one(self, left: str, right: str) -> bool:
        """Whether both names are one entry, on a case-insensitive file system."""
        one, other = self.root / left, self.root / right
        try:
            return one.samefile(other) and one.lstat().st_nlink == 1
        except OSError:
            return False

    def digest_of(self, name: str) -> str:
        """The SHA-256 of a file in hex; "" if there is none."""
        return digest_of(self.root, name)

    def have_same_content(self, left: str, right: str) -> bool:
        """Whether both are files of the folder with the same bytes."""
        return have_same_content(self.root, left, right)

    def file(self, name: str) -> NamedContent:
        """A regular file inside of the folder."""
        return RegularFile(self.root / name, inside=self.root, name=name)

    def open(self, name: str) -> BinaryIO:
        """A reader of a regular file inside of the folder."""
        return open_regular(self.root / name, inside=self.root)

    def path_of(self, name: str) -> Path | None:
        """The path of a file."""
        return self.root / name

    def url_of(self, name: str) -> str:
        """The URL of a file, with ``file://``."""
        return (self.root / name).absolute().as_uri()

    def list_files(self, folder: str = "") -> Iterator[Entry]:
        """The regular files below a folder; links are not followed."""
        for here, _, files in os.walk(self.root / folder):
            for name in files:
                path = Path(here, name)
                try:
                    about = path.lstat()
                except OSError:
                    continue
                if path.is_file():
                    yield Entry(
                        name=path.relative_to(self.root).as_posix(),
                        size_bytes=about.st_size,
                        changed_s=about.st_mtime,
                    )

    def begin(self, watch: Watcher | None = None) -> NewFile:
        """A file in ``.partial``."""
        return PartialFile(self.root, watch)

    def place(
        self,
        content: Pending,
        name: str,
        *,
        sha256: str,  # noqa: ARG002 - a bucket needs it
        media_type: str,  # noqa: ARG002
    ) -> None:
        """Rename a file of ``.partial``; durable after :meth:`sync`."""
        assert isinstance(content, Path)
        put_in_place(content, self.root, name)

    def write(self, content: bytes, name: str) -> None:
        """Write a sidecar; durable after :meth:`sync`."""
        write_in_place(content, self.root, name)
        if self.home != self.root:
            write_in_place(content, self.home, name)

    def receive(self, source: Store, name: str) -> None:
        """Copy a file of another store; durable after :meth:`sync`."""
        with source.open(name) as file:
            partial = copy_beside(file, self.root)
        try:
            put_in_place(partial, self.root, name)
        finally:
            partial.unlink(missing_ok=True)

    def copy(self, old: str, new: str) -> None:
        """Link or copy a file, unless something has the new name."""
        source, target = self.root / old, self.root / new
        if os.path.lexists(target):
            return
        partial = new_partial_path(self.root)
        with storage_errors(target):
            check_no_link(partial.parent)
            partial.parent.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
            if not _link(source, partial):
                with open_regular(source, inside=self.root) as file:
                    partial = copy_beside(file, self.root)
        try:
            put_in_place(partial, self.root, new)
        finally:
            partial.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Unlink a file."""
        for folder in {self.root, self.home}:
            with storage_errors(folder / name):
                (folder / name).unlink(missing_ok=True)

    def remove_empty_folders(self, name: str) -> None:
        """Remove the folders above a name that have become empty."""
        for folder in {self.root, self.home}:
            remove_empty_folders(folder, (folder / name).parent)

    def hide(self, folder: str) -> None:
        """Write a ``.gitignore``."""
        name = f"{folder}/.gitignore"
        if not self.exists(name):
            write_in_place(b"*\n", self.root, name)

    def sync(self, names: Iterable[str]) -> None:
        """Sync the folders of the files, each once."""
        sync_folders(self.root / name for name in names)


def _link(source: Path, target: Path) -> bool:
    """Make a hard link instead of a copy; whether that was possible."""
    if source.is_symlink():
        return False
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
