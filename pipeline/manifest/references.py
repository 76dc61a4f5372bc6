"""Paths of reference files → ReferenceAssets, each read and hashed once."""

import hashlib
import os
import stat
from itertools import islice
from pathlib import Path

from pipeline.job import ReferenceAsset
from pipeline.manifest.secret_names import why_refused
from pipeline.storage.files import sha256_of
from pipeline.storage.media_type import HEAD_SIZE_BYTES, media_type_of
from pipeline.storage.near_names import near_file
from pipeline.storage.orientation import CannotTurn, find_appearance, turn_upright
from pipeline.storage.pointer import read_pointer
from pipeline.storage.regular_file import open_regular

_HOW_TO_GET = {
    "Git LFS": "fetch it with: git lfs pull",
    "git-annex": "fetch it with: git annex get",
}
_NAMES_SHOWN = 3
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
        hint = "write / instead of \\" if "\\" in text else near_file(folder, text)
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
        self._known: dict[tuple[str, str, bool], ReferenceAsset | BadPath] = {}
        # Paths as written; the first few of each, and how many there are.
        self._turned = _Noted()
        self._transparent = _Noted()

    def load(
        self, text: str, *, name: str = "", upright: bool = False
    ) -> ReferenceAsset:
        """The file at a path of the manifest.

        Args:
            text: The path as written.
            name: Its name in the manifest; by default the path.
            upright: Whether to turn a picture upright before it is sent.

        Raises:
            BadPath: It cannot be used. Later calls for the path raise the same.
        """
        key = (name, text, upright)
        if key not in self._known:
            try:
                self._known[key] = self._load(text, name or text, upright=upright)
            except BadPath as exc:
                self._known[key] = exc
        known = self._known[key]
        if isinstance(known, BadPath):
            raise BadPath(known.message, known.hint)
        return known

    def is_turned(self, text: str) -> bool:
        """Whether the file at a path, which has been read, is stored turned."""
        return text in self._turned.paths

    @property
    def notes(self) -> tuple[str, ...]:
        """What a service may make of the pictures read so far; sentences."""
        found: list[str] = []
        if shown := self._turned.shown:
            count, first = len(self._turned.paths), next(iter(self._turned.paths))
            found.append(
                f"{shown} {'is' if count == 1 else 'are'} stored turned: the service"
                f" may see {'it' if count == 1 else 'them'} lying on"
                f" {'its' if count == 1 else 'their'} side; write `upright: true`,"
                f" such as references: {{NAME: {{file: {first}, upright: true}}}}"
            )
        if shown := self._transparent.shown:
            count = len(self._transparent.paths)
            found.append(
                f"{shown} {'has' if count == 1 else 'have'} an alpha channel: where"
                f" {'it is' if count == 1 else 'they are'} transparent, the service may"
                " see black or white"
            )
        return tuple(found)

    def _load(self, text: str, name: str, *, upright: bool) -> ReferenceAsset:
        path = locate_file(self._folder, text, allow_outside=self._allow_outside)
        content = b""
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
                looks = find_appearance(file, media_type)
                file.seek(0)
                if upright:
                    content = file.read()
                else:
                    digest = sha256_of(file)
        except OSError as exc:
            raise BadPath(f"'{text}' cannot be read: {exc.strerror}") from exc
        if upright:
            content = _turned(text, content)
            media_type = media_type_of(content[:HEAD_SIZE_BYTES])
            size_bytes = len(content)
            digest = hashlib.sha256(content).hexdigest()
        elif looks.is_turned:
            self._turned.paths[text] = None
        if looks.has_alpha:
            self._transparent.paths[text] = None
        return ReferenceAsset(
            name=name,
            path=path,
            sha256=digest,
            size_bytes=size_bytes,
            media_type=media_type,
            file=text,
            upright=upright,
        )


class _Noted:
    """Paths that a note is about, in the order they were read."""

    def __init__(self) -> None:
        self.paths: dict[str, None] = {}

    @property
    def shown(self) -> str:
        """``a.png, b.png and 7 more``; "" if there are none."""
        first = list(islice(self.paths, _NAMES_SHOWN))
        more = len(self.paths) - len(first)
        if more:
            return f"{', '.join(first)} and {more:,} more"
        *others, last = first or [""]
        return f"{', '.join(others)} and {last}" if others else last


def _turned(text: str, content: bytes) -> bytes:
    """The bytes to send of a picture that is to be upright.

    Raises:
        BadPath: It cannot be turned, or is too large afterwards.
    """
    hint = "turn it in a picture editor, and remove `upright: true`"
    try:
        turned = turn_upright(content)
    except CannotTurn as exc:
        raise BadPath(f"'{text}' cannot be turned upright: {exc}", hint) from exc
    if len(turned) > MAX_REFERENCE_BYTES:
        limit = MAX_REFERENCE_BYTES // 1024 // 1024
        raise BadPath(f"'{text}' is larger than {limit} MiB once it is upright", hint)
    return turned
