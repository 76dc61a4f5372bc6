"""Fix: a mistake in a line and the line without it. Pure.

value_fixes.py proposes fixes for what is written after a key, layout_fixes.py for
blanks, dashes, colons, brackets and indentation. syntax.py tries which one helps.
"""

import re
from dataclasses import dataclass, field

from pipeline.manifest.keys import ITEM_KEYS, MANIFEST_KEYS, MATRIX_KEYS
from pipeline.manifest.quoting import write

ODD_SPACES = "\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000"
CLOSING = {"[": "]", "{": "}"}
ANY_KEY = "|".join(dict.fromkeys((*MANIFEST_KEYS, *ITEM_KEYS, *MATRIX_KEYS)))
KNOWN_KEY = re.compile(rf"(?:{ANY_KEY}):(?:[ \t]|$)")
_LINE = re.compile(
    r"""(?P<indent>[ ]*)(?P<dashes>(?:-[ ]+)*)
    (?:(?P<key>'[^']*'|"[^"]*"|[^\s\-'"\#\[\]{}&*!|>%@`,?:](?:[^:]|:(?=[^\s]))*?)
    [ ]*:(?=\s|$)[ \t]*)?(?P<value>.*)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One mistake, and the lines without it.

    Attributes:
        line: Where the mistake is, from 1.
        column: From 1, in characters.
        message: What is wrong.
        hint: What to write instead.
        lines: The new text of lines, by their number; nothing may be left of a line.
        is_sure: Whether it is a mistake even if another one is on the same lines.
    """

    line: int
    column: int
    message: str
    hint: str
    lines: dict[int, str] = field(default_factory=dict)
    is_sure: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line of block style: ``indent``, ``- ``, ``key: ``, value."""

    number: int
    text: str
    indent: int
    key_column: int
    key: str
    value: str
    value_column: int


def split_line(number: int, text: str) -> Line:
    """Take a line apart; its columns are from 0."""
    found = _LINE.fullmatch(text)
    assert found is not None
    indent, key_column = len(found["indent"]), found.end("dashes")
    value = found["value"].rstrip()
    key = (found["key"] or "").strip("'\"")
    return Line(number, text, indent, key_column, key, value, found.start("value"))


def replaced(
    line: Line, at: int, message: str, fixed: str, *, is_sure: bool = False
) -> Fix:
    """The fix that puts another line in the place of one.

    Args:
        line: The line.
        at: Where in it the mistake is, from 0.
        message: What is wrong.
        fixed: The new text of the line.
        is_sure: As in ``Fix``.
    """
    return Fix(
        line=line.number,
        column=at + 1,
        message=message,
        hint=write(fixed),
        lines={line.number: fixed},
        is_sure=is_sure,
    )
