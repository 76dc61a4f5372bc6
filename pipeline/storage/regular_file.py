"""A path → the file there, opened; never a pipe, never through a link that leads out.

A pipe or a device would be waited for without end, and a link in a folder of ours may
lead to what is none of our business. Blocking, but never for want of a writer.
"""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from pipeline.errors import OutputError

_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Without a writer a pipe is opened at once, and refused then.
_READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class NotAFile(OSError):
    """No file that can be read; ``strerror`` says what it is."""


def open_regular(path: Path, *, inside: Path | None = None) -> BufferedReader:
    """Open a regular file for reading.

    Args:
        path: What somebody has named.
        inside: The folder that no link may lead out of; None where links are the
            user's own business.

    Raises:
        NotAFile: A pipe, a socket, a device, or a link that leads out.
        OSError: It is not there, a folder, or cannot be read.
    """
    if inside is not None and leads_outside(inside, path):
        reason = "it is a link that leads outside of the output folder"
        raise NotAFile(errno.ELOOP, reason, os.fspath(path))
    _check_kind(path, path.stat().st_mode)  # to open a device may have an effect
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
        limit_bytes: How many there may be; None for any number.
        inside: As for :func:`open_regular`.

    Raises:
        NotAFile: As :func:`open_regular`, or it is larger.
        OSError: As :func:`open_regular`.
    """
    with open_regular(path, inside=inside) as file:
        if limit_bytes is None:
            return file.read()
        # No more than there is: so much would be reserved for it.
        size_bytes = os.fstat(file.fileno()).st_size
        content = file.read(min(limit_bytes, size_bytes) + 1)
    if len(content) > limit_bytes:
        reason = f"it is larger than {limit_bytes:,} bytes"
        raise NotAFile(errno.EFBIG, reason, os.fspath(path))
    return content


def leads_outside(folder: Path, path: Path) -> bool:
    """Whether a path ends outside of a folder, by a link of its own or before it."""
    return _has_links(folder, path) and not _real(path).is_relative_to(_real(folder))


def is_inside(folder: Path, path: Path) -> bool:
    """Whether a path is in a folder, through no link that leads out.

    The path itself may be a link: what replaces or removes it does not follow it.
    """
    return not leads_outside(folder, path.parent)


def check_own(path: Path, *, is_folder: bool = False) -> None:
    """Refuse what stands in the place of a file that a run makes and writes to.

    What is not there is fine. The folder that ``path`` is in may itself be reached
    through a link: which one it is, is the user's choice.

    Args:
        path: Of the file.
        is_folder: A folder is wanted in its place.

    Raises:
        OutputError: A link that leads outside of its folder, or no file.
    """
    if leads_outside(path.parent, path):
        raise OutputError(
            f"{path} is a link that leads outside of the output folder",
            hint="remove the link, or put what it leads to in its place; run again",
        )
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # not there, or told of by whoever opens it
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
    """Whether a path may leave the folder that it begins with; most cannot.

    To look at each part is several times as fast as to follow all that is above it.
    """
    here, below = folder.parts, path.parts
    if below[: len(here)] != here:
        return True
    below = below[len(here) :]
    reached = os.fspath(folder)
    for part in below:
        reached = os.path.join(reached, part)  # noqa: PTH118 - a third of the time
        if part == ".." or os.path.islink(reached):  # noqa: PTH114 - likewise
            return True
    return False


def _real(path: Path) -> Path:
    """Without links; a loop of them ends somewhere, where ``resolve`` may raise."""
    return Path(os.path.realpath(path))
