"""What Git LFS and git-annex leave in the place of a file that is not fetched. Pure."""

import re
from typing import NamedTuple

MAX_POINTER_BYTES = 1024  # more than any of either kind has

_LFS = re.compile(rb"version https://(git-lfs\.github\.com|hawser\.github\.com)/spec/")
_LFS_DIGEST = re.compile(rb"^oid sha256:([0-9a-f]{64})\s*$", re.MULTILINE)
_LFS_SIZE = re.compile(rb"^size ([0-9]{1,18})\s*$", re.MULTILINE)
_ANNEX = re.compile(rb"(?:/annex/objects/|(?:\.\./)*\.git/annex/objects/)\S+\s*\Z")
_ANNEX_DIGEST = re.compile(rb"SHA256E?-s[0-9]+--([0-9a-f]{64})")
_ANNEX_SIZE = re.compile(rb"-s([0-9]{1,18})-")


class Pointer(NamedTuple):
    """A pointer.

    Attributes:
        kind: ``Git LFS`` or ``git-annex``.
        sha256: Of the file that it stands for, or "" if it does not say.
        size_bytes: Its size, or -1.
    """

    kind: str
    sha256: str
    size_bytes: int

    def is_of(self, sha256: str, size_bytes: int) -> bool:
        """Whether it stands for this file, as far as it says."""
        if self.sha256:
            return self.sha256 == sha256
        return self.size_bytes == size_bytes


def read_pointer(content: bytes) -> Pointer | None:
    """The pointer that a file is, or None.

    Args:
        content: All of the file, or more than ``MAX_POINTER_BYTES`` of it.
    """
    if len(content) > MAX_POINTER_BYTES:
        return None
    if _LFS.match(content):
        return _pointer("Git LFS", content, _LFS_DIGEST, _LFS_SIZE)
    if _ANNEX.match(content):
        return _pointer("git-annex", content, _ANNEX_DIGEST, _ANNEX_SIZE)
    return None


def _pointer(
    kind: str, content: bytes, digest: re.Pattern[bytes], size: re.Pattern[bytes]
) -> Pointer:
    found, sized = digest.search(content), size.search(content)
    return Pointer(
        kind=kind,
        sha256=found[1].decode() if found else "",
        size_bytes=int(sized[1]) if sized else -1,
    )
