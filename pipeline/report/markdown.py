"""Untrusted text → Markdown for GitHub in which it stays text. Pure.

GitHub links mentions, issues, commits and addresses in everything but code, and reads
Markdown inside of HTML elements. So each foreign text is a ``<code>`` element in which
every sign that could mean something is a character reference.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote

from pipeline.visible import visible

THUMBNAIL_PX = 96


def code(text: str, length: int = 300) -> str:
    """A foreign text in one line, as code; fit for a cell of a table.

    Args:
        text: Anything.
        length: The most characters that are shown.
    """
    flat = " ".join(text.split())
    if len(flat) > length:
        flat = flat[: length - 1] + "…"
    return f"<code>{inert(flat)}</code>" if flat else ""


def inert(text: str) -> str:
    """The text with its signs as character references; no control character stays."""
    return re.sub(r"[^\w (),\-\u0080-\U0010ffff]|_", _reference, visible(text))


def _reference(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def thumbnail(url: str) -> str:
    """A small picture that leads to the large one.

    Args:
        url: As made by :func:`raw_url`. GitHub removes ``data:`` URLs.
    """
    return f'<img src="{url}" width="{THUMBNAIL_PX}" alt="">'


def raw_url(repository_url: str, commit: str, path: str) -> str:
    """The address of a committed file: whoever may see the repository sees it.

    Args:
        repository_url: ``https://github.com/owner/name``.
        commit: The full hash.
        path: Relative to the repository, parts separated by ``/``.
    """
    return f"{quote(repository_url, safe=':/')}/raw/{quote(commit)}/{quote(path)}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table; the cells hold no ``|`` and no line end."""
    names = list(head)
    return [
        f"| {' | '.join(names)} |",
        f"|{' --- |' * len(names)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def fit(lines: Iterable[str], room_bytes: int) -> str:
    """As many whole lines as fit; a last line says if some are left out.

    Args:
        lines: Without line ends.
        room_bytes: The most bytes in UTF-8.
    """
    end = "\n… the rest does not fit here\n"
    room = room_bytes - len(end.encode())
    taken: list[str] = []
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            return "\n".join([*taken, end]) if taken else ""
        taken.append(line)
    return "\n".join([*taken, ""])
