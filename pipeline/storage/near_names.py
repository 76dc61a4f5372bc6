"""A name that is not there → the one that is meant, and where the two differ.

Unicode writes an accented letter in two ways that look alike: as one character, or as
a letter and a combining mark. Most file systems and all lookups tell them apart.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path, PurePath
from unicodedata import combining, normalize

_FOLDERS_KEPT = 8


def near_file(folder: Path, text: str) -> str:
    """What to do about a path that does not exist, or "".

    Args:
        folder: The folder that the path is relative to.
        text: The path as written.
    """
    here = folder
    for part in PurePath(text).parts:
        if os.path.lexists(here / part):
            here = here / part
            continue
        names = _names_in(here)
        if same := find_same(part, names):
            shown = describe_spelling(same, part)
            return f"there is '{same}', spelt otherwise: {shown}; rename one of the two"
        folded = {name.casefold(): name for name in names}
        if other := folded.get(part.casefold()):
            return f"there is '{other}': upper and lower case count"
        return ""
    return ""


def find_same(name: str, others: Iterable[str]) -> str:
    """The one that looks like ``name`` but has other characters, or ""."""
    if name.isascii():
        return ""  # every normal form of it is the same
    composed = normalize("NFC", name)
    return next(
        (
            other
            for other in others
            if other != name and normalize("NFC", other) == composed
        ),
        "",
    )


def describe_spelling(there: str, here: str) -> str:
    """Where two names differ that look alike: ``its 'é' is U+00E9, here U+0065 …``.

    Args:
        there: A name.
        here: Another one, with the same NFC form.
    """
    for one, other in zip(_letters(there), _letters(here), strict=False):
        if one != other:
            shown = normalize("NFC", one)
            points = f"{code_points(one)}, here it is {code_points(other)}"
            return f"its '{shown}' is {points}"
    return f"it has {len(there)} characters, here {len(here)}"


def code_points(text: str) -> str:
    """``U+0065 U+0301``."""
    return " ".join(f"U+{ord(char):04X}" for char in text)


def _letters(text: str) -> list[str]:
    """The characters, each with the parts that it composes with."""
    found: list[str] = []
    for char in text:
        joined = found[-1] + char if found else char
        composes = len(normalize("NFC", joined)) == 1
        if found and (combining(char) or composes):
            found[-1] = joined
        else:
            found.append(char)
    return found


def _names_in(folder: Path) -> tuple[str, ...]:
    try:
        return _listed(os.fspath(folder), folder.stat().st_mtime_ns)
    except OSError:
        return ()


@lru_cache(maxsize=_FOLDERS_KEPT)
def _listed(folder: str, _modified_ns: int) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in Path(folder).iterdir()))
