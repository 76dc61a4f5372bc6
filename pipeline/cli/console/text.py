"""Untrusted text → text that is safe to show on a terminal, in lines that fit."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from unicodedata import combining, east_asian_width

from pipeline.counting import plural
from pipeline.redaction import SECRETS
from pipeline.visible import visible

_COMMAND = re.compile(r"(?P<before>.*:) (?P<command>pipeline [a-z]+(?: .*)?)")
_PROSE = re.compile(r"[,;.]( |$)")  # goes on after the command


def printable(text: str) -> str:
    """``text`` with what cannot be seen escaped, so that it cannot control a terminal.

    Line ends and tabs stay; known secrets are removed. This happens here, before a text
    is cut or wrapped, and again on output, in ``console.streams``.
    """
    return visible(SECRETS.clean(text), keep="\n\t")


def one_line(text: str, length: int = 160) -> str:
    """``text`` in one printable line of at most ``length`` characters."""
    flat = " ".join(printable(text).split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def wrapped(text: str, width: int) -> str:
    """``text`` in lines of at most ``width`` columns, broken between words.

    A word is broken only if it is longer than a line. What continues a line is indented
    two columns further than the line. A command at the end gets lines of its own, each
    continued with a backslash, so that it can still be copied.
    """
    return "\n".join(
        part for line in text.split("\n") for part in _parts_of(line, width)
    )


def _command_at_end(line: str) -> tuple[str, list[str]] | None:
    """A line that ends with a command, as the text before it and its words."""
    found = _COMMAND.fullmatch(line)
    if found is None or _PROSE.search(found["command"]):
        return None
    try:
        words = shlex.split(found["command"])
    except ValueError:
        return None
    return found["before"], list(_units_of(map(shlex.quote, words)))


def _units_of(words: Iterable[str]) -> Iterator[str]:
    """The words of a command, each option together with its value."""
    option = ""
    for word in words:
        if option and word.startswith("-"):
            yield option
            option = ""
        if option:
            yield f"{option} {word}"
            option = ""
        elif word.startswith("--"):
            option = word
        else:
            yield word
    if option:
        yield option


def _continued(words: Sequence[str], width: int, indent: str) -> Iterator[str]:
    """A command in lines that a shell joins again; only words that fit are together."""
    line = indent + words[0]
    for number, word in enumerate(words[1:], start=2):
        mark = " \\" if number < len(words) else ""
        if columns(f"{line} {word}{mark}") > width:
            yield f"{line} \\"
            line = indent + word
        else:
            line += f" {word}"
    yield line


def columns(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
        for char in text
    )


def _parts_of(line: str, width: int) -> list[str]:
    if columns(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip(" "))]
    ending = _command_at_end(line)
    if ending is not None:
        before, words = ending
        return [
            *_parts_of(before, width),
            *_continued(words, width, indent + "  "),
        ]
    inner = indent + "  " if columns(indent) + 2 < width else ""
    parts, part = [], ""
    for space, word in re.findall(r"( *)([^ ]+)", line):
        if part and columns(part + space + word) > width:
            parts.append(part)
            part = inner
        else:
            part += space
        for char in word:
            if columns(part + char) > width:
                parts.append(part)
                part = inner
            part += char
    return [*parts, part]


def duration(seconds: float) -> str:
    """``42 s``, ``3:05 min`` or ``2:10 h``."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004 - seconds of an hour
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"


def size(size_bytes: int) -> str:
    """``812 bytes``, ``12.3 kB`` or ``4.5 MB``."""
    if size_bytes < 1000:  # noqa: PLR2004 - a kilobyte
        return plural(size_bytes, "byte")
    if size_bytes < 1_000_000:  # noqa: PLR2004 - a megabyte
        return f"{size_bytes / 1000:,.1f} kB"
    return f"{size_bytes / 1_000_000:,.1f} MB"
