"""Item ids: which are valid, and which are taken.

An id is also a file name, on any operating system, so the rules are those of the
strictest system.
"""

import hashlib
import re
from array import array
from unicodedata import combining

from pipeline.storage.near_names import code_points

MAX_ID_CHARS = 240
MAX_SEGMENT_CHARS = 120

ILLEGAL = re.compile(r"[^A-Za-z0-9._/-]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
# What a run itself writes at the top level of the output folder.
_OURS = re.compile(r"ledger\.sqlite3.*|report", re.IGNORECASE)
# A folder with such a name could be where another item's file belongs.
_FILE_LIKE = re.compile(
    r".*\.(png|jpe?g|webp|gif|avif|tiff?|heic|svg|json|txt|part|tmp"
    r"|mp4|webm|mov|mp3|wav|ogg|flac|m4a|glb|gltf|fbx|obj|stl|usdz|ply|zip)",
    re.IGNORECASE,
)


def check_id(text: str) -> tuple[str, str] | None:  # noqa: PLR0911 - a list of rules
    """What is wrong with an id and what to do about it, or None."""
    shown = f"id '{text[:80]}'"
    if not text:
        return "the id is empty", ""
    if match := ILLEGAL.search(text):
        letters = "letters" if match.group().isascii() else "letters a to z"
        hint = f"use {letters}, digits, '.', '_', '-' and '/' for folders"
        if match.group() == "\\":
            hint = "write / for folders"
        return f"{shown} contains {_shown_at(text, match.start())}", hint
    if len(text) > MAX_ID_CHARS:
        return f"{shown} is longer than {MAX_ID_CHARS} characters", ""
    if text.startswith("/"):
        return f"{shown} begins with '/'", "ids are relative to the output folder"
    segments = text.split("/")
    for position, segment in enumerate(segments):
        if wrong := _check_segment(segment, is_last=position == len(segments) - 1):
            return f"{shown} {wrong[0]}", wrong[1]
    if _OURS.fullmatch(segments[0]):
        return f"{shown} is a reserved name in the output folder", "rename it"
    return None


def _shown_at(text: str, at: int) -> str:
    """A character; if it is not ASCII, with what it combines with, and its code."""
    if text[at].isascii():
        return repr(text[at])
    start = at - 1 if at and combining(text[at]) else at
    char = text[start : at + 1]
    return f"'{char}' ({code_points(char)})" if char.isprintable() else repr(char)


def _check_segment(  # noqa: PLR0911 - a list of rules
    segment: str, *, is_last: bool
) -> tuple[str, str] | None:
    if not segment:
        return "has an empty part between slashes", ""
    if segment in {".", ".."}:
        return f"contains '{segment}'", "ids stay inside the output folder"
    if segment.startswith("."):
        return "has a part that begins with '.'", "it would be hidden"
    if segment.endswith("."):
        return "has a part that ends with '.'", "Windows drops the dot"
    if len(segment) > MAX_SEGMENT_CHARS:
        return f"has a part longer than {MAX_SEGMENT_CHARS} characters", ""
    if is_reserved(segment):
        return f"contains '{segment}', a reserved device name on Windows", "rename it"
    if not is_last and _FILE_LIKE.fullmatch(segment):
        return f"has a folder named like a file, '{segment}'", "rename the folder"
    return None


def is_reserved(name: str) -> bool:
    """Whether a name, with any extension, is one of Windows' device names."""
    return _RESERVED.fullmatch(name) is not None


class TakenNames:
    """Names in use, compared case-insensitively, at about 24 bytes per name.

    A hash table of 64-bit digests in flat arrays: five million ids as Python strings
    would take half a gigabyte. Two names share a digest in one of 10^6 manifests of
    that size.

    Args:
        expected: Roughly how many names there will be; the table grows if needed.
    """

    def __init__(self, expected: int) -> None:
        size = 64
        while size * 3 < expected * 4:
            size *= 2
        self._digests = array("Q", bytes(8 * size))
        self._lines = array("I", bytes(array("I").itemsize * size))
        self._count = 0

    def take(self, name: str, line: int, *, is_output: bool) -> tuple[int, bool] | None:
        """Take a name, unless it is already taken.

        Args:
            name: An id, or the name of one of several outputs.
            line: The line of the item that wants it.
            is_output: Whether it is an output's name.

        Returns:
            The line and kind (``is_output``) of the name that has it already, or None.
        """
        value = line << 1 | is_output
        if (self._count + 1) * 4 > len(self._digests) * 3:
            self._grow()
        slot, digest = self._find(_digest_of(name))
        if self._digests[slot]:
            taken = self._lines[slot]
            return taken >> 1, bool(taken & 1)
        self._digests[slot] = digest
        self._lines[slot] = value
        self._count += 1
        return None

    def _find(self, digest: int) -> tuple[int, int]:
        digests, mask = self._digests, len(self._digests) - 1
        slot = digest & mask
        while digests[slot] and digests[slot] != digest:
            slot = (slot + 1) & mask
        return slot, digest

    def _grow(self) -> None:
        old = zip(self._digests, self._lines, strict=True)
        size = len(self._digests) * 2
        self._digests = array("Q", bytes(8 * size))
        self._lines = array("I", bytes(array("I").itemsize * size))
        for digest, line in old:
            if digest:
                slot, _ = self._find(digest)
                self._digests[slot] = digest
                self._lines[slot] = line


def _digest_of(name: str) -> int:
    raw = hashlib.blake2b(name.lower().encode(), digest_size=8).digest()
    return int.from_bytes(raw) or 1  # 0 marks a free slot
