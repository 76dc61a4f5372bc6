"""Blanks, dashes, colons, brackets and indentation → the lines fixed. Pure."""

import re
from collections.abc import Iterator, Sequence

from pipeline.manifest.fix import (
    ANY_KEY,
    CLOSING,
    KNOWN_KEY,
    ODD_SPACES,
    Fix,
    Line,
    replaced,
    split_line,
)
from pipeline.manifest.quoting import shortened, write
from pipeline.manifest.value_fixes import fix_value

# Blanks and invisible characters that look like spaces and are none to YAML.
_NO_WIDTH = re.compile("[\u200b-\u200d\u2060]")
_ODD_INDENT = re.compile(rf"[ \t]*(?:-[ \t]*)?[ \t]*([\t{ODD_SPACES}])")
_ODD_AFTER_COLON = re.compile(rf"[ ]*(?:-[ ]+)?[\w.-]+:([{ODD_SPACES}])")
_OTHER_COLON = re.compile(r"([\w.-]+?)[ \t]*([=\uff1a\u2236\ufe55])[ \t]*(?=\S)")
_NO_BLANK = re.compile(rf"({ANY_KEY}):(?=[^\s/])")
_NO_COLON = re.compile(rf"({ANY_KEY})(?:[ \t]+(?=[^\s:=])|$)")
_BULLET = re.compile(
    r"[*\u2022\u2013\u2014\u00b7\u2023][ \t]*(?=[\w'\"])|-(?=[A-Za-z_])"
)


def fix_blanks(line: Line) -> Iterator[Fix]:
    """A tab, or something else that is no space, where YAML wants spaces."""
    text = line.text
    found = _ODD_INDENT.match(text) or _ODD_AFTER_COLON.match(text)
    if found is None:
        return
    at = found.start(1)
    char = text[at]
    if char == "\t":
        message = "a tab where YAML requires spaces"
    else:
        message = f"the blank here is no ordinary space but U+{ord(char):04X}"
    blanks = re.match(rf"[ \t{ODD_SPACES}]*(?:-[ \t{ODD_SPACES}]*)?", text)
    start = "" if blanks is None else blanks.group()
    rest = text[len(start) :]
    rest = re.sub(rf"^([\w.-]+:)[ {ODD_SPACES}]+", r"\1 ", rest)
    for tab in ("  ", "    ", "", " "):
        plain = _NO_WIDTH.sub("", start.replace("\t", tab))
        plain = re.sub(rf"[{ODD_SPACES}]", " ", plain)
        plain = re.sub(r"-[ ]*$", "- ", plain)
        yield _indented(line, message, at, plain, rest)
    if char == "\t":
        yield Fix(
            line=line.number,
            column=at + 1,
            message=message,
            hint="indent with spaces",
            is_sure=True,
        )


def _indented(line: Line, message: str, at: int, start: str, rest: str) -> Fix:
    """The fix that puts ``start``, its blanks first, before the rest of a line."""
    count = len(start) - len(start.lstrip())
    shown = f"write, with {count} spaces before it: {start}{rest}"
    if not count:
        shown = write(start + rest)
    return Fix(
        line=line.number,
        column=at + 1,
        message=message,
        hint=shortened(shown.rstrip()),
        lines={line.number: start + rest},
    )


def fix_key(line: Line) -> Iterator[Fix]:
    """A dash, a colon or a blank that is missing or another character."""
    text, at = line.text, line.indent
    if bullet := _BULLET.match(text, at):
        fixed = text[:at] + "- " + text[bullet.end() :]
        message = "an entry of a list begins with '- ', a dash and a space"
        is_sure = KNOWN_KEY.match(text, bullet.end()) is not None
        yield replaced(line, at, message, fixed, is_sure=is_sure)
        inner = split_line(line.number, fixed)
        for fix in fix_key(inner):
            yield replaced(line, at, message, fix.lines[line.number])
    at = line.key_column
    for pattern, message in (
        (_NO_BLANK, "there has to be a space after the ':' of a key"),
        (_OTHER_COLON, "a key ends with ': ', a colon and a space"),
        (_NO_COLON, "there is no ':' after the key"),
    ):
        if found := pattern.match(text, at):
            fixed = f"{text[:at]}{found[1]}: {text[found.end() :]}".rstrip()
            yield replaced(line, at, message, fixed)
            for fix in fix_value(split_line(line.number, fixed), ()):
                yield replaced(line, at, message, fix.lines[line.number])


def fix_indent(line: Line, above: Sequence[Line]) -> Iterator[Fix]:
    """A line that is indented as none above it.

    Args:
        line: The line.
        above: The lines before it that are neither empty nor comments, nearest first.
    """
    rest = line.text.strip()
    is_entry = rest.startswith("- ")
    columns: list[int] = []
    for other in above:
        is_dash = other.text.lstrip().startswith("- ")
        if is_entry and is_dash:
            columns.append(other.indent)
        elif not is_entry:
            columns.append(other.key_column)
            if line.key == "id" and is_dash and abs(line.indent - other.indent) <= 1:
                message = "an item begins with '- ', a dash and a space"
                start = " " * other.indent + "- "
                yield _indented(line, message, line.indent, start, rest)
        if other.indent == 0:
            break
    if above and above[0].key and not above[0].value and not line.key:
        columns.insert(0, above[0].key_column + 2)
    order = sorted(dict.fromkeys(columns), key=lambda c: abs(c - line.indent))
    for column in order:
        if column == line.indent:
            continue
        message = "this line is indented differently from the lines it belongs to"
        yield _indented(line, message, line.indent, " " * column, rest)


def fix_belonging(line: Line, above: Sequence[Line]) -> Iterator[Fix]:
    """A text that is not indented under its key."""
    if not above or line.key:
        return
    owner = next((one for one in above if one.key), None)
    if owner is None:
        return
    count = owner.key_column + 2
    rest = line.text.strip()
    message = f"this text is not indented under '{owner.key}'"
    start = " " * count
    yield _indented(line, message, line.indent, start, rest)


def fix_bracket(line: Line, column: int) -> Iterator[Fix]:
    """A list or mapping that is never closed.

    Args:
        line: The line on which it is opened.
        column: Where, from 0.
    """
    text = line.text.rstrip()
    opened: list[str] = []
    for char in text[line.value_column :]:
        if char in CLOSING:
            opened.append(CLOSING[char])
        elif opened and char == opened[-1]:
            opened.pop()
    if not opened or text[column : column + 1] not in CLOSING:
        return
    kind = "list" if text[column] == "[" else "mapping"
    missing = "".join(reversed(opened))
    message = f"the {kind} that begins here has no '{CLOSING[text[column]]}'"
    yield replaced(line, column, message, text + missing)
