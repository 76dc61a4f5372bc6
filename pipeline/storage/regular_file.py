"""A path → an opened regular file; never a pipe, never through a link that leads out.

Reading a pipe or a device could block forever, and a link in one of our folders may
lead to files that are not ours. These calls block, but never on a missing writer.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Literal

from pipeline.errors import OutputError

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# With O_NONBLOCK, a pipe without a writer opens at once, and is then rejected.
_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class NotAFile(OSError):
    """Not a file that can be read; ``strerror`` says what it is."""


class RegularFile:
    """A file at a path as :class:`~pipeline.storage.store.Content`.

    Args:
        path: As for :func:`open_regular`.
        inside: Likewise.
        name: What it is called; "" for the last part of the path.

    Attributes:
        path: As given.
        name: What it is called.
    """

    def __init__(
        self, path: Path, *, inside: Path | None = None, name: str = ""
    ) -> None:
        self.path = path
        self.name = name or path.name
        self._inside = inside

    def open(
        self,
        mode: Literal["rb"] = "rb",  # noqa: ARG002 - there is no other
        buffering: int = -1,  # noqa: ARG002
    ) -> BufferedReader:
        """A reader; see :func:`open_regular` for what it raises."""
        return open_regular(self.path, inside=self._inside)


def open_regular(path: Path, *, inside: Path | None = None) -> BufferedReader:
    """Open a regular file for reading.

    Args:
        path: A path that a user or a file has named.
        inside: The folder that no link may lead out of; None to allow any link.

    Raises:
        NotAFile: A pipe, a socket, a device, or a link that leads out.
        OSError: It is missing, a folder, or unreadable.
    """
    if inside is not None and leads_outside(inside, path):
        reason = "it is a link that leads outside of the output folder"
        raise NotAFile(errno.ELOOP, reason, os.fspath(path))
    _check_kind(path, path.stat().st_mode)  # opening a device may have side effects
    descriptor = os.open(path, _READ_FLAGS)
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(
    path: Path, *, limit_bytes: int | None = None, inside: Path | None = None
) -> bytes:
    """All bytes of a regular file.

    Args:
        path: As for :func:`open_regular`.
        limit_bytes: The largest size to accept; None for any.
        inside: As for :func:`open_regular`.

    Raises:
        NotAFile: As for :func:`open_regular`, or it is larger than ``limit_bytes``.
        OSError: As for :func:`open_regular`.
    """
    with open_regular(path, inside=inside) as file:
        if limit_bytes is None:
            return file.read()
        # Ask for no more than its size: ``read`` reserves as much memory as it is asked
        # for.
        size_bytes = os.fstat(file.fileno()).st_size
        content = file.read(min(limit_bytes, size_bytes) + 1)
    if len(content) > limit_bytes:
        reason = f"it is larger than {limit_bytes:,} bytes"
        raise NotAFile(errno.EFBIG, reason, os.fspath(path))
    return content


def leads_outside(folder: Path, path: Path) -> bool:
    """Whether a path leads outside of a folder, through itself or a parent link."""
    return _has_links(folder, path) and not _real(path).is_relative_to(_real(folder))


def is_inside(folder: Path, path: Path) -> bool:
    """Whether a path is in a folder, through no link that leads out.

    The path itself may be a link: replacing or removing it does not follow it.
    """
    return not leads_outside(folder, path.parent)


def check_own(path: Path, *, is_folder: bool = False) -> None:
    """Refuse whatever is in the way of a file that a run creates and writes to.

    A missing file is fine. The folder that contains ``path`` may itself be reached
    through a link: where it is, is the user's choice.

    Args:
        path: The file's path.
        is_folder: Whether it should be a folder.

    Raises:
        OutputError: It is a link that leads outside of its folder, or not a file.
    """
    if leads_outside(path.parent, path):
        raise OutputError(
            f"{path} is a link that leads outside of the output folder",
            hint="remove the link, or replace it with what it leads to; then run again",
        )
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # missing, or reported by the code that opens it
    if (stat.S_ISDIR if is_folder else stat.S_ISREG)(mode):
        return
    wanted = "a folder" if is_folder else "a file"
    raise OutputError(
        f"{path} is {kind_of(mode)}, not {wanted}",
        hint="move it away, or choose another --output; then run again",
    )


def kind_of(mode: int) -> str:
    """``a pipe``, ``a socket``, ``a device``, ``a folder`` or ``a file``."""
    found = (word for is_kind, word in _KINDS if is_kind(mode))
    return next(found, "a folder" if stat.S_ISDIR(mode) else "a file")


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        code = errno.EISDIR
        raise IsADirectoryError(code, os.strerror(code), os.fspath(path))
    if not stat.S_ISREG(mode):
        reason = f"it is {kind_of(mode)}, not a file"
        raise NotAFile(errno.EINVAL, reason, os.fspath(path))


def _has_links(folder: Path, path: Path) -> bool:
    """Whether a path may leave the folder it begins with; most cannot.

    Looking at each part is several times faster than resolving the whole path.
    """
    here, below = folder.parts, path.parts
    if below[: len(here)] != here:
        return True
    below = below[len(here) :]
    reached = os.fspath(folder)
    for part in below:
        reached = os.path.join(reached, part)  # noqa: PTH118 - a third of the time
        if part == ".." or os.path.islink(reached):  # noqa: PTH114 - the same
            return True
    return False


def _real(path: Path) -> Path:
    """With links resolved. Unlike ``resolve``, never raises on a loop of links."""
    return Path(os.path.realpath(path))
