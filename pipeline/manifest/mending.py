"""A line that YAML cannot read → what was meant: a sentence, and the line mended. Pure.

Each function looks at one line for one kind of mistake and proposes mends. Whether a
mend helps is for the caller to try: syntax.py reads the manifest with it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.manifest.keys import ITEM_KEYS, MANIFEST_KEYS, MATRIX_KEYS, TEXT_KEYS
from pipeline.manifest.quoting import quoted, shortened, write

# Blanks and invisible characters that look like spaces and are none to YAML.
_NO_WIDTH = re.compile("[\u200b-\u200d\u2060]")
ODD_SPACES = "\u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000"
_KEYS = "|".join(dict.fromkeys((*MANIFEST_KEYS, *ITEM_KEYS, *MATRIX_KEYS)))
_LINE = re.compile(
    r"""(?P<indent>[ ]*)(?P<dashes>(?:-[ ]+)*)
    (?:(?P<key>'[^']*'|"[^"]*"|[^\s\-'"\#\[\]{}&*!|>%@`,?:](?:[^:]|:(?=[^\s]))*?)
    [ ]*:(?=\s|$)[ \t]*)?(?P<value>.*)""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"[ \t]+#(?:[ \t].*)?$")
_ODD_INDENT = re.compile(rf"[ \t]*(?:-[ \t]*)?[ \t]*([\t{ODD_SPACES}])")
_ODD_AFTER_COLON = re.compile(rf"[ ]*(?:-[ ]+)?[\w.-]+:([{ODD_SPACES}])")
_OTHER_COLON = re.compile(r"([\w.-]+?)[ \t]*([：=∶﹕])[ \t]*(?=\S)")
_NO_BLANK = re.compile(rf"({_KEYS}):(?=[^\s/])")
_NO_COLON = re.compile(rf"({_KEYS})(?:[ \t]+(?=[^\s:=])|$)")
_KNOWN_KEY = re.compile(rf"(?:{_KEYS}):(?:[ \t]|$)")
_BULLET = re.compile(r"[*•–—·‣][ \t]*(?=[\w'\"])|-(?=[A-Za-z_])")
# Apostrophes at the beginning of a word, which close nothing: 'tis, '80s.
_ELISION = re.compile(r"'(?:[0-9]+s?|tis|twas|til|em|neath|round|cause|cos)\b", re.IGNORECASE)
_SMART_PAIRS = {"“": "”", "‘": "’", "„": "“”", "‚": "‘’", "”": "”", "’": "’"}
SMART_QUOTES = frozenset(_SMART_PAIRS)
_CLOSING = {"[": "]", "{": "}"}
_STARTS = {
    "*": "it takes the first word for the name of an alias",
    "&": "it takes the first word for the name of an anchor",
    "!": "it takes the first word for a tag",
    "?": "it takes the '?' for a sign of its own",
    "-": "it takes the '-' for an entry of a list",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
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


def smart_inner(text: str) -> str:
    """What stands between the typographic quotes around a text; "" if there are none."""
    closing = _SMART_PAIRS.get(text[:1], "")
    if len(text) > 2 and closing and text[-1] in closing:  # noqa: PLR2004 - two quotes
        return text[1:-1]
    return ""


def mend_blanks(line: Line) -> Iterator[Mend]:
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
        yield _indented(
            line, len(plain) - len(plain.lstrip()), message, at, plain, rest
        )
    if char == "\t":
        yield Mend(
            line=line.number,
            column=at + 1,
            message=message,
            hint="indent with spaces",
            is_sure=True,
        )


def _indented(
    line: Line, count: int, message: str, at: int, start: str, rest: str
) -> Mend:
    shown = f"write, with {count} spaces before it: {start}{rest}"
    if not count:
        shown = write(start + rest)
    return Mend(
        line=line.number,
        column=at + 1,
        message=message,
        hint=shortened(shown.rstrip()),
        lines={line.number: start + rest},
    )


def mend_key(line: Line) -> Iterator[Mend]:
    """A dash, a colon or a blank that is missing or another character."""
    text, at = line.text, line.indent
    if bullet := _BULLET.match(text, at):
        mended = text[:at] + "- " + text[bullet.end() :]
        message = "an entry of a list begins with '- ', a dash and a space"
        is_sure = _KNOWN_KEY.match(text, bullet.end()) is not None
        yield _replaced(line, at, message, mended, is_sure=is_sure)
        inner = split_line(line.number, mended)
        for mend in mend_key(inner):
            yield _replaced(line, at, message, mend.lines[line.number])
    at = line.key_column
    for pattern, message in (
        (_NO_BLANK, "there has to be a space after the ':' of a key"),
        (_OTHER_COLON, "a key ends with ': ', a colon and a space"),
        (_NO_COLON, "there is no ':' after the key"),
    ):
        if found := pattern.match(text, at):
            mended = f"{text[:at]}{found[1]}: {text[found.end() :]}".rstrip()
            yield _replaced(line, at, message, mended)
            for mend in mend_value(split_line(line.number, mended), ()):
                yield _replaced(line, at, message, mend.lines[line.number])


def mend_value(line: Line, below: Sequence[Line]) -> Iterator[Mend]:
    """A text that needs quotes.

    Args:
        line: The line on which it begins.
        below: The lines after it that are indented as if they belonged to it.
    """
    value, comment = line.value, ""
    if not value:
        return
    if found := _COMMENT.search(value):
        value, comment = value[: found.start()], value[found.start() :]
    texts = [value, *(one.text.strip() for one in below)] if not comment else [value]
    whole = " ".join(text for text in texts if text)
    cut = {one.number: "" for one in below} if not comment else {}
    start = line.text[: line.value_column]
    for message, inner, note in _explain(line.key, value, whole, texts):
        mended = start + quoted(inner) + comment
        if not line.key and _KNOWN_KEY.match(inner):
            mended = start + inner + comment
        yield Mend(
            line=line.number,
            column=line.value_column + 1,
            message=message,
            hint=write(mended) + note,
            lines={line.number: mended, **cut},
            is_sure=_is_open_quote(value) and not below,
        )


def _is_open_quote(value: str) -> bool:
    return value[0] in "'\"" and _closing(value) is None


def _explain(
    key: str, value: str, whole: str, texts: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Messages, the texts that were meant, and what to add to the hint."""
    first = value[0]
    if first in ">|":
        block = re.match(r"[>|][ \t]+(?=\S)", value)
        if block is not None:
            inner = (" " if first == ">" else "\n").join(
                [value[block.end() :], *texts[1:]]
            )
            yield (
                f"after '{first}', the text has to begin on the next line",
                inner,
                f" (if the '{first}' belongs to the text: {quoted(whole)})",
            )
        yield f"a text that begins with '{first}' needs quotes", whole, ""
    elif first in "'\"":
        yield from _explain_quote(value, whole)
    elif first in "[{":
        closing = _CLOSING[first]
        kind = {"[": "a list", "{": "a mapping"}[first]
        inside = enclosed(value)
        more = value[len(inside) :].strip() if inside else ""
        if not key and more.startswith(","):
            return
        if more:
            yield (
                f"YAML takes '{first}…{closing}' for {kind}, but more text follows it",
                whole,
                "",
            )
        elif key in TEXT_KEYS:
            yield f"a text that begins with '{first}' needs quotes", whole, ""
    elif inner := smart_inner(whole):
        text = "typographic quotes are no quotes to YAML"
        yield f"{text}: use \" or '", inner, ""
    elif first in _STARTS:
        text = f"a text that begins with '{first}' needs quotes"
        yield f"{text}, because YAML takes {_STARTS[first][9:]}", whole, ""
    elif first in "@`%]},":
        yield f"a text cannot begin with '{first}' unless it is in quotes", whole, ""
    elif re.search(r":[ \t]", whole):
        yield "a text with ': ' in it needs quotes", whole, ""
    elif whole.endswith(":"):
        yield "a text that ends with ':' needs quotes", whole, ""


def _explain_quote(value: str, whole: str) -> Iterator[tuple[str, str, str]]:
    mark = value[0]
    if whole.startswith(mark * 3) and whole.endswith(mark * 3) and len(whole) > 6:  # noqa: PLR2004 - two triples
        yield f"one {mark} is a quote here, not three", whole[3:-3], ""
        return
    closing = _closing(whole)
    if closing is None:
        message = f"the quote {mark} that opens here is never closed"
        yield message, without_open_quote(value), ""
        return
    after = whole[closing + 1 :].strip()
    if not after:
        return
    message = f"the quoted text ends at the second {mark}, but more text follows it"
    nested = whole.count(mark) % 2 or re.match(rf"{mark}\w", whole[closing:])
    opens = re.match(r"\s", whole[closing - 1 : closing])
    if whole.endswith(mark) and (nested or opens) and not _ELISION.match(whole):
        yield message, whole[1:-1], ""
    yield message, whole, ""


def without_open_quote(value: str) -> str:
    """The text that begins with a quote, without the quote unless it belongs to it."""
    return value if _ELISION.match(value) else value[1:]


def _closing(text: str) -> int | None:
    """Where the quote that begins the text is closed."""
    if text[0] == "'":
        found = re.match(r"'(?:[^']|'')*'(?!')", text)
    else:
        found = re.match(r'"(?:[^"\\]|\\.)*"', text)
    return found.end() - 1 if found else None


def mend_escape(line: Line, column: int) -> Iterator[Mend]:
    """A backslash in double quotes that begins no escape sequence.

    Args:
        line: The line.
        column: Where the quoted text begins, from 0.
    """
    found = re.match(r'"((?:[^"\\]|\\.)*)"', line.text[column:])
    if found is None or "\\" not in found[1]:
        return
    text = found[1].replace('\\"', '"')
    plain = "'" + text.replace("'", "''") + "'"
    mended = line.text[:column] + plain + line.text[column + found.end() :]
    at = column + found[0].index("\\")
    message = "in double quotes a backslash begins an escape sequence, and this is none"
    yield _replaced(line, at, message, mended)


def mend_flow(line: Line, column: int) -> Iterator[Mend]:
    """A text inside ``[ ]`` or ``{ }`` that needs quotes.

    Args:
        line: The line.
        column: Where reading it failed, from 0.
    """
    text = line.text
    head = text[:column]
    begin = max(head.rfind(c) for c in "[{,") + 1
    if begin and head.endswith("${") and begin == len(head):
        head = head[:-2]
        begin = max(head.rfind(c) for c in "[{,") + 1
    if not begin:
        return
    key = re.match(r"[ \t]*(?:[\w.-]+|'[^']*'|\"[^\"]*\")[ \t]*:[ \t]+", text[begin:])
    start = begin + (key.end() if key else 0)
    start += len(text[start:]) - len(text[start:].lstrip())
    glued = re.search(rf"[ \t](?:{_KEYS})$", text[start:column].rstrip(": "))
    if key and glued and text[column : column + 1] == ":":
        at = start + glued.start()
        message = "there is no comma between two entries"
        yield _replaced(line, at, message, f"{text[:at]},{text[at:]}")
    if (
        re.match(r"['\"][^'\"]*['\"]\s*:", text[column:])
        and head.rstrip()[-1:] not in ",:"
    ):
        at = len(head.rstrip())
        message = "there is no comma between two entries"
        yield _replaced(line, at, message, f"{text[:at]}, {text[column:]}")
    if start >= len(text):
        return
    first = text[start]
    for found in re.finditer(r"[\]},]|$", text[start + 1 :]):
        end = start + 1 + found.start()
        value = text[start:end].rstrip()
        named = re.search(r"\$\{", value)
        if (named and value.count("{") > value.count("}")) or _is_unbalanced(value):
            continue
        message = "this text needs quotes inside [ ] and { }"
        if named:
            message = "inside [ ] and { } a ${name} needs quotes"
        elif first in _STARTS or first in "@`%|>":
            message = f"a text that begins with '{first}' needs quotes"
        elif ": " in value:
            message = "a text with ': ' in it needs quotes"
        inners = [value]
        if first in "'\"":
            found_quotes = list(_explain_quote(value, value))
            inners = [inner for _, inner, _ in found_quotes]
            message = found_quotes[0][0] if found_quotes else message
        for inner in inners:
            mended = f"{text[:start]}{quoted(inner)}{text[end:]}"
            yield _replaced(line, start, message, mended)


def _is_unbalanced(value: str) -> bool:
    return value.count("}") > value.count("{") or value.count("]") > value.count("[")


def mend_bracket(line: Line, column: int) -> Iterator[Mend]:
    """A list or mapping that is never closed.

    Args:
        line: The line on which it is opened.
        column: Where, from 0.
    """
    text = line.text.rstrip()
    opened: list[str] = []
    for char in text[line.value_column :]:
        if char in _CLOSING:
            opened.append(_CLOSING[char])
        elif opened and char == opened[-1]:
            opened.pop()
    if not opened or text[column : column + 1] not in _CLOSING:
        return
    kind = "list" if text[column] == "[" else "mapping"
    missing = "".join(reversed(opened))
    message = f"the {kind} that begins here has no '{_CLOSING[text[column]]}'"
    yield _replaced(line, column, message, text + missing)


def enclosed(text: str) -> str:
    """From the bracket at the beginning to the one that closes it; "" if none does."""
    opened: list[str] = []
    for at, char in enumerate(text):
        if char in _CLOSING:
            opened.append(_CLOSING[char])
        elif opened and char == opened[-1]:
            opened.pop()
            if not opened:
                return text[: at + 1]
    return ""


def mend_indent(line: Line, above: Sequence[Line]) -> Iterator[Mend]:
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
                yield _indented(line, other.indent, message, line.indent, start, rest)
        if other.indent == 0:
            break
    if above and above[0].key and not above[0].value and not line.key:
        columns.insert(0, above[0].key_column + 2)
    order = sorted(dict.fromkeys(columns), key=lambda c: abs(c - line.indent))
    for column in order:
        if column == line.indent:
            continue
        message = "this line is indented differently from the lines it belongs to"
        yield _indented(line, column, message, line.indent, " " * column, rest)


def mend_belonging(line: Line, above: Sequence[Line]) -> Iterator[Mend]:
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
    yield _indented(line, count, message, line.indent, start, rest)


def _replaced(
    line: Line, at: int, message: str, mended: str, *, is_sure: bool = False
) -> Mend:
    return Mend(
        line=line.number,
        column=at + 1,
        message=message,
        hint=write(mended),
        lines={line.number: mended},
        is_sure=is_sure,
    )
