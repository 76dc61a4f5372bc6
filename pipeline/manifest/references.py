"""Paths of reference files → ReferenceAssets, each read and hashed once."""

import os
import stat
from pathlib import Path

from pipeline.job import ReferenceAsset
from pipeline.manifest.secret_names import why_refused
from pipeline.storage.files import sha256_of
from pipeline.storage.media_type import HEAD_SIZE_BYTES, media_type_of
from pipeline.storage.pointer import read_pointer
from pipeline.storage.regular_file import open_regular

_HOW_TO_GET = {
    "Git LFS": "fetch it with: git lfs pull",
    "git-annex": "fetch it with: git annex get",
}
MAX_REFERENCE_BYTES = 100 * 1024 * 1024


class BadPath(Exception):
    """A path that cannot be used.

    Attributes:
        message: What is wrong, without the position.
        hint: What to do; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def locate_file(folder: Path, text: str, *, allow_outside: bool) -> Path:
    """The absolute path of a regular file that a manifest names.

    Args:
        folder: The manifest's folder, absolute.
        text: The path as written, relative to the folder.
        allow_outside: Whether it may be outside the folder, also by a symbolic link.

    Raises:
        BadPath: It is outside the folder, hidden, named like a secret, a link to such a
            file, missing, or not a regular file.
    """
    if not text:
        raise BadPath("the path is empty")
    try:
        resolved = (folder / text).resolve()
        home = folder.resolve()
        if not allow_outside and not resolved.is_relative_to(home):
            hint = "copy the file into the folder, or pass --allow-outside"
            raise BadPath(f"'{text}' is outside the manifest's folder", hint)
        if why := why_refused(home, text, resolved):
            hint = "copy what you need into a file with another name"
            raise BadPath(f"'{text}' {why}", hint)
        mode = resolved.stat().st_mode
    except FileNotFoundError:
        hint = "write / instead of \\" if "\\" in text else ""
        hint = hint or "paths are relative to the manifest's folder"
        raise BadPath(f"there is no file '{text}'", hint) from None
    except (OSError, ValueError, RuntimeError) as exc:
        reason = getattr(exc, "strerror", None) or "it is not a valid path"
        raise BadPath(f"'{text}' cannot be read: {reason}") from exc
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise BadPath(f"'{text}' is {kind}")
    return resolved


class ReferenceFiles:
    """Reads reference files, each path once.

    Args:
        folder: The manifest's folder, absolute.
        allow_outside: Whether files may be outside it.
    """

    def __init__(self, folder: Path, *, allow_outside: bool) -> None:
        self._folder = folder
        self._allow_outside = allow_outside
        self._known: dict[str, ReferenceAsset | BadPath] = {}

    def load(self, text: str, *, name: str = "") -> ReferenceAsset:
        """The file at a path of the manifest.

        Args:
            text: The path as written.
            name: Its name in the manifest; by default the path.

        Raises:
            BadPath: It cannot be used. Later calls for the path raise the same.
        """
        key = f"{name}\0{text}"
        if key not in self._known:
            try:
                self._known[key] = self._load(text, name or text)
            except BadPath as exc:
                self._known[key] = exc
        known = self._known[key]
        if isinstance(known, BadPath):
            raise BadPath(known.message, known.hint)
        return known

    def _load(self, text: str, name: str) -> ReferenceAsset:
        path = locate_file(self._folder, text, allow_outside=self._allow_outside)
        try:
            with open_regular(path) as file:
                size_bytes = os.fstat(file.fileno()).st_size
                if size_bytes == 0:
                    raise BadPath(f"'{text}' is empty")
                if size_bytes > MAX_REFERENCE_BYTES:
                    limit = MAX_REFERENCE_BYTES // 1024 // 1024
                    raise BadPath(f"'{text}' is larger than {limit} MiB")
                head = file.read(HEAD_SIZE_BYTES)
                if pointer := read_pointer(head):
                    raise BadPath(
                        f"'{text}' is a {pointer.kind} pointer, not the file itself",
                        _HOW_TO_GET[pointer.kind],
                    )
                media_type = media_type_of(head) or "application/octet-stream"
                file.seek(0)
                digest = sha256_of(file)
        except OSError as exc:
            raise BadPath(f"'{text}' cannot be read: {exc.strerror}") from exc
        return ReferenceAsset(
            name=name,
            path=path,
            sha256=digest,
            size_bytes=size_bytes,
            media_type=media_type,
        )
