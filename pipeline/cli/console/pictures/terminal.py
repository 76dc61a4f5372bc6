"""What a terminal can show, which it says itself when it is asked.

One question goes out: kitty's own, the name and version, the size of a character, and
last the device attributes, which every terminal answers. Its answer ends the wait.
"""

import os
import re
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from pipeline.cli.console.pictures.encoding import Kind

KIND_VARIABLE = "PIPELINE_PICTURES"
QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[>0q\x1b[16t\x1b[c"
_END = re.compile(rb"\x1b\[\?([\d;]*)c")
_KITTY = re.compile(rb"\x1b_Gi=31;OK")
_NAME = re.compile(rb"\x1bP>\|([^\x1b]*)")
_CELL = re.compile(rb"\x1b\[6;(\d+);(\d+)t")
_SIXEL = b"4"  # among the device attributes
_ITERM_NAMES = (b"iTerm2", b"WezTerm", b"mintty")
_ANSWER_S = 1.0  # over a slow connection
_USUAL_CELL = (10, 20)  # pixels, as of a VT340
_MOST_CELL = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphics:
    """How a terminal shows pictures.

    Attributes:
        kind: The protocol.
        cell: Width and height of a character in pixels.
    """

    kind: Kind
    cell: tuple[int, int] = _USUAL_CELL


def find_graphics(stream: TextIO) -> Graphics | None:
    """What a terminal can show; None if no picture at all.

    Args:
        stream: Where the pictures would be written.
    """
    if not stream.isatty() or os.environ.get("TERM", "").lower() in {"dumb", "unknown"}:
        return None
    named = os.environ.get(KIND_VARIABLE, "")
    graphics = understand(_ask(stream))
    if named in set(Kind):
        return Graphics(kind=Kind(named), cell=graphics.cell)
    if graphics.kind is Kind.BLOCKS and not _has_colours(stream):
        return None
    return graphics


def understand(answer: bytes) -> Graphics:
    """What a terminal's answer to :data:`QUESTION` says; it may be empty."""
    name, cell, end = _NAME.search(answer), _CELL.search(answer), _END.search(answer)
    kind = Kind.BLOCKS
    if name is not None and name[1].startswith(_ITERM_NAMES):
        kind = Kind.ITERM
    elif _KITTY.search(answer):
        kind = Kind.KITTY
    elif end is not None and _SIXEL in end[1].split(b";"):
        kind = Kind.SIXEL
    if cell is None:
        return Graphics(kind=kind)
    height, width = int(cell[1]), int(cell[2])
    is_likely = 0 < width <= _MOST_CELL and 0 < height <= _MOST_CELL
    return Graphics(kind=kind, cell=(width, height) if is_likely else _USUAL_CELL)


def _has_colours(stream: TextIO) -> bool:
    """Whether it has enough colours for a picture made of blocks."""
    from rich.console import Console

    console = Console(file=stream)
    has_many = console.color_system in {"256", "truecolor"}
    return has_many and not console.no_color


def _ask(stream: TextIO) -> bytes:
    """The terminal's answer to :data:`QUESTION`; b"" if it gives none in time."""
    if sys.platform == "win32":
        return b""
    try:
        name = os.ttyname(stream.fileno())
        descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY)
    except (OSError, ValueError):
        return b""
    stream.flush()
    try:
        with _unechoed(descriptor):
            os.write(descriptor, QUESTION.encode())
            return _read_answer(descriptor)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _read_answer(descriptor: int) -> bytes:
    answer = b""
    while not _END.search(answer):
        ready, _, _ = select.select([descriptor], [], [], _ANSWER_S)
        data = os.read(descriptor, 1024) if ready else b""
        if not data:
            break
        answer += data
    return answer


@contextmanager
def _unechoed(descriptor: int) -> Iterator[None]:
    """Within the block, the terminal hands on each character and shows none."""
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor, termios.TCSANOW)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)
